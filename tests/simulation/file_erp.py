"""An ERP that knows files only: it reads order files from one folder and puts shipment files into another.

What lives here: what it reads, writes and believes. What does not: when it does so (`events`). It ships what its newest order
file says is left, line by line, and believes a shipment to be taken when the answer to its file says so.
"""

from __future__ import annotations

import csv
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from tests.simulation.erp import Note, Told

if TYPE_CHECKING:
    from tests.simulation.world import World

EXTRA_COLUMNS = ("item_original_id", "may_ship")
HEADER = (
    "original_id",
    "package_id",
    "tracking_number",
    "shipping_date",
    "carrier_code",
    "item_original_id",
    "item_quantity_shipped",
    "return_tracking_number",
)
RESULT = ".result.csv"
SHIPPABLE = frozenset({"WAITING_FOR_SHIPMENT", "PARTIALLY_SHIPPED"})

Row = dict[str, str]


@dataclass
class FileErp:
    """The ERP of one channel."""

    world: World
    name: str
    channel: str
    folder: Path
    notes: dict[tuple[str, str], Note] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    seen: dict[str, list[Row]] = field(default_factory=dict)
    """Order id → the rows of its newest file."""
    sent: dict[str, list[Row]] = field(default_factory=dict)
    """Name of a shipment file → its rows, as long as it is not answered."""
    packed: Counter[str] = field(default_factory=Counter)
    _read: set[str] = field(default_factory=set)
    _files: int = 0

    @property
    def outbox(self) -> Path:
        """Where its order files come from."""
        return self.folder / "outbox"

    @property
    def inbox(self) -> Path:
        """Where it puts its shipment files."""
        return self.folder / "inbox"

    def read(self) -> None:
        """Take in the order files that are new, oldest first, and the answers to its own files."""
        for path in sorted(self.outbox.glob("*.csv")):
            if path.name in self._read:
                continue
            self._read.add(path.name)
            orders: dict[str, list[Row]] = {}
            for row in _rows(path):
                orders.setdefault(row["order_id"], []).append(row)
            self.seen |= orders
        for name in list(self.sent):
            answer = self.inbox / "results" / (Path(name).stem + RESULT)
            if answer.exists():
                self._answered(self.sent.pop(name), _rows(answer))

    def ship(self, chance: Random) -> list[str]:
        """Put a file with a few shipments into the inbox; returns what is in it, in words."""
        waiting = [order for order in sorted(self.seen) if self._left(order)]
        rows: list[Row] = []
        for order in chance.sample(waiting, min(len(waiting), chance.randint(1, 3))):
            self.packed[order] += 1
            self._files += 1
            for line, units in self._left(order).items():
                if units > 1 and chance.random() < 0.4:
                    units -= 1  # noqa: PLW2901 - a part of it stays here
                rows.append(self._row(order, line, units))
        if rows:
            self._drop(rows)
        return [
            f"{each['item_quantity_shipped']} × {each['item_original_id']} of {each['original_id']}" for each in rows
        ]

    def ship_again(self, chance: Random) -> None:
        """The same rows in another file, as somebody who is not sure does."""
        if self.notes:
            note = self.notes[chance.choice(sorted(self.notes))]
            told = note.told[-1]
            rows = [self._row(note.original_id, line, units) for line, units in told.units.items()]
            self._drop([{**row, "package_id": note.package_id, "tracking_number": told.tracking} for row in rows])

    def _left(self, order: str) -> dict[str, int]:
        rows = self.seen[order]
        if any(row["order_status"] not in SHIPPABLE or row["fulfilled_by"] != "merchant" for row in rows):
            return {}
        told = Counter[str]()
        for note in self.notes.values():
            if note.original_id == order:
                told.update(note.told[-1].units)
        return {
            row["item_original_id"]: int(row["quantity_ordered"]) - told[row["item_original_id"]]
            for row in rows
            if row["may_ship"] == "true" and int(row["quantity_remaining_to_ship"] or 0) > 0
            if int(row["quantity_ordered"]) - told[row["item_original_id"]] > 0
        }

    def _row(self, order: str, line: str, units: int) -> Row:
        values = (
            order,
            f"{self.packed[order]}",
            f"{self.name.upper()}{self._files:06d}",
            f"{int(self.world.clock.true().timestamp() * 1000)}",
            "UPS",
            line,
            f"{units}",
            f"R{self._files:06d}",
        )
        return dict(zip(HEADER, values, strict=True))

    def _drop(self, rows: list[Row]) -> None:
        """Write aside and rename, as those who exchange files do; told by the world's clock when."""
        name = f"shipments-{self._files:06d}-{len(self.sent)}-{self.world.clock.true():%d%H%M%S}.csv"
        self.inbox.mkdir(parents=True, exist_ok=True)
        partial = self.inbox / f"{name}.part"
        with partial.open("w", newline="") as file:
            writer = csv.DictWriter(file, HEADER)
            writer.writeheader()
            writer.writerows(rows)
        moment = self.world.clock.true().timestamp()
        os.utime(partial, (moment, moment))
        partial.rename(self.inbox / name)
        self.sent[name] = rows

    def _answered(self, rows: list[Row], answers: list[Row]) -> None:
        refused = {row["package_id"] + row["original_id"] for row in answers if row["result_outcome"] == "refused"}
        packages: dict[tuple[str, str], list[Row]] = {}
        for row in rows:
            packages.setdefault((row["original_id"], row["package_id"]), []).append(row)
        for key, own in packages.items():
            is_refused = key[1] + key[0] in refused
            self.answers["refused" if is_refused else "taken"] += 1
            if is_refused:
                continue
            units = {row["item_original_id"]: int(row["item_quantity_shipped"]) for row in own}
            note = self.notes.setdefault(key, Note("", key[0], self.channel, key[1], self.world.clock.true()))
            note.told.append(Told(own[0]["tracking_number"], units))


def _rows(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))
