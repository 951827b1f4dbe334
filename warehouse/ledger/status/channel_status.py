"""Channels as a reader may see them: how each one stands, and how complete it is.

Changing channels is in `warehouse.ledger.settings.channels`, the incidents that concern one in `watch.incident_queries`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from warehouse.ledger.base.database import NORMALISED_THROUGH
from warehouse.ledger.base.rows import Json, columns_of, read_rows
from warehouse.ledger.base.schema import (
    channels,
    connections,
    coverage,
    incidents,
    marks,
    orders,
    pulls,
    quarantine,
    quota_buckets,
    raw_orders,
    shipments,
)
from warehouse.ledger.settings.channels import ConfiguredChannel, all_channels
from warehouse.ledger.settings.kinds import LISTING_OPEN_ORDERS, TAKING_ORDERS
from warehouse.order_states import ConfirmationStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection as Transaction

PULL_INTERVAL = timedelta(minutes=5)
"""How often the schedule pulls."""
LATE_AFTER_INTERVALS = 3
USUAL_CLOSING = timedelta(minutes=3)
"""What a pull leaves out because the marketplace cannot tell it yet, where no pull has remembered its own."""
COUNTED_AT_MOST = 2_000
"""A backlog is counted up to here: beyond it the number says nothing more, and counting costs."""


class ChannelState(StrEnum):
    """How a channel stands, in one word."""

    OK = "ok"
    OFF = "off"
    GIVEN = "given"
    NEW = "new"
    THROTTLED = "throttled"
    LATE = "late"
    FAILING = "failing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one channel stands: what `orders status`, `/v1/status`, `/metrics` and the asset checks all tell.

    Attributes:
        channel, connection: Their codes.
        label: What people call the channel.
        state: `off` (not retrieved), `given` (there is no marketplace: its orders are given to us, and nobody can tell
            whether any are missing), `new` (never covered yet), `failing` (its connection's pull has an open incident),
            `late` (more than three intervals behind), `throttled` (waits because the marketplace asked to), or `ok`.
        created_at: When the channel was created.
        last_success_at: When its connection's last complete pull ended.
        complete_from: From when on.
        complete_through: Up to when nothing is missing.
        open_orders_only: Nothing is missing of the orders that were open then, and of no others anything is said.
        lag_seconds: How long ago that was.
        next_run_at: When it is pulled next; None when it is off.
        backlog: Payloads that wait to be read, at most 2,000.
        quarantined: Payloads that could not be read.
        held: Shipments of which nobody tells the marketplace.
        confirmation: Whether shipments are confirmed to the marketplace.
    """

    channel: str
    label: str
    connection: str
    state: ChannelState
    created_at: datetime
    last_success_at: datetime | None
    complete_from: datetime | None
    complete_through: datetime | None
    open_orders_only: bool
    lag_seconds: float | None
    next_run_at: datetime | None
    backlog: int
    quarantined: int
    held: int
    confirmation: bool


def standings(transaction: Transaction, visible_channels: tuple[str, ...] | None, now: datetime) -> list[Standing]:
    """How the channels that a reader may see stand, by code; two statements of index lookups, whatever the number of orders."""
    backlog = _backlog(transaction)
    blocked, failing = quota_buckets.c, incidents.c
    columns = {
        "is_given": connections.c.kind.in_(TAKING_ORDERS),
        "open_orders_only": connections.c.kind.in_(LISTING_OPEN_ORDERS),
        "last_success_at": _of_owner(
            sa.select(pulls.c.finished_at)
            .where(pulls.c.connection == connections.c.code, pulls.c.outcome == "complete")
            .order_by(pulls.c.id.desc())
            .limit(1)
        ),
        "is_failing": sa.exists().where(
            sa.text("resolved_at IS NULL"),
            failing.scope == "connection",
            failing.stage == "pull",
            failing.subject == connections.c.code,
        ),
        "waits_until": _of_owner(
            sa.select(sa.func.max(blocked.blocked_until)).where(
                blocked.connection == connections.c.code, blocked.blocked_until > now
            )
        ),
        "quarantined": _of_channel(
            sa.select(sa.func.count()).select_from(quarantine).where(quarantine.c.channel == channels.c.code)
        ),
        "held": _of_channel(
            sa.select(sa.func.count())
            .select_from(shipments)
            .where(shipments.c.channel == channels.c.code, shipments.c.status == ConfirmationStatus.HELD.value)
        ),
    }
    query = (
        sa.select(
            channels.c.code,
            channels.c.label,
            channels.c.connection,
            channels.c.retrieval,
            channels.c.confirmation,
            channels.c.created_at,
            coverage.c.complete_from,
            coverage.c.complete_through,
            connections.c.state,
            *(column.label(name) for name, column in columns.items()),
        )
        .select_from(channels.join(connections).outerjoin(coverage, coverage.c.channel == channels.c.code))
        .where(*_visible(visible_channels))
        .order_by(channels.c.code)
    )
    return [_standing(row, backlog, now) for row in transaction.execute(query).mappings()]


def _of_owner(query: sa.Select[Any]) -> sa.ScalarSelect[Any]:
    return query.correlate(connections).scalar_subquery()


def _of_channel(query: sa.Select[Any]) -> sa.ScalarSelect[Any]:
    return query.correlate(channels).scalar_subquery()


def _standing(row: Mapping[Any, Any], backlog: Mapping[str, int], now: datetime) -> Standing:
    through, wait = row["complete_through"], row["waits_until"]
    return Standing(
        channel=row["code"],
        label=row["label"],
        connection=row["connection"],
        state=_state(row, now, is_failing=bool(row["is_failing"]), is_throttled=wait is not None),
        created_at=row["created_at"],
        last_success_at=row["last_success_at"],
        complete_from=row["complete_from"],
        complete_through=through,
        open_orders_only=bool(row["open_orders_only"]),
        lag_seconds=None if through is None else (now - through).total_seconds(),
        next_run_at=next_tick(max(now, wait or now)) if row["retrieval"] else None,
        backlog=backlog.get(row["code"], 0),
        quarantined=row["quarantined"],
        held=row["held"],
        confirmation=row["confirmation"],
    )


_COVERED = sa.select(coverage.c.channel, coverage.c.complete_through)
_CREATED = sa.select(channels.c.code, channels.c.created_at)


def covered_through(transaction: Transaction) -> dict[str, datetime | None]:
    """Channel → through when it is covered; None where its coverage has not begun. A channel may be absent."""
    return {row.channel: row.complete_through for row in transaction.execute(_COVERED)}


def created(transaction: Transaction) -> dict[str, datetime]:
    """Channel → when it was created."""
    return {row.code: row.created_at for row in transaction.execute(_CREATED)}


def late_before(now: datetime, learnt: Json) -> datetime:
    """A channel that is complete only up to an earlier time is late.

    Args:
        now: The present instant.
        learnt: What pulling has learnt of the connection (`connections.state`).
    """
    closing = timedelta(seconds=float(learnt.get("closing_seconds", USUAL_CLOSING.total_seconds())))
    return now - closing - LATE_AFTER_INTERVALS * PULL_INTERVAL


def last_successes(transaction: Transaction) -> dict[str, datetime]:
    """When each connection's last complete pull ended; one look into an index per connection."""
    newest = (
        sa.select(pulls.c.id)
        .where(pulls.c.connection == connections.c.code, pulls.c.outcome == "complete")
        .order_by(pulls.c.id.desc())
        .limit(1)
        .correlate(connections)
        .scalar_subquery()
    )
    query = sa.select(connections.c.code, pulls.c.finished_at).join_from(connections, pulls, pulls.c.id == newest)
    return {row.code: row.finished_at for row in transaction.execute(query)}


def _state(row: Mapping[Any, Any], now: datetime, *, is_failing: bool, is_throttled: bool) -> ChannelState:
    if row["is_given"]:
        return ChannelState.GIVEN
    if not row["retrieval"]:
        return ChannelState.OFF
    if is_failing:
        return ChannelState.FAILING
    if row["complete_through"] is None:
        return ChannelState.NEW
    if row["complete_through"] < late_before(now, row["state"]):
        return ChannelState.LATE
    return ChannelState.THROTTLED if is_throttled else ChannelState.OK


def _backlog(transaction: Transaction) -> dict[str, int]:
    read_through = sa.select(marks.c.value).where(marks.c.name == NORMALISED_THROUGH).scalar_subquery()
    waiting = sa.select(raw_orders.c.channel).where(raw_orders.c.seq > read_through).limit(COUNTED_AT_MOST).subquery()
    query = sa.select(waiting.c.channel, sa.func.count()).group_by(waiting.c.channel)
    return {channel: count for channel, count in transaction.execute(query) if channel is not None}


def next_tick(earliest: datetime) -> datetime:
    """The schedule's next tick after an instant.

    >>> next_tick(datetime(2026, 11, 2, 9, 30, tzinfo=UTC)).isoformat()
    '2026-11-02T09:35:00+00:00'
    """
    interval = PULL_INTERVAL.total_seconds()
    return datetime.fromtimestamp((earliest.timestamp() // interval + 1) * interval, UTC)


def readable_channels(transaction: Transaction, visible_channels: tuple[str, ...] | None) -> list[ConfiguredChannel]:
    """The channels that a reader may see, by code."""
    return [each for each in all_channels(transaction) if visible_channels is None or each.code in visible_channels]


class CoverageRecord(NamedTuple):
    """How complete a channel is, and its connection's last finished pull; both null before the first one.

    `open_orders_only` tells that it is complete of the orders that were open at a moment, and covers no time.
    """

    code: str
    retrieval: bool
    open_orders_only: bool
    complete_from: datetime | None
    complete_through: datetime | None
    outcome: str | None
    started_at: datetime | None
    finished_at: datetime | None
    error_code: str | None


def coverages(transaction: Transaction, visible_channels: tuple[str, ...] | None) -> list[CoverageRecord]:
    """How complete each channel is that a reader may see, by code."""
    is_of_open_orders = connections.c.kind.in_(LISTING_OPEN_ORDERS)
    owners = sa.select(connections.c.code.label("owner"), is_of_open_orders.label("open_orders_only")).subquery()
    finished = pulls.alias("finished")
    last_pull = (
        sa.select(finished.c.id)
        .where(finished.c.connection == channels.c.connection, finished.c.finished_at.is_not(None))
        .order_by(finished.c.id.desc())
        .limit(1)
        .correlate(channels)
        .scalar_subquery()
    )
    query = (
        sa.select(*columns_of(CoverageRecord, channels, owners, coverage, pulls))
        .select_from(
            channels.join(owners, owners.c.owner == channels.c.connection)
            .outerjoin(coverage, coverage.c.channel == channels.c.code)
            .outerjoin(pulls, pulls.c.id == last_pull)
        )
        .where(*_visible(visible_channels))
        .order_by(channels.c.code)
    )
    return read_rows(transaction, CoverageRecord, query)


def _visible(visible_channels: tuple[str, ...] | None) -> list[sa.ColumnElement[bool]]:
    return [] if visible_channels is None else [channels.c.code.in_(visible_channels)]


def counts_by_status(transaction: Transaction) -> dict[str, dict[str, int]]:
    """Channel → status → how many orders it has."""
    query = sa.select(orders.c.channel, orders.c.status, sa.func.count()).group_by(orders.c.channel, orders.c.status)
    found: dict[str, dict[str, int]] = {}
    for channel, state, count in transaction.execute(query):
        found.setdefault(channel, {})[state] = count
    return found
