"""A session with a Mirakl instance: OR11 pages, the ST11 shipments that belong to them, and the connection test.

What lives here: which calls read orders, how pages follow each other, when a listing counts as complete. What does not:
one call (`rest`, `dialect`), finding an order in an answer (`documents`), what an order says (`normalise`), telling the
instance something (`confirmation`, `acceptance`).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from orders_pipeline.marketplaces.errors import MarketplaceError, Permanent, Refused, Transient, Unauthorised
from orders_pipeline.marketplaces.findings import clock_findings, failure
from orders_pipeline.marketplaces.http import Parameters
from orders_pipeline.marketplaces.mirakl import acceptance, cancellation, carriers, confirmation
from orders_pipeline.marketplaces.mirakl import capabilities as operator
from orders_pipeline.marketplaces.mirakl.dialect import MiraklDialect
from orders_pipeline.marketplaces.mirakl.documents import (
    channel_code,
    envelope,
    envelope_without_shipments,
    order_id,
)
from orders_pipeline.marketplaces.mirakl.settings import MiraklSettings
from orders_pipeline.marketplaces.payloads import elements
from orders_pipeline.marketplaces.protocol import Finding, Page, Rate, RawOrder
from orders_pipeline.marketplaces.rest import Rest, RestAnswer, RestClient, unreadable
from orders_pipeline.marketplaces.settings import read_settings
from warehouse.clock import iso, utc_now

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from orders_pipeline.marketplaces.mirakl.capabilities import Capabilities
    from orders_pipeline.marketplaces.protocol import ConnectionContext, Parcel, Quota, Window
    from warehouse.clock import Clock
    from warehouse.shipments import Receipt, Requirements

PAGE_SIZE = 100
"""Mirakl's largest page; without `max` a page holds ten."""

IDS_PER_CALL = 100
"""OR11 takes at most so many order_ids; ST11 is asked for as many."""

SHIPPING = "SHIPPING"

RATES: dict[str, Rate] = {
    # The printed frequency, once a minute, is per poll and not per page: the schedule keeps it (five minutes between
    # polls, fifteen for external partners). The bucket lets one poll page on and stops a runaway loop.
    "OR11": Rate(1.0, 20),
    "ST11": Rate(1.0, 20),
    # Nothing is printed for these but "once a day" for A01, which only the connection test asks for.
    "PC01": Rate(0.1, 20),
    "A01": Rate(1 / 60, 10),
    "version": Rate(0.1, 20),
    # "Once per day" is printed: it is asked for with the requirements, and never while confirming.
    "SH21": Rate(1 / 60, 10),
    # Printed is "on each new shipment" and the like. A call takes a hundred packages, but for the last three, which take
    # one: together they stay below the ten calls a second that any instance bears.
    "ST01": Rate(1.0, 20),
    "ST23": Rate(1.0, 20),
    "ST24": Rate(1.0, 20),
    "OR21": Rate(2.0, 20),
    "OR29": Rate(2.0, 20),
    "OR30": Rate(2.0, 20),
    "OR23": Rate(3.0, 20),
    "OR24": Rate(3.0, 20),
}

LAG = timedelta(0)
"""None of ours: Mirakl itself moves `start_update_date` back by what its own update times may be late."""


class _Row(NamedTuple):
    """One element of a page: its id ("?" and its place in the listing when it has none), its value, its exact bytes."""

    id: str
    value: Any
    body: bytes


class MiraklClient(RestClient):
    """A session with one connection; see `orders_pipeline.marketplaces.protocol.Client` for the contract.

    Raises:
        Permanent: A setting of the connection is not valid; the message names it. Nothing is sent before the first call.
    """

    def __init__(self, context: ConnectionContext, take: Quota, max_pages: int, now: Clock = utc_now) -> None:
        self._context = context
        self._max_pages = max_pages
        self._now = now
        self._settings = read_settings(MiraklSettings, context.settings)
        self._dialect = MiraklDialect(context)
        shop: Parameters = [("shop_id", self._settings.shop_id)] if self._settings.shop_id else []
        self._rest = Rest(self._dialect, self._settings, take, now, shop)
        self._capabilities: Capabilities | None = None

    # -- the protocol

    def pull(self, window: Window) -> Iterator[Page]:
        """Every order updated in the window, and every order with a shipment updated in it.

        A shipment may change without its order: then the order is read by its id.
        """
        listed: set[str] = set()
        filters: Parameters = [
            ("start_update_date", iso(window.since)),
            ("end_update_date", iso(window.until)),
            *self._channel_filter(),
        ]
        for rows in self._listing(filters):
            listed.update(row.id for row in rows)
            yield self._page(rows, _in_shipping(rows))
        if self.capabilities().multi_shipment:
            shipped = self._shipments(
                [("last_updated_from", iso(window.since)), ("last_updated_to", iso(window.until))]
            )
            ids = (each for each in (order_id(shipment) for shipment, _ in shipped) if each is not None)
            yield from self._by_id([each for each in dict.fromkeys(ids) if each not in listed], self._channel_filter())

    def fetch(self, original_ids: Sequence[str]) -> Iterator[Page]:
        """The named orders, a hundred per call."""
        yield from self._by_id(list(dict.fromkeys(original_ids)), [])

    def confirm(self, parcels: Sequence[Parcel]) -> Sequence[Receipt]:
        """Tell of packages: as shipments where an order may have several, else as whole orders."""
        confirmation.check_batch(parcels)
        if not parcels:
            return []
        is_several = self.capabilities().multi_shipment
        by = confirmation.Confirming(self._rest, self._orders_by_id, self._shipments_by_order)
        return confirmation.confirm_shipments(parcels, by) if is_several else confirmation.confirm_orders(parcels, by)

    def read_back(self, original_ids: Sequence[str]) -> Iterator[Page]:
        """The named orders with their shipments, whatever their state."""
        for rows in self._rows_by_id(list(dict.fromkeys(original_ids)), []):
            yield self._page(rows, [row.id for row in rows])

    def requirements(self) -> Requirements:
        """What the operator has switched on, and the carriers that it has registered."""
        found = carriers.registered(self._rest.read("SH21", "/api/shipping/carriers").value)
        if found is None:
            raise unreadable("SH21", "answered without a list of carriers")
        return carriers.requirements(self.capabilities(), found)

    def accept(self, original_id: str, decisions: Mapping[str, bool]) -> None:
        """Decide every line of an order in WAITING_ACCEPTANCE."""
        acceptance.accept(self._rest, original_id, decisions)

    def cancel(self, original_id: str, quantities: Mapping[str, int], reason: str | None) -> None:
        """Cancel units as the seller; the order is read first, so that nothing is cancelled twice."""
        rows = [row for page in self._listing([("order_ids", original_id)]) for row in page if row.id == original_id]
        if not rows:
            raise Refused("order_not_found", "the shop of this connection does not have the order")
        cancellation.cancel(self._rest, rows[0].value, original_id, quantities, reason)

    def decide_cancellation(self, original_id: str, requester: str, is_accepted: bool, reason: str | None) -> None:  # noqa: ARG002, FBT001 - the contract's names
        """Refused: buyers make no requests to cancel at Mirakl."""
        raise Refused("cancellation_not_offered", "Mirakl has no requests to cancel")

    def capabilities(self) -> Capabilities:
        """What the operator has switched on, read once; an instance too old to have PC01 has no multi-shipment.

        Raises:
            MarketplaceError: As for every call.
        """
        if self._capabilities is None:
            try:
                answer = self._rest.read("PC01", "/api/platform/configuration")
            except Permanent as error:
                if error.code != "request_refused":
                    raise
                self._capabilities = operator.NONE
            else:
                self._capabilities = operator.capabilities(answer.value)
        if self._capabilities is None:
            raise unreadable("PC01", "answered without features")
        return self._capabilities

    # -- listings

    def _channel_filter(self) -> Parameters:
        if self._is_single_channel() or not self._context.selectors:
            return []
        return [("channel_codes", ",".join(dict.fromkeys(self._context.selectors)))]

    def _is_single_channel(self) -> bool:
        return self._settings.single_channel

    def _by_id(self, ids: Sequence[str], filters: Parameters) -> Iterator[Page]:
        for rows in self._rows_by_id(ids, filters):
            yield self._page(rows, _in_shipping(rows))

    def _rows_by_id(self, ids: Sequence[str], filters: Parameters) -> Iterator[list[_Row]]:
        for start in range(0, len(ids), IDS_PER_CALL):
            batch = ",".join(ids[start : start + IDS_PER_CALL])
            yield from self._listing([("order_ids", batch), *filters])

    def _orders_by_id(self, ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        return {row.id: row.value for rows in self._rows_by_id(ids, []) for row in rows if order_id(row.value)}

    def _listing(self, filters: Parameters) -> Iterator[list[_Row]]:
        """Every page of an OR11 listing, after which it is known to be complete.

        A pass that gave fewer orders than the instance counts is repeated once.

        Raises:
            Transient: Truncated: a page limit, a repeated page, an empty page where orders are due, or still too few.
        """
        found: set[str] = set()
        for _ in range(2):
            total = yield from self._pass(filters, found)
            if len(found) >= total:
                return
        raise Transient("truncated", f"OR11 counts {total} orders but lists {len(found)}")

    def _pass(self, filters: Parameters, found: set[str]) -> Generator[list[_Row], None, int]:
        """One way through a listing; adds the ids to `found` and returns the last total.

        Rows move while one pages: an order that leaves the listing moves all that follow up by one, past the offset. So
        whenever the total shrinks, the offset steps back by as much. Rows seen again are harmless.
        """
        seen: set[tuple[str, ...]] = set()
        offset, known_total = 0, 0
        for _ in range(self._max_pages):
            rows, total = self._orders(filters, offset)
            ids = tuple(row.id for row in rows)
            if ids and ids in seen:
                raise Transient("repeated_page", f"OR11 sent the page at offset {offset} before")
            seen.add(ids)
            found.update(ids)
            yield rows
            lost = max(0, known_total - total)
            known_total = total
            if lost:
                offset = max(0, offset - lost)
                continue
            offset += len(rows)
            if offset >= total:
                return total
            if not rows:
                raise Transient("truncated", f"OR11 counts {total} orders but sends none at offset {offset}")
        raise Transient("truncated", f"OR11 has more than {self._max_pages} pages", "raise the page limit")

    def _orders(self, filters: Parameters, offset: int) -> tuple[list[_Row], int]:
        locale = self._settings.locale
        answer = self._rest.read(
            "OR11",
            "/api/orders",
            [
                *filters,
                ("sort", "dateCreated"),
                ("order", "asc"),
                ("max", PAGE_SIZE),
                ("offset", offset),
                *([("locale", locale)] if locale else []),
            ],
        )
        found = _elements("OR11", answer, "orders")
        total = answer.value.get("total_count")
        if not isinstance(total, int) or isinstance(total, bool) or total < 0:
            raise unreadable("OR11", "answered without a total_count")
        rows = [
            _Row(order_id(value) or f"?{place}", value, body) for place, (value, body) in enumerate(found, offset + 1)
        ]
        return rows, total

    # -- shipments

    def _page(self, rows: Sequence[_Row], asked: Sequence[str]) -> Page:
        """A page of orders, with the shipments of those that are asked for."""
        is_single = self._is_single_channel()
        bodies = self._envelopes(rows, asked)
        orders = [
            RawOrder(row.id, None if is_single else channel_code(row.value), body)
            for row, body in zip(rows, bodies, strict=True)
        ]
        return Page(orders, self.server_time())

    def _envelopes(self, rows: Sequence[_Row], asked: Sequence[str]) -> list[bytes]:
        if not rows or not self.capabilities().multi_shipment:
            return [envelope(row.body, None) for row in rows]
        shipments: dict[str, list[bytes]] = {each: [] for each in asked}
        if asked:
            for shipment, body in self._shipments([("order_id", each) for each in asked]):
                belongs_to = order_id(shipment)
                if belongs_to in shipments:
                    shipments[belongs_to].append(body)
        return [
            envelope(row.body, shipments[row.id]) if row.id in shipments else envelope_without_shipments(row.body)
            for row in rows
        ]

    def _shipments_by_order(self, ids: Sequence[str]) -> dict[str, list[Mapping[str, Any]]]:
        found: dict[str, list[Mapping[str, Any]]] = {}
        for shipment, _ in self._shipments([("order_id", each) for each in ids]):
            belongs_to = order_id(shipment)
            if belongs_to is not None:
                found.setdefault(belongs_to, []).append(shipment)
        return found

    def _shipments(self, filters: Parameters) -> Iterator[tuple[Any, bytes]]:
        """Every shipment of an ST11 listing.

        Raises:
            Transient: A page limit or a repeated page or token: a shipment read twice would count its units twice.
        """
        tokens: set[str] = set()
        ids: set[str] = set()
        token: str | None = None
        for _ in range(self._max_pages):
            seek: Parameters = [("page_token", token)] if token else []
            answer = self._rest.read("ST11", "/api/shipments", [*filters, ("limit", PAGE_SIZE), *seek])
            found = _elements("ST11", answer, "data")
            page = {str(shipment.get("id")) for shipment, _ in found if isinstance(shipment, dict)}
            if page and page <= ids:
                raise Transient("repeated_page", "ST11 sent a page before")
            ids |= page
            yield from found
            token = answer.value.get("next_page_token") or None
            if token is None:
                return
            if not isinstance(token, str) or token in tokens:
                raise Transient("repeated_page", "ST11 sent a page token before")
            tokens.add(token)
        raise Transient("truncated", f"ST11 has more than {self._max_pages} pages", "raise the page limit")

    # -- the connection test

    def test(self) -> Sequence[Finding]:
        """Endpoint, credential, shop, channels, what the operator has switched on, and the clocks."""
        findings = [self._test_endpoint()]
        if findings[0].is_ok:
            findings += self._test_account()
            findings += self._test_capabilities()
            findings += clock_findings("the instance's", self.server_time(), self._now())
        return findings

    def _test_endpoint(self) -> Finding:
        try:
            address = self._dialect.address
            answer = self._rest.read("version", "/api/version")
        except Unauthorised as error:
            # Some instances ask for the key here too: then they answer, and whether it is good is the next question.
            if error.code == "unauthorised":
                return Finding("endpoint", is_ok=True, message=f"{address} answers")
            return failure(error, "credential")
        except MarketplaceError as error:
            return failure(error, "endpoint")
        version = answer.value.get("version") if isinstance(answer.value, dict) else None
        return Finding("endpoint", is_ok=True, message=f"{address} answers, Mirakl {version or 'of unknown version'}")

    def _test_account(self) -> Iterator[Finding]:
        try:
            shop = self._rest.read("A01", "/api/account").value
        except Unauthorised as error:
            hint = "check the api_key, and the shop_id if the user has several shops"
            yield Finding("credential", is_ok=False, message=error.message, hint=hint)
            return
        except MarketplaceError as error:
            yield failure(error, "credential")
            return
        if not isinstance(shop, dict) or "shop_id" not in shop:
            yield Finding("credential", is_ok=False, message="A01 answered without a shop", hint="check the endpoint")
            return
        yield Finding("credential", is_ok=True, message="the key is accepted")
        state = shop.get("shop_state")
        yield Finding(
            "shop",
            is_ok=state in {None, "OPEN"},
            message=f"shop {shop.get('shop_name')} ({shop['shop_id']}), state {state or 'unknown'}",
            hint="" if state in {None, "OPEN"} else "ask the operator why the shop is not open",
        )
        yield from self._test_channels(shop.get("channels"))

    def _test_channels(self, channels: object) -> Iterator[Finding]:
        known = channels if isinstance(channels, list) else []
        for selector in () if self._is_single_channel() else self._context.selectors:
            if selector in known:
                yield Finding("channel", is_ok=True, message=f"channel {selector} belongs to the shop")
            else:
                hint = f"the shop's channels: {', '.join(map(str, known)) or 'none'}"
                yield Finding("channel", is_ok=False, message=f"channel {selector} is not one of the shop's", hint=hint)

    def _test_capabilities(self) -> Iterator[Finding]:
        try:
            found = self.capabilities()
        except MarketplaceError as error:
            yield failure(error, "capability")
            return
        shipments = "several shipments per order" if found.multi_shipment else "one shipment per order"
        yield Finding(
            "capability", is_ok=True, message=f"{shipments}; order acceptance {found.order_acceptance or 'unknown'}"
        )


def _in_shipping(rows: Sequence[_Row]) -> list[str]:
    """The orders whose line states do not tell what was shipped; for all others they do."""
    return [row.id for row in rows if order_id(row.value) and row.value.get("order_state") == SHIPPING]


def _elements(operation: str, answer: RestAnswer, key: str) -> list[tuple[Any, bytes]]:
    found = elements(answer.body, (key,)) if isinstance(answer.value, dict) else None
    if found is None:
        raise unreadable(operation, f"answered without a list of {key}")
    return found
