"""An ERP: reads the change feed, ships what it sees, and keeps its own notes, which it believes before anything else.

What lives here: what an ERP knows and does over the API. What does not: when it does so, and how it fails (`events`).
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from tests.simulation.machine import ApiDown
from tests.simulation.processes import Fate

if TYPE_CHECKING:
    from datetime import datetime

    from tests.simulation.world import World

PAGE = 20
TRIES = 4
RETRY_LATER = frozenset({409, 429, 503})


@dataclass(frozen=True)
class Told:
    """One version of a package that was answered with 2xx; `units` by the marketplace's line id."""

    tracking: str
    units: Mapping[str, int]


@dataclass
class Note:
    """One package that the ERP has packed, and what it was answered."""

    order_id: str
    original_id: str
    channel: str
    package_id: str
    at: datetime
    told: list[Told] = field(default_factory=list)


@dataclass
class Report:
    """A request under way: sent again with the same key until it is answered."""

    key: str
    bodies: list[dict[str, Any]]
    units: list[dict[str, int]]


@dataclass
class Erp:
    """One consumer of the API."""

    world: World
    name: str
    token: str
    cursor: int = 0
    seen: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: dict[tuple[str, str], Note] = field(default_factory=dict)
    waiting: list[Report] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    taken_over: dict[str, str] = field(default_factory=dict)
    """Order → the number under which it was acknowledged."""
    reports: int = 0
    packed: Counter[str] = field(default_factory=Counter)
    backup: tuple[int, dict[str, dict[str, Any]]] = (0, {})

    # -- reading

    def read(self, pages: int, fate: Fate | None = None) -> bool:
        """Follow the change feed for so many pages; whether its end was reached."""
        for _ in range(pages):
            answer = self._ask("GET", f"/v1/orders/changes?after={self.cursor}&limit={PAGE}", fate=fate)
            fate = None
            if answer is None or answer.status_code != 200:
                return False
            page = answer.json()
            for order in page["orders"]:
                self.seen[order["id"]] = order
            self.cursor = page["next_after"]
            if not page["has_more"]:
                return True
        return False

    def remember(self) -> None:
        """Make a backup of its own database."""
        self.backup = (self.cursor, copy.copy(self.seen))

    def crash(self) -> None:
        """Come back with that backup: it reads again what it had read, and has forgotten nothing that it packed."""
        self.cursor, seen = self.backup
        self.seen = copy.copy(seen)

    # -- shipping

    def shippable(self) -> list[dict[str, Any]]:
        """The orders that it believes it may ship, by what it has read."""
        return [
            each
            for each in self.seen.values()
            if each["channel"] not in self.world.by_file
            and each["status"] in {"WAITING_FOR_SHIPMENT", "PARTIALLY_SHIPPED"}
            and each["fulfilled_by"] == "merchant"
            and each.get("may_ship", True)
            and self.left(each)
        ]

    def left(self, order: Mapping[str, Any]) -> dict[str, int]:
        """What it believes is left to be shipped, by the marketplace's line id."""
        return {
            line["original_id"]: line["quantity_remaining_to_ship"]
            for line in order["lines"]
            if line["quantity_remaining_to_ship"] and line.get("may_ship", True)
        }

    def pack(self, order: Mapping[str, Any], units: Mapping[str, int], package_id: str | None = None) -> dict[str, Any]:
        """What it writes about one package; it numbers those of an order from 1, as most do."""
        self.reports += 1
        if package_id is None:
            self.packed[order["id"]] += 1
            package_id = f"{self.packed[order['id']]}"
        return {
            "id": order["id"],
            "package_id": package_id,
            "tracking_number": f"{self.name.upper()}{self.reports:06d}",
            "carrier_code": "UPS",
            "return_tracking_number": f"R{self.reports:06d}",
            "items": [{"item_original_id": line, "item_quantity_shipped": count} for line, count in units.items()],
        }

    def report(self, bodies: list[dict[str, Any]], fate: Fate | None = None) -> None:
        """Say what has left, and go on saying it until there is an answer."""
        units = [{each["item_original_id"]: each["item_quantity_shipped"] for each in body["items"]} for body in bodies]
        self.waiting.append(Report(f"{self.name}-{self.reports}", bodies, units))
        self.deliver(fate)

    def deliver(self, fate: Fate | None = None) -> None:
        """Send what has not been answered yet; what cannot be sent now waits for the next time."""
        for each in list(self.waiting):
            for _ in range(TRIES):
                answer = self._ask("POST", "/v1/shipments", body={"shipments": each.bodies}, key=each.key, fate=fate)
                fate = None
                if answer is not None and answer.status_code not in RETRY_LATER:
                    self.waiting.remove(each)
                    self._answered(each, answer)
                    break

    def _answered(self, report: Report, answer: Any) -> None:
        if answer.status_code not in {200, 202, 422}:
            self.world.machine.defects.append(f"POST /v1/shipments answered {answer.status_code}: {answer.text[:300]}")
            return
        for body, units, result in zip(report.bodies, report.units, answer.json().get("results", ()), strict=False):
            self.answers[result["result"]] += 1
            if result["result"] == "refused":
                continue
            order = self.seen[body["id"]]
            key = (body["id"], body["package_id"])
            note = self.notes.setdefault(
                key,
                Note(
                    body["id"],
                    order["original_id"],
                    order["channel"],
                    body["package_id"],
                    self.world.clock.true(),
                ),
            )
            note.told.append(Told(body["tracking_number"], units))

    # -- taking over

    def acknowledge(self, chance: Random, fate: Fate | None = None) -> None:
        """Say that some of the orders are taken over, each under a number of its own."""
        chosen = chance.sample(sorted(self.seen), min(len(self.seen), 5))
        items = [
            {"id": each, "revision": self.seen[each]["revision"], "outcome": "ok", "order_number": f"SO-{each[:8]}"}
            for each in chosen
        ]
        if items:
            body = {"acknowledgements": items}
            answer = self._ask("POST", "/v1/orders/acknowledgements", body=body, fate=fate)
            if answer is not None and answer.status_code == 200:
                self.taken_over |= {each["id"]: each["order_number"] for each in items}

    def cancel(self, order: Mapping[str, Any], units: Mapping[str, int]) -> bool:
        """Cancel units as the seller."""
        lines = [{"line_original_id": line, "quantity": count} for line, count in units.items()]
        answer = self._ask("POST", f"/v1/orders/{order['id']}/cancellation", body={"lines": lines, "reason": "14"})
        return answer is not None and answer.status_code == 202

    # -- deciding

    def decide(self, chance: Random) -> None:
        """Answer the oldest request to cancel, one way or the other."""
        answer = self._ask("GET", "/v1/cancellation-requests?limit=5")
        if answer is None or answer.status_code != 200:
            return
        for each in answer.json().get("cancellation_requests", ())[:1]:
            verb = chance.choice(("accept", "decline"))
            self._ask("POST", f"/v1/cancellation-requests/{each['id']}/{verb}", body={})

    def _ask(self, method: str, path: str, **more: Any) -> Any:
        try:
            answer = self.world.machine.request(method, path, self.token, **more)
        except ApiDown:
            self.answers["no answer"] += 1
            return None
        if answer.status_code >= 500 and answer.status_code != 503:
            self.world.machine.defects.append(f"{method} {path} answered {answer.status_code}: {answer.text[:300]}")
        return answer
