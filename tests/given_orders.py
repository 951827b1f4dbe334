"""A made-up manual order, and the channels that take it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from warehouse.ledger.settings.channels import ConfiguredChannel, Connection, save_channel, save_connection

BUYER = "Zoé Manuelle"
"""A buyer's name that must not be seen without the scope."""


def document(original_id: str = "1001", **changes: Any) -> dict[str, Any]:
    """Three lamps and a bulb, taken down at the telephone."""
    whole = {
        "channel": "telephone",
        "original_id": original_id,
        "purchased_at": "2026-11-02T10:15:00+01:00",
        "ship_by": "2026-11-04T23:00:00Z",
        "service_level": "Parcel",
        "deliver_by": {"from": "2026-11-05T08:00:00Z", "until": "2026-11-06T18:00:00Z"},
        "currency": "EUR",
        "total": "126.60",
        "shipping_total": "4.90",
        "tax_total": "20.21",
        "charges": [{"code": "GIFT_WRAP", "label": "Gift wrap", "amount": "4.00", "tax": "0.64"}],
        "payment": {"method": "Invoice"},
        "is_business": True,
        "customer": {"name": BUYER, "email": "zoe@buyer.example", "phone": "+33 2 00 00 00 00"},
        "shipping_address": {
            "name": BUYER,
            "line_1": "5 quai Inventé",
            "postal_code": "44000",
            "city": "Nantes",
            "country_code": "FR",
        },
        "billing_address": {"company": "Zoé et fils", "line_1": "6 quai Inventé", "country_code": "FR"},
        "delivery_instructions": "Second bell",
        "references": {"purchase_order": "PO-77", "vat_id": "FR40303265045"},
        "notes": "Called twice about the colour",
        "lines": [
            {
                "original_id": "1",
                "sku": "LAMP-12",
                "gtin": "4006381333931",
                "title": "Desk lamp, brass",
                "quantity_ordered": 3,
                "unit_price": "39.90",
                "discount": "5.00",
                "taxes": [{"code": "VAT", "amount": "18.31", "rate": "19"}],
                "gift": {"message": "For you", "wrap": "Classic"},
            },
            {"original_id": "2", "sku": "BULB-1", "quantity_ordered": 1, "unit_price": "3.00"},
        ],
    }
    return deepcopy({**whole, **changes})


def with_line(place: int, **changes: Any) -> dict[str, Any]:
    """The same order with another line; its total follows by itself."""
    made = document()
    made.pop("total")
    made["lines"][place] |= changes
    return made


def set_up(ledger, now) -> None:
    """Two channels without a marketplace, at one connection."""
    with ledger.write() as transaction:
        save_connection(transaction, Connection(code="own", kind="manual", label="Own orders"), now)
        for code, label in (("telephone", "Telephone"), ("fair", "Fair")):
            channel = ConfiguredChannel(
                code=code, label=label, marketplace=label, connection="own", selector=code, confirmation=True
            )
            save_channel(transaction, channel, now)
