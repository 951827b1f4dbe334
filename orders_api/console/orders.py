"""The list of orders: search, filters, counts, sorting. One order is in `order`."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import orjson
from pydantic import Field
from starlette.datastructures import QueryParams

from orders_api.console.kit.lists import ROWS, around
from orders_api.console.kit.pages import GoTo, Pages
from orders_api.console.kit.queries import Asked, ask, understand
from orders_api.console.kit.rendering import moment
from orders_api.console.order_filters import LABELS, filters_of
from orders_api.console.views.frame import Badge
from orders_api.console.views.orders import OrderList, OrderRow, PlaceInList, View
from orders_api.console.words import confirmation_badge, status_badge
from orders_api.kit import cursors
from orders_api.v1.order_filters import OrderListQuery
from warehouse import display
from warehouse.lake.wording import select_orders
from warehouse.ledger.book import order_queries, order_tally
from warehouse.ledger.book.consumers import consumers_of
from warehouse.ledger.book.order_filter import Sort
from warehouse.ledger.book.search import MOST_FOUND
from warehouse.ledger.status.channel_status import readable_channels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orders_api.console.kit.visits import Visit
    from warehouse.documents import StoredOrder
    from warehouse.ledger.book.order_filter import OrderFilter
    from warehouse.ledger.book.order_tally import Count

PATH = "/orders"
COUNT_SECONDS = 0.1
COUNT_SECONDS_WHEN_ASKED = 2.5
"""So long may be counted what the kept counts do not say."""
COUNTED_UNASKED = 10_000
"""So many of these are counted; whoever wants to know exactly asks for it."""
LIST = "list"
"""The parameter of an order's page that holds the query of the list."""
NO_QUESTION = frozenset({"limit", "cursor", "count"})
"""Parameters that say how much of a list is shown, and not which."""
VIEWS = (
    ("All", ()),
    ("To ship", (("status", "WAITING_FOR_SHIPMENT"), ("status", "PARTIALLY_SHIPPED"))),
    ("Due or overdue", (("ship_by", "overdue"), ("ship_by", "next_24_hours"))),
    ("Errors", (("has_errors", "true"),)),
    ("Cancellation requested", (("cancellation_requested", "true"),)),
    ("Refused or in doubt", (("confirmation", "rejected"), ("confirmation", "in_doubt"))),
    ("To accept", (("awaits_acceptance", "true"),)),
    ("Fulfilled by marketplace", (("fulfilled_by", "marketplace"),)),
)
"""The views that are there from the beginning: a name, and its filters."""

pages = Pages()


class OrdersQuery(OrderListQuery):
    """The address of the list: the API's parameters, with shorter pages."""

    limit: int = Field(ROWS, ge=1, le=1000)


@pages.listing(PATH, "orders.html")
def list_orders(visit: Visit) -> OrderList | GoTo:
    """Orders that the filters find; an exact search with one hit goes to the order itself."""
    asked = ask(visit.request, OrdersQuery)
    query = asked.query
    found = query.as_filter(visit.transaction, visit.visible_channels, visit.installation)
    if query.search and len(found.ids or ()) == 1 and len(asked.items) == 1:
        return GoTo(f"{PATH}/{(found.ids or ('',))[0]}")
    fingerprint = found.fingerprint(query.sort)
    after = cursors.decode(query.cursor, fingerprint, query.sort) if query.cursor is not None else None
    told = None if found.is_by_id else order_tally.tally(visit.transaction, found)
    page = order_queries.page(visit.transaction, found, query.sort, after, query.limit, told)
    effort = (COUNT_SECONDS_WHEN_ASKED, None) if query.count else (COUNT_SECONDS, COUNTED_UNASKED)
    count = order_tally.count_briefly(visit.transaction, found, told, *effort)
    cursor = None if page.next_key is None else cursors.encode(fingerprint, page.next_key)
    channels = readable_channels(visit.transaction, visit.visible_channels)
    consumers = consumers_of(visit.transaction, visit.visible_channels)
    labels = {each.code: each.label for each in channels}
    documents = [orjson.loads(each) for each in visit.installation.documents(page.rows, None)]
    zone = visit.installation.settings.time_zone
    return OrderList(
        name="orders",
        rows=tuple(order_row(each, labels, visit.now, zone) for each in documents),
        count=_counted(count),
        counting=None if query.count or count.is_exact else asked.address(PATH, count="true"),
        views=_views(asked),
        around=around(
            visit,
            asked,
            PATH,
            filters_of(asked, channels, consumers, zone),
            cursor=cursor,
            labels=LABELS,
            sql=select_orders(found),
        ),
        is_cut=len(found.ids or ()) == MOST_FOUND,
        interval=_interval(found, zone) if query.received is not None else "",
        opened=opened_from(asked),
        sort=query.sort.value,
        sorts={each.value: asked.address(PATH, sort=each.value) for each in Sort},
    )


def opened_from(asked: Asked[OrdersQuery]) -> str:
    """What is added to the address of an order, so that its page knows the list that it was opened from."""
    kept = [each for each in asked.items if each[0] not in NO_QUESTION]
    return f"?{urlencode({LIST: urlencode(kept)})}"


def place_in_list(visit: Visit, row: StoredOrder) -> PlaceInList | None:
    """Where an order stands in the list that it was opened from; None when it was opened from none."""
    written = visit.request.query_params.get(LIST)
    if written is None:
        return None
    asked = understand(QueryParams(written), OrdersQuery)
    found = asked.query.as_filter(visit.transaction, visit.visible_channels, visit.installation)
    before, after = order_queries.neighbours(visit.transaction, found, asked.query.sort, row)
    opened = opened_from(asked)
    return PlaceInList(
        path=asked.address(PATH),
        before="" if before is None else f"{PATH}/{before}{opened}",
        after="" if after is None else f"{PATH}/{after}{opened}",
        opened=urlencode(asked.items),
    )


def order_row(document: Mapping[str, Any], channels: Mapping[str, str], now: datetime, zone: str) -> OrderRow:
    """An order in the list.

    Args:
        document: As the API tells it, without personal data.
        channels: Code → label.
        now: The present instant.
        zone: Whose clocks are shown.
    """
    lines = document["lines"]
    units = [each["quantity_ordered"] for each in lines]
    total, currency = document["total"], document["currency"]
    return OrderRow(
        id=document["id"],
        original_id=document["original_id"],
        channel=channels.get(document["channel"], document["channel"]),
        status=status_badge(document["status"], document["marketplace_status"]),
        confirmation=confirmation_badge(document["confirmation_status"]),
        purchased=moment(document["purchased_at"], now, zone),
        ship_by=moment(document["ship_by"], now, zone),
        due=_due(document, now),
        lines=len(lines),
        units=None if None in units else sum(units),
        total=None if total is None else display.money(Decimal(total), currency),
        country=document["shipping_country_code"],
        has_errors=document["has_errors"],
        cancellation=cancellation_label(document),
        is_split=document["split_of"] is not None,
        record={name: document[name] for name in _RECORDED} | {"lines": len(lines)},
    )


_RECORDED = (
    *("id", "original_id", "channel", "marketplace", "status", "marketplace_status", "fulfilled_by", "purchased_at"),
    *("received_at", "marketplace_updated_at", "ship_by", "confirmation_status", "has_errors"),
    *("has_cancellation_request", "total", "currency", "shipping_country_code", "revision"),
)
"""Members of an order that a list for programs has."""


def cancellation_label(document: Mapping[str, Any]) -> Badge | None:
    """Whether the order or a part of it was cancelled, or somebody asked for that."""
    if document["status"] == "CANCELED":
        return None  # the status says so
    if document["has_cancellation_request"]:
        return Badge("Cancellation requested", "warning")
    if any(each["quantity_cancelled"] for each in document["lines"]):
        return Badge("Item canceled", "over")
    return None


def _due(document: Mapping[str, Any], now: datetime) -> Badge | None:
    """How long there is to ship what is to be shipped."""
    if document["ship_by"] is None or document["status"] not in {"WAITING_FOR_SHIPMENT", "PARTIALLY_SHIPPED"}:
        return None
    left = datetime.fromisoformat(document["ship_by"]) - now
    if left < timedelta():
        return Badge(f"overdue {_length(-left)}", "failed")
    return Badge(f"in {_length(left)}", "warning" if left < timedelta(days=1) else "waiting")


def _length(time: timedelta) -> str:
    hours = int(time.total_seconds() // 3600)
    return f"{hours // 24} d" if hours >= 48 else f"{hours} h" if hours else f"{int(time.total_seconds() // 60)} min"  # noqa: PLR2004 - two days


def _counted(count: Count) -> str:
    """How many, in words that claim no more than is known."""
    if count.is_exact:
        return f"{display.number(count.least)} {'order' if count.least == 1 else 'orders'}"
    if count.least:
        return f"{display.number(count.least)}+ orders"
    return "Many orders" if count.most is None else f"At most {display.number(count.most)} orders"


def _interval(found: OrderFilter, zone: str) -> str:
    assert found.received_after is not None
    assert found.received_before is not None
    first, end = (display.moment(each, ZoneInfo(zone)) for each in (found.received_after, found.received_before))
    return f"{first} to {end}"


def _views(asked: Asked[OrdersQuery]) -> tuple[View, ...]:
    shown = {each for each in asked.items if each[0] not in {"sort", *NO_QUESTION}}
    return tuple(View(name, f"{PATH}?{urlencode(items)}".rstrip("?"), shown == set(items)) for name, items in VIEWS)
