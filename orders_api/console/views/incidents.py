"""Incidents and the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orders_api.console.views.lists import ShownList

if TYPE_CHECKING:
    from orders_api.console.views.frame import Badge, Moment
    from orders_api.console.views.lists import Record


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """An incident in the list.

    Attributes:
        id: Its id.
        message: What is wrong, in a plain sentence.
        hint: What to do, or "".
        subject: The channel, connection or component that it is about.
        kind: Whose business it is.
        state: Open or resolved.
        occurrences: How often it was seen.
        first: When it was seen first.
        last: When it was seen last.
        order: Internal id of the order that it is about, or "".
        record: All of it for programs.
    """

    id: str
    message: str
    hint: str
    subject: str
    kind: str
    state: Badge
    occurrences: int
    first: Moment
    last: Moment
    order: str
    record: Record


@dataclass(frozen=True, slots=True)
class IncidentView:
    """One incident.

    Attributes:
        row: As in the list.
        cause: What usually lies behind it, or "".
        code: Stable snake_case word.
        stage: Where it happened.
        facts: Technical details: name and value.
        run: Dagster's run in which it was seen last, or "".
        resolution: How it ended; None while it is open.
        resolved: When it ended.
        details: All of this as text, to be handed on.
        entries: What the log says of the same channel, the last first.
    """

    row: IncidentRow
    cause: str
    code: str
    stage: str
    facts: tuple[tuple[str, str], ...]
    run: str
    resolution: str | None
    resolved: Moment | None
    details: str
    entries: tuple[EntryRow, ...]


@dataclass(frozen=True, slots=True)
class EntryRow:
    """An entry of the log."""

    id: str
    at: Moment
    level: Badge
    stage: str
    kind: str
    subject: str
    text: str
    order: str
    record: Record


@dataclass(frozen=True, slots=True)
class LogList(ShownList):
    """The log, and for how many days it is kept."""

    kept_days: int


@dataclass(frozen=True, slots=True)
class EntryPage:
    """One entry of the log, with those around it.

    Attributes:
        row: The entry.
        facts: Technical details as JSON text.
        rows: Itself and its neighbours, the last first.
    """

    row: EntryRow
    facts: str
    rows: tuple[EntryRow, ...]
