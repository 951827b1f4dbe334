"""What an operator has switched on, as PC01 tells it (`GET /api/platform/configuration`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the operator has switched on.

    Attributes:
        multi_shipment: Several shipments per order; then ST11 knows the shipped units, and nothing else does.
        order_acceptance: AUTOMATIC, NOT_AUTOMATIC (the seller accepts), BOTH (depends on the shop), None if not told.
        other_carriers: Carriers that are not registered are taken by their name.
    """

    multi_shipment: bool
    order_acceptance: str | None
    other_carriers: bool = True


NONE = Capabilities(multi_shipment=False, order_acceptance=None)
"""Of an instance too old to have PC01."""


def capabilities(value: object) -> Capabilities | None:
    """The capabilities in an answer of PC01, None when it is no such answer."""
    features = value.get("features") if isinstance(value, dict) else None
    if not isinstance(features, dict):
        return None
    acceptance = _within(features, "order_workflows").get("order_acceptance")
    return Capabilities(
        multi_shipment=_within(features, "shipment").get("multi_shipment") is True,
        order_acceptance=acceptance if isinstance(acceptance, str) and acceptance else None,
        other_carriers=features.get("disable_seller_alternative_carrier") is not True,
    )


def _within(features: dict[str, Any], key: str) -> dict[str, Any]:
    found = features.get(key)
    return found if isinstance(found, dict) else {}
