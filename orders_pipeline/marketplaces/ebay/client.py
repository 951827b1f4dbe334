"""A session with eBay: the listing of orders, single orders with their packages, and the connection test.

What lives here: which calls read orders, how pages follow each other, when a listing counts as complete. What does not: one
call (`rest`, `dialect`), finding an order in an answer (`documents`), what an order says (`normalise`), telling eBay something
(`confirmation`, `post_order`).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

from orders_pipeline.marketplaces.ebay import confirmation, post_order
from orders_pipeline.marketplaces.ebay.carriers import REQUIREMENTS
from orders_pipeline.marketplaces.ebay.dialect import IAF, EbayDialect
from orders_pipeline.marketplaces.ebay.documents import LIST, PACKAGES, SHAPE, envelope
from orders_pipeline.marketplaces.ebay.settings import SITES, EbaySettings
from orders_pipeline.marketplaces.ebay.signatures import EbaySigner
from orders_pipeline.marketplaces.ebay.states import LEAVING, NONE_REQUESTED, word
from orders_pipeline.marketplaces.errors import MarketplaceError, Permanent, Refused, Transient
from orders_pipeline.marketplaces.findings import clock_findings, failure
from orders_pipeline.marketplaces.payloads import elements
from orders_pipeline.marketplaces.protocol import Finding, Page, Rate, Window
from orders_pipeline.marketplaces.receipts import Turn, in_turn
from orders_pipeline.marketplaces.rest import Rest, RestClient, unreadable
from orders_pipeline.marketplaces.settings import read_settings
from warehouse.clock import iso, utc_now

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import httpx

    from orders_pipeline.marketplaces.http import Parameters
    from orders_pipeline.marketplaces.protocol import ConnectionContext, Parcel, Quota, RawOrder
    from orders_pipeline.marketplaces.rest import Sign
    from warehouse.clock import Clock
    from warehouse.shipments import Receipt, Requirements

ORDERS = "/sell/fulfillment/v1/order"
PAGE_SIZE = 200
PASSES = 3
BROKEN_DOWN = ("fieldGroups", "TAX_BREAKDOWN")
LAG = timedelta(0)
OVERLAP = timedelta(minutes=30)
"""Orders are not listed the moment they change."""
UNKNOWN_ORDER = "32100"

RATES: dict[str, Rate] = {
    # 100,000 calls a day for all of an application's orders together, of which nothing is told.
    "getOrders": Rate(0.15, 200),
    "getOrder": Rate(0.2, 500),
    "getShippingFulfillments": Rate(0.5, 1000),
    "createShippingFulfillment": Rate(0.3, 500),
    # 10,000 a day; one key signs for weeks.
    "getPublicKey": Rate(0.1, 50),
    # 5,000 a day each.
    "searchCancellations": Rate(5000 / 86_400, 50),
    "createCancellation": Rate(5000 / 86_400, 50),
    "approveCancellation": Rate(5000 / 86_400, 50),
    "rejectCancellation": Rate(5000 / 86_400, 50),
}


class _EbayListed(NamedTuple):
    """One page: its orders with their values, the address of the next one, and how many orders the listing has."""

    orders: list[tuple[Any, bytes]]
    following: str | None
    total: int


class EbayClient(RestClient):
    """A session with one connection; see `orders_pipeline.marketplaces.protocol.Client` for the contract.

    Raises:
        Permanent: A setting of the connection is not valid; the message names it. Nothing is sent before the first call.
    """

    def __init__(self, context: ConnectionContext, take: Quota, max_pages: int, now: Clock = utc_now) -> None:
        self._context = context
        self._max_pages = max_pages
        self._now = now
        self._settings = read_settings(EbaySettings, context.settings)
        self._dialect = EbayDialect(context, self._settings, now)
        self._rest = Rest(self._dialect, self._settings, take, now)
        self._post_order = Rest(EbayDialect(context, self._settings, now, IAF), self._settings, take, now)

    # -- the protocol

    def pull(self, window: Window) -> Iterator[Page]:
        """Every order changed in the window.

        Rows move while one pages, so that a pass that gave fewer orders than eBay counts is repeated.

        Raises:
            Transient: Truncated: a page limit, a repeated page, or still fewer orders than are counted.
        """
        seen: set[tuple[str, str]] = set()
        found: set[str] = set()
        for _ in range(PASSES):
            total = 0
            for rows, counted in self._pass(window):
                total = counted
                found.update(raw.original_id for raw, _ in rows)
                new = [(raw, value) for raw, value in rows if (raw.original_id, _version(value)) not in seen]
                seen.update((raw.original_id, _version(value)) for raw, value in new)
                if new:
                    yield Page([self._with_packages(raw, value) for raw, value in new], self.server_time())
            if len(found) >= total:
                return
        raise Transient("truncated", f"eBay counts {total} orders but lists {len(found)}")

    def fetch(self, original_ids: Sequence[str]) -> Iterator[Page]:
        """The named orders, one by one, with their packages."""
        for original_id in dict.fromkeys(original_ids):
            read = self._order(original_id)
            if read is not None:
                yield Page([self._packed(*read)], self.server_time())

    def confirm(self, parcels: Sequence[Parcel]) -> Sequence[Receipt]:
        """Tell of packages, one a call."""
        if len(parcels) > 1:
            raise Permanent("batch_invalid", f"{len(parcels)} packages: one a call", "report this as a defect")
        return in_turn([Turn("createShippingFulfillment", [each], self._ship) for each in parcels])

    def _ship(self, parcels: Sequence[Parcel]) -> Sequence[Receipt]:
        return [confirmation.ship(self._rest, each) for each in parcels]

    def read_back(self, original_ids: Sequence[str]) -> Iterator[Page]:
        """The named orders, and their packages whatever their state: that may be late."""
        for original_id in dict.fromkeys(original_ids):
            read = self._order(original_id)
            if read is not None:
                yield Page([self._enveloped(read[0])], self.server_time())

    def requirements(self) -> Requirements:
        """The same for every seller; eBay has no call that tells."""
        return REQUIREMENTS

    def accept(self, original_id: str, decisions: Mapping[str, bool]) -> None:  # noqa: ARG002 - the contract's names
        """Refused: an order is accepted with its purchase."""
        raise Refused("acceptance_not_offered", "eBay's orders need not be accepted")

    def cancel(self, original_id: str, quantities: Mapping[str, int], reason: str | None) -> None:
        """Cancel a whole order as the seller; the order is read first, so that nothing is asked for twice."""
        post_order.cancel(self._post_order, self._sign(), self._present(original_id), quantities, reason)

    def decide_cancellation(self, original_id: str, requester: str, is_accepted: bool, reason: str | None) -> None:  # noqa: ARG002, FBT001 - the contract's names
        """Approve or reject what the buyer asks; eBay takes no words with it."""
        post_order.decide(self._post_order, self._sign(), self._present(original_id), is_accepted=is_accepted)

    def close(self) -> None:
        """Let go of sockets."""
        super().close()
        self._post_order.close()

    # -- listings

    def _pass(self, window: Window) -> Iterator[tuple[list[tuple[RawOrder, Any]], int]]:
        """One way through a listing: each page's orders, and how many eBay counts.

        An order that leaves the listing moves all that follow up by one, past the offset: so whenever the count shrinks, the
        page is read again from as much before it.
        """
        parameters: Parameters = [
            ("filter", f"lastmodifieddate:[{iso(window.since)}..{iso(window.until)}]"),
            BROKEN_DOWN,
            ("limit", PAGE_SIZE),
        ]
        offset, known_total, addresses = 0, 0, set[str]()
        listed = self._page(ORDERS, [*parameters, ("offset", 0)])
        for _ in range(self._max_pages):
            rows = [
                (SHAPE.raw_order(value, body, place), value)
                for place, (value, body) in enumerate(listed.orders, offset + 1)
            ]
            yield rows, listed.total
            lost, known_total = max(0, known_total - listed.total), listed.total
            if lost:
                offset = max(0, offset - lost)
                listed = self._page(ORDERS, [*parameters, ("offset", offset)])
                continue
            offset += len(rows)
            if listed.following is None:
                return
            if listed.following in addresses:
                raise Transient("repeated_page", "eBay sent the address of a page before")
            addresses.add(listed.following)
            listed = self._page(listed.following, None)
        raise Transient("truncated", f"eBay has more than {self._max_pages} pages", "raise the page limit")

    def _page(self, path: str, parameters: Parameters | None) -> _EbayListed:
        answer = self._rest.read("getOrders", path, parameters)
        of = answer.value if isinstance(answer.value, dict) else {}
        total, following = of.get("total"), of.get("next")
        if not isinstance(total, int) or isinstance(total, bool) or total < 0:
            raise unreadable("getOrders", "answered without a total")
        found = elements(answer.body, LIST) if "orders" in of else []
        if found is None or not (following is None or isinstance(following, str)):
            raise unreadable("getOrders", "answered without a list of orders")
        return _EbayListed(found, following or None, total)

    def _with_packages(self, raw: RawOrder, value: Any) -> RawOrder:  # noqa: ANN401 - any JSON value
        """An order of a listing, with what only other calls tell: requests to cancel, and units that left."""
        if not isinstance(value, dict) or raw.original_id.startswith("?"):
            return raw
        cancel = value.get("cancelStatus")
        state = cancel.get("cancelState") if isinstance(cancel, dict) else None
        if state not in {None, NONE_REQUESTED}:
            raw, value = self._order(raw.original_id) or (raw, value)
        return self._packed(raw, value)

    # -- one order

    def _order(self, original_id: str) -> tuple[RawOrder, Any] | None:
        tolerated = {HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST}
        answer = self._rest.read("getOrder", confirmation.path_of(original_id), [BROKEN_DOWN], tolerated)
        if answer.status == HTTPStatus.NOT_FOUND or answer.code == UNKNOWN_ORDER:
            return None
        if not answer.is_success:
            raise Permanent("request_refused", f"getOrder answered HTTP {answer.status}: {answer.said or answer.code}")
        if not isinstance(answer.value, dict) or "orderId" not in answer.value:
            raise unreadable("getOrder", "answered without an order")
        return SHAPE.raw_order(answer.value, answer.body, 1), answer.value

    def _present(self, original_id: str) -> Mapping[str, Any]:
        read = self._order(original_id)
        if read is None:
            raise Refused("order_not_found", "the seller of this connection does not have the order")
        order: Mapping[str, Any] = read[1]
        return order

    def _packed(self, raw: RawOrder, value: Any) -> RawOrder:  # noqa: ANN401 - any JSON value
        """An order with its packages, where something of it has left."""
        state = value.get("orderFulfillmentStatus") if isinstance(value, dict) else None
        if not isinstance(state, str) or word(state) not in LEAVING:
            return raw
        return self._enveloped(raw)

    def _enveloped(self, raw: RawOrder) -> RawOrder:
        """An order with its packages."""
        answer = self._rest.read(
            "getShippingFulfillments", confirmation.path_of(raw.original_id, "shipping_fulfillment")
        )
        sent = (
            elements(answer.body, PACKAGES) if isinstance(answer.value, dict) and "fulfillments" in answer.value else []
        )
        if sent is None or not isinstance(answer.value, dict):
            raise unreadable("getShippingFulfillments", "answered without a list of packages")
        return replace(raw, body=envelope(raw.body, [body for _, body in sent]))

    def _sign(self) -> Sign | None:
        """What signs a call; None where the seller has no key."""
        key, jwe = (self._context.credentials.get(name, "") for name in ("signing_key", "signing_jwe"))
        if not key and not jwe:
            return None
        signer = EbaySigner(key, jwe)

        def sign(request: httpx.Request) -> Mapping[str, str]:
            return signer.headers(request, self._now())

        return sign

    # -- the connection test

    def test(self) -> Sequence[Finding]:
        """Address, keys, consent and its scope, sites, the signing key, and the clocks."""
        try:
            address = self._dialect.address
            answer = self._rest.read("getOrders", ORDERS, [("limit", 1)], {HTTPStatus.FORBIDDEN})
        except MarketplaceError as error:
            return [failure(error)]
        environment = self._settings.environment
        if answer.status == HTTPStatus.FORBIDDEN:
            said = f"the consent does not cover orders: {answer.said or answer.code}"
            return [Finding("role", is_ok=False, message=said, hint="consent again: orders connections authorise")]
        return [
            Finding("endpoint", is_ok=True, message=f"{address} answers ({environment})"),
            Finding("credential", is_ok=True, message="the consent is good, and covers orders"),
            *self._test_sites(),
            *self._test_key(),
            *clock_findings("eBay's", self.server_time(), self._now()),
        ]

    def _test_sites(self) -> Iterator[Finding]:
        known = {each.value for each in SITES}
        for site in dict.fromkeys((*self._context.selectors, self._settings.site)):
            if site not in known:
                hint = "write it as eBay does: EBAY_US, EBAY_DE …"
                yield Finding("marketplace_id", is_ok=False, message=f"no site is known as {site}", hint=hint)

    def _test_key(self) -> Iterator[Finding]:
        try:
            self._sign()
        except MarketplaceError as error:
            yield failure(error, "credential")


def _version(value: object) -> str:
    """When an order changed last, as it says itself."""
    return str(value.get("lastModifiedDate")) if isinstance(value, dict) else ""
