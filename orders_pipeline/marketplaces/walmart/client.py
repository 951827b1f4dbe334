"""A session with Walmart: the listings of purchase orders, single orders, and the connection test.

What lives here: which calls read orders, how pages follow each other, when a listing counts as complete. What does not: one
call (`rest`, `dialect`), finding an order in an answer (`documents`), what an order says (`normalise`), telling Walmart
something (`confirmation`).
"""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from orders_pipeline.marketplaces.errors import MarketplaceError, Permanent, Refused, Transient
from orders_pipeline.marketplaces.findings import clock_findings, failure
from orders_pipeline.marketplaces.payloads import elements, member
from orders_pipeline.marketplaces.protocol import Finding, Page, Rate, Window
from orders_pipeline.marketplaces.receipts import Turn, in_turn
from orders_pipeline.marketplaces.rest import Rest, RestClient, unreadable
from orders_pipeline.marketplaces.settings import read_settings
from orders_pipeline.marketplaces.walmart import confirmation
from orders_pipeline.marketplaces.walmart.carriers import REQUIREMENTS
from orders_pipeline.marketplaces.walmart.dialect import WalmartDialect
from orders_pipeline.marketplaces.walmart.documents import LIST, SHAPE, single_order
from orders_pipeline.marketplaces.walmart.settings import WalmartSettings
from warehouse.clock import iso, utc_now

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from orders_pipeline.marketplaces.http import Parameters
    from orders_pipeline.marketplaces.protocol import ConnectionContext, Parcel, Quota, RawOrder
    from warehouse.clock import Clock
    from warehouse.shipments import Receipt, Requirements

PAGE_SIZE = 200
MOST_ORDERS = 20_000
"""A search with more is refused: the window is halved."""
REACH = timedelta(days=180)
"""Orders that are older are not listed any more. The date of creation must be sent: without it only a week is searched."""
SHORTEST_WINDOW = timedelta(seconds=2)
LAG = timedelta(0)

RATES: dict[str, Rate] = {
    # What is printed differs by page; the bucket is corrected by the headers of every answer.
    "orders": Rate(200 / 60, 20),
    "order": Rate(200 / 60, 20),
    "acknowledge": Rate(1.0, 20),
    "shipping": Rate(1.0, 20),
    "cancel": Rate(1.0, 20),
}


class _TooMany(Exception):
    """A search has more orders than Walmart lists."""


class _Listed(NamedTuple):
    """One page: its orders, where the next one is, and how many orders the search has."""

    orders: list[RawOrder]
    cursor: str | None
    total: int | None


class WalmartClient(RestClient):
    """A session with one connection; see `orders_pipeline.marketplaces.protocol.Client` for the contract.

    Raises:
        Permanent: A setting of the connection is not valid; the message names it. Nothing is sent before the first call.
    """

    def __init__(self, context: ConnectionContext, take: Quota, max_pages: int, now: Clock = utc_now) -> None:
        self._context = context
        self._max_pages = max_pages
        self._now = now
        self._settings = read_settings(WalmartSettings, context.settings)
        self._dialect = WalmartDialect(context, self._settings, now)
        self._rest = Rest(self._dialect, self._settings, take, now)

    # -- the protocol

    def pull(self, window: Window) -> Iterator[Page]:
        """Every order changed in the window, a listing for each kind of ship node."""
        for ship_node in self._settings.ship_node_types:
            yield from self._searched(ship_node, window)

    def fetch(self, original_ids: Sequence[str]) -> Iterator[Page]:
        """The named orders, one by one."""
        for original_id in dict.fromkeys(original_ids):
            answer = self._rest.read(
                "order", confirmation.path_of(original_id), [("replacementInfo", "true")], {HTTPStatus.NOT_FOUND}
            )
            if answer.status == HTTPStatus.NOT_FOUND:
                continue
            order = single_order(answer.value)
            found = (order, answer.body) if order is answer.value else member(answer.body, ("order",))
            if found is None or not isinstance(found[0], dict):
                raise unreadable("order", "answered without an order")
            yield Page([SHAPE.raw_order(*found, 1)], self.server_time())

    def confirm(self, parcels: Sequence[Parcel]) -> Sequence[Receipt]:
        """Tell of packages, one order a call."""
        if len(parcels) > 1:
            raise Permanent("batch_invalid", f"{len(parcels)} packages: one a call", "report this as a defect")
        return in_turn([Turn("shipping", [each], self._ship) for each in parcels])

    def _ship(self, parcels: Sequence[Parcel]) -> Sequence[Receipt]:
        return [confirmation.ship(self._rest, each) for each in parcels]

    def read_back(self, original_ids: Sequence[str]) -> Iterator[Page]:
        """The named orders: their lines show what left."""
        yield from self.fetch(original_ids)

    def requirements(self) -> Requirements:
        """The same for every seller; Walmart has no call that tells."""
        return REQUIREMENTS

    def accept(self, original_id: str, decisions: Mapping[str, bool]) -> None:
        """Acknowledge an order; it cannot be refused, only cancelled."""
        if not all(decisions.values()):
            raise Refused("refusal_not_offered", "Walmart has no refusal of orders", "cancel the order instead")
        confirmation.acknowledge(self._rest, original_id)

    def cancel(self, original_id: str, quantities: Mapping[str, int], reason: str | None) -> None:
        """Cancel units as the seller."""
        confirmation.cancel(self._rest, original_id, quantities, reason)

    def decide_cancellation(self, original_id: str, requester: str, is_accepted: bool, reason: str | None) -> None:  # noqa: ARG002, FBT001 - the contract's names
        """Refused: a request is answered by cancelling, or by shipping nevertheless."""
        raise Refused("cancellation_not_offered", "Walmart takes no answer to a request to cancel")

    # -- listings

    def _searched(self, ship_node: str, window: Window) -> Iterator[Page]:
        """Every page of a search; one with more orders than Walmart lists is made of two halves.

        Raises:
            Transient: Truncated: a page limit, a repeated cursor, or fewer orders than are counted.
        """
        try:
            yield from self._listing(ship_node, window)
        except _TooMany:
            if window.until - window.since <= SHORTEST_WINDOW:
                said = f"more than {MOST_ORDERS} orders changed within {SHORTEST_WINDOW.total_seconds():.0f} s"
                raise Transient("truncated", said) from None
            middle = window.since + (window.until - window.since) / 2
            yield from self._searched(ship_node, Window(window.since, middle))
            yield from self._searched(ship_node, Window(middle, window.until))

    def _listing(self, ship_node: str, window: Window) -> Iterator[Page]:
        """A pass that gave fewer orders than Walmart counts is repeated once: rows move while one pages."""
        found: set[str] = set()
        for _ in range(2):
            total = yield from self._pass(ship_node, window, found)
            if len(found) >= total:
                return
        raise Transient("truncated", f"Walmart counts {total} orders but lists {len(found)}")

    def _pass(self, ship_node: str, window: Window, found: set[str]) -> Generator[Page, None, int]:
        parameters: Parameters = [
            ("createdStartDate", iso(self._now() - REACH)),
            ("lastModifiedStartDate", iso(window.since)),
            ("lastModifiedEndDate", iso(window.until)),
            ("shipNodeType", ship_node),
            ("replacementInfo", "true"),
            ("limit", PAGE_SIZE),
        ]
        listed = self._page("/v3/orders", parameters)
        if (listed.total or 0) > MOST_ORDERS:
            raise _TooMany
        total, cursors = listed.total or 0, set[str]()
        for _ in range(self._max_pages):
            found.update(each.original_id for each in listed.orders)
            if listed.orders:
                yield Page(listed.orders, self.server_time())
            if listed.cursor is None:
                return total
            if listed.cursor in cursors:
                raise Transient("repeated_page", "Walmart sent a cursor before")
            cursors.add(listed.cursor)
            listed = self._page(f"/v3/orders{listed.cursor}", None)  # as it is: written anew it is no cursor any more
            total = listed.total if listed.total is not None else total
        raise Transient("truncated", f"Walmart has more than {self._max_pages} pages", "raise the page limit")

    def _page(self, path: str, parameters: Parameters | None) -> _Listed:
        tolerated = {HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST}
        answer = self._rest.read("orders", path, parameters, tolerated)
        if answer.status == HTTPStatus.NOT_FOUND and "CONTENT_NOT_FOUND" in answer.code:
            return _Listed([], None, 0)
        if not answer.is_success:
            if parameters is not None and any(word in answer.said for word in ("20000", "20,000")):
                raise _TooMany
            said = f"orders answered HTTP {answer.status}: {answer.said or answer.code}"
            raise Permanent("request_refused", said)
        found = elements(answer.body, LIST) if isinstance(answer.value, dict) else None
        meta = answer.value.get("list", {}).get("meta") if found is not None else None
        if found is None or not isinstance(meta, dict):
            raise unreadable("orders", "answered without a list of orders")
        cursor, total = meta.get("nextCursor"), meta.get("totalCount")
        if cursor is not None and not isinstance(cursor, str):
            raise unreadable("orders", "answered with a cursor that is none")
        orders = [SHAPE.raw_order(value, body, place) for place, (value, body) in enumerate(found, 1)]
        is_count = isinstance(total, int) and not isinstance(total, bool)
        return _Listed(orders, cursor or None, total if is_count else None)

    # -- the connection test

    def test(self) -> Sequence[Finding]:
        """Address, keys, the right to read orders, and the clocks."""
        try:
            address = self._dialect.address
            self._rest.read(
                "orders",
                "/v3/orders",
                [("createdStartDate", iso(self._now() - timedelta(days=1))), ("limit", 1)],
                {HTTPStatus.NOT_FOUND},
            )
        except MarketplaceError as error:
            return [failure(error)]
        environment = self._settings.environment
        return [
            Finding("endpoint", is_ok=True, message=f"{address} answers ({environment})"),
            Finding("credential", is_ok=True, message="the keys are accepted, and may read orders"),
            *clock_findings("Walmart's", self.server_time(), self._now()),
        ]
