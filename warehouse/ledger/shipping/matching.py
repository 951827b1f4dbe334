"""Matching: which package at the marketplace a shipment is, and what is different there. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from warehouse.ledger.base.rows import Json
from warehouse.ledger.shipping.records import StoredShipment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from warehouse.order_parts import Package
    from warehouse.orders import Order


UNITS_SHIPPED = "units_shipped"
"""Member of a difference: units of lines that were shipped before and are no longer shown as shipped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A shipment that waits to be read back.

    Attributes:
        shipment: What is told of it.
        original_id: The marketplace's order id.
        quantities: Units by the marketplace's line id.
        attempted: What its attempts have told, the oldest first, as `claims.content_of` puts it.
    """

    shipment: StoredShipment
    original_id: str
    quantities: tuple[tuple[str, int], ...]
    attempted: tuple[Json, ...] = ()


def find_package(waiting: Waiting, packages: Iterable[Package]) -> Package | None:
    """The package that a shipment is at the marketplace, None when none of them can be shown to be it.

    That is the one with the id that the marketplace gave it, the one with our reference, or the only one with its tracking
    number. A name alone proves nothing: other tools count their packages too. Unless the marketplace has confirmed that the
    reference is ours, the package must hold what one of our attempts told. One that has neither name nor number is it when
    all of its units were shown as shipped since.
    """
    shipment = waiting.shipment
    present = [each for each in packages if each.is_shipped]
    attempted = waiting.attempted or (_present_contents(waiting),)
    if shipment.marketplace_package_id is not None:
        known = [each for each in present if shipment.marketplace_package_id in {each.reference, each.label}]
        if known:  # untracked packages may share one id
            return next((each for each in known if any(_holds(each, one) for one in attempted)), known[0])
    labelled = [each for each in present if each.label == str(shipment.reference)]
    if shipment.sent_version is not None and len(labelled) == 1:
        return labelled[0]
    named = [each for each in present if each.label in {str(shipment.reference), shipment.package_id}]
    for found in (
        [each for each in named if any(_holds(each, one) for one in attempted)],
        [each for each in present if _is_number(each, shipment.tracking_number)],
    ):
        if len(found) == 1:
            return found[0]
    if shipment.tracking_number is not None or not waiting.attempted:
        return None
    return _nameless(present, waiting.attempted[-1])


def _nameless(present: Sequence[Package], attempt: Json) -> Package | None:
    """The newest package without a number that holds what was told, if all packages hold that much more than before."""
    alike = [
        each
        for each in present
        if each.reference is not None and not each.tracking_number and each.quantities and _holds(each, attempt)
    ]
    before, shown = attempt.get("shipped_before", {}), Counter[str]()
    for each in present:
        shown.update(dict(each.quantities))
    is_more = all(
        line in before and shown[line] >= before[line] + units for line, units in attempt["quantities"].items()
    )
    return alike[-1] if alike and is_more else None


def _present_contents(waiting: Waiting) -> Json:
    return {"tracking_number": waiting.shipment.tracking_number, "quantities": dict(waiting.quantities)}


def _holds(package: Package, content: Json) -> bool:
    """Whether a package is what an attempt told, as far as the marketplace shows its contents."""
    if package.quantities and dict(package.quantities) != content["quantities"]:
        return False
    return not (package.tracking_number and content["tracking_number"]) or _is_number(
        package, content["tracking_number"]
    )


def _is_number(package: Package, tracking_number: str | None) -> bool:
    return tracking_number is not None and _number(package.tracking_number) == _number(tracking_number)


def known_name(shipment: StoredShipment, found: Package) -> str | None:
    """By what a package is known there: the marketplace's id, or the name that somebody else gave it; None for our own."""
    if found.reference is not None:
        return found.reference
    is_ours = found.label in {None, str(shipment.reference)}
    return shipment.marketplace_package_id if is_ours else found.label


def fewer_units(waiting: Waiting, order: Order) -> dict[str, list[Any]]:
    """Lines of which the marketplace shows fewer shipped units than before we told it of the package: something was undone."""
    if not waiting.attempted:
        return {}
    before = waiting.attempted[-1].get("shipped_before", {})
    now = {line.original_id: line.quantity_shipped for line in order.lines}
    fallen = {
        name: (units, shown) for name, units in before.items() if (shown := now.get(name)) is not None and shown < units
    }
    if not fallen:
        return {}
    return {
        UNITS_SHIPPED: [
            {name: units for name, (units, _) in fallen.items()},
            {name: shown for name, (_, shown) in fallen.items()},
        ]
    }


def differences(waiting: Waiting, found: Package) -> dict[str, list[Any]]:
    """What the marketplace shows otherwise than it was told: member → [ours, theirs]. What it does not show does not differ."""
    ours = waiting.shipment
    apart: dict[str, list[Any]] = {}
    if (
        found.tracking_number
        and ours.tracking_number
        and _number(found.tracking_number) != _number(ours.tracking_number)
    ):
        apart["tracking_number"] = [ours.tracking_number, found.tracking_number]
    carriers = {_folded(each) for each in (ours.told_carrier, ours.carrier_code, ours.carrier_name) if each}
    if found.carriers and carriers and carriers.isdisjoint(_folded(each) for each in found.carriers):
        apart["carrier"] = [ours.told_carrier or ours.carrier_code, found.carriers[0]]
    if found.quantities and sorted(found.quantities) != sorted(waiting.quantities):
        apart["quantities"] = [dict(waiting.quantities), dict(found.quantities)]
    return apart


def _number(text: str | None) -> str:
    """A tracking number without hyphens, which some marketplaces take out."""
    folded = _folded(text)
    return folded.replace("-", "") or folded


def _folded(text: str | None) -> str:
    return "".join((text or "").split()).casefold()
