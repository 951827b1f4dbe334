"""The checker of the confirmation campaign: what was acknowledged, what the marketplaces applied, what the API says.

It reads three things and nothing of the product's inside: the log of 2xx answers that the client wrote, the sandboxes' journals
of applied confirmations, and the public API. Making trouble is in `confirmation_campaign`.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

SETTLED = frozenset({"verified", "rejected", "held", "none"})


@dataclass(frozen=True)
class Findings:
    """What is wrong; every list empty when all is well.

    Attributes:
        acknowledged: How many shipments the client was told are kept.
        applied: How many packages the marketplaces hold.
        lost: Acknowledged, and neither at the marketplace nor refused with a reason.
        doubled: Packages that a marketplace applied more than once.
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
    acknowledged: Path, journals: Iterable[Iterable[Any]], ordered: Mapping[tuple[str, str], int], api: httpx.Client
) -> Findings:
    """Compare.

    Args:
        acknowledged: One JSON line per 2xx answer about a shipment: `shipment_id`, `original_id`, `tracking_number` (each
            package has its own, by which every marketplace shows it).
        journals: The sandboxes' journal entries.
        ordered: (order id, line id) → units, of every order the marketplaces hold.
        api: A client of the Orders API, with its token.
    """
    acks = {row["shipment_id"]: row for row in map(json.loads, acknowledged.read_text().splitlines())}
    packages = list(applied(entry for journal in journals for entry in journal))
    times = Counter((order, number) for order, number, _, is_new in packages if is_new)
    units: Counter[tuple[str, str]] = Counter()
    for order, _, quantities, is_new in packages:
        if is_new:
            units.update({(order, line): quantity for line, quantity in quantities.items()})
    shown = {each["id"]: each for each in all_shipments(api)}
    findings = Findings(acknowledged=len(acks), applied=len(times))
    for own_id, row in acks.items():
        shipment = shown.get(own_id)
        is_there = times[(row["original_id"], row["tracking_number"])] > 0
        if shipment is None or (not is_there and shipment["status"] != "rejected"):
            findings.lost.append(f"{own_id} {row['original_id']} {row['tracking_number']}")
    findings.doubled.extend(f"{order} {number}: {count}" for (order, number), count in times.items() if count > 1)
    findings.over_shipped.extend(f"{key}: {count}" for key, count in units.items() if count > ordered[key])
    for shipment in shown.values():
        if shipment["status"] not in SETTLED:
            findings.stuck.append(f"{shipment['id']}: {shipment['status']}")
        elif shipment["status"] == "rejected":
            findings.rejected.append(f"{shipment['original_id']}: {shipment['code']}: {shipment['message']}")
    return findings


def applied(entries: Iterable[Any]) -> Iterator[tuple[str, str, dict[str, int], bool]]:
    """(order id, tracking number, units by line, whether it is a new package) of everything the marketplaces applied."""
    for entry in entries:
        effect = entry.effect
        if not effect or entry.operation not in {"confirmShipment", "ST01"}:
            continue
        if entry.operation == "confirmShipment":
            yield effect["order_id"], effect["tracking_number"], effect["quantities"], not effect["is_edit"]
            continue
        for each in effect["shipments"]:
            yield each["order_id"], str(each["tracking"]["tracking_number"]), each["quantities"], True


def edited_packages(others: Mapping[str, Mapping[str, Any]], truth: Iterable[Mapping[str, Any]]) -> list[str]:
    """Orders whose package of another tool is not as that tool made it.

    Args:
        others: Order id → the package as it was made.
        truth: The sandbox's truth.
    """
    shown = {each["id"]: each["order"].get("packages") or [] for each in truth}
    return [order for order, package in others.items() if package not in shown.get(order, [])]


def all_shipments(api: httpx.Client) -> Iterator[dict[str, Any]]:
    """Every shipment that the API shows."""
    path: str | None = "/v1/shipments?limit=1000"
    while path:
        page = api.get(path).raise_for_status().json()
        yield from page["shipments"]
        path = page["next"]


def ordered_units(truth: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], int]:
    """(order id, line id) → units ordered, of a sandbox's truth."""
    found: dict[tuple[str, str], int] = defaultdict(int)
    for each in truth:
        order = each["order"]
        for line in order.get("orderItems") or order.get("order_lines") or ():
            line_id = line.get("orderItemId") or line.get("order_line_id")
            found[(each["id"], line_id)] += line.get("quantityOrdered") or line.get("quantity") or 0
    return found
