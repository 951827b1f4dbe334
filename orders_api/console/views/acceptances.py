"""Orders that wait to be accepted or refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orders_api.console.views.lists import ShownList

if TYPE_CHECKING:
    from orders_api.console.views.frame import Badge, Moment
    from orders_api.console.views.lists import Record


@dataclass(frozen=True, slots=True)
class AcceptanceLine:
    """A line: its id, its article, its units, and what was decided of it; None while nobody has."""

    item_id: str
    what: str
    units: str
    verdict: Badge | None


@dataclass(frozen=True, slots=True)
class AcceptanceRow:
    """An order in the list.

    Attributes:
        order: Internal id.
        original_id: The marketplace's id.
        channel: Label of its channel.
        purchased: When.
        accept_by: Until when the marketplace waits; None where it is not told.
        is_overdue: Whether that is over.
        total: What it is about; None where it is not told.
        state: How far it is.
        decided: By whom, or "".
        trouble: Why the last decision did not arrive, or "".
        lines: Every line.
        can_refuse: Whether the marketplace takes a refusal.
        is_open: Whether the reader may decide it.
        record: All of it for programs.
    """

    order: str
    original_id: str
    channel: str
    purchased: Moment | None
    accept_by: Moment | None
    is_overdue: bool
    total: str | None
    state: Badge
    decided: str
    trouble: str
    lines: tuple[AcceptanceLine, ...]
    can_refuse: bool
    is_open: bool
    record: Record


@dataclass(frozen=True, slots=True)
class AcceptanceList(ShownList):
    """The page; `policies` says of each channel, by code and label, who decides unless somebody does."""

    policies: tuple[tuple[str, str, str], ...]
