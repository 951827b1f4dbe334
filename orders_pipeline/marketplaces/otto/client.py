"""A session with OTTO: the listing of orders, single orders, and the connection test.

What lives here: which calls read orders, how pages follow each other, when a listing counts as complete. What does not: one
call (`rest`, `dialect`), finding an order in an answer (`documents`), what an order says (`normalise`), telling OTTO something
(`confirmation`).
"""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urljoin

from orders_pipeline.marketplaces.errors import MarketplaceError, Permanent, Refused, Transient
from orders_pipeline.marketplaces.findings import clock_findings, failure
from orders_pipeline.marketplaces.otto import confirmation
from orders_pipeline.marketplaces.otto.carriers import REQUIREMENTS
from orders_pipeline.marketplaces.otto.confirmation import ORDERS, SHIPMENTS
from orders_pipeline.marketplaces.otto.dialect import OttoDialect
from orders_pipeline.marketplaces.otto.documents import LIST, SHAPE
from orders_pipeline.marketplaces.otto.settings import OttoSettings
from orders_pipeline.marketplaces.payloads import elements
from orders_pipeline.marketplaces.protocol import Finding, Page, Rate, Window
from orders_pipeline.marketplaces.receipts import Turn, in_turn
from orders_pipeline.marketplaces.rest import Rest, RestClient, unreadable
from orders_pipeline.marketplaces.settings import read_settings
from warehouse.clock import iso, utc_now

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from orders_pipeline.marketplaces.http import Parameters
    from orders_pipeline.marketplaces.protocol import ConnectionContext, Parcel, Quota, RawOrder
    from orders_pipeline.marketplaces.rest import RestAnswer
    from warehouse.clock import Clock
    from warehouse.shipments import Receipt, Requirements

PAGE_SIZE = 128
LAG = timedelta(minutes=15)
"""A window ends so long ago, and the next one begins there. OTTO lists all that is newer too: nothing is late for it."""
SHOWN_WITHIN = timedelta(minutes=30)
"""Units turn sent some time after their shipment was taken."""

RATES: dict[str, Rate] = {
    # Twenty calls a second for a partner, over all that it does.
    "orders": Rate(5.0, 10),
    "order": Rate(5.0, 10),
    "shipments": Rate(5.0, 10),
    "shipment": Rate(5.0, 10),
    "cancellation": Rate(5.0, 10),
}


class _Listed(NamedTuple):
    """One page: its orders, and where the next one is."""

    orders: list[RawOrder]
    following: str | None


class OttoClient(RestClient):
    """A session with one connection; see `orders_pipeline.marketplaces.protocol.Client` for the contract.

    Raises:
        Permanent: A setting of the connection is not valid; the message names it. Nothing is sent before the first call.
    """

    def __init__(self, context: ConnectionContext, take: Quota, max_pages: int, now: Clock = utc_now) -> None:
        self._context = context
        self._max_pages = max_pages
        self._now = now
        self._settings = read_settings(OttoSettings, context.settings)
        self._dialect = OttoDialect(context, self._settings, now)
        self._rest = Rest(self._dialect, self._settings, take, now)

    # -- the protocol

    def pull(self, window: Window) -> Iterator[Page]:
        """Every order changed since the window began; OTTO has no upper bound, so the newest come along.

        An order that is sent twice as it is comes once.

        Raises:
            Transient: Truncated: a page limit, or a page that was sent before.
        """
        listed = self._page(ORDERS, [("fromDate", iso(window.since)), ("mode", "AT_LEAST_ONE"), ("limit", PAGE_SIZE)])
        found, links = set[tuple[str, int]](), set[str]()
        for _ in range(self._max_pages):
            fresh = []
            for each in listed.orders:
                key = (each.original_id, hash(each.body))
                if key not in found:
                    found.add(key)
                    fresh.append(each)
            if fresh:
                yield Page(fresh, self.server_time())
            if listed.following is None:
                return
            if listed.following in links:
                raise Transient("repeated_page", "OTTO sent a link to the next page before")
            links.add(listed.following)
            listed = self._page(listed.following, None)
        raise Transient("truncated", f"OTTO has more than {self._max_pages} pages", "raise the page limit")

    def fetch(self, original_ids: Sequence[str]) -> Iterator[Page]:
        """The named orders, one by one."""
        for original_id in dict.fromkeys(original_ids):
            answer = self._rest.read("order", confirmation.order_path(original_id), None, {HTTPStatus.NOT_FOUND})
            if answer.status == HTTPStatus.NOT_FOUND:
                continue
            if not isinstance(answer.value, dict) or SHAPE.original_id(answer.value) != original_id:
                raise unreadable("order", "answered without the order")
            yield Page([SHAPE.raw_order(answer.value, answer.body.strip(), 1)], self.server_time())

    def confirm(self, parcels: Sequence[Parcel]) -> Sequence[Receipt]:
        """Tell of packages, one a call."""
        if len(parcels) > 1:
            raise Permanent("batch_invalid", f"{len(parcels)} packages: one a call", "report this as a defect")
        return in_turn([Turn("shipment", [each], self._ship) for each in parcels])

    def _ship(self, parcels: Sequence[Parcel]) -> Sequence[Receipt]:
        return [confirmation.ship(self._rest, each) for each in parcels]

    def read_back(self, original_ids: Sequence[str]) -> Iterator[Page]:
        """The named orders: their units show what left, some time after it was told."""
        yield from self.fetch(original_ids)

    def requirements(self) -> Requirements:
        """The same for every seller; OTTO has no call that tells."""
        return REQUIREMENTS

    def accept(self, original_id: str, decisions: Mapping[str, bool]) -> None:  # noqa: ARG002 - the contract's names
        """Refused: OTTO's orders are not accepted."""
        raise Refused("acceptance_not_offered", "OTTO's orders are not accepted or refused", "ship or cancel the units")

    def cancel(self, original_id: str, quantities: Mapping[str, int], reason: str | None) -> None:  # noqa: ARG002 - OTTO takes none
        """Cancel units as the seller; OTTO takes no reason."""
        confirmation.cancel(self._rest, original_id, quantities)

    def decide_cancellation(self, original_id: str, requester: str, is_accepted: bool, reason: str | None) -> None:  # noqa: ARG002, FBT001 - the contract's names
        """Refused: OTTO has no requests to cancel."""
        raise Refused("cancellation_not_offered", "OTTO has no requests to cancel", "cancel the units, or ship them")

    # -- listings

    def _page(self, path: str, parameters: Parameters | None) -> _Listed:
        answer = self._rest.read("orders", path, parameters)
        found = elements(answer.body, LIST) if isinstance(answer.value, dict) else None
        if found is None:
            raise unreadable("orders", "answered without a list of orders")
        orders = [SHAPE.raw_order(value, body, place) for place, (value, body) in enumerate(found, 1)]
        return _Listed(orders, _next_link(answer))

    # -- the connection test

    def test(self) -> Sequence[Finding]:
        """Address, credentials, the rights to read orders and shipments, and the clocks."""
        yesterday = self._now() - timedelta(days=1)
        found: list[Finding] = []
        try:
            address = self._dialect.address
            self._rest.read("orders", ORDERS, [("fromDate", iso(yesterday)), ("limit", 1)])
        except MarketplaceError as error:
            return [failure(error)]
        environment = self._settings.environment
        found.append(Finding("endpoint", is_ok=True, message=f"{address} answers ({environment})"))
        found.append(Finding("credential", is_ok=True, message="it is accepted, and may read orders"))
        try:
            self._rest.read("shipments", SHIPMENTS, [("datefrom", yesterday.date().isoformat()), ("limit", 1)])
        except MarketplaceError as error:
            hint = "grant the scope `shipments` to the app, and name it in the setting `scopes`"
            found.append(Finding("role", is_ok=False, message=error.message, hint=hint))
        else:
            found.append(Finding("role", is_ok=True, message="shipments may be read"))
        return [*found, *clock_findings("OTTO's", self.server_time(), self._now())]


def _next_link(answer: RestAnswer) -> str | None:
    """Where the next page is, as a path or a whole address; a link may be relative. None where there is none.

    Raises:
        Transient: The links are not the documented shape: the listing's end is unknown.
    """
    links = answer.value.get("links") or []
    if not isinstance(links, list) or not all(isinstance(each, dict) for each in links):
        raise unreadable("orders", "answered with links that are none")
    found: list[Any] = [each.get("href") for each in links if str(each.get("rel")).lower() == "next"]
    if not found:
        return None
    if not isinstance(found[0], str) or not found[0]:
        raise unreadable("orders", "answered with a link to the next page that is none")
    return urljoin(ORDERS, found[0])
