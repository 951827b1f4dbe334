"""Made-up orders of OTTO, in the shape of Orders API v4: each position item is one unit."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from orders_pipeline.sandbox.generator import COUNTRIES, Catalogue, Choice, chance, person, place
from orders_pipeline.sandbox.json_values import JsonObject

STATES = Choice({"ANNOUNCED": 1, "PROCESSABLE": 6, "SENT": 3, "RETURNED": 1, "CANCELLED_BY_PARTNER": 1})
UNITS = Choice({1: 5, 2: 3, 3: 2, 4: 1})
PAYMENTS = Choice({"INVOICE_SINGLE": 4, "PAYPAL": 3, "PREPAYMENT": 1, "CREDIT_CARD": 2})
LETTERS = "bcdfghjkmnpqrstvwxyz23456789"
VAT_RATE = 19.0
LEFT = ("SENT", "RETURNED")
OPEN = ("ANNOUNCED", "PROCESSABLE")


@dataclass(frozen=True)
class OttoDraft:
    """What an order is made of."""

    number: int
    created: datetime
    updated: datetime
    catalogue: Catalogue
    state: str | None = None


def stamp(moment: datetime) -> str:
    """A time as OTTO writes it: with milliseconds and an offset without a colon."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}+0000"


def make(rng: Random, draft: OttoDraft) -> JsonObject:
    """One order; one that is only announced has no addresses yet."""
    state = draft.state or STATES.pick(rng)
    items = [_item(rng, draft, state) for _ in range(UNITS.pick(rng))]
    ids = [each["positionItemId"] for each in items]
    order: JsonObject = {
        "salesOrderId": _uuid(rng),
        "orderNumber": "".join(rng.choice(LETTERS) for _ in range(10)),
        "orderDate": stamp(draft.created),
        "lastModifiedDate": stamp(draft.updated),
        "orderLifecycleInformation": {"lifecycleChangeDate": stamp(draft.updated)},
        "payment": {"paymentMethod": PAYMENTS.pick(rng)},
        "positionItems": items,
        "initialDeliveryFees": [],
        "initialDiscounts": [],
        "links": [],
    }
    if chance(rng, 0.6):
        fee = {"deliveryFeeAmount": money(595), "name": "FREIGHT_SURCHARGE", "positionItemIds": ids}
        order["initialDeliveryFees"] = [{**fee, "vatRate": VAT_RATE}]
    buyer, home = person(rng, "DE"), place(rng, "DE")
    street, _, number = home.street.rpartition(" ")
    address = {
        "salutation": "UNKNOWN",
        "firstName": buyer.first_name,
        "lastName": buyer.last_name,
        "street": street,
        "houseNumber": number,
        "addition": home.extra,
        "zipCode": home.postal_code,
        "city": home.city,
        "countryCode": COUNTRIES["DE"].alpha3,
        "phoneNumber": home.phone,
    }
    if state != "ANNOUNCED":
        order["deliveryAddress"] = {**address, "email": f"{buyer.email_local_part}@kunde.example"}
        order["invoiceAddress"] = {**address, "email": f"{draft.number:x}@pseudonym.example"}
    return order


def money(cents: int) -> JsonObject:
    """An amount in euros."""
    return {"amount": cents / 100, "currency": "EUR"}


def _item(rng: Random, draft: OttoDraft, state: str) -> JsonObject:
    product = draft.catalogue.products[rng.randrange(len(draft.catalogue.products))]
    item: JsonObject = {
        "positionItemId": _uuid(rng),
        "fulfillmentStatus": state,
        "itemValueGrossPrice": money(product.price_cents),
        "product": {
            "sku": product.sku,
            "articleNumber": f"A{product.sku}",
            "ean": product.gtin,
            "productTitle": product.title,
            "vatRate": VAT_RATE,
            "dimensions": [],
        },
        "expectedDeliveryDate": stamp(draft.created + timedelta(days=4)),
    }
    if chance(rng, 0.2):
        reduction = product.price_cents // 10
        item["itemValueReducedGrossPrice"] = money(product.price_cents - reduction)
        item["itemValueDiscount"] = money(reduction)
    if state != "ANNOUNCED":
        item["processableDate"] = stamp(draft.created + timedelta(minutes=30))
    if state in LEFT:
        item["sentDate"] = stamp(draft.updated)
        item["trackingInfo"] = {
            "carrier": "HERMES",
            "carrierServiceCode": "DEFAULT",
            "trackingNumber": f"H{draft.number:019}",
        }
    if state == "RETURNED":
        item["returnedDate"] = stamp(draft.updated)
    if state.startswith("CANCELLED"):
        item["cancellationDate"] = stamp(draft.updated)
        item["cancellationReason"] = "CANCELLED_ON_PARTNER_WISH"
    return item


def _uuid(rng: Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))
