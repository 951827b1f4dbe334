"""Made-up purchase orders of Walmart, and a stand-in to ask for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from orders_pipeline.marketplaces.protocol import ChannelContext, ConnectionContext, Window
from orders_pipeline.marketplaces.walmart import MARKETPLACE
from orders_pipeline.marketplaces.walmart.client import WalmartClient
from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.engine import GenerateRequest
from orders_pipeline.sandbox.server import running
from orders_pipeline.sandbox.walmart.state import CLIENT_ID, CLIENT_SECRET, WalmartSandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from warehouse.orders import Order

JsonObject = dict[str, Any]
CHANNEL = ChannelContext("walmart_us", "Walmart US")


def money(amount: float | None) -> JsonObject:
    """An amount in dollars."""
    return {"currency": "USD", "amount": amount}


def make_charge(amount: float, tax: float | None = None, kind: str = "PRODUCT") -> JsonObject:
    """A charge, and the tax on it."""
    sent = None if tax is None else {"taxName": "Tax1", "taxAmount": money(tax)}
    return {"chargeType": kind, "chargeName": "x", "chargeAmount": money(amount), "tax": sent}


def make_status(state: str, units: int | str = 1, **tracking: Any) -> JsonObject:
    """Units in a state."""
    info = {"trackingNumber": "1Z1", "carrierName": {"carrier": "UPS"}, **tracking} if tracking else None
    return {
        "status": state,
        "statusQuantity": {"unitOfMeasurement": "EACH", "amount": str(units)},
        "trackingInfo": info,
    }


def make_line(number: int = 1, *states: JsonObject, units: int = 1, **changed: Any) -> JsonObject:
    """A line of a lamp for ten dollars and eighty cents of tax."""
    return {
        "lineNumber": str(number),
        "item": {"productName": "Lamp, brass", "sku": f"LAMP-{number}", "condition": "New"},
        "charges": {"charge": [make_charge(10.0, 0.8)]},
        "orderLineQuantity": {"unitOfMeasurement": "EACH", "amount": str(units)},
        "statusDate": 1793611800000,
        "orderLineStatuses": {"orderLineStatus": list(states) or [make_status("Acknowledged", units)]},
        "refund": None,
        **changed,
    }


def make_order(*lines: JsonObject, **changed: Any) -> JsonObject:
    """An order of one line, unless others are given."""
    return {
        "purchaseOrderId": "1796000000001",
        "customerOrderId": "5281000000001",
        "customerEmailId": "A1@relay.example",
        "orderType": "REGULAR",
        "orderDate": 1793600000000,
        "shippingInfo": {
            "phone": "5550100123",
            "estimatedDeliveryDate": 1794000000000,
            "estimatedShipDate": 1793800000000,
            "methodCode": "Value",
            "postalAddress": {
                "name": "Dana Fields",
                "address1": "12 Cedar Ave",
                "address2": "Garage",
                "city": "Warners",
                "state": "NY",
                "postalCode": "01316",
                "country": "USA",
                "addressType": "RESIDENTIAL",
            },
        },
        "orderLines": {"orderLine": list(lines) or [make_line()]},
        "shipNode": {"type": "SellerFulfilled"},
        **changed,
    }


@pytest.fixture
def read() -> Callable[..., Order]:
    def normalised(*lines: JsonObject, **changed: Any) -> Order:
        (order,) = MARKETPLACE.normalise(make_order(*lines, **changed), CHANNEL)
        return order

    return normalised


@dataclass
class Taken:
    """A quota without limits that remembers what was taken and learnt."""

    operations: list[str] = field(default_factory=list)
    learnt: list[tuple[str, float, datetime | None]] = field(default_factory=list)

    def __call__(self, operation: str) -> None:
        self.operations.append(operation)

    def learn(self, operation: str, tokens: float, refill_at: datetime | None) -> None:
        self.learnt.append((operation, tokens, refill_at))


@dataclass
class Shop:
    """A stand-in with orders, and clients of it whose clock is the stand-in's."""

    sandbox: WalmartSandbox
    url: str
    quota: Taken = field(default_factory=Taken)
    clients: list[WalmartClient] = field(default_factory=list)

    def client(self, max_pages: int = 100, secret: str = CLIENT_SECRET, **settings: Any) -> WalmartClient:
        credentials = {"client_id": CLIENT_ID, "client_secret": secret}
        context = ConnectionContext("walmart_us", self.url, None, settings, (), credentials)
        self.clients.append(WalmartClient(context, self.quota, max_pages, self.sandbox.clock))
        return self.clients[-1]

    def window(self, days: float = 8) -> Window:
        return Window(self.sandbox.now - timedelta(days=days), self.sandbox.now)

    def ids(self, client: WalmartClient, window: Window | None = None) -> list[str]:
        return [raw.original_id for page in client.pull(window or self.window()) for raw in page.orders]

    def calls(self, operation: str) -> int:
        return sum(entry.operation == operation for entry in self.sandbox.journal)


@pytest.fixture
def shop() -> Iterator[Shop]:
    sandbox = WalmartSandbox(seed=3, rate_factor=float("inf"))
    sandbox.generate(GenerateRequest(orders=450))
    with running(create_app(sandbox)) as url:
        made = Shop(sandbox, url)
        yield made
        for client in made.clients:
            client.close()
