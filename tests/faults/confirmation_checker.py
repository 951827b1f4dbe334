"""The checker of the confirmation campaign: what was acknowledged, what the marketplaces applied, what the API says.

It reads three things and nothing of the product's inside: the log of 2xx answers that the client wrote, the orders as the
sandboxes hold them, and the public API. Making trouble is in `confirmation_campaign`.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from orders_pipeline.sandbox.engine import HeldOrder, HeldPackage

SETTLED = frozenset({"verified", "rejected", "held", "none"})


@dataclass(frozen=True)
class Findings:
    """What is wrong; every list empty when all is well.

    Attributes:
        acknowledged: How many shipments the client was told are kept.
        applied: How many of the reported packages the marketplaces hold.
        lost: Acknowledged, and neither at the marketplace nor refused with a reason.
        doubled: Packages that a marketplace holds more than once, or with other units than were reported.
        over_shipped: Lines of which the marketplaces hold more than was ordered.
        edited: Packages of other tools that are not as those made them.
        stuck: Shipments that are not settled.
        rejected: Shipments refused, with the reason: what remains for a person.
    """

    acknowledged: int
    applied: int
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    over_shipped: list[str] = field(default_factory=list)
    edited: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Nothing lost, doubled, over-shipped, edited, stuck or refused."""
        return not (self.lost or self.doubled or self.over_shipped or self.edited or self.stuck or self.rejected)

    def __str__(self) -> str:
        return (
            f"acknowledged={self.acknowledged} applied={self.applied} lost={len(self.lost)} double={len(self.doubled)} "
            f"over-shipped={len(self.over_shipped)} edited={len(self.edited)} stuck={len(self.stuck)} "
            f"rejected={len(self.rejected)}"
        )


def check(
    acknowledged: Path,
    held: Iterable[HeldOrder],
    expected: Mapping[tuple[str, str], Mapping[str, int]],
    api: httpx.Client,
) -> Findings:
    """Compare.

    Args:
        acknowledged: One JSON line per 2xx answer about a shipment: `shipment_id`, `original_id`, `tracking_number` (each
            package has its own, by which every marketplace shows it).
        held: Every order as its marketplace holds it.
        expected: (order id, tracking number) → units by line id, of every package that was reported.
        api: A client of the Orders API, with its token.
    """
    acks = {row["shipment_id"]: row for row in map(json.loads, acknowledged.read_text().splitlines())}
    found: dict[tuple[str, str], list[HeldPackage]] = defaultdict(list)
    findings = Findings(acknowledged=len(acks), applied=0)
    for order in held:
        for package in order.packages:
            found[(order.id, package.tracking_number or "")].append(package)
        findings.over_shipped.extend(f"{order.id} {each}" for each in over_shipped(order))
    shown = {each["id"]: each for each in all_shipments(api)}
    there = expected.keys() & found.keys()
    for own_id, row in acks.items():
        shipment = shown.get(own_id)
        is_there = (row["original_id"], row["tracking_number"]) in there
        if shipment is None or (not is_there and shipment["status"] != "rejected"):
            findings.lost.append(f"{own_id} {row['original_id']} {row['tracking_number']}")
    for key in sorted(there):
        units = [{line: count for line, count in each.units.items() if count} for each in found[key]]
        if units != [dict(expected[key])]:
            findings.doubled.append(f"{key}: {units} instead of {dict(expected[key])}")
    for shipment in shown.values():
        if shipment["status"] not in SETTLED:
            findings.stuck.append(f"{shipment['id']}: {shipment['status']}")
        elif shipment["status"] == "rejected":
            findings.rejected.append(f"{shipment['original_id']}: {shipment['code']}: {shipment['message']}")
    return replace(findings, applied=len(there))


def over_shipped(order: HeldOrder) -> Iterator[str]:
    """Lines of which more has left, or is in packages, than was ordered and not cancelled."""
    packed: Counter[str] = Counter()
    for package in order.packages:
        packed.update(package.units)
    for line in order.lines:
        most = line.ordered - line.cancelled
        if max(line.shipped, packed[line.id]) > most:
            yield f"{line.id}: {line.shipped} left and {packed[line.id]} packed of {most}"


def edited_packages(others: Mapping[str, HeldPackage], held: Iterable[HeldOrder]) -> list[str]:
    """Orders whose package of another tool is not as that tool made it, by order id."""
    shown = {each.id: each.packages for each in held}
    return [order for order, package in others.items() if package not in shown.get(order, ())]


def all_shipments(api: httpx.Client) -> Iterator[dict[str, Any]]:
    """Every shipment that the API shows."""
    path: str | None = "/v1/shipments?limit=1000"
    while path:
        page = api.get(path).raise_for_status().json()
        yield from page["shipments"]
        path = page["next"]
