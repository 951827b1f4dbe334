"""Made-up orders of Target Plus, and a stand-in to ask for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from orders_pipeline.marketplaces.protocol import ChannelContext, ConnectionContext, Parcel, Window
from orders_pipeline.marketplaces.target_plus import MARKETPLACE
from orders_pipeline.marketplaces.target_plus.client import TargetClient
from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.server import running
from orders_pipeline.sandbox.target_plus.state import TargetSandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warehouse.orders import Order

JsonObject = dict[str, Any]
CHANNEL = ChannelContext("target", "Target Plus")


def make_address(**changed: Any) -> JsonObject:
    """Where a buyer lives."""
    return {
        "first_name": "Zoë",
        "last_name": "Quill",
        "email": "z1@relay.example",
        "phone_numbers": [{"number": "+1 555 010 0142", "type": "MOBILE"}],
        "address1": "12 Cedar Ave",
        "address2": "Apt 4",
        "city": "Austin",
        "state": "TX",
        "postal_code": "73301",
        "country_code": "US",
        **changed,
    }


def make_line(number: str = "1", *states: tuple[str, int], units: int = 1, **changed: Any) -> JsonObject:
    """A line of lamps, ten dollars each."""
    return {
        "order_line_number": number,
        "tcin": "80000012",
        "external_id": f"LAMP-{number}",
        "quantity": units,
        "unit_price": 10.0,
        "total_price": 10.0 * units,
        "order_line_statuses": [{"status": state, "quantity": count} for state, count in states],
        **changed,
    }


def make_order(state: str | None = "ACKNOWLEDGED_BY_SELLER", *lines: JsonObject, **changed: Any) -> JsonObject:
    """An order that says nothing odd."""
    return {
        "id": "5d1f00aa11",
        "order_number": "902001800000001-7300000001",
        "order_date": "2026-11-02T09:30:00Z",
        "requested_shipment_date": "2026-11-04T22:59:59Z",
        "requested_delivery_date": "2026-11-09T22:59:59Z",
        "order_status": state,
        "currency": "USD",
        "level_of_service": "STANDARD",
        "ship_node_id": "NODE-1",
        "addresses": {"shipping_address": make_address(), "billing_address": make_address(first_name="Bea")},
        "order_lines": list(lines) or [make_line("1", (state or "PENDING", 1))],
        "last_modified": "2026-11-02T10:00:00Z",
        **changed,
    }


def read(payload: Any) -> Order:
    """The order that a payload is read into."""
    (order,) = MARKETPLACE.normalise(payload, CHANNEL)
    return order


@dataclass
class Calls:
    """A quota that gives every call, and remembers them."""

    taken: list[str] = field(default_factory=list)

    def __call__(self, operation: str) -> None:
        self.taken.append(operation)

    def learn(self, operation: str, tokens: float, refill_at: datetime | None) -> None:
        raise AssertionError(operation)


@dataclass
class Place:
    """A stand-in of Target Plus, its address, and a client."""

    state: TargetSandbox
    url: str
    quota: Calls = field(default_factory=Calls)

    def client(self, max_pages: int = 100, **credentials: str) -> TargetClient:
        """A client; with other credentials than the good ones, if any are given."""
        access = self.state.access()
        context = ConnectionContext("target", self.url, None, {}, (), {**access.credentials, **credentials})
        return TargetClient(context, self.quota, max_pages)

    def add(self, *orders: JsonObject) -> None:
        """Hold orders."""
        self.state.load(list(orders), "made-up")

    def pulled(self, **how: Any) -> list[str]:
        """The ids of all orders that are listed, each as often as it comes."""
        now = self.state.now
        client = self.client(**how)
        try:
            window = Window(now - timedelta(days=1), now)
            return [raw.original_id for page in client.pull(window) for raw in page.orders]
        finally:
            client.close()

    def parcel(self, *quantities: tuple[str, int], **changed: Any) -> Parcel:
        """A package of the order that says nothing odd."""
        values: JsonObject = {
            "shipment_id": "shipment-1",
            "original_id": "5d1f00aa11",
            "selector": None,
            "reference": 1,
            "package_id": "PACK-1",
            "marketplace_package_id": None,
            "is_update": False,
            "is_whole": False,
            "carrier_code": "UPS",
            "carrier_name": None,
            "tracking_number": "1Z-1",
            "tracking_url": None,
            "shipping_method": "UPSGround",
            "ship_from": None,
            "return_tracking_number": None,
            "return_carrier": None,
            "shipped_at": self.state.now,
            "quantities": quantities or (("1", 1),),
        }
        return Parcel(**{**values, **changed})


@pytest.fixture
def place() -> Iterator[Place]:
    """A stand-in without orders."""
    state = TargetSandbox(7, float("inf"))
    with running(create_app(state)) as url:
        yield Place(state, url)
