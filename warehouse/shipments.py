"""The domain: what a shipment is, and what a marketplace needs to know of one, whichever marketplace it goes to.

Frozen types and their vocabulary. Taking shipments in and keeping them is in `warehouse.ledger.shipments`; telling the
marketplace is in `orders_pipeline.confirming`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class CarrierRule(StrEnum):
    """Which carriers a marketplace takes: any word, those of its list or any other by name, or only those of its list."""

    ANY = "any"
    LISTED_OR_NAMED = "listed_or_named"
    LISTED = "listed"


class Idempotency(StrEnum):
    """What sending a confirmation twice does: `natural`: the second one edits the first; `none`: it may become another one."""

    NATURAL = "natural"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """A carrier in the marketplace's words."""

    code: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What a channel's marketplace needs of a shipment.

    Attributes:
        needs_tracking_number: Whether a shipment without a tracking number is refused.
        needs_carrier: Whether a shipment without a carrier is refused.
        carrier_rule: Which carriers are taken.
        carriers: The marketplace's list, () when it has none.
        carrier_aliases: Usual spellings of an ERP, in capitals, to the marketplace's carrier code.
        takes_part: Whether a part of an order may be shipped.
        takes_several_packages: Whether an order may have more than one package.
        idempotency: What sending twice does.
        acceptance_state: The marketplace's word for an order that waits to be accepted by the seller; None where it has none.
        notes: Plain sentences for people.
    """

    needs_tracking_number: bool
    needs_carrier: bool
    carrier_rule: CarrierRule
    carriers: tuple[Carrier, ...] = ()
    carrier_aliases: Mapping[str, str] = field(default_factory=dict)
    takes_part: bool = True
    takes_several_packages: bool = True
    idempotency: Idempotency = Idempotency.NONE
    acceptance_state: str | None = None
    notes: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As JSON values; `from_json` reads them."""
        return {**asdict(self), "carrier_aliases": dict(self.carrier_aliases)}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Requirements:
        """Reverse `as_json`."""
        return Requirements(
            **{
                **value,
                "carrier_rule": CarrierRule(value["carrier_rule"]),
                "idempotency": Idempotency(value["idempotency"]),
                "carriers": tuple(Carrier(**each) for each in value["carriers"]),
                "notes": tuple(value["notes"]),
            }
        )
