"""How packages are sent to Target's customers, in Target's words, and what it needs of a shipment.

A shipment is not told with its carrier but with a shipping method, which is a carrier and a service in one word. Target's whole
list is not public: a method that is not known here is told as it is.
"""

from __future__ import annotations

from orders_pipeline.marketplaces.carrier_spellings import aliases
from orders_pipeline.marketplaces.target_plus.states import RELEASED
from warehouse.shipments import Carrier, CarrierRule, Idempotency, Requirements

KNOWN_METHODS = ("UPSGround", "UPSNextDayAir", "FedExGround", "USPSPriorityMail")

_CARRIERS = ("UPS", "FedEx", "USPS")

REQUIREMENTS = Requirements(
    needs_tracking_number=True,
    needs_carrier=False,
    carrier_rule=CarrierRule.LISTED,
    carriers=tuple(Carrier(code=code, label=code) for code in _CARRIERS),
    carrier_aliases=aliases(dict.fromkeys(_CARRIERS, ())),
    idempotency=Idempotency.NONE,
    shipping_methods=KNOWN_METHODS,
    acceptance_state=RELEASED,
    acceptance_within_hours=24,
    can_refuse=False,
    takes_corrections=False,
    notes=(
        "A preview: orders are read, acknowledged and shipped. Refunds, returns, stock and cancelling are off.",
        "An order is acknowledged within 24 hours and before it is shipped; it cannot be refused.",
        "A shipment names a shipping method in Target's words, or the channel's setting shipping_method does.",
        "What was told of a package cannot be changed afterwards.",
    ),
)


def carrier_of(method: str) -> str | None:
    """The carrier that a shipping method is of; None for one that is not known.

    >>> carrier_of("UPSGround"), carrier_of("USPSPriorityMail"), carrier_of("PigeonPost")
    ('UPS', 'USPS', None)
    """
    word = method.upper()
    return next((code for code in _CARRIERS if word.startswith(code.upper())), None)
