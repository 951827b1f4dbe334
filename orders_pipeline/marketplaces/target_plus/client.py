"""A session with Target: the listing of open orders, single orders, and the connection test.

What lives here: which calls read orders, how pages follow each other, when a listing counts as complete. What does not: one
call (`rest`, `dialect`), finding an order in an answer (`documents`), what an order says (`normalise`), telling Target
something (`confirmation`).
"""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.errors import MarketplaceError, Permanent, Refused
from orders_pipeline.marketplaces.findings import clock_findings, failure
from orders_pipeline.marketplaces.protocol import Finding, Page, Rate, Window
from orders_pipeline.marketplaces.reading import identifier
from orders_pipeline.marketplaces.receipts import Turn, in_turn
from orders_pipeline.marketplaces.rest import Rest, RestClient, unreadable
from orders_pipeline.marketplaces.settings import read_settings
from orders_pipeline.marketplaces.target_plus.confirmation import SellerPaths, acknowledge, fulfillments, ship
from orders_pipeline.marketplaces.target_plus.dialect import TargetDialect
from orders_pipeline.marketplaces.target_plus.documents import ADDRESSES, FULFILLMENTS, SHAPE, envelope
from orders_pipeline.marketplaces.target_plus.listing import PAGE_SIZE, pages, rows
from orders_pipeline.marketplaces.target_plus.settings import TargetSettings
from orders_pipeline.marketplaces.target_plus.shipping_methods import REQUIREMENTS
from orders_pipeline.marketplaces.target_plus.states import OPEN
from warehouse.clock import utc_now

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from orders_pipeline.marketplaces.http import Parameters
    from orders_pipeline.marketplaces.protocol import ConnectionContext, Parcel, Quota, RawOrder
    from orders_pipeline.marketplaces.target_plus.listing import Rows
    from warehouse.clock import Clock
    from warehouse.shipments import Receipt, Requirements

LAG = timedelta(0)
SHOWN_WITHIN = timedelta(minutes=30)
"""How soon an order shows what was told of it is not public."""

RATES: dict[str, Rate] = {
    # Target's limits are not public: these are low enough to be borne anywhere.
    name: Rate(2.0, 10)
    for name in ("orders", "order", "addresses", "fulfillments", "distribution_centers", "acknowledge", "fulfillment")
}


class TargetClient(RestClient):
    """A session with one connection; see `orders_pipeline.marketplaces.protocol.Client` for the contract.

    Raises:
        Permanent: A setting of the connection is not valid; the message names it. Nothing is sent before the first call.
    """

    def __init__(self, context: ConnectionContext, take: Quota, max_pages: int, now: Clock = utc_now) -> None:
        self._max_pages = max_pages
        self._now = now
        self._settings = read_settings(TargetSettings, context.settings)
        self._dialect = TargetDialect(context, self._settings)
        self._rest = Rest(self._dialect, self._settings, take, now)
        self._degraded: tuple[str, ...] = ()

    # -- the protocol

    @property
    def degraded(self) -> Sequence[str]:
        """The addresses, where orders came without them and Target did not give them by themselves either."""
        return self._degraded

    def pull(self, window: Window) -> Iterator[Page]:  # noqa: ARG002 - Target lists by state, not by time
        """Every open order, whenever it changed: Target has no listing by the date of a change.

        An order that is sent twice as it is, because others left the listing between two pages, comes once.

        Raises:
            Transient: Truncated: a page limit, or a page that was sent before.
        """
        self._degraded = ()
        states: Parameters = [("order_status", each) for each in OPEN]
        found = set[tuple[str, int]]()
        for page in pages(self._rest, "orders", self._paths.orders, states, self._max_pages):
            fresh = []
            for value, body in page:
                key = (SHAPE.original_id(value) or "?", hash(body))
                if key not in found:
                    found.add(key)
                    fresh.append((value, body))
            if fresh:
                yield Page(self._whole(fresh), self.server_time())

    def fetch(self, original_ids: Sequence[str]) -> Iterator[Page]:
        """The named orders, one by one."""
        for original_id in dict.fromkeys(original_ids):
            found = self._read(original_id)
            if found is not None:
                yield Page(self._whole([found]), self.server_time())

    def confirm(self, parcels: Sequence[Parcel]) -> Sequence[Receipt]:
        """Tell of packages, one a call."""
        if len(parcels) > 1:
            raise Permanent("batch_invalid", f"{len(parcels)} packages: one a call", "report this as a defect")
        return in_turn([Turn("fulfillment", [each], self._ship) for each in parcels])

    def _ship(self, parcels: Sequence[Parcel]) -> Sequence[Receipt]:
        return [ship(self._rest, self._paths, each) for each in parcels]

    def read_back(self, original_ids: Sequence[str]) -> Iterator[Page]:
        """The named orders with their fulfilments, by which their packages are known."""
        for original_id in dict.fromkeys(original_ids):
            found = self._read(original_id)
            if found is None:
                continue
            sent = fulfillments(self._rest, self._paths, original_id)
            joined = b"[" + b",".join(body for _, body in sent) + b"]"
            yield Page(self._whole([found], {FULFILLMENTS: joined}), self.server_time())

    def requirements(self) -> Requirements:
        """The same for every seller, as far as is known."""
        return REQUIREMENTS

    def accept(self, original_id: str, decisions: Mapping[str, bool]) -> None:
        """Acknowledge an order; it cannot be refused."""
        if not all(decisions.values()):
            raise Refused(
                "refusal_not_offered", "Target has no refusal of orders", "cancel the order in Partners Online"
            )
        acknowledge(self._rest, self._paths, original_id)

    def cancel(self, original_id: str, quantities: Mapping[str, int], reason: str | None) -> None:  # noqa: ARG002 - the contract's names
        """Refused: off in this preview."""
        raise Refused(
            "cancellation_not_offered",
            "cancelling at Target is off in this preview",
            "cancel the order in Partners Online",
        )

    def decide_cancellation(self, original_id: str, requester: str, is_accepted: bool, reason: str | None) -> None:  # noqa: ARG002, FBT001 - the contract's names
        """Refused: Target is not known to have requests to cancel."""
        raise Refused("cancellation_not_offered", "Target has no requests to cancel", "ship the order")

    # -- reading

    @property
    def _paths(self) -> SellerPaths:
        return SellerPaths(self._dialect.seller_id)

    def _read(self, original_id: str) -> tuple[Any, bytes] | None:
        answer = self._rest.read("order", self._paths.order(original_id), None, {HTTPStatus.NOT_FOUND})
        if answer.status == HTTPStatus.NOT_FOUND:
            return None
        if not isinstance(answer.value, dict) or SHAPE.original_id(answer.value) != original_id:
            raise unreadable("order", "answered without the order")
        return answer.value, answer.body.strip()

    def _whole(self, page: Rows, beside: Mapping[str, bytes] | None = None) -> list[RawOrder]:
        """Orders as sent; those that came without addresses with what Target says of these by themselves."""
        bare = [own for value, _ in page if _lacks_addresses(value) and (own := SHAPE.original_id(value)) is not None]
        addresses = self._addresses(bare) if bare else {}
        found = []
        for place, (value, body) in enumerate(page, 1):
            known = addresses.get(SHAPE.original_id(value) or "")
            joined = envelope(body, {**({ADDRESSES: known} if known else {}), **(beside or {})})
            found.append(SHAPE.raw_order(value, joined, place))
        return found

    def _addresses(self, original_ids: Sequence[str]) -> dict[str, bytes]:
        """What Target says of orders' addresses by themselves; an order whose addresses it refuses is read without them."""
        parameters: Parameters = [("order_id", each) for each in original_ids]
        try:
            sent = rows(self._rest, "addresses", self._paths.addresses, [*parameters, ("per_page", PAGE_SIZE)])
        except Permanent:
            sent = []
        found = {
            own: body for value, body in sent if isinstance(value, dict) and (own := identifier(value.get("order_id")))
        }
        if not found.keys() >= set(original_ids):
            self._degraded = ("addresses",)
        return found

    # -- the connection test

    def test(self) -> Sequence[Finding]:
        """Address, the three credentials, the right to read orders, and the clocks."""
        try:
            address = self._dialect.address
            answer = self._rest.read(
                "distribution_centers", self._paths.distribution_centers, None, {HTTPStatus.NOT_FOUND}
            )
        except MarketplaceError as error:
            return [failure(error)]
        if answer.status == HTTPStatus.NOT_FOUND:
            message = f"{address} does not know the seller"
            return [Finding("credential", is_ok=False, message=message, hint="correct the credential seller_id")]
        found = [
            Finding("endpoint", is_ok=True, message=f"{address} answers ({self._settings.environment})"),
            Finding("credential", is_ok=True, message="it is accepted"),
        ]
        try:
            rows(self._rest, "orders", self._paths.orders, [("order_status", OPEN[0]), ("page", 1), ("per_page", 1)])
        except MarketplaceError as error:
            found.append(failure(error, "role"))
        else:
            found.append(Finding("role", is_ok=True, message="orders may be read"))
        return [*found, *clock_findings("Target's", self.server_time(), self._now())]


def _lacks_addresses(order: object) -> bool:
    return isinstance(order, dict) and not order.get("addresses") and not order.get("shipping_address")
