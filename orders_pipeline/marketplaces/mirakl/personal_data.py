"""Where personal data stands in a Mirakl order and in its shipments.

What lives here: the JSON paths, for a bare order and for our envelope of an order and its shipments. What does not:
removing or encrypting anything, which is `warehouse.privacy`.

Kept are ids (`customer_id`), country, city and state, so that a payload stays readable and countable after the purge.
"""

from __future__ import annotations

Path = tuple[str, ...]

_PERSON = ("civility", "firstname", "lastname", "company", "company_2", "phone", "phone_secondary", "email")
_STREET = ("street_1", "street_2", "zip_code", "additional_info", "internal_additional_info")
_CONTACTS = ("accounting_contact", "delivery_contact")
_ORGANIZATION = ("name", "organization_id", "identification_number", "tax_identification_number")
_ORIGIN = ("street_1", "street_2", "zip_code")

_CUSTOMER: tuple[Path, ...] = (
    ("civility",),
    ("firstname",),
    ("lastname",),
    ("email",),
    ("phone",),
    *((contact,) for contact in _CONTACTS),
    *(("organization", key) for key in _ORGANIZATION),
    *(("organization", "address", key) for key in (*_PERSON, *_STREET)),
    *((address, key) for address in ("billing_address", "shipping_address") for key in (*_PERSON, *_STREET)),
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
"""Every path of personal data; `*` is every element of a list. Paths of the form that a payload has not are no harm."""
