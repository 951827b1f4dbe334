"""Made-up purchase orders of Walmart, in the shape of Orders API v3."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from orders_pipeline.sandbox.generator import Catalogue, Choice, chance, person, place
from orders_pipeline.sandbox.json_values import JsonObject

METHODS = Choice({"Standard": 7, "Express": 1, "OneDay": 1, "Value": 3})
SHIP_NODES = Choice({"SellerFulfilled": 8, "WFSFulfilled": 1, "3PLFulfilled": 1})
STATES = Choice({"Created": 2, "Acknowledged": 5, "Shipped": 3, "Delivered": 1, "Cancelled": 1})
LINES = Choice({1: 6, 2: 3, 3: 1})
UNITS = Choice({1: 8, 2: 1, 3: 1})
OPEN = ("Created", "Acknowledged")
LEFT = ("Shipped", "Delivered", "Refund")
TAX_BASIS_POINTS = 825


@dataclass(frozen=True)
class Draft:
    """What an order is made of."""

    number: int
    created: datetime
    updated: datetime
    catalogue: Catalogue
    state: str | None = None


def millis(moment: datetime) -> int:
    """Epoch milliseconds."""
    return round(moment.timestamp() * 1000)


def make(rng: Random, draft: Draft) -> JsonObject:
    """One order."""
    buyer, home = person(rng, "US"), place(rng, "US")
    state = draft.state or STATES.pick(rng)
    ship_node = "SellerFulfilled" if state == "Created" else SHIP_NODES.pick(rng)
    method = METHODS.pick(rng)
    lines = [_line(rng, draft, number, state, method) for number in range(1, LINES.pick(rng) + 1)]
    return {
        "purchaseOrderId": f"{1080000000000 + draft.number * 37}",
        "customerOrderId": f"{2000000000000 + draft.number * 41}",
        "customerEmailId": f"{buyer.email_local_part}@relay.example",
        "orderType": "REGULAR",
        "orderDate": millis(draft.created),
        "shippingInfo": {
            "phone": home.phone,
            "estimatedDeliveryDate": millis(draft.created + timedelta(days=6)),
            "estimatedShipDate": millis(draft.created + timedelta(days=2)),
            "methodCode": method,
            "postalAddress": {
                "name": buyer.name,
                "address1": home.street,
                "address2": home.extra,
                "city": home.city,
                "state": home.state,
                "postalCode": home.postal_code,
                "country": "USA",
                "addressType": "RESIDENTIAL",
            },
        },
        "orderLines": {"orderLine": lines},
        "paymentTypes": ["CREDITCARD"],
        "orderSummary": {"totalAmount": {"currencyAmount": _total(lines), "currencyUnit": "USD"}},
        "shipNode": {"type": ship_node, "name": "Sandbox warehouse", "id": "2310"},
    }


def _line(rng: Random, draft: Draft, number: int, state: str, method: str) -> JsonObject:
    product = draft.catalogue.products[rng.randrange(len(draft.catalogue.products))]
    units = UNITS.pick(rng)
    is_cancelled = state == "Cancelled"
    charges = [_charge("PRODUCT", "ItemPrice", 0 if is_cancelled else product.price_cents * units)]
    if chance(rng, 0.3) and not is_cancelled:
        charges.append(_charge("SHIPPING", "Shipping", 599))
    status: JsonObject = {
        "status": state,
        "statusQuantity": quantity(units),
        "cancellationReason": "CANCEL_BY_SELLER" if is_cancelled else None,
        "trackingInfo": None,
    }
    if state in LEFT:
        status["trackingInfo"] = {
            "shipDateTime": millis(draft.updated),
            "carrierName": {"carrier": "UPS"},
            "methodCode": method,
            "trackingNumber": f"1Z{draft.number:08}",
            "trackingURL": f"https://tracking.example/1Z{draft.number:08}",
        }
    return {
        "lineNumber": str(number),
        "item": {"productName": product.title, "sku": product.sku, "condition": "New"},
        "charges": {"charge": charges},
        "orderLineQuantity": quantity(units),
        "statusDate": millis(draft.updated),
        "orderLineStatuses": {"orderLineStatus": [status]},
        "refund": None,
        "fulfillment": {"fulfillmentOption": "S2H", "shipMethod": method.upper()},
    }


def quantity(units: int) -> JsonObject:
    """Units as Walmart writes them."""
    return {"unitOfMeasurement": "EACH", "amount": str(units)}


def _charge(kind: str, name: str, cents: int) -> JsonObject:
    tax = cents * TAX_BASIS_POINTS // 10_000
    return {
        "chargeType": kind,
        "chargeName": name,
        "chargeAmount": {"currency": "USD", "amount": cents / 100},
        "tax": {"taxName": "Tax1", "taxAmount": {"currency": "USD", "amount": tax / 100}},
    }


def _total(lines: Sequence[JsonObject]) -> float:
    cents = 0
    for line in lines:
        for charge in line["charges"]["charge"]:
            cents += round(charge["chargeAmount"]["amount"] * 100) + round(charge["tax"]["taxAmount"]["amount"] * 100)
    return cents / 100
