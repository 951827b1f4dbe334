"""Where personal data stands in a purchase order of Walmart, bare or as the answer for a single one has it.

Kept are city, state and country, so that a payload stays readable and countable after the purge.
"""

from __future__ import annotations

from warehouse.privacy import PathStep

Path = tuple[PathStep, ...]

_ORDER: tuple[Path, ...] = (
    ("customerEmailId",),
    ("buyerId",),
    ("shippingInfo", frozenset({"estimatedDeliveryDate", "estimatedShipDate", "methodCode", "postalAddress"})),
    ("shippingInfo", "postalAddress", frozenset({"city", "state", "country", "addressType"})),
    ("pickupPersons",),
    # Free text, and who fetches a parcel.
    ("orderLines", "orderLine", "*", "refund", "refundComments"),
    ("orderLines", "orderLine", "*", "refunds", "refund", "*", "refundComments"),
    ("orderLines", "orderLine", "*", "fulfillment", "pickUpBy"),
    ("orderLines", "orderLine", "*", "configurations"),
    ("orderLines", "orderLine", "*", "personalization"),
)

PII_PATHS: tuple[Path, ...] = (*_ORDER, *(("order", *path) for path in _ORDER))
"""Every path of personal data. Paths of the form that a payload has not are no harm."""
