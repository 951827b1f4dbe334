"""Finding incidents, as a reader may see them. Opening and closing them is in `incidents`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from warehouse.ledger.base.rows import Json, columns_of, read_rows
from warehouse.ledger.base.schema import announced_troubles, incident_days, incidents
from warehouse.ledger.settings.channels import connections_serving, connections_serving_only

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection as Transaction


class IncidentRecord(NamedTuple):
    """A problem that is or was open; each member is a column of `incidents`, which says what it means."""

    id: int
    scope: str
    subject: str
    stage: str
    code: str
    kind: str
    order_id: str
    message: str
    cause: str
    hint: str
    details: Json
    run_id: str | None
    file_id: str
    attempt_id: str | None
    first_seen_at: datetime
    last_seen_at: datetime
    occurrences: int
    resolved_at: datetime | None
    resolution: str | None
    acknowledged_by: str | None
    acknowledged_until: datetime | None

    def is_acknowledged(self, now: datetime) -> bool:
        """Whether somebody looks after it, and nobody is alerted."""
        return self.resolved_at is None and self.acknowledged_until is not None and self.acknowledged_until > now


def open_by_order(transaction: Transaction, order_ids: Sequence[str]) -> dict[str, list[int]]:
    """Of these orders those with open incidents → their numbers."""
    query = sa.select(incidents.c.order_id, incidents.c.id).order_by(incidents.c.id)
    rows = transaction.execute(query.where(incidents.c.order_id.in_(order_ids), incidents.c.resolved_at.is_(None)))
    found: dict[str, list[int]] = {}
    for order_id, number in rows:
        found.setdefault(order_id, []).append(number)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFilter:
    """Which incidents.

    Attributes:
        visible_channels: What the reader may see. A reader of all channels (None) sees everything; any other sees the
            incidents of its channels, and those of a connection that serves no channel but its own.
        channels: Only what concerns any of these: their incidents and their connections'.
        is_open: True for open ones, False for resolved ones, None for both.
        kinds: Any of these kinds.
        stages: Any of these stages.
        codes: Any of these codes.
        order_id: About one order.
        id: The one with this number.
        acknowledged_after: Only those that somebody looks after, until later than this.
        seen_after: Seen last at this time or later.
        seen_before: Seen first before this time.
    """

    visible_channels: tuple[str, ...] | None = None
    channels: tuple[str, ...] = ()
    is_open: bool | None = True
    kinds: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    order_id: str | None = None
    id: int | None = None
    acknowledged_after: datetime | None = None
    seen_after: datetime | None = None
    seen_before: datetime | None = None


OPEN = IncidentFilter()


def find_incidents(
    transaction: Transaction, wanted: IncidentFilter = OPEN, before_id: int | None = None, limit: int = 100
) -> list[IncidentRecord]:
    """The `limit` newest incidents with an id below `before_id`, newest first."""
    query = sa.select(*columns_of(IncidentRecord, incidents)).where(*_matching(wanted))
    if before_id is not None:
        query = query.where(incidents.c.id < before_id)
    if wanted.channels:
        query = query.where(_about(wanted.channels, connections_serving(transaction, wanted.channels)))
    if wanted.visible_channels is not None:
        query = query.where(_visible(transaction, wanted.visible_channels))
    return read_rows(transaction, IncidentRecord, query.order_by(incidents.c.id.desc()).limit(limit))


def by_day(transaction: Transaction, ids: Sequence[int], since: date) -> dict[int, dict[date, int]]:
    """Incident → day of UTC → how often it was seen, from a day on."""
    table = incident_days.c
    query = sa.select(table.incident, table.day, table.occurrences).where(table.incident.in_(ids), table.day >= since)
    found: dict[int, dict[date, int]] = {}
    for row in transaction.execute(query):
        found.setdefault(row.incident, {})[row.day] = row.occurrences
    return found


def announcements(transaction: Transaction, incident: IncidentRecord) -> list[tuple[str, datetime]]:
    """Which recipients of alerts know of an incident's condition, and since when they were told last."""
    table = announced_troubles.c
    same = [table[name] == getattr(incident, name) for name in ("scope", "subject", "stage", "code")]
    rows = transaction.execute(sa.select(table.recipient, table["at"]).where(*same).order_by(table["at"]))
    return [(recipient, moment) for recipient, moment in rows]


def orders_affected(transaction: Transaction, incident: IncidentRecord, limit: int) -> list[str]:
    """Internal ids of the orders that open incidents of the same condition are about."""
    table = incidents.c
    same = [table[name] == getattr(incident, name) for name in ("scope", "subject", "stage", "code")]
    query = sa.select(table.order_id).where(table.resolved_at.is_(None), table.order_id != "", *same)
    return list(transaction.execute(query.order_by(table.id.desc()).limit(limit)).scalars())


def count_open(transaction: Transaction, visible_channels: tuple[str, ...] | None = None) -> int:
    """How many incidents are open, of those that a reader may see; None: of all."""
    query = sa.select(sa.func.count()).select_from(incidents).where(incidents.c.resolved_at.is_(None))
    if visible_channels is not None:
        query = query.where(_visible(transaction, visible_channels))
    return int(transaction.execute(query).scalar_one())


_OPEN_OF_STAGE = sa.select(incidents.c.scope, incidents.c.subject, incidents.c.code).where(
    incidents.c.resolved_at.is_(None), incidents.c.stage == sa.bindparam("of_stage"), incidents.c.order_id == ""
)
"""Built once: every run asks it."""


def open_of_stage(transaction: Transaction, stage: str) -> set[tuple[str, str, str]]:
    """Scope, subject and code of the open incidents of a stage, those about one order apart."""
    rows = transaction.execute(_OPEN_OF_STAGE, {"of_stage": stage})
    return {(row.scope, row.subject, row.code) for row in rows}


def _matching(wanted: IncidentFilter) -> list[sa.ColumnElement[bool]]:
    """What an incident says of itself."""
    table = incidents.c
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.is_open is not None:
        conditions.append(table.resolved_at.is_(None) if wanted.is_open else table.resolved_at.is_not(None))
    sets = ((table.kind, wanted.kinds), (table.stage, wanted.stages), (table.code, wanted.codes))
    conditions += [column.in_(values) for column, values in sets if values]
    if wanted.order_id is not None:
        conditions.append(table.order_id == wanted.order_id)
    if wanted.id is not None:
        conditions.append(table.id == wanted.id)
    if wanted.acknowledged_after is not None:
        conditions.append(table.acknowledged_until > wanted.acknowledged_after)
    if wanted.seen_after is not None:
        conditions.append(table.last_seen_at >= wanted.seen_after)
    if wanted.seen_before is not None:
        conditions.append(table.first_seen_at < wanted.seen_before)
    return conditions


def _visible(transaction: Transaction, codes: tuple[str, ...]) -> sa.ColumnElement[bool]:
    """What a reader of these channels may see."""
    return _about(codes, connections_serving_only(transaction, codes))


def _about(codes: Sequence[str], connection_codes: Sequence[str]) -> sa.ColumnElement[bool]:
    return sa.or_(
        sa.and_(incidents.c.scope == "channel", incidents.c.subject.in_(codes)),
        sa.and_(incidents.c.scope == "connection", incidents.c.subject.in_(connection_codes)),
    )
