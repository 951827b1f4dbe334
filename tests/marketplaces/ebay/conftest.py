"""Made-up orders of eBay, and a stand-in to ask for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from orders_pipeline.marketplaces.ebay import MARKETPLACE
from orders_pipeline.marketplaces.ebay.client import EbayClient
from orders_pipeline.marketplaces.protocol import ChannelContext, ConnectionContext, Window
from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.ebay.state import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, EbaySandbox
from orders_pipeline.sandbox.engine import GenerateRequest
from orders_pipeline.sandbox.server import running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from warehouse.orders import Order

JsonObject = dict[str, Any]
FEW = 5
"""Shipped orders are asked for one by one."""
CHANNEL = ChannelContext("ebay_us", "eBay US")


def money(value: str, currency: str = "USD") -> JsonObject:
    """An amount as eBay writes it."""
    return {"value": value, "currency": currency}


def make_tax(kind: str | None, value: str) -> JsonObject:
    """A tax as the seller's are listed."""
    return {"amount": money(value), **({"taxType": kind} if kind else {})}


def make_collected(kind: str, value: str) -> JsonObject:
    """A tax that eBay collects."""
    return {"taxType": kind, "amount": money(value), "collectionMethod": "NET"}


def make_line(number: int = 1, **changed: Any) -> JsonObject:
    """A line of two lamps for twenty dollars, sent for four."""
    return {
        "lineItemId": f"1005{number}",
        "legacyItemId": f"22000{number}",
        "sku": f"LAMP-{number}",
        "title": "Lamp, brass",
        "lineItemCost": money("20.00"),
        "quantity": 2,
        "soldFormat": "FIXED_PRICE",
        "listingMarketplaceId": "EBAY_US",
        "purchaseMarketplaceId": "EBAY_US",
        "lineItemFulfillmentStatus": "NOT_STARTED",
        "total": money("24.00"),
        "deliveryCost": {"shippingCost": money("4.00")},
        "appliedPromotions": [],
        "taxes": [],
        "refunds": [],
        "lineItemFulfillmentInstructions": {"shipByDate": f"2026-11-0{number + 3}T22:59:59.000Z"},
        **changed,
    }


def make_start(**changed: Any) -> JsonObject:
    """Where it is sent."""
    return {
        "fulfillmentInstructionsType": "SHIP_TO",
        "minEstimatedDeliveryDate": "2026-11-06T08:00:00.000Z",
        "maxEstimatedDeliveryDate": "2026-11-09T20:00:00.000Z",
        "shippingStep": {
            "shipTo": {
                "fullName": "Dana Fields",
                "contactAddress": {
                    "addressLine1": "12 Cedar Ave",
                    "addressLine2": "Garage",
                    "city": "Warners",
                    "stateOrProvince": "NY",
                    "postalCode": "01316",
                    "countryCode": "us",
                },
                "primaryPhone": {"phoneNumber": "555 010 0123"},
                "email": "d1@members.example",
            },
            "shippingServiceCode": "USPSPriority",
        },
        **changed,
    }


def make_order(*lines: JsonObject, **changed: Any) -> JsonObject:
    """An order of one line, unless others are given, without a total unless one is given."""
    return {
        "orderId": "14-10021-55012",
        "legacyOrderId": "220001-0",
        "creationDate": "2026-11-02T09:12:44.000Z",
        "lastModifiedDate": "2026-11-02T09:30:00.000Z",
        "orderFulfillmentStatus": "NOT_STARTED",
        "orderPaymentStatus": "PAID",
        "sellerId": "lamp_shop",
        "buyer": {"username": "dana_f"},
        "pricingSummary": {"priceSubtotal": money("20.00"), "deliveryCost": money("4.00"), "total": money("24.00")},
        "cancelStatus": {"cancelState": "NONE_REQUESTED", "cancelRequests": []},
        "paymentSummary": {
            "refunds": [],
            "payments": [{"paymentMethod": "EBAY", "paymentDate": "2026-11-02T09:12:50.000Z", "paymentStatus": "PAID"}],
        },
        "fulfillmentStartInstructions": [make_start()],
        "fulfillmentHrefs": [],
        "lineItems": list(lines) or [make_line()],
        **changed,
    }


def make_package(number: str, *units: tuple[int, int | None], carrier: str = "UPS") -> JsonObject:
    """A package with units of lines."""
    return {
        "fulfillmentId": number,
        "shipmentTrackingNumber": number,
        "shippingCarrierCode": carrier,
        "shippedDate": "2026-11-03T10:00:00.000Z",
        "lineItems": [
            {"lineItemId": f"1005{line}", **({} if count is None else {"quantity": count})} for line, count in units
        ],
    }


@pytest.fixture
def read() -> Callable[..., Order]:
    def normalised(*lines: JsonObject, packages: list[JsonObject] | None = None, **changed: Any) -> Order:
        sent = make_order(*lines, **changed)
        (order,) = MARKETPLACE.normalise(
            sent if packages is None else {"order": sent, "fulfillments": packages}, CHANNEL
        )
        return order

    return normalised


@dataclass
class Taken:
    """A quota without limits that remembers what was taken."""

    operations: list[str] = field(default_factory=list)

    def __call__(self, operation: str) -> None:
        self.operations.append(operation)

    def learn(self, operation: str, tokens: float, refill_at: datetime | None) -> None:
        raise AssertionError((operation, tokens, refill_at))


@dataclass
class Shop:
    """A stand-in with orders, and clients of it whose clock is the stand-in's."""

    sandbox: EbaySandbox
    url: str
    quota: Taken = field(default_factory=Taken)
    clients: list[EbayClient] = field(default_factory=list)

    def context(self, credentials: dict[str, str] | None = None, **settings: Any) -> ConnectionContext:
        own = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "refresh_token": REFRESH_TOKEN}
        return ConnectionContext("ebay", self.url, None, settings, ("EBAY_US",), {**own, **(credentials or {})})

    def client(self, max_pages: int = 100, credentials: dict[str, str] | None = None, **settings: Any) -> EbayClient:
        made = EbayClient(self.context(credentials, **settings), self.quota, max_pages, self.sandbox.clock)
        self.clients.append(made)
        return made

    def window(self, days: float = 8) -> Window:
        return Window(self.sandbox.now - timedelta(days=days), self.sandbox.now)

    def bodies(self, client: EbayClient, window: Window | None = None) -> list[tuple[str, bytes]]:
        return [(raw.original_id, raw.body) for page in client.pull(window or self.window()) for raw in page.orders]

    def ids(self, client: EbayClient, window: Window | None = None) -> list[str]:
        return [name for name, _ in self.bodies(client, window)]

    def calls(self, operation: str) -> int:
        return sum(entry.operation == operation for entry in self.sandbox.journal)


@pytest.fixture
def shop() -> Iterator[Shop]:
    sandbox = EbaySandbox(seed=3, rate_factor=float("inf"))
    sandbox.generate(GenerateRequest(orders=600))
    for shipped in [each.id for each in sandbox.records.values() if each.packages][FEW:]:
        del sandbox.records[shipped]
    with running(create_app(sandbox)) as url:
        made = Shop(sandbox, url)
        yield made
        for client in made.clients:
            client.close()
