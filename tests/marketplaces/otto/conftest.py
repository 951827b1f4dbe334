"""Made-up orders of OTTO, and a stand-in to ask for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from orders_pipeline.marketplaces.otto import MARKETPLACE
from orders_pipeline.marketplaces.otto.client import OttoClient
from orders_pipeline.marketplaces.protocol import ChannelContext, ConnectionContext, Window
from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.engine import GenerateRequest
from orders_pipeline.sandbox.otto.state import CLIENT_ID, CLIENT_SECRET, OttoSandbox
from orders_pipeline.sandbox.server import running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from warehouse.orders import Order

JsonObject = dict[str, Any]
CHANNEL = ChannelContext("otto", "OTTO Market")


def money(amount: Any, currency: str = "EUR") -> JsonObject:
    """An amount."""
    return {"amount": amount, "currency": currency}


def make_item(number: int = 1, state: str = "PROCESSABLE", **changed: Any) -> JsonObject:
    """A lamp for 49.99."""
    return {
        "positionItemId": f"item-{number}",
        "fulfillmentStatus": state,
        "itemValueGrossPrice": money(49.99),
        "product": {
            "sku": "LAMP-1",
            "articleNumber": "A0001",
            "ean": "4006381333931",
            "productTitle": "Stehlampe",
            "vatRate": 19.0,
            "shopUrl": "https://shop.example/lamp-1",
            "dimensions": [{"type": "COLOR", "displayName": "Farbe", "value": "Messing"}],
        },
        "expectedDeliveryDate": "2026-11-09T22:59:59.000+0000",
        "processableDate": "2026-11-02T09:40:00.000+0000",
        **changed,
    }


def make_address(**changed: Any) -> JsonObject:
    """An address in Germany."""
    return {
        "salutation": "MS",
        "title": "Dr.",
        "firstName": "Anneliese",
        "lastName": "Groß",
        "street": "Ahornweg",
        "houseNumber": "12 b",
        "addition": "Hinterhaus",
        "zipCode": "01067",
        "city": "Dresden",
        "countryCode": "DEU",
        "phoneNumber": "+49 351 5550123",
        **changed,
    }


def make_order(*items: JsonObject, **changed: Any) -> JsonObject:
    """An order of one unit, unless others are given."""
    return {
        "salesOrderId": "8a1f0c52-0000-4000-8000-00000000000a",
        "orderNumber": "bq7x2k9dmf",
        "orderDate": "2026-11-02T09:12:44.118+0000",
        "lastModifiedDate": "2026-11-02T09:41:00.000+0000",
        "orderLifecycleInformation": {"lifecycleChangeDate": "2026-11-02T09:40:00.000+0000"},
        "payment": {"paymentMethod": "INVOICE_SINGLE"},
        "deliveryAddress": make_address(email="groß@kunde.example"),
        "invoiceAddress": make_address(firstName="Björn", email="p1@pseudonym.example"),
        "initialDeliveryFees": [],
        "initialDiscounts": [],
        "positionItems": list(items) or [make_item()],
        "links": [{"rel": "self", "href": "/v4/orders/8a1f0c52-0000-4000-8000-00000000000a"}],
        **changed,
    }


@pytest.fixture
def read() -> Callable[..., Order]:
    def normalised(*items: JsonObject, **changed: Any) -> Order:
        (order,) = MARKETPLACE.normalise(make_order(*items, **changed), CHANNEL)
        return order

    return normalised


@dataclass
class Taken:
    """A quota without limits that remembers what was taken."""

    operations: list[str] = field(default_factory=list)

    def __call__(self, operation: str) -> None:
        self.operations.append(operation)

    def learn(self, operation: str, tokens: float, refill_at: datetime | None) -> None:
        raise AssertionError("OTTO tells nothing of its quota")


@dataclass
class Shop:
    """A stand-in with orders, and clients of it whose clock is the stand-in's."""

    sandbox: OttoSandbox
    url: str
    quota: Taken = field(default_factory=Taken)
    clients: list[OttoClient] = field(default_factory=list)

    def client(self, max_pages: int = 100, secret: str = CLIENT_SECRET, **settings: Any) -> OttoClient:
        credentials = {"client_id": CLIENT_ID, "client_secret": secret}
        context = ConnectionContext("otto", self.url, None, settings, (), credentials)
        self.clients.append(OttoClient(context, self.quota, max_pages, self.sandbox.clock))
        return self.clients[-1]

    def window(self, days: float = 8) -> Window:
        return Window(self.sandbox.now - timedelta(days=days), self.sandbox.now)

    def ids(self, client: OttoClient, window: Window | None = None) -> list[str]:
        return [raw.original_id for page in client.pull(window or self.window()) for raw in page.orders]

    def calls(self, operation: str) -> int:
        return sum(entry.operation == operation for entry in self.sandbox.journal)


@pytest.fixture
def shop() -> Iterator[Shop]:
    sandbox = OttoSandbox(seed=3, rate_factor=float("inf"))
    sandbox.generate(GenerateRequest(orders=300))
    with running(create_app(sandbox)) as url:
        made = Shop(sandbox, url)
        yield made
        for client in made.clients:
            client.close()
