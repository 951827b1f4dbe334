"""Reading a shipment file: from bytes to packages, with a reason for every row that makes none.

Pure: what becomes of a package is decided in `warehouse.ledger.shipping.shipments`, where files come from and what is
answered in `orders_pipeline.file_jobs.ingest`. All cells are text: an id keeps its zeros.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from warehouse.identifiers import MAX_LENGTH, cleaned, has_unseen, is_rounded
from warehouse.ledger.exchange.files import RowFate, RowOutcome
from warehouse.ledger.shipping.shipments import Item, Report
from warehouse.templates import ShipmentColumn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from warehouse.ledger.settings.file_jobs import ImportSettings
    from warehouse.ledger.shipping.shipments import ShipmentAnswer

DELIMITERS = (",", ";", "\t", "|")
CODECS = {"utf-8": "utf-8-sig"}
CELL_CHARACTERS = 255
SAMPLE_BYTES = 4096
ZEROS_OF_UTF_16 = 0.3
"""Share of zero bytes by which UTF-16 is told that has no byte order mark; of Latin text it is nearly a half."""

BLANK_BYTES = b"\0 \t\r\n" + codecs.BOM_UTF8 + codecs.BOM_UTF16
PADDING = b"\0\0\0\0"
"""What a file that was given its size before its bytes ends with; no text does, in whatever encoding."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MAGIC = {
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "a gzip archive",
    b"7z\xbc\xaf": "a 7z archive",
    b"%PDF": "a PDF",
    b"\x89PNG": "an image",
    b"PAR1": "a Parquet file",
}
OTHER_TEXT = {"<": "XML or HTML", "{": "JSON", "[": "JSON"}

MILLISECONDS = re.compile(r"\d{13}")
WHOLE_NUMBER = re.compile(r"\d{1,9}")
DECLARED_DELIMITER = re.compile(r"sep=(.)\r?\n")
CONTROL = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x1f]")
SPACE_AFTER_QUOTES = re.compile(r'(?<!")"[ \t\xa0]+(?=[,;\t|]|[\r\n]|\Z)')
QUOTED = re.compile(r'=?"(.*)"', re.DOTALL)
"""A cell of which the quotes were left standing, or which a spreadsheet was made to take for a text."""
MISREAD_MARK = "\ufeff".encode().decode("cp1252")

LINE_END = re.compile(r"[\r\n]")
NOT_IN_NAMES = re.compile(r"[\W_]+")
NEAR_NAMES = {
    ShipmentColumn.TRACKING_NUMBER: re.compile(r"track(ing)?(no|nr|num|numbers|id|code|ref|reference)?"),
    ShipmentColumn.SHIPPING_DATE: re.compile(
        r"date(of)?(ship|shipped|shipment|shipping|dispatch)|(ship|shipped|shipment|dispatch)(date|day|datetime|at|on)"
    ),
    ShipmentColumn.CARRIER_CODE: re.compile(r"carrier(id|key|no|codes)?"),
    ShipmentColumn.PACKAGE_ID: re.compile(r"(package|parcel)(no|nr|num|number|code|ids?)?"),
    ShipmentColumn.ITEM_QUANTITY_SHIPPED: re.compile(
        r"(item|line)?(quantity|qty)(shipped)?|(item|line)?shipped(quantity|qty)"
    ),
    ShipmentColumn.ITEM_ID: re.compile(r"item(no|nr|number|ids|code)|(order)?(line|item)ids?"),
}
"""What people call a column of the template; a file that lacks the column and has one of these would lose what it says."""
NEAR_LETTERS = {range(6, 9): 1, range(9, 99): 2}
"""By how many letters a name of so many may differ from a column's to be taken for a misspelling."""

IDS = (
    ShipmentColumn.ID,
    ShipmentColumn.ORIGINAL_ID,
    ShipmentColumn.PACKAGE_ID,
    ShipmentColumn.TRACKING_NUMBER,
    ShipmentColumn.SHIPPING_DATE,
    ShipmentColumn.ITEM_ID,
    ShipmentColumn.ITEM_ORIGINAL_ID,
)
"""Columns of which a program that takes them for numbers loses digits."""

OF_PACKAGE = (ShipmentColumn.TRACKING_NUMBER, ShipmentColumn.SHIPPING_DATE, ShipmentColumn.CARRIER_CODE)
"""What all rows of a package must agree on, as far as they say it."""


class FileFault(StrEnum):
    """Why a file as a whole is no shipment file."""

    EMPTY_FILE = "empty_file"
    FILE_TOO_LARGE = "file_too_large"
    NOT_CSV = "not_csv"
    NUL_CHARACTERS = "nul_characters"
    WRONG_ENCODING = "wrong_encoding"
    WRONG_HEADER = "wrong_header"
    UNCLEAR_COLUMN = "unclear_column"
    DUPLICATE_COLUMN = "duplicate_column"
    CELL_TOO_LARGE = "cell_too_large"
    BROKEN_QUOTING = "broken_quoting"


class RowFault(StrEnum):
    """Why a row makes no shipment, before the order is even looked at."""

    WRONG_NUMBER_OF_CELLS = "wrong_number_of_cells"
    CELL_TOO_LONG = "cell_too_long"
    CONTROL_CHARACTERS = "control_characters"
    SCIENTIFIC_NOTATION = "scientific_notation"
    MISSING_ORDER_ID = "missing_order_id"
    INVALID_SHIPPING_DATE = "invalid_shipping_date"
    INVALID_QUANTITY = "invalid_quantity"
    MISSING_ITEM_ID = "missing_item_id"
    CONFLICTING_ROWS = "conflicting_rows"
    REFUSED_WITH_PACKAGE = "refused_with_package"


class FileRefused(Exception):
    """The file cannot be read as a shipment file; the message says why, and what to do."""

    def __init__(self, code: FileFault, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Row:
    """One row below the header: its number, from 1, and its cells; empty ones at its end are as many as the header has."""

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A file as it is read; blank rows are left out, but count."""

    header: tuple[str, ...]
    places: Mapping[ShipmentColumn, int]
    rows: Sequence[Row]
    delimiter: str
    encoding: str

    @property
    def unknown_columns(self) -> tuple[str, ...]:
        """Names in the header that are no column of the template."""
        return tuple(
            name.strip() for place, name in enumerate(self.header) if place not in self.places.values() and name.strip()
        )

    def cell(self, row: Row, column: ShipmentColumn) -> str | None:
        """The text of a cell as an identifier is cleaned, None when it is empty or the file has no such column."""
        place = self.places.get(column)
        if place is None:
            return None
        text = cleaned(row.cells[place])
        quoted = QUOTED.fullmatch(text)
        return (cleaned(quoted[1].replace('""', '"')) if quoted else text) or None


@dataclass(frozen=True, slots=True)
class Package:
    """Rows of the same order and package, as one reported shipment."""

    report: Report
    rows: tuple[int, ...]

    def fates(self, answer: ShipmentAnswer) -> list[RowFate]:
        """What the intake's answer means for each of the rows."""
        match answer.result.value:
            case "accepted" | "updated":
                outcome = RowOutcome.APPLIED
            case "already_known":
                outcome = RowOutcome.KNOWN
            case _:
                return self._refusals(answer)
        notice = next(iter(answer.notices), None)
        return [
            RowFate(
                number=number,
                outcome=outcome,
                order_id=answer.order_id,
                shipment_id=answer.shipment_id,
                message=notice.message if notice else None,
            )
            for number in self.rows
        ]

    def _refusals(self, answer: ShipmentAnswer) -> list[RowFate]:
        whole = next((each for each in answer.faults if self._row_of(each.field) is None), None)
        faults = {row: each for each in reversed(answer.faults) if (row := self._row_of(each.field)) is not None}
        fates = []
        for number in self.rows:
            fault = faults.get(number, whole)
            if fault is None:
                fates.append(_with_package(number, next(iter(faults)), answer.order_id))
                continue
            fates.append(
                RowFate(
                    number=number,
                    outcome=RowOutcome.REFUSED,
                    order_id=answer.order_id,
                    code=fault.code,
                    column_name=self._column(fault.field),
                    message=fault.message,
                )
            )
        return fates

    def _row_of(self, field: str) -> int | None:
        """The row that a fault is about, None when it is about the package."""
        parts = field.split("/")
        return self.rows[int(parts[1])] if parts[0] == "items" and len(parts) > 1 else None

    def _column(self, field: str) -> str:
        name = field.rpartition("/")[2]
        if name == "id" and self.report.id is None:
            return ShipmentColumn.ORIGINAL_ID.value
        return name if name in set(ShipmentColumn) else ShipmentColumn.ITEM_QUANTITY_SHIPPED.value


@dataclass(frozen=True, slots=True)
class SheetReading:
    """What the rows of a file come to: packages, those of one order next to each other, and rows that make none."""

    packages: Sequence[Package]
    refused: Sequence[RowFate]


# -- from bytes to rows


def read_sheet(data: bytes, settings: ImportSettings) -> Sheet:
    """Read the bytes of a file.

    Raises:
        FileRefused: They are no shipment file.
    """
    text, encoding = _decoded(data, settings)
    declared = DECLARED_DELIMITER.match(text)
    body = text[declared.end() :] if declared else text
    delimiter = settings.delimiter or (declared and declared[1]) or _delimiter(body)
    records = _records(body, delimiter)
    header = next(records, None)
    if header is None:
        raise FileRefused(FileFault.EMPTY_FILE, "The file is empty.")
    places = _places(header)
    rows = [
        Row(number, _squared(cells, len(header)))
        for number, cells in enumerate(records, 1)
        if any(map(str.strip, cells))
    ]
    return Sheet(header=header, places=places, rows=rows, delimiter=delimiter, encoding=encoding)


def cannot_be_whole(data: bytes, settings: ImportSettings) -> bool:
    r"""Whether these bytes look like a file of which more is to come: nothing, a header alone, an end within a row or in zeros.

    >>> from warehouse.ledger.settings.file_jobs import ImportSettings
    >>> given = b"original_id,package_id\n402,1\n402"
    >>> [cannot_be_whole(given[:length], ImportSettings()) for length in (0, 12, 23, 28, 32)]
    [True, True, True, False, True]
    """
    if not data.strip(BLANK_BYTES) or data.endswith(PADDING):
        return True
    try:
        sheet = read_sheet(data, settings)
    except FileRefused as refused:
        has_row = any(end in data for end in (b"\n", b"\r"))
        return refused.code is FileFault.BROKEN_QUOTING or (
            refused.code in {FileFault.WRONG_HEADER, FileFault.EMPTY_FILE} and not has_row
        )
    last = LINE_END.split(_decoded(data, settings)[0])[-1]
    is_cut = last.strip() != "" and len(_first(last, sheet.delimiter)) < max(sheet.places.values()) + 1
    return not sheet.rows or is_cut


def _squared(cells: tuple[str, ...], width: int) -> tuple[str, ...]:
    """As many cells as the header has, where what is missing or too much at the end is empty.

    >>> _squared(("402",), 2), _squared(("402", "1", " ", ""), 2), _squared(("402", "1", "x"), 2)
    (('402', ''), ('402', '1'), ('402', '1', 'x'))
    """
    if any(map(str.strip, cells[width:])):
        return cells
    return cells[:width] + ("",) * (width - len(cells))


def _decoded(data: bytes, settings: ImportSettings) -> tuple[str, str]:
    if not data.strip():
        raise FileRefused(FileFault.EMPTY_FILE, "The file is empty.")
    for magic, what in MAGIC.items():
        if data.startswith(magic):
            raise FileRefused(FileFault.NOT_CSV, f"This is {what}: save it as CSV.")
    encoding = settings.encoding or _encoding(data) or settings.code_page.value
    if encoding == "latin-1":
        encoding = settings.code_page.value
    try:
        text = data.decode(CODECS.get(encoding, encoding))
    except UnicodeDecodeError as error:
        raise FileRefused(
            FileFault.WRONG_ENCODING, f"The text is not {encoding}, as byte {error.start + 1} shows."
        ) from None
    text = text.removeprefix(MISREAD_MARK).lstrip("\ufeff")
    if "\0" in text:
        raise FileRefused(FileFault.NUL_CHARACTERS, "The file holds NUL characters: it is damaged, or no text.")
    start = text.lstrip()[:1]
    if start in OTHER_TEXT:
        raise FileRefused(FileFault.NOT_CSV, f"This is {OTHER_TEXT[start]}, and not CSV.")
    if not start:
        raise FileRefused(FileFault.EMPTY_FILE, "The file is empty.")
    if CONTROL.search(text[:SAMPLE_BYTES]):
        raise FileRefused(FileFault.NOT_CSV, "The file begins with control characters: it is no text.")
    return text, encoding


def _encoding(data: bytes) -> str | None:
    """How a text is encoded: by its byte order mark, by the zeros of UTF-16, by being valid UTF-8; None: none of them."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    sample = data[:SAMPLE_BYTES]
    zeros = {"utf-16-be": sample[0::2].count(0), "utf-16-le": sample[1::2].count(0)}
    likely = max(zeros, key=lambda each: zeros[each])
    if zeros[likely] > len(sample) * ZEROS_OF_UTF_16:
        return likely
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return "utf-8"


def _delimiter(text: str) -> str:
    """The one by which most columns of the template appear in the first row."""
    return max(DELIMITERS, key=lambda each: len(_known(_first(text, each))))


def _first(text: str, delimiter: str) -> Sequence[str]:
    """The first row, for what it may be worth: read with a wrong delimiter its quotes do not match."""
    try:
        return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True), ())
    except csv.Error:
        return ()


def _records(text: str, delimiter: str) -> Iterator[tuple[str, ...]]:
    """The rows of a file. Blanks around quotes are nothing; those behind them are looked for where they break the file."""
    try:
        return iter(list(_parsed(text, delimiter)))
    except FileRefused:
        mended = SPACE_AFTER_QUOTES.sub('"', text)
        if mended == text:
            raise
        return _parsed(mended, delimiter)


def _parsed(text: str, delimiter: str) -> Iterator[tuple[str, ...]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    try:
        for cells in reader:
            yield tuple(cells)
    except csv.Error as error:
        if "field limit" in str(error):
            message = f"A cell near line {reader.line_num} is longer than {csv.field_size_limit()} characters."
            raise FileRefused(FileFault.CELL_TOO_LARGE, message) from None
        message = f"The quotes near line {reader.line_num} do not match, so that rows cannot be told apart."
        raise FileRefused(FileFault.BROKEN_QUOTING, message) from None


def _known(header: Sequence[str]) -> list[tuple[ShipmentColumn, int]]:
    columns = {_spelled(each): each for each in ShipmentColumn}
    named = [(columns.get(_spelled(name)), place) for place, name in enumerate(header)]
    return [(column, place) for column, place in named if column is not None]


def _spelled(name: str) -> str:
    """A column's name without what people write differently: case, blanks, hyphens, dots, underscores.

    >>> _spelled(" Tracking-Number "), _spelled("tracking_number")
    ('trackingnumber', 'trackingnumber')
    """
    return NOT_IN_NAMES.sub("", cleaned(name).casefold())


def _places(header: Sequence[str]) -> dict[ShipmentColumn, int]:
    known = _known(header)
    places = dict(known)
    if len(places) < len(known):
        raise FileRefused(FileFault.DUPLICATE_COLUMN, "The first row names a column twice.")
    if ShipmentColumn.ID not in places and ShipmentColumn.ORIGINAL_ID not in places:
        message = (
            "The first row must name the columns, id or original_id among them; the template's are "
            f"{', '.join(ShipmentColumn)}."
        )
        raise FileRefused(FileFault.WRONG_HEADER, message)
    for place, name in enumerate(header):
        meant = _meant(name, places) if place not in places.values() else None
        if meant is not None:
            shown = "".join(filter(str.isprintable, name.strip()))[:60]
            message = (
                f"The column {shown!r} looks like {meant}, which the file does not have: "
                "give it that name, or one that is quite another."
            )
            raise FileRefused(FileFault.UNCLEAR_COLUMN, message)
    return places


def _meant(name: str, places: Mapping[ShipmentColumn, int]) -> ShipmentColumn | None:
    """The column that a name seems to mean, of those that the file does not have; None for a name of its own."""
    spelled = _spelled(name)
    has_item = ShipmentColumn.ITEM_ID in places or ShipmentColumn.ITEM_ORIGINAL_ID in places
    for column in ShipmentColumn:
        if column in places or (has_item and column in {ShipmentColumn.ITEM_ID, ShipmentColumn.ITEM_ORIGINAL_ID}):
            continue
        near = NEAR_NAMES.get(column)
        if near is not None and near.fullmatch(spelled):
            return column
        allowed = next((each for lengths, each in NEAR_LETTERS.items() if len(_spelled(column)) in lengths), 0)
        if allowed and _letters_apart(spelled, _spelled(column), allowed) <= allowed:
            return column
    return None


def _letters_apart(one: str, other: str, most: int) -> int:
    """By how many letters that are put in, left out, exchanged or swapped two names differ; more than `most` counts as that.

    >>> _letters_apart("traking", "tracking", 2), _letters_apart("itme", "item", 2), _letters_apart("note", "item", 2)
    (1, 1, 3)
    """
    if abs(len(one) - len(other)) > most:
        return most + 1
    before, last = list(range(len(other) + 1)), list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, its in enumerate(other, 1):
            row.append(min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != its)))
            if i > 1 and j > 1 and (letter, one[i - 2]) == (other[j - 2], its):
                row[j] = min(row[j], before[j - 2] + 1)
        before, last = last, row
    return min(last[-1], most + 1)


# -- from rows to packages


@dataclass(slots=True)
class _Group:
    """Rows of the same order and package while they are collected."""

    rows: list[Row] = field(default_factory=list)
    fault: RowFate | None = None


def read_packages(sheet: Sheet, channel: str, zone: ZoneInfo, known_ids: Mapping[str, str]) -> SheetReading:
    """Put the rows together to packages. A package is reported as a whole or not at all.

    Args:
        sheet: The file.
        channel: Code of the channel whose orders are meant.
        zone: The time zone of dates that name none.
        known_ids: Marketplace order id → internal id, where a file names orders in both ways (see `needs_ids`).
    """
    groups: dict[tuple[str, str | None], _Group] = {}
    refused: list[RowFate] = []
    for row in sheet.rows:
        fault = _row_fault(sheet, row, zone)
        order = None if fault and fault.code == RowFault.WRONG_NUMBER_OF_CELLS else _order_key(sheet, row, known_ids)
        if order is None:
            refused.append(fault or _refusal(row, RowFault.MISSING_ORDER_ID, ShipmentColumn.ID, NO_ORDER))
            continue
        group = groups.setdefault((order, sheet.cell(row, ShipmentColumn.PACKAGE_ID)), _Group())
        group.rows.append(row)
        group.fault = group.fault or fault or _conflict(sheet, group.rows[0], row)
    by_order: dict[str, list[Package]] = {}
    for (order, _), group in groups.items():
        if group.fault is not None:
            refused += _all_refused(group)
            continue
        package = Package(_report(sheet, channel, group.rows, zone), tuple(row.number for row in group.rows))
        by_order.setdefault(order, []).append(package)
    return SheetReading([each for packages in by_order.values() for each in packages], refused)


def needs_ids(sheet: Sheet) -> list[str]:
    """Marketplace order ids whose internal id must be known to tell which rows belong together; [] in most files."""
    named = [(sheet.cell(row, ShipmentColumn.ID), sheet.cell(row, ShipmentColumn.ORIGINAL_ID)) for row in _whole(sheet)]
    by_original = {original for own, original in named if own is None and original is not None}
    return sorted(by_original) if any(own for own, _ in named) else []


NO_ORDER = "One of id and original_id is needed."


def _whole(sheet: Sheet) -> Iterable[Row]:
    return (row for row in sheet.rows if len(row.cells) == len(sheet.header))


def _order_key(sheet: Sheet, row: Row, known_ids: Mapping[str, str]) -> str | None:
    own, original = sheet.cell(row, ShipmentColumn.ID), sheet.cell(row, ShipmentColumn.ORIGINAL_ID)
    if own is not None:
        return own.lower()
    return None if original is None else known_ids.get(original, f"original {original}")


def _row_fault(sheet: Sheet, row: Row, zone: ZoneInfo) -> RowFate | None:
    """What is wrong with a row by itself; the first thing that is."""
    if len(row.cells) != len(sheet.header):
        message = f"The row has {len(row.cells)} cells instead of {len(sheet.header)}."
        return _refusal(row, RowFault.WRONG_NUMBER_OF_CELLS, None, message)
    for column in sheet.places:
        text = sheet.cell(row, column)
        if text is None:
            continue
        fault = _cell_fault(column, text, zone)
        if fault is not None:
            return _refusal(row, fault[0], column, fault[1])
    has_item = sheet.cell(row, ShipmentColumn.ITEM_ID) or sheet.cell(row, ShipmentColumn.ITEM_ORIGINAL_ID)
    if sheet.cell(row, ShipmentColumn.ITEM_QUANTITY_SHIPPED) is not None and not has_item:
        message = "With a quantity, one of item_id and item_original_id is needed."
        return _refusal(row, RowFault.MISSING_ITEM_ID, ShipmentColumn.ITEM_ID, message)
    return None


def _cell_fault(column: ShipmentColumn, text: str, zone: ZoneInfo) -> tuple[RowFault, str] | None:
    longest = MAX_LENGTH.get(column, CELL_CHARACTERS)
    if len(text) > longest:
        return RowFault.CELL_TOO_LONG, f"The cell has more than {longest} characters."
    if has_unseen(text):
        return RowFault.CONTROL_CHARACTERS, "The cell holds line ends or control characters."
    if column in IDS and is_rounded(text):
        message = (
            "A program has taken this for a number and rounded it (1.23E+15): "
            "format the column as text before the file is saved as CSV."
        )
        return RowFault.SCIENTIFIC_NOTATION, message
    if column is ShipmentColumn.SHIPPING_DATE and _shipping_date(text, zone) is None:
        message = "The date must be milliseconds since 1970 (13 digits) or ISO 8601, such as 2026-11-02T09:30:00Z."
        return RowFault.INVALID_SHIPPING_DATE, message
    if column is ShipmentColumn.ITEM_QUANTITY_SHIPPED and (not WHOLE_NUMBER.fullmatch(text) or not int(text)):
        return RowFault.INVALID_QUANTITY, "The quantity must be a whole number from 1 on."
    return None


def _shipping_date(text: str, zone: ZoneInfo) -> datetime | None:
    if MILLISECONDS.fullmatch(text):
        return EPOCH + timedelta(milliseconds=int(text))
    try:
        moment = datetime.fromisoformat(text)
        return (moment.replace(tzinfo=zone) if moment.tzinfo is None else moment).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _conflict(sheet: Sheet, first: Row, row: Row) -> RowFate | None:
    """What a further row of a package says otherwise than the first one."""
    for column in OF_PACKAGE:
        said = {sheet.cell(first, column), sheet.cell(row, column)} - {None}
        if len(said) > 1:
            message = f"Row {first.number} of the same order and package says something else."
            return _refusal(row, RowFault.CONFLICTING_ROWS, column, message)
    if _item(sheet, first) is None and _item(sheet, row) is not None:
        message = f"Row {first.number} of the same order and package names no item and stands for all that remains."
        return _refusal(row, RowFault.CONFLICTING_ROWS, ShipmentColumn.ITEM_ID, message)
    if _item(sheet, first) is not None and _item(sheet, row) is None:
        message = f"The row names no item, but row {first.number} of the same order and package does."
        return _refusal(row, RowFault.CONFLICTING_ROWS, ShipmentColumn.ITEM_ID, message)
    return None


def _item(sheet: Sheet, row: Row) -> Item | None:
    own, original = sheet.cell(row, ShipmentColumn.ITEM_ID), sheet.cell(row, ShipmentColumn.ITEM_ORIGINAL_ID)
    if own is None and original is None:
        return None
    units = sheet.cell(row, ShipmentColumn.ITEM_QUANTITY_SHIPPED)
    return Item(item_id=own, item_original_id=original, item_quantity_shipped=None if units is None else int(units))


def _report(sheet: Sheet, channel: str, rows: Sequence[Row], zone: ZoneInfo) -> Report:
    said = {
        column: next(filter(None, (sheet.cell(row, column) for row in rows)), None)
        for column in (ShipmentColumn.ID, ShipmentColumn.ORIGINAL_ID, ShipmentColumn.PACKAGE_ID, *OF_PACKAGE)
    }
    date = said[ShipmentColumn.SHIPPING_DATE]
    own_id = said[ShipmentColumn.ID]
    return Report(
        id=own_id.lower() if own_id else None,
        channel=channel,
        original_id=said[ShipmentColumn.ORIGINAL_ID],
        package_id=said[ShipmentColumn.PACKAGE_ID],
        tracking_number=said[ShipmentColumn.TRACKING_NUMBER],
        shipping_date=None if date is None else _shipping_date(date, zone),
        carrier_code=said[ShipmentColumn.CARRIER_CODE],
        items=tuple(item for item in (_item(sheet, row) for row in rows) if item is not None),
    )


def _all_refused(group: _Group) -> list[RowFate]:
    fault = group.fault
    assert fault is not None
    return [
        fault if row.number == fault.number else _with_package(row.number, fault.number, None) for row in group.rows
    ]


def _with_package(number: int, because_of: int, order_id: str | None) -> RowFate:
    return RowFate(
        number=number,
        outcome=RowOutcome.REFUSED,
        order_id=order_id,
        code=RowFault.REFUSED_WITH_PACKAGE.value,
        message=f"Row {because_of} of the same package is refused: a package is taken as a whole or not at all.",
    )


def _refusal(row: Row, code: RowFault, column: ShipmentColumn | None, message: str) -> RowFate:
    return RowFate(
        number=row.number,
        outcome=RowOutcome.REFUSED,
        code=code.value,
        column_name=column.value if column else None,
        message=message,
    )
