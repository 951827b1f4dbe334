"""Factories of made-up Mirakl payloads: an order as OR11 lists it, its lines, and shipments as ST11 lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from orders_pipeline.marketplaces.mirakl import MARKETPLACE
from orders_pipeline.marketplaces.protocol import ChannelContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from warehouse.orders import Order

JsonObject = dict[str, Any]

CHANNEL = ChannelContext("garden_fr", "Garden FR")


def make_line(number: int = 1, **changed: Any) -> JsonObject:
    """A line of two spades for 24.90 each."""
    return {
        "order_line_id": f"L{number}",
        "order_line_index": number,
        "order_line_state": "SHIPPING",
        "offer_sku": f"SPADE-{number}",
        "product_sku": "OP-4006381333931",
        "product_title": "Spade, ash handle",
        "quantity": 2,
        "price_unit": 24.9,
        "price": 49.8,
        "shipping_price": 5.0,
        "total_price": 54.8,
        "taxes": [],
        "shipping_taxes": [],
        "fees": [],
        "cancelations": [],
        "refunds": [],
        "shipped_date": None,
        "order_line_additional_fields": [{"code": "engraving", "type": "STRING", "value": "For Odile"}],
        "shipping_from": {"address": {"city": "Lille", "country_iso_code": "FRA", "street_1": "9 quai du Port"}},
        **changed,
    }


def make_address(**changed: Any) -> JsonObject:
    """An address in Nantes."""
    return {
        "civility": "Mrs",
        "firstname": "Odile",
        "lastname": "Marchand",
        "company": None,
        "company_2": None,
        "street_1": "12 rue des Tanneurs",
        "street_2": "Bât. C",
        "additional_info": "Code 4711",
        "zip_code": "44000",
        "city": "Nantes",
        "state": "",
        "country": "France",
        "country_iso_code": "FRA",
        "phone": "+33600000001",
        "phone_secondary": "+33600000002",
        **changed,
    }


def make_order(*lines: JsonObject, **changed: Any) -> JsonObject:
    """An order in SHIPPING with the given lines (one by default), prices with tax."""
    sent = list(lines) or [make_line()]
    price = round(sum(line.get("price") or 0 for line in sent if isinstance(line.get("price") or 0, (int, float))), 2)
    shipping = round(5.0 * len(sent), 2)
    return {
        "order_id": "GARDEN-1001-A",
        "commercial_id": "GARDEN-1001",
        "created_date": "2026-10-30T08:15:00Z",
        "last_updated_date": "2026-10-30T09:45:30Z",
        "acceptance_decision_date": "2026-10-30T08:30:00Z",
        "customer_debited_date": "2026-10-30T08:31:07.250Z",
        "shipping_deadline": "2026-11-01T22:59:59.999Z",
        "currency_iso_code": "EUR",
        "order_state": "SHIPPING",
        "order_tax_mode": "TAX_INCLUDED",
        "price": price,
        "shipping_price": shipping,
        "total_price": round(price + shipping, 2),
        "payment_type": "CARD",
        "payment_workflow": "PAY_ON_ACCEPTANCE",
        "channel": {"code": "FR", "label": "France"},
        "fulfillment": {"center": {"code": "DEFAULT"}},
        "has_incident": False,
        "customer": {
            "customer_id": "C-77",
            "civility": "Mrs",
            "firstname": "Odile",
            "lastname": "Marchand",
            "shipping_address": make_address(),
            "billing_address": make_address(street_2=None, additional_info=None),
        },
        "customer_notification_email": "n-5521@notification.example",
        "shipping_zone_code": "FRA",
        "order_additional_fields": [{"code": "gift", "type": "STRING", "value": "Happy birthday, Odile"}],
        "order_lines": sent,
        **changed,
    }


def make_shipment(*units: tuple[str, int], status: str = "SHIPPED", **changed: Any) -> JsonObject:
    """A shipment of so many units per line id."""
    return {
        "id": "3f0c9a52-0000-4000-8000-000000000001",
        "order_id": "GARDEN-1001-A",
        "status": status,
        "shipment_lines": [
            {"order_line_id": line, "offer_sku": None, "quantity": quantity} for line, quantity in units
        ],
        "shipping_from": {"address": {"city": "Lille", "street_1": "9 quai du Port", "zip_code": "59000"}},
        "tracking": {"carrier_code": "UPS", "tracking_number": "1Z"},
        **changed,
    }


def read_all(payload: Any, channel: ChannelContext = CHANNEL) -> list[Order]:
    """Normalise through the marketplace's public entry."""
    return MARKETPLACE.normalise(payload, channel)


@pytest.fixture(scope="session")
def a_line() -> Callable[..., JsonObject]:
    return make_line


@pytest.fixture(scope="session")
def an_address() -> Callable[..., JsonObject]:
    return make_address


@pytest.fixture(scope="session")
def an_order() -> Callable[..., JsonObject]:
    return make_order


@pytest.fixture(scope="session")
def a_shipment() -> Callable[..., JsonObject]:
    return make_shipment


@pytest.fixture(scope="session")
def orders_of() -> Callable[..., list[Order]]:
    return read_all


@pytest.fixture(scope="session")
def order_of() -> Callable[..., Order]:
    def read(payload: Any, **settings: Any) -> Order:
        (order,) = read_all(payload, ChannelContext(CHANNEL.code, CHANNEL.marketplace, settings))
        return order

    return read


@pytest.fixture(scope="session")
def codes_of() -> Callable[[Order], list[str]]:
    def codes(order: Order) -> list[str]:
        return [problem.code for problem in order.problems]

    return codes
