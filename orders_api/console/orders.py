"""The list of orders: search, filters, counts, sorting. One order is in `order`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import orjson
from pydantic import Field
from starlette.datastructures import QueryParams

from orders_api.console.kit.lists import ROWS, around
from orders_api.console.kit.pages import GoTo, Pages
from orders_api.console.kit.queries import Asked, ask, understand
from orders_api.console.kit.texts import _, counted
from orders_api.console.order_filters import LABELS, filters_of
from orders_api.console.order_rows import LABELS as LABELS_OF_COLUMNS
from orders_api.console.order_rows import NUMBERS, SHOWN, order_row
from orders_api.console.order_search import names_whole, offers
from orders_api.console.order_views import opening_view, view_bar
from orders_api.console.views.lists import FilterValue
from orders_api.console.views.orders import ListColumn, OrderList, PlaceInList
from orders_api.console.words import ACTIONS
from orders_api.kit import cursors
from orders_api.v1.export_tables import SummaryColumn
from orders_api.v1.order_filters import OrderListQuery
from warehouse import display
from warehouse.lake.wording import select_orders
from warehouse.ledger.book import order_queries, order_tally
from warehouse.ledger.book.consumers import consumers_of
from warehouse.ledger.book.order_filter import Sort
from warehouse.ledger.book.search import MOST_FOUND
from warehouse.ledger.people.saved_views import views_for
from warehouse.ledger.people.users import Role
from warehouse.ledger.status.channel_status import readable_channels
from warehouse.ledger.watch.incident_queries import open_by_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orders_api.console.kit.queries import Asked
    from orders_api.console.kit.visits import Visit
    from warehouse.documents import StoredOrder
    from warehouse.ledger.book.order_filter import OrderFilter
    from warehouse.ledger.book.order_tally import Count
    from warehouse.ledger.people.saved_views import SavedView

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
SORTS = {
    SummaryColumn.PURCHASED: (Sort.NEWEST, Sort.OLDEST),
    SummaryColumn.CHANGED: (Sort.LATEST_CHANGE, Sort.POSITION),
    SummaryColumn.ERRORS: (Sort.ERRORS_FIRST, Sort.ERRORS_LAST),
}
"""Columns by which the list can be sorted, the greatest first, or last."""
pages = Pages()


class OrdersQuery(OrderListQuery):
    """The address of the list: the API's parameters, with shorter pages."""

    limit: int = Field(ROWS, ge=1, le=1000)
    view: str | None = Field(None, max_length=64)
    columns: list[SummaryColumn] = Field([])


@pages.listing(PATH, "orders.html")
def list_orders(visit: Visit) -> OrderList | GoTo:
    """Orders that the filters find; an exact search with one hit goes to the order itself."""
    asked = ask(visit.request, OrdersQuery)
    views = views_for(visit.transaction, visit.user)
    opening = opening_view(views, visit.user.name)
    if opening is not None and not visit.request.query_params and _is_page(visit):
        return GoTo(opening)
    if opening is not None:
        asked = asked.explicit("view", "all")
    query = asked.query
    found = query.as_filter(visit.transaction, visit.visible_channels, visit.installation)
    fingerprint = found.fingerprint(query.sort)
    after = cursors.decode(query.cursor, fingerprint, query.sort) if query.cursor is not None else None
    tallied = None if found.is_by_id else order_tally.tally(visit.transaction, found)
    page = order_queries.page(order_queries.MEMBERS, visit.transaction, found, query.sort, after, query.limit, tallied)
    if (
        len(page.rows) == 1
        and _is_page(visit)
        and {name for name, _ in asked.items} <= {"search", "view"}
        and query.search
        and names_whole(query.search, page.rows[0])
    ):
        return GoTo(f"{PATH}/{page.rows[0].id}")
    effort = (COUNT_SECONDS_WHEN_ASKED, None) if query.count else (COUNT_SECONDS, COUNTED_UNASKED)
    count = order_tally.count_briefly(visit.transaction, found, tallied, *effort)
    cursor = None if page.next_key is None else cursors.encode(fingerprint, page.next_key)
    return _listed(visit, asked, found, count, page.rows, cursor, views)


def _listed(
    visit: Visit,
    asked: Asked[OrdersQuery],
    found: OrderFilter,
    count: Count,
    rows: Sequence[StoredOrder],
    cursor: str | None,
    views: Sequence[SavedView],
) -> OrderList:
    query, zone = asked.query, visit.installation.settings.time_zone
    channels = readable_channels(visit.transaction, visit.visible_channels)
    consumers = consumers_of(visit.transaction, visit.visible_channels)
    troubles = open_by_order(visit.transaction, [each.id for each in rows if each.has_errors])
    labels = {each.code: each.label for each in channels}
    documents = [orjson.loads(each) for each in visit.installation.documents(rows, None)]
    filters = filters_of(asked, channels, consumers, zone)
    return OrderList(
        name="orders",
        rows=tuple(order_row(each, troubles, labels, visit.now, zone) for each in documents),
        around=around(visit, asked, PATH, filters, cursor=cursor, labels=LABELS, sql=select_orders(found)),
        count=_counted(count),
        counting=None if query.count or count.is_exact else asked.address(PATH, count="true"),
        views=view_bar(asked, views, visit.user.name),
        is_cut=len(found.ids or ()) == MOST_FOUND,
        interval=_interval(found, zone) if query.received is not None else "",
        opened=opened_from(asked),
        offers=() if documents or not query.search else offers(visit, query.search, PATH),
        actions=ACTIONS if visit.user.role.includes(Role.OPERATOR) else {},
        listed=urlencode([each for each in asked.items if each[0] not in NO_QUESTION]),
        columns=tuple(_column(each, asked) for each in SummaryColumn if each in (query.columns or SHOWN)),
        chooser=tuple(
            FilterValue(each.value, LABELS_OF_COLUMNS[each], each in (query.columns or SHOWN)) for each in SummaryColumn
        ),
    )


def _column(column: SummaryColumn, asked: Asked[OrdersQuery]) -> ListColumn:
    """A column with the sorting that its heading leads to: the greatest first, and then the other way round."""
    ways = SORTS.get(column)
    present = asked.query.sort
    if ways is None:
        return ListColumn(column.value, str(LABELS_OF_COLUMNS[column]), column in NUMBERS, "", "")
    order = {ways[0]: "descending", ways[1]: "ascending"}.get(present, "none")
    other = ways[1] if present is ways[0] else ways[0]
    path = asked.address(PATH, sort=other.value)
    return ListColumn(column.value, str(LABELS_OF_COLUMNS[column]), column in NUMBERS, path, order)


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


def _is_page(visit: Visit) -> bool:
    """Whether people read it, and not a program."""
    return bool(visit.request.scope["path"].endswith(PATH))


def _counted(count: Count) -> str:
    """How many, in words that claim no more than is known."""
    if count.is_exact:
        return counted("%(num)s order", "%(num)s orders", count.least)
    if count.least:
        return _("%(count)s+ orders", count=display.number(count.least))
    return _("Many orders") if count.most is None else _("At most %(count)s orders", count=display.number(count.most))


def _interval(found: OrderFilter, zone: str) -> str:
    assert found.received_after is not None
    assert found.received_before is not None
    first, end = (display.moment(each, ZoneInfo(zone)) for each in (found.received_after, found.received_before))
    return _("%(first)s to %(end)s", first=first, end=end)
