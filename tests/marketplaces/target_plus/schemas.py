"""What goes to Target Plus and comes back, as JSON Schemas of our own, written after what third parties have published."""

from __future__ import annotations

from tests.marketplaces.traffic import FLAG, NUMBER, TEXT, UNITS, Schema, several, shape, word

TIME: Schema = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"}
STATES = (
    "PENDING",
    "RELEASED_FOR_SHIPMENT",
    "ACKNOWLEDGED_BY_SELLER",
    "PARTIALLY_SHIPPED",
    "SHIPPED",
    "CANCELED",
    "REFUNDED",
)
LINE_STATES = ("PENDING", "RELEASED_FOR_SHIPMENT", "ACKNOWLEDGED_BY_SELLER", "SHIPPED", "CANCELED")
METHOD = {"type": "string", "pattern": "^[A-Za-z]+$"}

ADDRESS = shape(
    dict.fromkeys(("first_name", "last_name", "address1", "city", "state", "postal_code", "country_code"), TEXT),
    {
        "address2": {"type": ["string", "null"]},
        "email": TEXT,
        "phone_numbers": several(shape({"number": TEXT}, {"type": TEXT})),
    },
)
ADDRESSES = {"shipping_address": ADDRESS, "billing_address": ADDRESS}
AMOUNTS = (
    *("total_item_discount", "total_item_discount_percentage", "total_shipping_price", "total_handling_price"),
    *("other_fees", "total_shipping_discount", "total_gift_option_price"),
)
LINE = shape(
    {
        "order_line_number": TEXT,
        "tcin": TEXT,
        "external_id": TEXT,
        "quantity": UNITS,
        "unit_price": NUMBER,
        "total_price": NUMBER,
        "order_line_statuses": several(shape({"status": word(*LINE_STATES), "quantity": UNITS}), 1),
    },
    {
        **dict.fromkeys(AMOUNTS, NUMBER),
        "discounts": several(shape({"amount": NUMBER}, {"name": TEXT})),
        "routing": TEXT,
        "is_two_day_ship": FLAG,
        "is_registry_item": FLAG,
        "cancellation_reason": TEXT,
    },
)
_ORDER_MEMBERS: Schema = {
    **dict.fromkeys(
        ("ship_advice_number", "seller_id", "vmm_vendor_id", "distribution_center_id", "ship_node_id"), TEXT
    ),
    **dict.fromkeys(("level_of_service", "scac"), TEXT),
    **dict.fromkeys(("requested_delivery_date", "created", "last_modified"), TIME),
    "other_info": several(shape({"name": TEXT, "value": TEXT})),
    "addresses": shape(ADDRESSES),
}
ORDER = shape(
    {
        "id": TEXT,
        "order_number": {"type": "string", "pattern": r"^\d{15}-\d{10}$"},
        "order_date": TIME,
        "requested_shipment_date": TIME,
        "order_status": word(*STATES),
        "currency": word("USD"),
        "order_lines": several(LINE, 1),
    },
    _ORDER_MEMBERS,
)
ITEM_MEMBERS: Schema = {
    "order_line_number": TEXT,
    "quantity": UNITS,
    "shipping_method": METHOD,
    "tracking_number": TEXT,
    "shipped_date": TIME,
}
ITEM = shape(ITEM_MEMBERS, {"level_of_service": TEXT})
FULFILLMENT = shape({"id": TEXT, "order_id": TEXT, **ITEM_MEMBERS}, {"level_of_service": TEXT})
ERRORS: Schema = {"anyOf": [shape({"errors": several(TEXT, 1)}), shape({"message": TEXT}, {"code": TEXT})]}

ANSWERS: dict[str, Schema] = {
    "orders": several(ORDER),
    "order": ORDER,
    "addresses": several(shape({"order_id": TEXT, **ADDRESSES})),
    "acknowledge": ORDER,
    "fulfillments": several(FULFILLMENT),
    "fulfillment": shape({"results": several(FULFILLMENT, 1)}),
    "distribution_centers": several(shape({"id": TEXT, "name": TEXT})),
}
"""By operation; a refusal is `ERRORS`."""

REQUESTS: dict[str, Schema] = {
    "acknowledge": shape({"status": word("ACKNOWLEDGED_BY_SELLER")}),
    "fulfillment": shape({"items": several(ITEM, 1)}),
}

QUERIES = {
    "orders": {"order_status", "page", "per_page"},
    "fulfillments": {"page", "per_page"},
    "addresses": {"order_id", "per_page"},
}
"""The query parameters that a call may have; any other operation has none."""
