"""Where personal data stands in an order of eBay, bare or in our envelope.

Kept are city, state and country, so that a payload stays readable and countable after the purge.
"""

from __future__ import annotations

from warehouse.privacy import PathStep

Path = tuple[PathStep, ...]

_KEPT = frozenset({"city", "stateOrProvince", "countryCode"})
_CONTACT = frozenset({"contactAddress"})
_INSTRUCTIONS: Path = ("fulfillmentStartInstructions", "*")
_SHIP_TO: Path = (*_INSTRUCTIONS, "shippingStep", "shipTo")

_ORDER: tuple[Path, ...] = (
    ("buyer", frozenset({"taxAddress", "buyerRegistrationAddress"})),
    ("buyer", "taxAddress", _KEPT),
    ("buyer", "buyerRegistrationAddress", _CONTACT),
    ("buyer", "buyerRegistrationAddress", "contactAddress", _KEPT),
    (*_SHIP_TO, _CONTACT),
    (*_SHIP_TO, "contactAddress", _KEPT),
    (*_INSTRUCTIONS, "finalDestinationAddress", _KEPT),
    # Free text, and who is given a card.
    ("buyerCheckoutNotes",),
    ("lineItems", "*", "giftDetails"),
)

PII_PATHS: tuple[Path, ...] = (*_ORDER, *(("order", *path) for path in _ORDER))
"""Every path of personal data. Paths of the form that a payload has not are no harm."""
