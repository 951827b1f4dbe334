"""Bulk downloads: the same orders as the list under the same filters, in three formats, and what each column holds."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from xml.etree import ElementTree as ET

import httpx
import pyarrow.parquet as pq
import pytest

from orders_api.kit import conversion
from orders_api.schemas.orders import OrderDocument
from orders_api.v1 import export_tables, exports
from warehouse.ledger.book import order_filter, order_queries
from warehouse.order_lines import Line
from warehouse.order_parts import Address, Cancellation, Charge, Payment, Tax
from warehouse.order_states import FulfilledBy, Status
from warehouse.templates import OrderColumn


def exported(api, file_format: str, query: str = ""):
    response = api.get(f"/v1/orders/export?format={file_format}&{query}")
    assert response.status_code == 200, response.text
    return response


def csv_rows(api, query: str = "") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(exported(api, "csv", query).text, newline="")))


def documents(api, query: str = "") -> list[dict]:
    return [json.loads(line) for line in exported(api, "ndjson", query).text.splitlines()]


def table(api, query: str = ""):
    return pq.read_table(io.BytesIO(exported(api, "parquet", query).content))


def test_a_stranger_downloads_nothing(stranger):
    assert stranger.get("/v1/orders/export?format=csv").status_code == 401


@pytest.fixture
def several(book, order, monkeypatch):
    """Orders over more than one chunk."""
    monkeypatch.setattr(order_queries, "CHUNK", 4)
    statuses = (Status.SHIPPED, Status.PENDING, Status.WAITING_FOR_SHIPMENT)
    french = [order(n, status=statuses[n % 3]) for n in range(45)]
    german = [order(n, channel="mirakl_de", marketplace="Mirakl DE", fulfilled_by=None) for n in range(5)]
    return book.put(*french, *german)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "status=SHIPPED&status=PENDING",
        "channel=mirakl_de",
        "fulfilled_by=none&sort=purchased_at",
        "purchased_after=2026-10-01T12:00:00Z&purchased_before=2026-10-02T00:00:00Z",
        "has_errors=true",
        "sort=position",
        "original_id=402-0000003",
    ],
)
def test_an_export_holds_the_orders_of_the_list_in_the_same_order(erp, several, query):
    listed = erp.walk(f"/v1/orders?limit=7&{query}")

    assert documents(erp, query) == listed
    lines = [(order["original_id"], str(line["number"])) for order in listed for line in order["lines"]]
    assert [(row["order_id"], row["line_number"]) for row in csv_rows(erp, query)] == lines
    rows = table(erp, query).to_pylist()
    assert [(row["order_original_id"], str(row["line_number"])) for row in rows] == lines
    assert [row["order_id"] for row in rows] == [order["id"] for order in listed for _ in order["lines"]]


def test_an_export_of_one_channel_has_no_other(german, several):
    assert {row["channel"] for row in documents(german)} == {"mirakl_de"}
    assert len(csv_rows(german)) == table(german).num_rows == 10


def test_the_csv_has_the_functional_columns(support, book, order, canary):
    book.put(order(1))

    first, second = csv_rows(support)

    assert list(first) == [column.value for column in OrderColumn]
    assert Decimal(first.pop("unit_price")) == Decimal("59.85")
    assert first == {
        "order_status": "WAITING_FOR_SHIPMENT",
        "order_id": "402-0000001",
        "purchase_date": "2026-10-01T09:00:00.000Z",
        "fulfilled_by": "merchant",
        "customer_name": canary,
        "customer_phone": "+33100000000",
        "shipping_address_line_1": "3 rue du Canari",
        "shipping_address_line_2": "",
        "shipping_postal_code": "44000",
        "shipping_city": "Nantes",
        "shipping_country_code": "FR",
        "product_sku": "LAMP-12",
        "quantity_ordered": "2",
        "quantity_shipped": "1",
        "quantity_remaining_to_ship": "1",
        "line_total": "119.70",
        "line_number": "1",
    }
    assert (second["unit_price"], second["line_total"], second["quantity_remaining_to_ship"]) == ("0", "0", "0")


def test_unknown_is_empty_in_the_csv_but_a_price_is_zero(erp, book, order):
    book.put(order(1, fulfilled_by=None, lines=(Line(original_id="L", number=1),)))

    (row,) = csv_rows(erp)

    assert (row["fulfilled_by"], row["product_sku"], row["quantity_ordered"]) == ("", "", "")
    assert (row["quantity_remaining_to_ship"], row["unit_price"], row["line_total"]) == ("", "0", "0")


def test_the_csv_survives_commas_quotes_and_line_ends(support, book, order):
    nasty = 'a,"b"\r\nc;=1+1'
    address = order(1).shipping_address
    book.put(order(1, shipping_address=type(address)(line_1=nasty, city=nasty)))

    assert csv_rows(support)[0]["shipping_address_line_1"] == nasty


def test_the_parquet_is_typed_and_holds_no_personal_data_without_the_scope(erp, support, book, order, canary):
    book.put(order(1, ship_by=datetime(2026, 10, 3, 21, 59, 59, tzinfo=UTC)))

    (row, _), (full, _) = table(erp).to_pylist(), table(support).to_pylist()

    assert row["order_purchased_at"] == datetime(2026, 10, 1, 9, tzinfo=UTC)
    assert row["order_ship_by"] == datetime(2026, 10, 3, 21, 59, 59, tzinfo=UTC)
    assert row["line_line_total"] == Decimal("119.70")
    assert row["line_quantity_remaining_to_ship"] == 1
    assert row["order_has_errors"] is False
    assert row["customer_name"] is None
    assert row["shipping_address_city"] is None
    assert full["customer_name"] == canary
    assert row["order_position"] == 1


def test_the_parquet_has_every_described_member_in_its_type(support, erp, book, order):
    paid = datetime(2026, 10, 1, 9, 5, tzinfo=UTC)
    line = Line(
        original_id="L", number=1, taxes=(Tax(code="VAT", amount=Decimal("6.65"), rate=Decimal(20)),), ship_from="WH-2"
    )
    book.put(
        order(
            1,
            lines=(line,),
            accept_by=paid,
            payment=Payment(method="card", workflow="PAY_ON_ACCEPTANCE", paid_at=paid),
            programs=("prime",),
            cancellation=Cancellation(requested_by="BUYER"),
            billing_address=Address(city="Brest"),
            charges=(Charge(code="FEE", label="Fee", amount=Decimal("1E+45")),),
            marketplace_data={"shop": 1},
            delivery_instructions="At the back",
        )
    )
    (row,), (redacted,) = table(support).to_pylist(), table(erp).to_pylist()
    expected = {
        "order_accept_by": paid,
        "order_payment_method": "card",
        "order_payment_workflow": "PAY_ON_ACCEPTANCE",
        "order_payment_paid_at": paid,
        "order_programs": ["prime"],
        "order_cancellation_requested_by": "BUYER",
        "order_charges": [{"code": "FEE", "label": "Fee", "amount": None, "tax": None}],
        "order_marketplace_data": '{"shop":1}',
        "order_is_historical": False,
        "order_delivery_instructions": "At the back",
        "order_acknowledgements": [],
        "billing_address_city": "Brest",
        "line_taxes": [{"code": "VAT", "amount": Decimal("6.65"), "rate": Decimal(20)}],
        "line_ship_from": "WH-2",
    }
    assert {name: row[name] for name in expected} == expected
    assert (redacted["billing_address_city"], redacted["order_delivery_instructions"]) == (None, None)
    meaning = {field.name: field.metadata[b"comment"].decode() for field in table(support).schema}
    assert meaning["order_payment_workflow"] == "When the buyer is charged, in the marketplace's words."


def test_an_absurd_amount_does_not_break_the_parquet(erp, book, order):
    book.put(order(1, total=Decimal("0.00000000000000001"), shipping_total=Decimal("1E+45")))

    row, _ = table(erp).to_pylist()

    assert (row["order_total"], row["order_shipping_total"]) == (None, None)
    assert documents(erp)[0]["total"] == "0.00000000000000001"


def test_an_export_without_orders_is_a_sound_file(erp, book):
    assert csv_rows(erp) == []
    assert documents(erp) == []
    assert table(erp).num_rows == 0


def test_exported_documents_are_as_described(erp, several):
    for line in exported(erp, "ndjson").text.splitlines():
        OrderDocument.model_validate_json(line)


@pytest.mark.parametrize(
    ("file_format", "media_type"),
    [("csv", "text/csv"), ("ndjson", "application/x-ndjson"), ("parquet", "application/vnd.apache.parquet")],
)
def test_a_download_has_a_name_and_is_not_kept(erp, file_format, media_type):
    response = exported(erp, file_format)

    assert response.headers["content-type"].startswith(media_type)
    name = f'attachment; filename="orders_export_2026-11-02T09-30-00.000Z.{file_format}"'
    assert response.headers["content-disposition"] == name
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "query", ["", "format=xml", "format=csv&limit=5", "format=csv&cursor=x", "format=csv&satus=SHIPPED"]
)
def test_a_wrong_parameter_is_named(erp, query):
    response = erp.get(f"/v1/orders/export?{query}")

    assert response.status_code == 422
    assert response.json()["errors"][0]["parameter"] in {"format", "limit", "cursor", "satus"}


def test_no_reading_transaction_outlives_a_chunk(erp, several, api_ledger):
    """Between two chunks the ledger can truncate its write-ahead log, which a reader of minutes would prevent."""
    wanted = order_filter.OrderFilter()
    scan = order_queries.scan(order_queries.MEMBERS, api_ledger, wanted, order_filter.Sort.NEWEST)
    assert len(next(scan)) == 4
    with api_ledger.engine.connect() as connection:
        busy, _, _ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
    assert busy == 0
    assert sum(map(len, scan)) == len(several) - 4


def test_the_export_is_the_same_on_every_database(any_erp, any_book, order):
    own = any_book.put(*(order(n) for n in range(5)), order(9, fulfilled_by=FulfilledBy.MARKETPLACE))

    assert [each["id"] for each in documents(any_erp, "sort=purchased_at")] == own
    assert table(any_erp).num_rows == len(csv_rows(any_erp)) == 12


def sheets(content: bytes) -> list[list[list[tuple[str, str]]]]:
    """Each sheet's rows, of cells with their type and text."""
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        names = sorted(name for name in book.namelist() if name.startswith("xl/worksheets/sheet"))
        found = []
        for name in names:
            rows = ET.fromstring(book.read(name)).iter(f"{space}row")  # noqa: S314 - our own file
            found.append([[(cell.get("t", "n"), "".join(cell.itertext())) for cell in row] for row in rows])
            assert b"<f>" not in book.read(name)
        return found


def test_a_workbook_holds_texts_as_texts_and_numbers_as_numbers(support, erp, book, order):
    line = Line(
        original_id="L1",
        number=1,
        sku="=1+1",
        quantity_ordered=2,
        line_total=Decimal("0.30"),
    )
    book.put(
        order(
            1, lines=(line,), total=Decimal("-5.00"), shipping_address=Address(postal_code="01200", country_code="FR")
        )
    )
    (rows,) = sheets(exported(support, "xlsx").content)
    cells = dict(zip([text for _, text in rows[0]], rows[1], strict=False))
    assert rows[0][0] == ("inlineStr", "order_status")
    assert ("inlineStr", "=1+1") in rows[1]
    assert ("inlineStr", "01200") in rows[1]
    assert ("n", "0.30") in rows[1]
    assert cells["order_id"] == ("inlineStr", "402-0000001")
    (rows,) = sheets(exported(erp, "xlsx", "columns=summary&summary=total&summary=status").content)
    assert [text for _, text in rows[0]] == ["original_id", "id", "status", "marketplace_status", "total", "currency"]
    assert rows[1][4:] == [("n", "-5.00"), ("inlineStr", "EUR")]


def test_a_csv_has_a_row_for_each_order_or_everything(erp, several):
    listed = erp.walk("/v1/orders?channel=mirakl_de")
    rows = csv_rows(erp, "columns=summary&channel=mirakl_de")
    assert [row["id"] for row in rows] == [each["id"] for each in listed]
    assert (rows[0]["lines"], rows[0]["units"], rows[0]["total"]) == ("2", "3", "124.60")
    assert (rows[0]["fulfilled_by"], rows[0]["has_errors"], rows[0]["problems"]) == ("", "false", "0")
    whole = csv_rows(erp, "columns=all&channel=mirakl_de")
    assert list(whole[0]) == table(erp, "channel=mirakl_de").column_names
    assert (len(whole), whole[0]["line_sku"], whole[0]["order_total"]) == (10, "LAMP-12", "124.60")
    assert whole[0]["shipping_address_name"] == ""


def test_what_a_table_program_would_compute_is_quoted_when_asked(erp, book, order):
    line = Line(original_id="L1", number=1, sku="@SUM(1)", quantity_ordered=1, line_total=Decimal(5))
    book.put(order(1, lines=(line,), total=Decimal(-5)))
    assert [row["line_sku"] for row in csv_rows(erp, "columns=all")] == ["@SUM(1)"]
    quoted = csv_rows(erp, "columns=all&quoted=true")
    assert (quoted[0]["line_sku"], quoted[0]["order_total"]) == ("'@SUM(1)", "-5")


def test_a_workbook_is_of_so_many_orders(erp, several, monkeypatch):
    monkeypatch.setattr(exports, "MOST_OF_A_WORKBOOK", 49)
    answer = erp.get("/v1/orders/export?format=xlsx")
    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_orders")
    monkeypatch.setattr(exports, "MOST_OF_A_WORKBOOK", 50)
    monkeypatch.setattr(export_tables, "ROWS_OF_A_SHEET", 60)
    assert [len(each) for each in sheets(exported(erp, "xlsx").content)] == [60, 42]


def test_a_download_of_which_the_writer_dies_is_cut_off(live, erp, book, order, monkeypatch):
    """The program in its place takes one document, and no second one."""
    book.put(order(1), order(2))
    monkeypatch.setattr(exports, "PARQUET_WRITER", "json.tool")

    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{live}/v1/orders/export?format=parquet", headers={"Authorization": f"Bearer {erp.token}"})


def test_so_many_files_are_written_at_once_and_the_others_wait() -> None:
    gate = threading.Event()

    async def all_of_them() -> list[int]:
        loop, begun = asyncio.get_running_loop(), asyncio.Queue[int]()

        def documents(number: int) -> Iterator[bytes]:
            loop.call_soon_threadsafe(begun.put_nowait, number)
            gate.wait(60)
            yield b""

        async def download(number: int) -> int:
            return sum([len(piece) async for piece in conversion.converted(exports.PARQUET_WRITER, documents(number))])

        downloads = [asyncio.create_task(download(number)) for number in range(conversion.AT_ONCE + 1)]
        assert {await begun.get() for _ in range(conversion.AT_ONCE)} == set(range(conversion.AT_ONCE))
        assert conversion.writers().statistics().tasks_waiting == 1
        gate.set()
        return await asyncio.gather(*downloads)

    assert min(asyncio.run(all_of_them())) > 0
