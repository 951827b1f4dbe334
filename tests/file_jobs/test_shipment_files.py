"""Reading shipment files: every encoding and delimiter, every reason to refuse a row or a file, and the sum of both."""

from __future__ import annotations

import codecs
import itertools
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders_pipeline.file_jobs.sheets import FileRefused, read_sheet
from orders_pipeline.file_jobs.shipment_file import needs_ids, read_packages
from warehouse.ledger.settings.file_jobs import ImportSettings
from warehouse.shipment_reports import Item, ReportFault, ReportResult, ShipmentAnswer
from warehouse.templates import ShipmentColumn, csv_bytes

ANY = ImportSettings()
UTC_ZONE, PARIS = ZoneInfo("UTC"), ZoneInfo("Europe/Paris")
HEADER = ",".join(ShipmentColumn)
OWN = "0f1c2d5e-7f0b-5d1a-9c50-3b1c7a3f9a10"


def packages_of(text: str, zone: ZoneInfo = UTC_ZONE, known_ids=None, **options):
    return read_packages(read_sheet(text.encode(), ImportSettings(**options)), "amazon_fr", zone, known_ids or {})


def faults_of(text: str) -> list[tuple[int, str, str | None]]:
    return [(each.number, each.code, each.column_name) for each in packages_of(text).refused]


TEXT = "original_id;package_id;carrier_code;note\n0402;1;Colis Privé;Zoë\n0403;1;DHL;é\n"


def corpus() -> list[tuple[str, bytes, str, str]]:
    """(name, bytes, encoding, delimiter): sixty files with the same rows."""
    encodings = {
        "utf-8": ("utf-8", b""),
        "utf-8 with mark": ("utf-8", codecs.BOM_UTF8),
        "utf-16-le with mark": ("utf-16-le", codecs.BOM_UTF16_LE),
        "utf-16-be with mark": ("utf-16-be", codecs.BOM_UTF16_BE),
        "windows": ("cp1252", b""),
    }
    ends = ("\n", "\r\n", "\r")
    return [
        (f"{name} {delimiter!r} {end!r}", mark + text(delimiter, end).encode(codec), codec, delimiter)
        for (name, (codec, mark)), delimiter, end in itertools.product(encodings.items(), (",", ";", "\t", "|"), ends)
    ]


def text(delimiter: str, end: str) -> str:
    return TEXT.replace(";", delimiter).replace("\n", end)


@pytest.mark.parametrize(("data", "codec", "delimiter"), [pytest.param(*each[1:], id=each[0]) for each in corpus()])
def test_encodings_delimiters_and_line_ends_are_recognised(data, codec, delimiter):
    sheet = read_sheet(data, ANY)
    assert (sheet.delimiter, sheet.encoding) == (delimiter, "utf-16" if "16" in codec else codec)
    assert [row.said.get(ShipmentColumn.ORIGINAL_ID) for row in sheet.rows] == ["0402", "0403"]
    assert sheet.rows[0].said.get(ShipmentColumn.CARRIER_CODE) == "Colis Privé"
    assert sheet.unknown_columns == ("note",)


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark(codec):
    assert len(read_sheet(TEXT.encode(codec), ANY).rows) == 2


def test_what_is_set_is_not_guessed():
    sheet = read_sheet(b"original_id;package_id\n1;a,b\n", ImportSettings(delimiter=";", encoding="latin-1"))
    assert (sheet.encoding, sheet.rows[0].said.get(ShipmentColumn.PACKAGE_ID)) == ("cp1252", "a,b")


def test_the_declaration_of_a_spreadsheet_names_the_delimiter():
    sheet = read_sheet(b"sep=;\r\noriginal_id;package_id\r\n1;2\r\n", ANY)
    assert (sheet.delimiter, len(sheet.rows)) == (";", 1)


def test_columns_come_in_any_order_and_spelling():
    (package,) = packages_of("Tracking_Number, ORIGINAL_ID ,x\nT1,402,y\n").packages
    assert (package.report.original_id, package.report.tracking_number) == ("402", "T1")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_file"),
        (b" \r\n\n", "empty_file"),
        (codecs.BOM_UTF16_LE, "empty_file"),
        (b"PK\x03\x04rest", "not_csv"),
        (b"%PDF-1.7", "not_csv"),
        (b"<html>", "not_csv"),
        (b'{"a": 1}', "not_csv"),
        (b"\x01\x02\x03original_id", "not_csv"),
        (b"original_id\n40\x002\n", "nul_characters"),
        (b"order,package\n1,2\n", "wrong_header"),
        (b"package_id,tracking_number\n1,2\n", "wrong_header"),
        (b"402-1,1\n402-2,1\n", "wrong_header"),
        (b"original_id,ORIGINAL_ID\n1,2\n", "duplicate_column"),
        (b"original_id,Original-Id\n1,2\n", "duplicate_column"),
        (b"original_id\n\x81\n", "wrong_encoding"),
        (b"original_id\n" + b"4" * 10_000_000 + b"\n", "cell_too_large"),
        (b'original_id,package_id\n"1,2\n3,4\n', "broken_quoting"),
        (b'original_id,package_id\n"1"x,2\n', "broken_quoting"),
    ],
)
def test_a_file_that_is_no_shipment_file(data, code):
    with pytest.raises(FileRefused) as refused:
        read_sheet(data, ANY)
    assert refused.value.code == code
    assert refused.value.message.endswith(".")


def test_an_encoding_that_is_set_and_wrong():
    with pytest.raises(FileRefused) as refused:
        read_sheet("original_id\né\n".encode("latin-1"), ImportSettings(encoding="utf-8"))
    assert refused.value.code == "wrong_encoding"


def test_a_header_alone_is_a_file_without_rows():
    assert packages_of(HEADER + "\n") == packages_of(HEADER)
    assert packages_of(HEADER).packages == []


def test_blank_rows_count_but_are_nothing():
    reading = packages_of("original_id,package_id\n\n402,1\n,\n403,1\n")
    assert [each.rows for each in reading.packages] == [(2,), (4,)]
    assert reading.refused == []


@pytest.mark.parametrize(
    ("row", "code", "column"),
    [
        (",402,1,T,,,,,,,,,,x", "wrong_number_of_cells", None),
        (",402,1,6A\x961,,,,,", "control_characters", "tracking_number"),
        (",402,1,6A\u20281,,,,,", "control_characters", "tracking_number"),
        (",402,1,T,46352;39,,,,".replace(";", "."), "invalid_shipping_date", "shipping_date"),
        (',402,1,T,"46352,39",,,,', "invalid_shipping_date", "shipping_date"),
        (",402,1,T,46352,,,,", "invalid_shipping_date", "shipping_date"),
        (",402,1,T,26/11/2026,,,,", "invalid_shipping_date", "shipping_date"),
        (",402,1,T,11/26/2026,,,,", "invalid_shipping_date", "shipping_date"),
        (",402,1,T,26.11.2026 09:30,,,,", "invalid_shipping_date", "shipping_date"),
        (",402,1,T,26-Nov-26,,,,", "invalid_shipping_date", "shipping_date"),
        (",402,1,T,2026/11/26,,,,", "invalid_shipping_date", "shipping_date"),
        (f",402,{'P' * 101},T,,,,,", "cell_too_long", "package_id"),
        (",,1,T,,,,,,", "missing_order_id", "id"),
        (",,1,T,,,,,", "missing_order_id", "id"),
        (",1.23E+15,1,T,,,,,", "scientific_notation", "original_id"),
        (",402,1,1.5e+12,,,,,", "scientific_notation", "tracking_number"),
        (",402,1,4.02E16,,,,,", "scientific_notation", "tracking_number"),
        (',402,1,"403000000000000000000,00",,,,,', "scientific_notation", "tracking_number"),
        (',402,1,"403.000.000.000.000.000.000,00",,,,,', "scientific_notation", "tracking_number"),
        (",1234567890123450000,1,T,,,,,", "scientific_notation", "original_id"),
        (",402,1.0,T,,,,,", "scientific_notation", "package_id"),
        (",402,1,#######,,,,,", "scientific_notation", "tracking_number"),
        (",402,1,T,,,,I1,1E+1", "invalid_quantity", "item_quantity_shipped"),
        (",402,1,T,,,,I1,2.0", "invalid_quantity", "item_quantity_shipped"),
        (",402,1,T,1.74419E+12,,,,", "scientific_notation", "shipping_date"),
        (",402,1,T,yesterday,,,,", "invalid_shipping_date", "shipping_date"),
        (",402,1,T,1744187335,,,,", "invalid_shipping_date", "shipping_date"),
        (",402,1,T,9999-12-31T23:59:59-12:00,,,,", "invalid_shipping_date", "shipping_date"),
        (",402,1,T,,,,I1,0", "invalid_quantity", "item_quantity_shipped"),
        (",402,1,T,,,,I1,-1", "invalid_quantity", "item_quantity_shipped"),
        (",402,1,T,,,,I1,1.5", "invalid_quantity", "item_quantity_shipped"),
        (",402,1,T,,,,I1,²", "invalid_quantity", "item_quantity_shipped"),
        (",402,1,T,,,,,1", "missing_item_id", "item_id"),
        (f",402,1,{'T' * 256},,,,,", "cell_too_long", "tracking_number"),
        (',402,1,"T\n1",,,,,', "control_characters", "tracking_number"),
    ],
)
def test_a_row_that_makes_no_shipment(row, code, column):
    assert faults_of(f"{HEADER}\n,400,1,T0,,,,,\n{row}\n") == [(2, code, column)]


def test_items_by_their_sku_and_what_some_marketplaces_want_besides():
    names = "original_id,tracking_number,item_sku,item_quantity_shipped,ship_from,return_tracking_number,return_carrier"
    (package,) = packages_of(f"{names}\n402,T,LAMP,2,MAIN,R1,DHL\n402,T,BULB,,,,\n").packages
    report = package.report
    assert report.items == (Item(item_sku="LAMP", item_quantity_shipped=2), Item(item_sku="BULB"))
    assert (report.ship_from, report.return_tracking_number, report.return_carrier) == ("MAIN", "R1", "DHL")


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("1744187335000", datetime(2025, 4, 9, 8, 28, 55, tzinfo=UTC)),
        ("2025-04-09T08:28:55Z", datetime(2025, 4, 9, 8, 28, 55, tzinfo=UTC)),
        ("2025-04-09T10:28:55+02:00", datetime(2025, 4, 9, 8, 28, 55, tzinfo=UTC)),
        ("2025-04-09T10:28:55", datetime(2025, 4, 9, 8, 28, 55, tzinfo=UTC)),
        ("2025-04-09", datetime(2025, 4, 8, 22, tzinfo=UTC)),
    ],
)
def test_shipping_dates(written, moment):
    (package,) = packages_of(f"original_id,shipping_date\n402,{written}\n", PARIS).packages
    assert package.report.shipping_date == moment


def test_rows_of_the_same_order_and_package_are_one_shipment():
    lines = [",402,1,T1,,UPS,,I1,1", ",402,2,T2,,UPS,,I1,1", ",402,1,,,,,I2,3", f"{OWN},,1,T9,,,,,"]
    reading = packages_of("\n".join([HEADER, *lines]))
    assert [each.rows for each in reading.packages] == [(1, 3), (2,), (4,)]
    first = reading.packages[0].report
    assert first.items == (
        Item(item_original_id="I1", item_quantity_shipped=1),
        Item(item_original_id="I2", item_quantity_shipped=3),
    )
    assert (first.channel, first.package_id, first.tracking_number) == ("amazon_fr", "1", "T1")
    assert (reading.packages[2].report.id, reading.packages[2].report.items) == (OWN, ())


def test_packages_of_an_order_stand_together():
    lines = [",402,1,T1,,,,,", ",403,1,T2,,,,,", ",402,2,T3,,,,,"]
    assert [each.rows for each in packages_of("\n".join([HEADER, *lines])).packages] == [(1,), (3,), (2,)]


def test_an_order_that_is_named_in_both_ways_is_one_order():
    text = "\n".join([HEADER, f"{OWN},,1,T1,,,,I1,1", ",402,1,T1,,,,I2,1"])
    assert needs_ids(read_sheet(text.encode(), ANY)) == ["402"]
    (package,) = packages_of(text, known_ids={"402": OWN}).packages
    assert package.rows == (1, 2)
    assert needs_ids(read_sheet(f"{HEADER}\n,402,1,T1,,,,,\n".encode(), ANY)) == []


@pytest.mark.parametrize(
    ("second", "column"),
    [
        (",402,1,T2,,,,I2,1", "tracking_number"),
        (",402,1,T1,,DHL,,I2,1", "carrier_code"),
        (",402,1,T1,,,,,", "item_id"),
    ],
)
def test_rows_of_a_package_that_contradict_each_other(second, column):
    text = f"{HEADER}\n,402,1,T1,,UPS,,I1,1\n{second}\n,403,1,T9,,,,,"
    reading = packages_of(text)
    assert [(each.number, each.code, each.column_name) for each in reading.refused] == [
        (1, "refused_with_package", None),
        (2, "conflicting_rows", column),
    ]
    assert [each.rows for each in reading.packages] == [(3,)]


def test_a_package_is_taken_as_a_whole_or_not_at_all():
    assert faults_of(f"{HEADER}\n,402,1,T1,,,,I1,1\n,402,1,T1,,,,I2,x") == [
        (1, "refused_with_package", None),
        (2, "invalid_quantity", "item_quantity_shipped"),
    ]


def test_an_answer_about_one_item_is_told_at_its_row():
    (package,) = packages_of(f"{HEADER}\n,402,1,T1,,,,I1,1\n,402,1,T1,,,,I2,9").packages
    fault = ReportFault(code="quantity_exceeds_remaining", field="items/1/item_quantity_shipped", message="Only 1.")
    fates = package.fates(ShipmentAnswer(result=ReportResult.REFUSED, order_id=OWN, faults=(fault,)))
    assert [(each.number, each.code, each.column_name, each.order_id) for each in fates] == [
        (1, "refused_with_package", None, OWN),
        (2, "quantity_exceeds_remaining", "item_quantity_shipped", OWN),
    ]


def test_an_answer_about_the_package_is_told_at_every_row():
    (package,) = packages_of(f"{HEADER}\n,402,1,T1,,,,I1,1\n,402,1,T1,,,,I2,9").packages
    fault = ReportFault(code="fulfilled_by_marketplace", field="id", message="No.")
    fates = package.fates(ShipmentAnswer(result=ReportResult.REFUSED, faults=(fault,)))
    assert [(each.code, each.column_name) for each in fates] == [("fulfilled_by_marketplace", "original_id")] * 2


CELLS = st.one_of(
    st.sampled_from(["", "402", "403", "0404", OWN, "1", "2", "T1", "1744187335000", "UPS", "I1", "1.23E+15"]),
    st.text(alphabet=st.characters(exclude_categories=("Cc", "Cs")) | st.sampled_from('\t\r\n"'), max_size=6),
)
ROWS = st.lists(st.lists(CELLS, min_size=9, max_size=10), max_size=80)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=ROWS, delimiter=st.sampled_from([",", ";", "\t"]))
def test_every_row_is_in_one_package_or_refused(rows, delimiter):
    data = csv_bytes([list(ShipmentColumn), *rows], delimiter)
    sheet = read_sheet(data, ImportSettings(delimiter=delimiter))
    reading = read_packages(sheet, "amazon_fr", UTC_ZONE, {})
    counted = [number for package in reading.packages for number in package.rows]
    counted += [fate.number for fate in reading.refused]
    assert sorted(counted) == [row.number for row in sheet.rows]
    assert [row.number for row in sheet.rows] == [
        number for number, cells in enumerate(rows, 1) if any(cell.strip() for cell in cells)
    ]
    assert all(fate.code for fate in reading.refused)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=300), head=st.sampled_from([b"", HEADER.encode() + b"\n", codecs.BOM_UTF16_LE]))
def test_any_bytes_are_rows_or_one_clear_reason(data, head):
    try:
        sheet = read_sheet(head + data, ANY)
    except FileRefused as refused:
        assert refused.message  # noqa: PT017 - the other way out is right too
        return
    read_packages(sheet, "amazon_fr", UTC_ZONE, {})


def shipped(text: str | bytes) -> list[tuple[str | None, str | None, str | None, str | None]]:
    data = text.encode() if isinstance(text, str) else text
    reading = read_packages(read_sheet(data, ANY), "amazon_fr", PARIS, {})
    assert reading.refused == []
    reports = [each.report for each in reading.packages]
    return [(each.original_id, each.package_id, each.tracking_number, each.carrier_code) for each in reports]


NAMES = "original_id,package_id,tracking_number,carrier_code"


def test_cells_that_are_missing_or_empty_at_the_end_are_nothing():
    head = f"{NAMES},shipping_date,item_original_id,item_quantity_shipped"
    rows = "401,1,T1,DHL,,,\r\n402,1,T2,DHL\r\n403,1,T3,DHL,,,,, ,\r\n"
    assert shipped(f"{head},,\r\n{rows}") == [(f"40{each}", "1", f"T{each}", "DHL") for each in (1, 2, 3)]


def test_invisible_characters_are_taken_out_of_identifiers():
    text = f"{NAMES}\n401,1,TRK1234\u200b5678,DHL\n402\u200b,1,TRK2,D\u00adHL\n403,\ufeff1,\u202dTRK3\u202c,\xa0DHL\n"
    assert [each[2] for each in shipped(text)] == ["TRK12345678", "TRK2", "TRK3"]
    assert {each[1:2] + each[3:] for each in shipped(text)} == {("1", "DHL")}


@pytest.mark.parametrize(
    "head",
    [
        "Original ID;Package Id;Tracking Number;Carrier Code",
        "ORIGINAL-ID;package.id;Tracking-Number;carrier code",
        "OriginalId;PackageID;TrackingNumber;carrierCode",
        "\ufeff\ufefforiginal_id;package_id;tracking_number;carrier_code",
        "ï»¿original_id;package_id;\u200btracking_number;carrier_code",
        '"original_id" ; "package_id";"tracking_number"; "carrier_code" ',
    ],
)
def test_a_header_is_understood_however_it_is_spelled(head):
    assert shipped(f"{head}\n401;1;T1;DHL\n") == [("401", "1", "T1", "DHL")]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("traking_number", "tracking_number"),
        ("Tracking No.", "tracking_number"),
        ("tracking", "tracking_number"),
        ("shiping_date", "shipping_date"),
        ("Ship date", "shipping_date"),
        ("carrier", "carrier_code"),
        ("quantity", "item_quantity_shipped"),
        ("Shipped Qty", "item_quantity_shipped"),
        ("item_quantity_shiped", "item_quantity_shipped"),
        ("line id", "item_id"),
        ("item_orignal_id", "item_original_id"),
        ("pakcage_id", "package_id"),
    ],
)
def test_a_name_that_is_nearly_a_columns_refuses_the_file(name, meant):
    with pytest.raises(FileRefused, match=meant) as refused:
        read_sheet(f"original_id,{name}\n401,1\n".encode(), ANY)
    assert refused.value.code == "unclear_column"


@pytest.mark.parametrize(
    "name", ["note", "carrier_name", "tracking_url", "quantity_ordered", "customer", "warehouse", "item_name", "weight"]
)
def test_a_name_of_its_own_is_left_out(name):
    assert read_sheet(f"original_id,{name}\n401,1\n".encode(), ANY).unknown_columns == (name,)
    full = f"{','.join(ShipmentColumn)},quantity,tracking\n"
    assert read_sheet(full.encode(), ANY).unknown_columns == ("quantity", "tracking")


@pytest.mark.parametrize(
    "text",
    [
        f'{NAMES.replace(",", ", ")}\n401, "1", "T1", "D,L"\n',
        '"original_id", "package_id", "tracking_number", "carrier_code"\n"401", "1", "T1", "D,L"\n',
        '"original_id" , "package_id" , "tracking_number" , "carrier_code"\n "401" , "1" ,"T1" ,"D,L" \n',
        f'{NAMES}\n"=""401""",\'1\',="T1","D,L"\n'.replace("'1'", "1"),
    ],
)
def test_blanks_around_quotes_and_quotes_left_standing_are_no_data(text):
    assert shipped(text) == [("401", "1", "T1", "D,L")]


def test_what_is_no_utf_is_a_windows_code_page_and_never_latin_1():
    data = f"{NAMES}\n401,PŒUF €,TRK90–01,Chronopost – Relais\n".encode("cp1252")
    assert shipped(data) == [("401", "PŒUF €", "TRK90–01", "Chronopost – Relais")]
    polish = read_sheet("original_id\nŁódź\n".encode("cp1250"), ImportSettings(code_page="cp1250"))
    assert polish.rows[0].said.get(ShipmentColumn.ORIGINAL_ID) == "Łódź"


def test_two_files_in_one_and_doubled_line_ends_are_read():
    both = packages_of(f"\ufeff{NAMES}\n401,1,T1,DHL\n\ufeff{NAMES}\n402,1,T2,DHL\n")
    assert [each.report.original_id for each in both.packages] == ["401", "original_id", "402"]
    doubled = packages_of(f"{NAMES}\r\r\n401,1,T1,DHL\r\r\n402,1,T2,DHL\r\r\n")
    assert [each.report.tracking_number for each in doubled.packages] == ["T1", "T2"]
