"""Factories of made-up Amazon orders, and a sandbox over real HTTP with clients for it."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from orders_pipeline.marketplaces.amazon.client import AmazonClient
from orders_pipeline.marketplaces.protocol import ChannelContext, ConnectionContext, Window
from orders_pipeline.sandbox.amazon.state import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, AmazonSandbox
from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.engine import GenerateRequest
from orders_pipeline.sandbox.server import running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from fastapi import FastAPI

ITEM = {
    "orderItemId": "70010000000001",
    "quantityOrdered": 2,
    "product": {
        "asin": "B0MADEUP01",
        "title": "Théière en fonte 0,8 l",
        "sellerSku": "TEAPOT-08",
        "price": {"unitPrice": {"amount": "24.50", "currencyCode": "EUR"}},
    },
    "proceeds": {
        "proceedsTotal": {"amount": "53.90", "currencyCode": "EUR"},
        "breakdowns": [
            {"type": "ITEM", "subtotal": {"amount": "49.00", "currencyCode": "EUR"}},
            {"type": "SHIPPING", "subtotal": {"amount": "4.90", "currencyCode": "EUR"}},
        ],
    },
    "fulfillment": {"quantityFulfilled": 0, "quantityUnfulfilled": 2},
}

ORDER = {
    "orderId": "408-1112223-4445556",
    "createdTime": "2026-11-02T08:15:30.250Z",
    "lastUpdatedTime": "2026-11-02T09:00:00.000Z",
    "programs": ["PRIME"],
    "salesChannel": {"channelName": "AMAZON", "marketplaceId": "A13V1IB3VIYZZH", "marketplaceName": "Amazon.fr"},
    "buyer": {
        "buyerName": "Camille Durand",
        "buyerEmail": "x1y2@marketplace.example",
        "buyerCompanyName": "Durand SARL",
    },
    "recipient": {
        "deliveryAddress": {
            "name": "C. Durand",
            "companyName": "Atelier Durand",
            "addressLine1": "12 rue des Lilas",
            "addressLine2": "Bât. B",
            "addressLine3": "",
            "city": "Nantes",
            "stateOrRegion": "Loire-Atlantique",
            "postalCode": "44000",
            "countryCode": "fr",
            "phone": "+33 2 00 00 00 00",
        }
    },
    "proceeds": {
        "grandTotal": {"amount": "53.90", "currencyCode": "EUR"},
        "breakdowns": [
            {"type": "ITEM", "subtotal": {"amount": "49.00", "currencyCode": "EUR"}},
            {"type": "SHIPPING", "subtotal": {"amount": "4.90", "currencyCode": "EUR"}},
        ],
    },
    "payment": {"paymentExecutions": [{"paymentMethod": "CreditCard"}, {"paymentMethod": "GiftCard"}]},
    "fulfillment": {
        "fulfillmentStatus": "UNSHIPPED",
        "fulfilledBy": "MERCHANT",
        "shipByWindow": {"earliestDateTime": "2026-11-02T23:00:00Z", "latestDateTime": "2026-11-04T22:59:59Z"},
    },
    "orderItems": [ITEM],
}


@pytest.fixture(scope="session")
def an_order() -> Callable[..., dict[str, Any]]:
    """Make an order; keyword arguments replace its members, `...` leaves one out."""
    return lambda **changes: _changed(ORDER, changes)


@pytest.fixture(scope="session")
def an_item() -> Callable[..., dict[str, Any]]:
    """Make an order item, like `an_order`."""
    return lambda **changes: _changed(ITEM, changes)


@pytest.fixture(scope="session")
def channel() -> ChannelContext:
    return ChannelContext("amazon_fr", "Amazon FR")


def _changed(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    made = {**copy.deepcopy(dict(base)), **changes}
    return {key: value for key, value in made.items() if value is not ...}


class Shop:
    """A sandbox, its address, and clients of it."""

    def __init__(self, sandbox: AmazonSandbox, url: str) -> None:
        self.sandbox = sandbox
        self.url = url
        self.taken: list[str] = []
        self.opened: list[AmazonClient] = []

    def context(self, **changes: Any) -> ConnectionContext:
        values: dict[str, Any] = {
            "code": "amazon-eu",
            "endpoint": self.url,
            "region": "eu",
            "settings": {"page_size": 20},
            "selectors": ["A13V1IB3VIYZZH", "A1PA6795UKMFR9"],
            "credentials": {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "refresh_token": REFRESH_TOKEN},
        }
        return ConnectionContext(**{**values, **changes})

    def client(self, max_pages: int = 100, **changes: Any) -> AmazonClient:
        client = AmazonClient(self.context(**changes), self.taken.append, max_pages, self.sandbox.clock)
        self.opened.append(client)
        return client

    def window(self) -> Window:
        return Window(self.sandbox.now - timedelta(days=8), self.sandbox.now - timedelta(minutes=3))

    def ids(self, client: AmazonClient) -> list[str]:
        return [order.original_id for page in client.pull(self.window()) for order in page.orders]

    def truth(self, marketplace_ids: Sequence[str] = ("A13V1IB3VIYZZH", "A1PA6795UKMFR9")) -> set[str]:
        records = self.sandbox.records.values()
        return {each.id for each in records if each.account == "default" and each.marketplace_id in marketplace_ids}

    def called(self, operation: str) -> int:
        return sum(entry.operation == operation for entry in self.sandbox.journal)


class Stage:
    """An application that hands over to whichever sandbox is on: starting a server for each test costs too much."""

    def __init__(self) -> None:
        self.app: FastAPI | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert self.app is not None
        await self.app(scope, receive, send)


@pytest.fixture(scope="session")
def stage() -> Iterator[tuple[Stage, str]]:
    made = Stage()
    with running(made) as url:
        yield made, url


@pytest.fixture
def shop(stage: tuple[Stage, str]) -> Iterator[Shop]:
    """A fresh sandbox with 120 orders in six marketplaces, without throttling."""
    sandbox = AmazonSandbox(seed=7, rate_factor=float("inf"))
    sandbox.generate(GenerateRequest(orders=120))
    stage[0].app = create_app(sandbox)
    made = Shop(sandbox, stage[1])
    yield made
    for client in made.opened:
        client.close()
