"""Made-up orders of Target Plus, in the shape that third parties describe."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from orders_pipeline.sandbox.generator import Catalogue, Choice, chance, person, place
from orders_pipeline.sandbox.json_values import JsonObject

STATES = Choice(
    {"PENDING": 1, "RELEASED_FOR_SHIPMENT": 2, "ACKNOWLEDGED_BY_SELLER": 6, "PARTIALLY_SHIPPED": 1, "SHIPPED": 2}
)
LINES = Choice({1: 6, 2: 3, 3: 1})
UNITS = Choice({1: 6, 2: 2, 3: 1, 4: 1})
SERVICES = Choice({"STANDARD": 8, "EXPEDITED": 1, "NEXT_DAY": 1})
WAITING = ("PENDING", "RELEASED_FOR_SHIPMENT", "ACKNOWLEDGED_BY_SELLER")


@dataclass(frozen=True)
class TargetDraft:
    """What an order is made of."""

    number: int
    created: datetime
    updated: datetime
    catalogue: Catalogue
    state: str | None = None


def stamp(moment: datetime) -> str:
    """A time in UTC with milliseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def make(rng: Random, draft: TargetDraft) -> JsonObject:
    """One order; of one that is partially shipped the first line has left."""
    state = draft.state or STATES.pick(rng)
    count = max(LINES.pick(rng), 2 if state == "PARTIALLY_SHIPPED" else 1)
    lines = [_line(rng, draft, number, state) for number in range(1, count + 1)]
    buyer, home = person(rng, "US"), place(rng, "US")
    address: JsonObject = {
        "first_name": buyer.first_name,
        "last_name": buyer.last_name,
        "email": f"{buyer.email_local_part}@relay.example",
        "phone_numbers": [{"number": home.phone, "type": "HOME"}],
        "address1": home.street,
        "address2": home.extra,
        "city": home.city,
        "state": home.state,
        "postal_code": home.postal_code,
        "country_code": "US",
    }
    return {
        "id": f"{0x5D0000000000 + draft.number * 7919:024x}",
        "order_number": f"{902001800000000 + draft.number:015}-{7300000000 + draft.number * 13:010}",
        "seller_id": "seller-5d1",
        "ship_node_id": "NODE-1",
        "order_date": stamp(draft.created),
        "requested_shipment_date": stamp(draft.created + timedelta(days=2)),
        "requested_delivery_date": stamp(draft.created + timedelta(days=6)),
        "order_status": state,
        "currency": "USD",
        "level_of_service": SERVICES.pick(rng),
        "scac": "UPSN",
        "other_info": [{"name": "gift_note", "value": f"For {buyer.first_name}, with love"}]
        if chance(rng, 0.1)
        else [],
        "addresses": {"shipping_address": address, "billing_address": address},
        "order_lines": lines,
        "created": stamp(draft.created),
        "last_modified": stamp(draft.updated),
    }


def _line(rng: Random, draft: TargetDraft, number: int, state: str) -> JsonObject:
    product = draft.catalogue.products[rng.randrange(len(draft.catalogue.products))]
    units = UNITS.pick(rng)
    own = state
    if state == "PARTIALLY_SHIPPED":
        own = "SHIPPED" if number == 1 else "ACKNOWLEDGED_BY_SELLER"
    off = product.price_cents * units // 10 if chance(rng, 0.2) else 0
    line: JsonObject = {
        "order_line_number": str(number),
        "tcin": f"{80000000 + product.price_cents + number}",
        "external_id": product.sku,
        "quantity": units,
        "unit_price": product.price_cents / 100,
        "total_price": product.price_cents * units / 100,
        "total_item_discount": off / 100,
        "discounts": [{"name": "promotion", "amount": off / 100}] if off else [],
        "routing": "SELLER",
        "is_two_day_ship": False,
        "order_line_statuses": [{"status": own, "quantity": units}],
    }
    if chance(rng, 0.2):
        line["total_shipping_price"] = 5.99
    if chance(rng, 0.1):
        line["total_gift_option_price"] = 3.5
    return line
