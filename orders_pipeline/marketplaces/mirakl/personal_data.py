"""Where personal data stands in a Mirakl order and in its shipments.

What lives here: the JSON paths, for a bare order and for our envelope of an order and its shipments. What does not:
removing or encrypting anything, which is `warehouse.privacy`.

Kept are ids (`customer_id`), country, city and state, so that a payload stays readable and countable after the purge.
"""

from __future__ import annotations

from warehouse.privacy import PathStep

Path = tuple[PathStep, ...]

_ORIGIN = ("street_1", "street_2", "zip_code")
_PLACE = frozenset({"city", "state", "country", "country_iso_code"})

_CUSTOMER: tuple[Path, ...] = (
    (frozenset({"customer_id", "locale", "organization", "billing_address", "shipping_address"}),),
    ("organization", frozenset({"address"})),
    *((*address, _PLACE) for address in (("billing_address",), ("shipping_address",), ("organization", "address"))),
)

_ORDER: tuple[Path, ...] = (
    ("customer_notification_email",),
    *(("customer", *path) for path in _CUSTOMER),
    # Free text that an operator puts there may hold anything: a gift message, a door code.
    ("order_additional_fields", "*", "value"),
    ("order_lines", "*", "order_line_additional_fields", "*", "value"),
    *(("order_lines", "*", "shipping_from", "address", key) for key in _ORIGIN),
)

PII_PATHS: tuple[Path, ...] = (
    *_ORDER,
    *(("order", *path) for path in _ORDER),
    ("shipments", "*", "shipment_additional_information", "*", "value"),
    *(("shipments", "*", "shipping_from", "address", key) for key in _ORIGIN),
)
"""Every path of personal data. Paths of the form that a payload has not are no harm."""
