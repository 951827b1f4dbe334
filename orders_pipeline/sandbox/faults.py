"""Faults: what goes wrong on purpose, when and how often.

What lives here: the fault book (which fault fires at which call) and the spoiling of single orders. What does not: the
answers' wording in a marketplace's own error form, which is the marketplaces' matter.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any

from orders_pipeline.sandbox.json_values import JsonValue


class FaultKind(StrEnum):
    """Everything that can go wrong."""

    THROTTLED = "throttled"
    ERROR_JSON = "error_json"
    ERROR_HTML = "error_html"
    ERROR_EMPTY = "error_empty"
    OK_HTML = "ok_html"
    OK_EMPTY = "ok_empty"
    SLOW = "slow"
    DROPPED = "dropped"
    DROPPED_BEFORE = "dropped_before"
    TRUNCATED = "truncated"
    REPEATED_PAGE = "repeated_page"
    MISSING_ORDER = "missing_order"
    LATE_UPDATE = "late_update"
    MALFORMED_ORDER = "malformed_order"
    REVOKE_TOKEN = "revoke_token"  # noqa: S105 - a fault's name
    EXPIRE_TOKEN = "expire_token"  # noqa: S105 - a fault's name


class Damage(StrEnum):
    """What a malformed order has instead of a field's value."""

    REMOVED = "removed"
    WRONG_TYPE = "wrong_type"
    NULL = "null"


@dataclass(frozen=True)
class Fault:
    """One fault and its conditions; see ``FaultKind`` for what it does.

    Attributes:
        kind: What goes wrong.
        operation: Name of the operation that it hits; ``*`` for every one.
        account: Only calls of this account; None for all.
        count: How many calls it hits; None for all.
        after: How many matching calls pass unharmed first.
        probability: Chance of each of the following calls, drawn from the sandbox's seed.
        status: HTTP status of the error answers.
        seconds: Delay of ``slow``, Retry-After of ``throttled``, hiding time of ``late_update``.
        order_ids: The orders that ``missing_order``, ``late_update`` and ``malformed_order`` mean; empty: pick one.
        field: Dotted path that ``malformed_order`` spoils; empty: the order's id.
        damage: How it spoils it.
    """

    kind: FaultKind
    operation: str = "*"
    account: str | None = None
    count: int | None = 1
    after: int = 0
    probability: float = 1.0
    status: int = 503
    seconds: float = 2.0
    order_ids: tuple[str, ...] = ()
    field: str = ""
    damage: Damage = Damage.REMOVED


@dataclass
class _Armed:
    number: int
    fault: Fault
    chance: Random
    seen: int = 0
    fired: int = 0

    def fires(self) -> bool:
        self.seen += 1
        if self.seen <= self.fault.after or (self.fault.count is not None and self.fired >= self.fault.count):
            return False
        if self.fault.probability < 1.0 and self.chance.random() >= self.fault.probability:
            return False
        self.fired += 1
        return True


@dataclass(frozen=True)
class Fired:
    """The faults that hit one call, by kind."""

    by_kind: dict[FaultKind, Fault] = field(default_factory=dict)

    def get(self, kind: FaultKind) -> Fault | None:
        """Return the fault of this kind, if it fired."""
        return self.by_kind.get(kind)

    def names(self) -> tuple[str, ...]:
        """Return the kinds that fired."""
        return tuple(kind.value for kind in self.by_kind)


class FaultBook:
    """The faults in force."""

    def __init__(self, seed: int) -> None:
        """``seed`` makes the probabilities repeatable."""
        self._seed = seed
        self._armed: list[_Armed] = []
        self._numbers = 0

    def add(self, fault: Fault) -> int:
        """Put a fault in force and return its number."""
        self._numbers += 1
        self._armed.append(_Armed(self._numbers, fault, Random(f"{self._seed}:{self._numbers}")))
        return self._numbers

    def clear(self, kinds: Collection[FaultKind] = ()) -> int:
        """Lift the faults of these kinds (all when none is named) and return how many there were."""
        kept = [armed for armed in self._armed if kinds and armed.fault.kind not in kinds]
        lifted = len(self._armed) - len(kept)
        self._armed = kept
        return lifted

    def fire(self, operation: str, account: str | None) -> Fired:
        """Ask every fault whether it hits this call."""
        hits: dict[FaultKind, Fault] = {
            armed.fault.kind: armed.fault
            for armed in self._armed
            if armed.fault.kind is not FaultKind.LATE_UPDATE  # it acts when it is put in force, on no call
            and armed.fault.operation in ("*", operation)
            and armed.fault.account in (None, account)
            and armed.fires()
        }
        return Fired(hits)

    def listing(self) -> list[dict[str, Any]]:
        """Return the faults in force with their counters."""
        return [
            {
                "number": armed.number,
                "kind": armed.fault.kind.value,
                "operation": armed.fault.operation,
                "account": armed.fault.account,
                "count": armed.fault.count,
                "after": armed.fault.after,
                "probability": armed.fault.probability,
                "seen": armed.seen,
                "fired": armed.fired,
            }
            for armed in self._armed
        ]


def spoil(order: dict[str, Any], path: str, damage: Damage) -> dict[str, Any]:
    """Return a copy of ``order`` with the field at the dotted ``path`` spoiled; unknown paths change nothing."""
    spoiled = copy.deepcopy(order)
    *parents, last = path.split(".")
    holder: Any = spoiled
    for step in parents:
        holder = _child(holder, step)
    key: Any = int(last) if isinstance(holder, list) and last.isdigit() else last
    if _child(holder, last) is None:
        return spoiled
    if damage is Damage.REMOVED:
        del holder[key]
    else:
        holder[key] = None if damage is Damage.NULL else _of_another_type(holder[key])
    return spoiled


def _child(holder: JsonValue, step: str) -> JsonValue:
    if isinstance(holder, list):
        return holder[int(step)] if step.isdigit() and int(step) < len(holder) else None
    return holder.get(step) if isinstance(holder, dict) else None


def _of_another_type(value: JsonValue) -> JsonValue:
    return {"unexpected": "object"} if isinstance(value, str | int | float | bool) else "unexpected text"
