"""Incidents and the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orders_api.console.views.lists import ShownList

if TYPE_CHECKING:
    from orders_api.console.views.frame import Badge, Moment
    from orders_api.console.views.lists import Record


@dataclass(frozen=True, slots=True)
class SparkBar:
    """A day of a small drawing: which, where its bar begins, and how high it is."""

    x: int
    y: int
    height: int


@dataclass(frozen=True, slots=True)
class Spark:
    """How often something was seen each day, drawn small, and the same in words."""

    bars: tuple[SparkBar, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """Something that can be done: its word, and a path, or what the pipeline is asked, about what, and of which order."""

    word: str
    asked: str = ""
    subject: str = ""
    original_id: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody did about an incident, when, and what they wrote."""

    at: Moment | None
    text: str
    note: str


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
        drawn: The same by day.
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
    drawn: Spark
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
        acknowledged: Until when somebody looks after it; None when nobody does.
        acknowledged_by: Who.
        announced: Which recipients of alerts know of it, and since when.
        affected: The path of the list of orders that it is about; "" where it is about one, or none.
        affected_count: How many these are.
        steps: What can be done.
        deeds: What people did about it, the last first.
        hours: For how long one may look after it, with words.
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
    acknowledged: Moment | None
    acknowledged_by: str
    announced: tuple[tuple[str, Moment | None], ...]
    affected: str
    affected_count: int
    steps: tuple[Step, ...]
    deeds: tuple[Deed, ...]
    hours: tuple[tuple[str, str], ...]
    details: str
    entries: tuple[EntryRow, ...]


@dataclass(frozen=True, slots=True)
class EntryRow:
    """An entry of the log."""

    id: str
    at: Moment
    level: Badge
    stage: str
    subject: str
    text: str
    order: str
    record: Record


@dataclass(frozen=True, slots=True)
class LogList(ShownList):
    """The log, and for how many days it is kept."""

    kept_days: int


@dataclass(frozen=True, slots=True)
class CallRow:
    """Requests to the API that were alike in a minute.

    Attributes:
        what: Method and route.
        consumer: Whose token, or "".
        minute: When.
        status: HTTP status.
        code: Of the problem, or "".
        requests: How many.
        mean: How long one took.
        slowest: How long the slowest took.
        request_id: Of the last.
        record: All of it for programs.
    """

    what: str
    consumer: str
    minute: Moment | None
    status: Badge
    code: str
    requests: str
    mean: str
    slowest: str
    request_id: str
    record: Record


@dataclass(frozen=True, slots=True)
class CallList(ShownList):
    """Requests to the API, and for how many days they are kept."""

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
