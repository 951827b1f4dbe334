"""The log of the order flow: what happened, one row each, written in the transaction in which it happened.

Append-only; read by filter, newest first. No entry holds a secret or personal data. What the processes print is not here,
and how one order came to be what it is, is in `order_queries.timeline`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from warehouse.ledger.base.bulk import add_rows
from warehouse.ledger.base.rows import Json, columns_of, read_rows
from warehouse.ledger.base.schema import log_entries
from warehouse.ledger.settings.channels import connections_serving, connections_serving_only

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.base.database import Ledger

OUT_OF_STEP = timedelta(minutes=10)
"""Ids grow with the time of the entries, but for clocks that differ and transactions that overlap by less than this."""

PRUNED_AT_ONCE = 500
NONE_YET = 2**62
"""An id that no entry reaches: nothing is as new as what is asked for."""


class Level(StrEnum):
    """How much an entry matters."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityEntry:
    """One thing that happened.

    Attributes:
        stage: As of incidents: `pull`, `normalise`, `api`, `confirm`, `alerts`…
        kind: What, in one snake_case word.
        text: Plain sentence.
        level: How much it matters.
        channel: The channel it concerns, if one.
        connection: The connection it concerns, if no single channel.
        order_id: The order it concerns, if one.
        data: JSON-able technical details.
    """

    stage: str
    kind: str
    text: str
    level: Level = Level.INFO
    channel: str | None = None
    connection: str | None = None
    order_id: str | None = None
    data: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilter:
    """Which entries; an empty tuple or None does not filter.

    Attributes:
        visible_channels: What the reader may see; None for everything. Any other reader sees the entries of its channels,
            and those of a connection that serves no channel but its own.
        channels: What concerns any of these, their connections' entries among it.
        order_id: Of one order.
        stages: Any of these.
        levels: Any of these.
        since: First time included.
        until: First time not included any more.
        text: What is within the sentence, whatever its case; looked for in the newest entries.
    """

    visible_channels: tuple[str, ...] | None = None
    channels: tuple[str, ...] = ()
    order_id: str | None = None
    stages: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    text: str | None = None


class ActivityRecord(NamedTuple):
    """An entry that was written; each member is a column of `log_entries`."""

    id: int
    at: datetime
    level: str
    stage: str
    kind: str
    channel: str | None
    connection: str | None
    order_id: str | None
    text: str
    data: Json


SEARCHED = 200_000
"""Entries whose sentences are looked through, the newest ones: no index knows their words."""


def record(transaction: Transaction, entries: Sequence[ActivityEntry], now: datetime) -> None:
    """Write entries, in the transaction of what they tell."""
    rows = [
        {
            "at": now,
            "level": each.level.value,
            "stage": each.stage,
            "kind": each.kind,
            "channel": each.channel,
            "connection": each.connection,
            "order_id": each.order_id,
            "text": each.text,
            "data": dict(each.data),
        }
        for each in entries
    ]
    add_rows(transaction, log_entries, rows)


EVERYTHING = LogFilter()


def find_entries(
    transaction: Transaction, wanted: LogFilter = EVERYTHING, before_id: int | None = None, limit: int = 100
) -> list[ActivityRecord]:
    """The `limit` newest entries with an id below `before_id`, newest first."""
    table = log_entries.c
    conditions = [*_period(wanted)]
    if before_id is not None:
        conditions.append(table.id < before_id)
    if wanted.order_id is not None:
        conditions.append(table.order_id == wanted.order_id)
    if wanted.text:
        newest = sa.select(sa.func.coalesce(sa.func.max(table.id), 0)).scalar_subquery()
        conditions += [table.id > newest - SEARCHED, table.text.icontains(wanted.text, autoescape=True)]
    if wanted.stages:
        conditions.append(table.stage.in_(wanted.stages))
    if wanted.levels:
        conditions.append(table.level.in_(wanted.levels))
        if Level.INFO not in wanted.levels:  # the words of the index over trouble, so that it serves
            conditions.append(sa.text("level <> 'info'"))  # type: ignore[arg-type]
    if wanted.channels:
        conditions.append(_of(wanted.channels, connections_serving(transaction, wanted.channels)))
    if wanted.visible_channels is not None:
        own = connections_serving_only(transaction, wanted.visible_channels)
        conditions.append(_of(wanted.visible_channels, own))
    query = (
        sa.select(*columns_of(ActivityRecord, log_entries)).where(*conditions).order_by(table.id.desc()).limit(limit)
    )
    return read_rows(transaction, ActivityRecord, query)


def prune(ledger: Ledger, before: datetime) -> int:
    """Let go of entries older than a time, in small transactions from the old end. Returns how many."""
    gone = 0
    while True:
        old = (
            sa.select(log_entries.c.id)
            .where(log_entries.c["at"] < before)
            .order_by(log_entries.c["at"])
            .limit(PRUNED_AT_ONCE)
        )
        with ledger.write() as transaction:
            deleted = transaction.execute(sa.delete(log_entries).where(log_entries.c.id.in_(old))).rowcount
        gone += deleted
        if deleted < PRUNED_AT_ONCE:
            return gone


def _of(channels: Sequence[str], connections: Sequence[str]) -> sa.ColumnElement[bool]:
    table = log_entries.c
    return sa.or_(table.channel.in_(channels), sa.and_(table.channel.is_(None), table.connection.in_(connections)))


def _period(wanted: LogFilter) -> list[sa.ColumnElement[bool]]:
    """The conditions on time, with bounds on the id beside them: the list is walked by id."""
    at, number = log_entries.c["at"], log_entries.c.id
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.since is not None:
        first = sa.select(number).where(at >= wanted.since - OUT_OF_STEP).order_by(at).limit(1).scalar_subquery()
        conditions += [at >= wanted.since, number >= sa.func.coalesce(first, NONE_YET)]
    if wanted.until is not None:
        last = sa.select(number).where(at < wanted.until + OUT_OF_STEP).order_by(at.desc()).limit(1).scalar_subquery()
        conditions += [at < wanted.until, number <= sa.func.coalesce(last, 0)]
    return conditions
