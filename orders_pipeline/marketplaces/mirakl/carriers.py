"""The carriers that an operator has registered (SH21), and what an instance needs of a shipment.

What depends on the operator is asked of the instance: `requirements`. What is known without asking is `REQUIREMENTS`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.carrier_spellings import aliases
from orders_pipeline.marketplaces.mirakl.states import ACCEPTANCE_STATE
from orders_pipeline.marketplaces.reading import identifier
from warehouse.shipments import Cancels, Carrier, CarrierRule, Idempotency, Requirements

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orders_pipeline.marketplaces.mirakl.capabilities import Capabilities

_TRACKING_NOTE = (
    "Some shipping types need tracking, and no call tells which: without it a shipment may be refused later."
)
_WHOLE_NOTE = "This operator takes one package per order: an order is reported when all of it has been shipped."

REQUIREMENTS = Requirements(
    needs_tracking_number=False,
    needs_carrier=True,
    carrier_rule=CarrierRule.LISTED_OR_NAMED,
    acceptance_state=ACCEPTANCE_STATE,
    cancels=Cancels.LINES,
    idempotency=Idempotency.NONE,
    notes=(_TRACKING_NOTE, "Whether an order may be shipped in parts depends on the operator."),
)


@dataclass(frozen=True, slots=True)
class Registered:
    """A carrier of SH21, and by what other names the operator calls it."""

    carrier: Carrier
    names: tuple[str, ...]


def registered(carriers: object) -> list[Registered] | None:
    """The carriers of an SH21 answer, None when it is no such answer; a carrier without a code cannot be used.

    >>> registered({"carriers": [{"code": "LP", "label": "La Poste", "standard_code": "LAPOSTE"}]})[0].names
    ('La Poste', 'LAPOSTE')
    """
    sent = carriers.get("carriers") if isinstance(carriers, dict) else None
    if not isinstance(sent, list):
        return None
    found: list[Registered] = []
    for each in sent:
        code = identifier(each.get("code")) if isinstance(each, dict) else None
        if code is not None:
            names = [name for name in (identifier(each.get(key)) for key in ("label", "standard_code")) if name]
            found.append(Registered(Carrier(code=code, label=names[0] if names else code), tuple(names)))
    return found


def requirements(capabilities: Capabilities, registered: Sequence[Registered]) -> Requirements:
    """What an instance needs, by what its operator has switched on and which carriers are registered."""
    is_free = capabilities.other_carriers
    return replace(
        REQUIREMENTS,
        carrier_rule=CarrierRule.LISTED_OR_NAMED if is_free else CarrierRule.LISTED,
        carriers=tuple(each.carrier for each in registered),
        carrier_aliases=aliases({each.carrier.code: each.names for each in registered}),
        takes_part=capabilities.multi_shipment,
        takes_several_packages=capabilities.multi_shipment,
        notes=(_TRACKING_NOTE,) if capabilities.multi_shipment else (_TRACKING_NOTE, _WHOLE_NOTE),
    )
