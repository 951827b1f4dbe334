"""What the contract tries a marketplace with: its stand-in, a way to connect to it, packages to ship.

The tests are in `acceptance`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from orders_pipeline.marketplaces.payloads import parse
from orders_pipeline.marketplaces.protocol import ChannelContext, Client, ConnectionContext, Marketplace, Parcel, Window
from orders_pipeline.marketplaces.registry import MARKETPLACES
from orders_pipeline.marketplaces.settings import ShipFromPlace
from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.engine import Access, GenerateRequest, HeldOrder, Sandbox
from orders_pipeline.sandbox.faults import Fault, FaultKind
from orders_pipeline.sandbox.registry import SANDBOXES
from orders_pipeline.sandbox.server import running
from warehouse.order_parts import Package
from warehouse.orders import Order

NO_LIMIT = float("inf")
PLACE = ShipFromPlace(city="Dresden", postal_code="01067", country_code="DE")


@dataclass
class OpenQuota:
    """Gives every call, and remembers which were made."""

    taken: list[str] = field(default_factory=list)
    learnt: list[str] = field(default_factory=list)

    def __call__(self, operation: str) -> None:
        """Any call may be made."""
        self.taken.append(operation)

    def learn(self, operation: str, tokens: float, refill_at: datetime | None) -> None:  # noqa: ARG002 - the contract's names
        """The marketplace said what is left."""
        self.learnt.append(operation)


@dataclass
class StandIn:
    """A marketplace, its stand-in with 120 orders, and how to connect to it."""

    marketplace: Marketplace
    access: Access
    url: str

    def connect(self, max_pages: int = 100, quota: OpenQuota | None = None, secret: str | None = None) -> Client:
        """A client; with another secret than the good one, if one is given."""
        context = self.context({}, {} if secret is None else {self.secret: secret})
        assert self.marketplace.connect is not None
        return self.marketplace.connect(context, quota or OpenQuota(), max_pages)

    def context(self, settings: Mapping[str, Any], credentials: Mapping[str, str]) -> ConnectionContext:
        """What a client is given; with these settings, and with these credentials beside or instead of the good ones."""
        known = {**self.access.credentials, **credentials}
        return ConnectionContext("contract", self.url, self.access.region, settings, self.access.selectors, known)

    @property
    def secret(self) -> str:
        """The credential that stands for a person's consent: the last required one."""
        return [each.name for each in self.marketplace.credentials if each.is_required][-1]


@contextmanager
def stand_in(kind: str, seed: int, ways: str = "", **made: Any) -> Iterator[tuple[StandIn, Sandbox]]:  # noqa: ANN401 - passed on
    """A stand-in with 120 orders, in one of its set-ups."""
    state = SANDBOXES[kind].in_foreground(seed, NO_LIMIT)
    if ways:
        state.configure(state.ways[ways])
    state.generate(GenerateRequest(orders=120, **made))
    with running(create_app(state)) as url:
        yield StandIn(MARKETPLACES[kind], state.access(), url), state


def week() -> Window:
    """The last eight days."""
    now = datetime.now(UTC)
    return Window(now - timedelta(days=8), now - timedelta(minutes=3))


def read_all(client: Client) -> dict[str, bytes]:
    """Every order of these days."""
    try:
        return {raw.original_id: raw.body for page in client.pull(week()) for raw in page.orders}
    finally:
        client.close()


def waiting_units(order: HeldOrder) -> dict[str, int]:
    """Units by line of an order that waits to be shipped, nothing of it shipped or cancelled yet; {} for any other."""
    is_whole = (
        order.is_open_to_us and not order.packages and not any(each.shipped or each.cancelled for each in order.lines)
    )
    return {each.id: each.ordered for each in order.lines} if is_whole else {}


def tracking_number(order: HeldOrder) -> str:
    """A number that every marketplace takes: letters and digits."""
    return "TR" + "".join(sign for sign in order.id if sign.isalnum())


class Shop:
    """A stand-in of which packages are confirmed, and what the contract asks of it."""

    def __init__(self, place: StandIn, state: Sandbox) -> None:
        """Connect to it."""
        self.place = place
        self.state = state
        self.marketplace = place.marketplace
        self.quota = OpenQuota()
        self.client = place.connect(quota=self.quota)
        self.needs = self.client.requirements()
        self.quota.taken.clear()
        self.carriers = [*(each.code for each in self.needs.carriers), "DHL", "UPS"][:2]
        self.calls_before = len(state.journal)

    def waiting(self, number: int, units: int = 1) -> list[HeldOrder]:
        """Orders of at least so many units that wait to be shipped."""
        mine = [each for each in self.state.held() if each.account == self.place.access.account]
        found = [each for each in mine if sum(waiting_units(each).values()) >= units][:number]
        assert len(found) == number
        return found

    def parcel(self, order: HeldOrder, **changes: Any) -> Parcel:  # noqa: ANN401 - of Parcel
        """The package of a whole order, unless said otherwise."""
        values: dict[str, Any] = {
            "shipment_id": f"shipment-{order.id}",
            "original_id": order.id,
            "selector": order.selector,
            "reference": 41,
            "package_id": "PACK-41",
            "marketplace_package_id": None,
            "is_update": False,
            "is_whole": True,
            "carrier_code": self.carriers[0],
            "carrier_name": None,
            "tracking_number": tracking_number(order),
            "tracking_url": None,
            "shipping_method": next(iter(self.needs.shipping_methods), None),
            "ship_from": None,
            "ordered_method": self.read(order).service_level,
            "ship_from_place": PLACE if self.needs.needs_ship_from_place else None,
            "return_tracking_number": f"RE-{order.id}" if self.needs.needs_return_label_with else None,
            "return_carrier": next(iter(self.needs.return_carriers), None),
            "shipped_at": datetime.now(UTC),
            "quantities": tuple(waiting_units(order).items()),
        }
        return Parcel(**{**values, **changes})

    def packages(self, order: HeldOrder) -> Sequence[Package]:
        """The packages of an order, as read back."""
        read = self.read(order)
        assert read.problems == ()
        return read.packages or ()

    def read(self, order: HeldOrder) -> Order:
        """An order as it is read back."""
        (raw,) = [raw for page in self.client.read_back([order.id]) for raw in page.orders]
        (read,) = self.marketplace.normalise(parse(raw.body), ChannelContext("ch", "Ch"))
        return read

    def calls(self) -> int:
        """How many calls have come since the requirements were asked."""
        return len(self.state.journal) - self.calls_before

    def break_next(self, kind: FaultKind) -> None:
        """Let the next call that tells of a package go wrong."""
        self.state.add_fault(Fault(kind, operation=self.state.confirming))
