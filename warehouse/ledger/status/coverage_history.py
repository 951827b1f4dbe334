"""The last days of each channel, hour by hour: read in time, read later, not read, not asked for; and the pulls that did it.

Through when nothing is missing is proven by `coverage` alone; pulls only say when that was done.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from warehouse.ledger.base.rows import columns_of, read_rows
from warehouse.ledger.base.schema import pulls
from warehouse.ledger.status.channel_status import ChannelState

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.status.channel_status import Standing

DAYS = 30
HOUR = timedelta(hours=1)
IN_TIME = timedelta(hours=2)
"""What is read longer after it happened was read later."""
MOST_PULLS = 500


class HourState(StrEnum):
    """What is known of an hour: of orders that changed in it at the marketplace."""

    PROVEN = "proven"
    LATER = "later"
    GAP = "gap"
    NOT_ASKED = "not_asked"


class Stretch(NamedTuple):
    """Hours of one state in a row."""

    since: datetime
    until: datetime
    state: HourState


class LateRead(NamedTuple):
    """What a pull was the first to read, long after: until when everything was read before it, and until when after it."""

    connection: str
    since: datetime
    until: datetime


class PullRecord(NamedTuple):
    """A pull; each member is a column of `pulls`, which says what it means."""

    id: int
    kind: str
    since: datetime
    until: datetime
    started_at: datetime
    finished_at: datetime | None
    outcome: str
    pages: int
    orders_seen: int
    orders_new: int
    orders_skipped: int
    error_code: str | None
    error: str | None


def late_reads(transaction: Transaction, after: datetime) -> list[LateRead]:
    """What was first read long after it happened, of windows that end after a time; one statement."""
    passed = (
        sa.func.max(pulls.c.until)
        .over(partition_by=pulls.c.connection, order_by=pulls.c.id, rows=(None, -1))
        .label("passed")
    )
    windows = (
        sa.select(pulls.c.connection, pulls.c.started_at, passed, pulls.c.until)
        .where(pulls.c.until >= after, pulls.c.outcome == "complete", pulls.c.since < pulls.c.until)
        .subquery()
    )
    seconds = IN_TIME.total_seconds()
    waited: sa.ColumnElement[Any]
    if transaction.dialect.name == "postgresql":
        waited = sa.extract("epoch", windows.c.started_at) - sa.extract("epoch", windows.c.passed)
    else:
        waited = (sa.func.julianday(windows.c.started_at) - sa.func.julianday(windows.c.passed)) * timedelta(
            days=1
        ).total_seconds()
    query = sa.select(windows.c.connection, windows.c.passed, windows.c.until).where(waited > seconds)
    return read_rows(transaction, LateRead, query)


def stretches(channel: Standing, late: Iterable[LateRead], first: datetime, now: datetime) -> list[Stretch]:
    """The hours of a channel from one on, those of one state in a row taken together.

    Args:
        channel: How it stands.
        late: What was read late.
        first: The first hour.
        now: The present instant: the hour that it is in is none yet.
    """
    own = [each for each in late if each.connection == channel.connection]
    found: list[Stretch] = []
    for number in range(int((now - first) / HOUR)):
        since = first + number * HOUR
        state = _state(channel, own, since, since + HOUR)
        if found and found[-1].state is state:
            found[-1] = Stretch(found[-1].since, since + HOUR, state)
        else:
            found.append(Stretch(since, since + HOUR, state))
    return found


def _state(channel: Standing, late: Sequence[LateRead], since: datetime, until: datetime) -> HourState:
    start, through = channel.complete_from, channel.complete_through
    if start is None or through is None or channel.open_orders_only or until <= start:
        return HourState.NOT_ASKED
    if until <= through:
        is_late = any(each.since < until and each.until > since for each in late)
        return HourState.LATER if is_late else HourState.PROVEN
    return HourState.GAP if channel.state in {ChannelState.LATE, ChannelState.FAILING} else HourState.NOT_ASKED


def pulls_between(transaction: Transaction, connection: str, since: datetime, until: datetime) -> list[PullRecord]:
    """The pulls whose windows touch a time, the last first."""
    query = (
        sa.select(*columns_of(PullRecord, pulls))
        .where(pulls.c.until >= since, pulls.c.since < until, pulls.c.connection == connection)
        .order_by(pulls.c.id.desc())
        .limit(MOST_PULLS)
    )
    return read_rows(transaction, PullRecord, query)
