"""The two CSV templates as tables: the columns of the order export and of the shipment import, and the names of order files.

Pure: how a file gets to a storage is in `orders_pipeline.file_jobs.export`, how one is read is in
`orders_pipeline.file_jobs.ingest`, what becomes of a reported shipment is in `warehouse.ledger.shipping.shipments`. The
order columns serve the API's download too.
"""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC
from decimal import Decimal
from enum import StrEnum
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from warehouse.clock import iso
from warehouse.order_rules import share
from warehouse.order_states import SEEN_ELSEWHERE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

UNKNOWN = "unknown"
"""What stands in a file's name for orders of which the marketplace does not tell who ships, or where to."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class OrderColumn(StrEnum):
    """The columns of an order file, in their order; one row is one order line."""

    ORDER_STATUS = "order_status"
    ORDER_ID = "order_id"
    PURCHASE_DATE = "purchase_date"
    FULFILLED_BY = "fulfilled_by"
    CUSTOMER_NAME = "customer_name"
    CUSTOMER_PHONE = "customer_phone"
    SHIPPING_ADDRESS_LINE_1 = "shipping_address_line_1"
    SHIPPING_ADDRESS_LINE_2 = "shipping_address_line_2"
    SHIPPING_POSTAL_CODE = "shipping_postal_code"
    SHIPPING_CITY = "shipping_city"
    SHIPPING_COUNTRY_CODE = "shipping_country_code"
    PRODUCT_SKU = "product_sku"
    QUANTITY_ORDERED = "quantity_ordered"
    QUANTITY_SHIPPED = "quantity_shipped"
    QUANTITY_REMAINING_TO_SHIP = "quantity_remaining_to_ship"
    UNIT_PRICE = "unit_price"
    LINE_TOTAL = "line_total"
    LINE_NUMBER = "line_number"


class ExtraColumn(StrEnum):
    """What an order file may hold beside `OrderColumn`, behind it; ids are called as in `ShipmentColumn`."""

    ID = "id"
    ITEM_ID = "item_id"
    ITEM_ORIGINAL_ID = "item_original_id"
    QUANTITY_ORDERED_GROSS = "quantity_ordered_gross"
    QUANTITY_CANCELLED = "quantity_cancelled"
    MAY_SHIP = "may_ship"
    MAY_NOT_SHIP_REASON = "may_not_ship_reason"
    CURRENCY = "currency"
    CHANNEL = "channel"
    SHIP_BY = "ship_by"
    SERVICE_LEVEL = "service_level"
    DELIVERY_POINT_ID = "delivery_point_id"


class ShipmentColumn(StrEnum):
    """The columns of a shipment file; they may come in any order."""

    ID = "id"
    ORIGINAL_ID = "original_id"
    PACKAGE_ID = "package_id"
    TRACKING_NUMBER = "tracking_number"
    SHIPPING_DATE = "shipping_date"
    CARRIER_CODE = "carrier_code"
    ITEM_ID = "item_id"
    ITEM_ORIGINAL_ID = "item_original_id"
    ITEM_QUANTITY_SHIPPED = "item_quantity_shipped"
    ITEM_SKU = "item_sku"
    SHIP_FROM = "ship_from"
    RETURN_TRACKING_NUMBER = "return_tracking_number"
    RETURN_CARRIER = "return_carrier"


class ResultColumn(StrEnum):
    """What an answer to a shipment file adds to each of its rows."""

    ROW = "result_row"
    OUTCOME = "result_outcome"
    CODE = "result_code"
    COLUMN = "result_column"
    MESSAGE = "result_message"


def order_header(extra: Sequence[ExtraColumn] = ()) -> list[str]:
    """The first row of an order file."""
    return [column.value for column in (*OrderColumn, *extra)]


MADE_OF: Mapping[OrderColumn | ExtraColumn, str] = {
    OrderColumn.ORDER_STATUS: "status",
    OrderColumn.ORDER_ID: "original_id",
    OrderColumn.PURCHASE_DATE: "purchased_at",
    OrderColumn.FULFILLED_BY: "fulfilled_by",
    OrderColumn.CUSTOMER_NAME: "customer.name",
    OrderColumn.CUSTOMER_PHONE: "customer.phone",
    OrderColumn.SHIPPING_ADDRESS_LINE_1: "shipping_address.line_1",
    OrderColumn.SHIPPING_ADDRESS_LINE_2: "shipping_address.line_2",
    OrderColumn.SHIPPING_POSTAL_CODE: "shipping_address.postal_code",
    OrderColumn.SHIPPING_CITY: "shipping_address.city",
    OrderColumn.SHIPPING_COUNTRY_CODE: "shipping_country_code",
    OrderColumn.PRODUCT_SKU: "lines.sku",
    OrderColumn.QUANTITY_SHIPPED: "lines.quantity_shipped",
    OrderColumn.LINE_NUMBER: "lines.number",
    ExtraColumn.ID: "id",
    ExtraColumn.ITEM_ID: "lines.id",
    ExtraColumn.ITEM_ORIGINAL_ID: "lines.original_id",
    ExtraColumn.QUANTITY_ORDERED_GROSS: "lines.quantity_ordered",
    ExtraColumn.QUANTITY_CANCELLED: "lines.quantity_cancelled",
    ExtraColumn.MAY_SHIP: "lines.may_ship",
    ExtraColumn.MAY_NOT_SHIP_REASON: "lines.may_not_ship_reason",
    ExtraColumn.CURRENCY: "currency",
    ExtraColumn.CHANNEL: "channel",
    ExtraColumn.SHIP_BY: "ship_by",
    ExtraColumn.SERVICE_LEVEL: "service_level",
    ExtraColumn.DELIVERY_POINT_ID: "delivery_point.id",
}
"""Columns that hold a member of the order's document as it is, and mean what it means."""

_PATHS = {column: tuple(path.split(".")) for column, path in MADE_OF.items()}
_LINES = "lines"


def order_rows(
    status: str, facts: Mapping[str, Any], parties: Mapping[str, Any], extra: Sequence[ExtraColumn] = ()
) -> list[tuple[object, ...]]:
    """The rows of one order, in the order of `order_header`; None is written as an empty cell.

    In this form an unknown price is 0, as its readers expect; everywhere else it is null. Quantities and amounts are net of
    cancelled units, and of those that the marketplace bars from being shipped though they remain.

    Args:
        status: The order's status as it is now.
        facts: The members of its document that are not personal.
        parties: The personal ones; empty where they are unknown or may not be seen.
        extra: The columns behind those of every file.
    """
    plan = _row_plan(tuple(extra))
    order = {**facts, **parties, "status": status}
    of_the_order = [_cell(order, path) for path in plan.order_paths]
    return [
        plan.arrange((*of_the_order, *(_cell(line, path) for path in plan.line_paths), *_net_cells(line)))
        for line in facts[_LINES]
    ]


class _RowPlan(NamedTuple):
    """How the cells of a row come about: members of the order, then of the line, then what is computed; and their places."""

    order_paths: Sequence[tuple[str, ...]]
    line_paths: Sequence[tuple[str, ...]]
    arrange: Callable[[tuple[object, ...]], tuple[object, ...]]


@cache
def _row_plan(extra: tuple[ExtraColumn, ...]) -> _RowPlan:
    columns = (*OrderColumn, *extra)
    members = [each for each in dict.fromkeys(columns) if each in _PATHS]
    of_order = [each for each in members if _PATHS[each][0] != _LINES]
    of_line = [each for each in members if _PATHS[each][0] == _LINES]
    places = {column: place for place, column in enumerate((*of_order, *of_line, *_NET))}
    return _RowPlan(
        [_PATHS[each] for each in of_order],
        [_PATHS[each][1:] for each in of_line],
        itemgetter(*(places[each] for each in columns)),
    )


def _cell(within: Mapping[str, Any], path: tuple[str, ...]) -> object:
    value: Any = within
    for name in path:
        value = None if value is None else value.get(name)
    return ("true" if value else "false") if isinstance(value, bool) else value


_NET = (
    OrderColumn.QUANTITY_ORDERED,
    OrderColumn.QUANTITY_REMAINING_TO_SHIP,
    OrderColumn.UNIT_PRICE,
    OrderColumn.LINE_TOTAL,
)
"""What is computed for a line, net of units that are cancelled or barred."""


def _net_cells(line: Mapping[str, Any]) -> tuple[object, ...]:
    """The cells of `_NET`."""
    ordered, shipped, cancelled = line["quantity_ordered"], line["quantity_shipped"], line["quantity_cancelled"]
    kept = None if ordered is None or cancelled is None else ordered - cancelled
    barred = _barred(line)
    shown = None if kept is None or barred is None else kept - barred
    total = line["kept_total"]
    if total is None and not cancelled:
        total = line["line_total"]
    if shown is not None and kept and total is not None and barred:
        total = format(share(Decimal(total), shown, kept), "f")
    remaining = None if shown is None or shipped is None else shown - shipped
    return shown, remaining, "0" if shown == 0 else line["unit_price"] or "0", total or "0"


def _barred(line: Mapping[str, Any]) -> int | None:
    """Units that remain and may not ship, for a reason that neither quantities nor the order's status show."""
    remaining, refunded = line["quantity_remaining_to_ship"], line["quantity_refunded"] or 0
    if line["may_ship"]:
        return min(refunded, remaining or 0)
    return 0 if line["may_not_ship_reason"] in SEEN_ELSEWHERE else remaining


def spreadsheet_safe(row: Iterable[object]) -> list[object]:
    """The same row with an apostrophe before every text that a spreadsheet would take for a formula.

    >>> spreadsheet_safe(["=1+1", "+33 1 23", "Nantes", -1, None])
    ["'=1+1", "'+33 1 23", 'Nantes', -1, None]
    """
    return ["'" + cell if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell for cell in row]


def csv_bytes(rows: Iterable[Sequence[object]], delimiter: str = ",") -> bytes:
    r"""Rows as RFC 4180 asks: commas, CRLF, quotes where they are needed and doubled inside; UTF-8 without a byte order mark.

    >>> csv_bytes([("a", 'b "c", d', None, 1)])
    b'a,"b ""c"", d",,1\r\n'
    """
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter).writerows(rows)
    return buffer.getvalue().encode("utf-8", "replace")  # a lone surrogate, which some payloads hold, becomes "?"


def file_date(instant: datetime) -> str:
    """The date in file names: UTC, milliseconds, hyphens for colons; sorts by name.

    >>> from datetime import datetime
    >>> file_date(datetime(2025, 4, 11, 15, 37, 34, 513000, tzinfo=UTC))
    '2025-04-11T15-37-34.513Z'
    """
    return iso(instant.astimezone(UTC)).replace(":", "-")


def order_file_name(channel: str, groups: Sequence[str | None], instant: datetime) -> str:
    """The name of an order file.

    Args:
        channel: Code of the channel.
        groups: The values that the export is split by, fulfilment before country; one that is not known is `unknown`.
        instant: When the file was made.

    >>> from datetime import datetime
    >>> made = datetime(2025, 4, 11, 15, 37, 34, 513000, tzinfo=UTC)
    >>> order_file_name("garden_vendor_us", ["merchant", None], made)
    'orders_export_garden_vendor_us_merchant_unknown_2025-04-11T15-37-34.513Z.csv'
    """
    parts = [channel, *(each or UNKNOWN for each in groups)]
    return "_".join(["orders_export", *(_plain(each) for each in parts), file_date(instant)]) + ".csv"


def _plain(part: str) -> str:
    """A part of a name in characters that every storage takes."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", part)[:64] or UNKNOWN
