"""Where personal data stands in an Amazon order.

What lives here: the JSON paths. What does not: removing or encrypting anything, which is `warehouse.privacy`.
"""

from __future__ import annotations

from warehouse.privacy import PathStep

_PLACE = frozenset({"city", "districtOrCounty", "municipality", "stateOrRegion", "countryCode", "addressType"})

PII_PATHS: tuple[tuple[PathStep, ...], ...] = (
    ("buyer",),
    ("recipient", frozenset({"deliveryAddress"})),
    ("recipient", "deliveryAddress", _PLACE),
    ("tax", "taxRegistrations", "*", "legalName"),
    ("tax", "taxRegistrations", "*", "taxRegistrationNumber"),
    ("tax", "taxRegistrations", "*", "taxRegistrationAddress"),
    ("tax", "taxRegistrations", "*", "taxRegistrationAttributes"),
    ("payment", "paymentExecutions", "*", "acquirerId"),
    ("payment", "paymentExecutions", "*", "authorizationCode"),
    ("orderItems", "*", "product", "customization", "customizedUrl"),
    ("orderItems", "*", "fulfillment", "packing", "giftOption", "giftMessage"),
)
"""What Amazon's Data Protection Policy calls personal, and what a company's buyer can be told by. City, district, state
and country stay in clear."""
