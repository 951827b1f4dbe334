"""Orders as rows of a table: the columns of an order file, one row for each order, or everything that is told of them.

And the two ways in which a table is written for people and their table programs. Which orders are in it is in `exports`.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

from warehouse.members import Kind, Leaf, described, leaves
from warehouse.orders import Order, OwnFacts
from warehouse.templates import ExtraColumn, OrderColumn, csv_bytes, order_header, order_rows, spreadsheet_safe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

Json = dict[str, Any]
LONGEST_NUMBER = 15
"""Digits that a workbook's numbers keep."""
ROWS_OF_A_SHEET = 1_048_576
PIECE = 256 * 1024


class ExportColumns(StrEnum):
    """Which columns a table has."""

    SOURCE = "source"
    SUMMARY = "summary"
    ALL = "all"


class SummaryColumn(StrEnum):
    """What a summary tells of an order, beside its ids; in this order."""

    CHANNEL = "channel"
    MARKETPLACE = "marketplace"
    STATUS = "status"
    CONFIRMATION = "confirmation"
    PURCHASED = "purchased"
    RECEIVED = "received"
    CHANGED = "changed"
    SHIP_BY = "ship_by"
    UNITS = "units"
    TOTAL = "total"
    COUNTRY = "country"
    FULFILLED_BY = "fulfilled_by"
    REFERENCES = "references"
    ERRORS = "errors"
    CANCELLATION = "cancellation"


@dataclass(frozen=True, slots=True)
class ExportTable:
    """A table of orders.

    Attributes:
        header: Names of its columns.
        numbers: Those of them that hold numbers; all others hold texts, ids and postal codes among them.
        rows: An order's document → its rows.
    """

    header: tuple[str, ...]
    numbers: frozenset[str]
    rows: Callable[[Json], Iterable[Sequence[object]]]


def source_table(extra: Sequence[ExtraColumn]) -> ExportTable:
    """As an order file has them: a row for each line."""
    return ExportTable(
        tuple(order_header(extra)),
        frozenset(each.value for each in _NUMBERS_OF_A_FILE),
        lambda order: order_rows(order["status"], order, order, extra),
    )


_NUMBERS_OF_A_FILE = (
    *(OrderColumn.QUANTITY_ORDERED, OrderColumn.QUANTITY_SHIPPED, OrderColumn.QUANTITY_REMAINING_TO_SHIP),
    *(OrderColumn.UNIT_PRICE, OrderColumn.LINE_TOTAL, OrderColumn.LINE_NUMBER),
    *(ExtraColumn.QUANTITY_ORDERED_GROSS, ExtraColumn.QUANTITY_CANCELLED),
)


def summary_table(columns: Sequence[SummaryColumn]) -> ExportTable:
    """A row for each order, with its ids and these columns; with every one where none is named."""
    shown = [each for each in SummaryColumn if each in columns or not columns]
    heads = [head for each in shown for head in _SUMMARY[each][0]]

    def rows(order: Json) -> list[list[str]]:
        cells = [cell for each in shown for cell in _SUMMARY[each][1](order)]
        return [[_text(cell) for cell in (order["original_id"], order["id"], *cells)]]

    return ExportTable(("original_id", "id", *heads), frozenset({"lines", "units", "total", "problems"}), rows)


def _units(order: Json) -> tuple[int, int | None]:
    units = [each["quantity_ordered"] for each in order["lines"]]
    return len(units), None if None in units else sum(units)


def _references(order: Json) -> tuple[str]:
    return (", ".join(each["order_number"] for each in order["acknowledgements"] if each["order_number"]),)


def _member(name: str) -> tuple[tuple[str], Callable[[Json], tuple[Any]]]:
    return (name,), lambda order: (order[name],)


_SUMMARY: Mapping[SummaryColumn, tuple[tuple[str, ...], Callable[[Json], tuple[Any, ...]]]] = {
    SummaryColumn.CHANNEL: _member("channel"),
    SummaryColumn.MARKETPLACE: _member("marketplace"),
    SummaryColumn.STATUS: (
        ("status", "marketplace_status"),
        lambda order: (order["status"], order["marketplace_status"]),
    ),
    SummaryColumn.CONFIRMATION: _member("confirmation_status"),
    SummaryColumn.PURCHASED: _member("purchased_at"),
    SummaryColumn.RECEIVED: _member("received_at"),
    SummaryColumn.CHANGED: _member("marketplace_updated_at"),
    SummaryColumn.SHIP_BY: _member("ship_by"),
    SummaryColumn.UNITS: (("lines", "units"), _units),
    SummaryColumn.TOTAL: (("total", "currency"), lambda order: (order["total"], order["currency"])),
    SummaryColumn.COUNTRY: _member("shipping_country_code"),
    SummaryColumn.FULFILLED_BY: _member("fulfilled_by"),
    SummaryColumn.REFERENCES: (("order_numbers",), _references),
    SummaryColumn.ERRORS: (
        ("has_errors", "problems"),
        lambda order: (order["has_errors"], len(order["problems"])),
    ),
    SummaryColumn.CANCELLATION: _member("has_cancellation_request"),
}
"""Column → the names of its cells, and what is in them."""


def whole_table() -> ExportTable:
    """Everything that is told of an order: a row for each line, its columns as a Parquet file has them."""
    columns = whole_columns()
    numbers = frozenset(
        each.name
        for each in columns
        if each.leaf.member.kind in {Kind.NUMBER, Kind.AMOUNT} and not each.leaf.member.is_list
    )

    def rows(order: Json) -> list[list[str]]:
        return [[_text(_value(each, order, line)) for each in columns] for line in order[LINES]]

    return ExportTable(tuple(each.name for each in columns), numbers, rows)


def _value(column: WholeColumn, order: Json, line: Json) -> Any:  # noqa: ANN401 - a member's value
    value: Any = {"order": order, "line": line}.get(column.part, order.get(column.part))
    for part in column.leaf.path:
        value = value and value.get(part.name)
    return value


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case list() | dict():
            return orjson.dumps(value).decode()
        case _:
            return str(value)


def csv_pieces(table: ExportTable, orders: Iterable[Sequence[Json]], *, is_quoted: bool) -> Iterator[bytes]:
    """The table as CSV, piece by piece.

    Args:
        table: Its columns.
        orders: Documents, a chunk at a time.
        is_quoted: Whether a cell with which a table program would begin to compute gets an apostrophe in front.
    """
    yield csv_bytes([list(table.header)])
    for chunk in orders:
        rows = [row for order in chunk for row in table.rows(order)]
        yield csv_bytes([_quoted(table, row) for row in rows] if is_quoted else rows)


def _quoted(table: ExportTable, row: Sequence[object]) -> list[object]:
    safe = spreadsheet_safe(row)
    return [
        cell if name in table.numbers else safe[place]
        for place, (name, cell) in enumerate(zip(table.header, row, strict=True))
    ]


def workbook_pieces(table: ExportTable, orders: Iterable[Sequence[Json]]) -> Iterator[bytes]:
    """The table as a workbook, which is written to a file first: texts are texts, whatever they begin with."""
    import xlsxwriter  # noqa: PLC0415 - a process without such exports does not need it

    with tempfile.NamedTemporaryFile(suffix=".xlsx") as file:
        settings = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        with xlsxwriter.Workbook(file.name, {**settings, "strings_to_numbers": False}) as book:
            sheet, place = None, ROWS_OF_A_SHEET
            for row in (row for chunk in orders for order in chunk for row in table.rows(order)):
                if place == ROWS_OF_A_SHEET:
                    sheet, place = _new_sheet(book, table), 1
                _write(sheet, place, table, row)
                place += 1
            if sheet is None:
                _new_sheet(book, table)
        while piece := file.read(PIECE):
            yield piece


def _new_sheet(book: Any, table: ExportTable) -> Any:  # noqa: ANN401 - the writer has no types
    sheet = book.add_worksheet()
    sheet.freeze_panes(1, 0)
    for column, name in enumerate(table.header):
        sheet.write_string(0, column, name)
    return sheet


def _write(sheet: Any, place: int, table: ExportTable, row: Sequence[object]) -> None:  # noqa: ANN401 - as above
    for column, (name, cell) in enumerate(zip(table.header, map(_text, row), strict=True)):
        if not cell:
            continue
        if name in table.numbers and len(cell.strip("-").replace(".", "")) <= LONGEST_NUMBER:
            sheet.write_number(place, column, Decimal(cell))
        else:
            sheet.write_string(place, column, cell)


@dataclass(frozen=True, slots=True)
class WholeColumn:
    """A column of all that is told of an order: `<part>_<member>`, where the part is the order, its line, or who bought."""

    part: str
    leaf: Leaf

    @property
    def name(self) -> str:
        """Of the column."""
        return f"{self.part}_{self.leaf.name}"


@cache
def whole_columns() -> tuple[WholeColumn, ...]:
    """Every described member of the document, one row for each line."""
    order, line, parties = [], [], []
    for each in (*described(Order), *described(OwnFacts)):
        if each.name == LINES:
            line += [WholeColumn("line", leaf) for leaf in leaves(each.members)]
        elif each.about.is_personal and each.kind is Kind.RECORD:
            parties += [WholeColumn(each.name, leaf) for leaf in leaves(each.members)]
        else:
            order += [WholeColumn("order", leaf) for leaf in leaves((each,))]
    return (*order, *line, *parties)


LINES = "lines"
