"""Reading a shipment file: from bytes to packages, with a reason for every row that makes none.

Pure: what becomes of a package is decided in `warehouse.ledger.shipping.shipments`, where files come from and what is
answered in `orders_pipeline.file_jobs.ingest`. All cells are text: an id keeps its zeros.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from warehouse.identifiers import MAX_LENGTH, has_unseen, is_rounded
from warehouse.ledger.exchange.file_records import RowFate, RowOutcome
from warehouse.shipment_reports import Item, ShipmentReport
from warehouse.templates import ShipmentColumn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from orders_pipeline.file_jobs.sheets import Row, Sheet
    from warehouse.shipment_reports import ShipmentAnswer

CELL_CHARACTERS = 255


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


MILLISECONDS = re.compile(r"\d{13}")
WHOLE_NUMBER = re.compile(r"\d{1,9}")


IDS = (
    ShipmentColumn.ID,
    ShipmentColumn.ORIGINAL_ID,
    ShipmentColumn.PACKAGE_ID,
    ShipmentColumn.TRACKING_NUMBER,
    ShipmentColumn.SHIPPING_DATE,
    ShipmentColumn.ITEM_ID,
    ShipmentColumn.ITEM_ORIGINAL_ID,
    ShipmentColumn.ITEM_SKU,
    ShipmentColumn.RETURN_TRACKING_NUMBER,
)
"""Columns of which a program that takes them for numbers loses digits."""

OF_PACKAGE = (
    ShipmentColumn.TRACKING_NUMBER,
    ShipmentColumn.SHIPPING_DATE,
    ShipmentColumn.CARRIER_CODE,
    ShipmentColumn.SHIP_FROM,
    ShipmentColumn.RETURN_TRACKING_NUMBER,
    ShipmentColumn.RETURN_CARRIER,
)
"""What all rows of a package must agree on, as far as they say it."""


NAMING_ITEMS = (ShipmentColumn.ITEM_ID, ShipmentColumn.ITEM_ORIGINAL_ID, ShipmentColumn.ITEM_SKU)


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


@dataclass(frozen=True, slots=True)
class FilePackage:
    """Rows of the same order and package, as one reported shipment."""

    report: ShipmentReport
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

    packages: Sequence[FilePackage]
    refused: Sequence[RowFate]


# -- from bytes to rows


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
        order = None if fault and fault.code == RowFault.WRONG_NUMBER_OF_CELLS else _order_key(row, known_ids)
        if order is None:
            refused.append(fault or _refusal(row, RowFault.MISSING_ORDER_ID, ShipmentColumn.ID, NO_ORDER))
            continue
        group = groups.setdefault((order, row.said.get(ShipmentColumn.PACKAGE_ID)), _Group())
        group.rows.append(row)
        group.fault = group.fault or fault or (_conflict(group.rows[0], row) if len(group.rows) > 1 else None)
    by_order: dict[str, list[FilePackage]] = {}
    for (order, _), group in groups.items():
        if group.fault is not None:
            refused += _all_refused(group)
            continue
        package = FilePackage(_report(channel, group.rows, zone), tuple(row.number for row in group.rows))
        by_order.setdefault(order, []).append(package)
    return SheetReading([each for packages in by_order.values() for each in packages], refused)


def needs_ids(sheet: Sheet) -> list[str]:
    """Marketplace order ids whose internal id must be known to tell which rows belong together; [] in most files."""
    named = [(row.said.get(ShipmentColumn.ID), row.said.get(ShipmentColumn.ORIGINAL_ID)) for row in _whole(sheet)]
    by_original = {original for own, original in named if own is None and original is not None}
    return sorted(by_original) if any(own for own, _ in named) else []


NO_ORDER = "One of id and original_id is needed."


def _whole(sheet: Sheet) -> Iterable[Row]:
    return (row for row in sheet.rows if len(row.cells) == len(sheet.header))


def _order_key(row: Row, known_ids: Mapping[str, str]) -> str | None:
    own, original = row.said.get(ShipmentColumn.ID), row.said.get(ShipmentColumn.ORIGINAL_ID)
    if own is not None:
        return own.lower()
    return None if original is None else known_ids.get(original, f"original {original}")


def _row_fault(sheet: Sheet, row: Row, zone: ZoneInfo) -> RowFate | None:
    """What is wrong with a row by itself; the first thing that is."""
    if len(row.cells) != len(sheet.header):
        message = f"The row has {len(row.cells)} cells instead of {len(sheet.header)}."
        return _refusal(row, RowFault.WRONG_NUMBER_OF_CELLS, None, message)
    for column, text in row.said.items():
        fault = _cell_fault(column, text, zone)
        if fault is not None:
            return _refusal(row, fault[0], column, fault[1])
    if row.said.get(ShipmentColumn.ITEM_QUANTITY_SHIPPED) is not None and not _names_item(row):
        message = "With a quantity, one of item_id, item_original_id and item_sku is needed."
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


def _conflict(first: Row, row: Row) -> RowFate | None:
    """What a further row of a package says otherwise than the first one."""
    for column in OF_PACKAGE:
        said = {first.said.get(column), row.said.get(column)} - {None}
        if len(said) > 1:
            message = f"Row {first.number} of the same order and package says something else."
            return _refusal(row, RowFault.CONFLICTING_ROWS, column, message)
    is_first, is_next = _names_item(first), _names_item(row)
    if is_next and not is_first:
        message = f"Row {first.number} of the same order and package names no item and stands for all that remains."
        return _refusal(row, RowFault.CONFLICTING_ROWS, ShipmentColumn.ITEM_ID, message)
    if is_first and not is_next:
        message = f"The row names no item, but row {first.number} of the same order and package does."
        return _refusal(row, RowFault.CONFLICTING_ROWS, ShipmentColumn.ITEM_ID, message)
    return None


def _names_item(row: Row) -> bool:
    return any(column in row.said for column in NAMING_ITEMS)


def _item(row: Row) -> Item | None:
    own, original, sku = (row.said.get(column) for column in NAMING_ITEMS)
    if own is None and original is None and sku is None:
        return None
    units = row.said.get(ShipmentColumn.ITEM_QUANTITY_SHIPPED)
    return Item(
        item_id=own,
        item_original_id=original,
        item_sku=sku,
        item_quantity_shipped=None if units is None else int(units),
    )


def _report(channel: str, rows: Sequence[Row], zone: ZoneInfo) -> ShipmentReport:
    said = {
        column: next(filter(None, (row.said.get(column) for row in rows)), None)
        for column in (ShipmentColumn.ID, ShipmentColumn.ORIGINAL_ID, ShipmentColumn.PACKAGE_ID, *OF_PACKAGE)
    }
    date = said[ShipmentColumn.SHIPPING_DATE]
    own_id = said[ShipmentColumn.ID]
    return ShipmentReport(
        id=own_id.lower() if own_id else None,
        channel=channel,
        original_id=said[ShipmentColumn.ORIGINAL_ID],
        package_id=said[ShipmentColumn.PACKAGE_ID],
        tracking_number=said[ShipmentColumn.TRACKING_NUMBER],
        shipping_date=None if date is None else _shipping_date(date, zone),
        carrier_code=said[ShipmentColumn.CARRIER_CODE],
        ship_from=said[ShipmentColumn.SHIP_FROM],
        return_tracking_number=said[ShipmentColumn.RETURN_TRACKING_NUMBER],
        return_carrier=said[ShipmentColumn.RETURN_CARRIER],
        items=tuple(item for item in (_item(row) for row in rows) if item is not None),
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
