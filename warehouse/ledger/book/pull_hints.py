"""Hints that orders have changed, kept until a pull has read the time that they are about.

Moments are kept in steps of ten seconds, so that many changes at once, or one that is told twice, are one row. When a hint
leads to a pull is the pipeline's to decide.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base import counters
from warehouse.ledger.base.database import insert_of
from warehouse.ledger.base.schema import connections, pull_hints, pulls

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy.engine import Connection as Transaction

STEP_SECONDS = 10


def keep(transaction: Transaction, connection: str, changes: Iterable[datetime], counts: Mapping[str, int]) -> None:
    """Write down when orders of a connection changed, and count the messages by what they were."""
    rows = [{"connection": connection, "changed_at": each} for each in sorted({_step(each) for each in changes})]
    if rows:
        insert = insert_of(transaction.dialect.name, pull_hints)
        transaction.execute(insert.on_conflict_do_nothing(), rows)
    counters.add(transaction, counters.HINTS, {(connection, fate): float(count) for fate, count in counts.items()})


def _step(moment: datetime) -> datetime:
    """The end of the step that a moment is in.

    >>> _step(datetime(2026, 1, 1, 0, 0, 11, 5, UTC)).second, _step(datetime(2026, 1, 1, 0, 0, 20, tzinfo=UTC)).second
    (20, 20)
    """
    steps = -((datetime(1970, 1, 1, tzinfo=UTC) - moment) // timedelta(seconds=STEP_SECONDS))
    return datetime.fromtimestamp(steps * STEP_SECONDS, UTC)


def waiting(transaction: Transaction) -> dict[str, list[datetime]]:
    """Connection → the moments of its hints, the earliest first."""
    found: dict[str, list[datetime]] = {}
    query = sa.select(pull_hints.c.connection, pull_hints.c.changed_at).order_by(*pull_hints.primary_key)
    for row in transaction.execute(query):
        found.setdefault(row.connection, []).append(row.changed_at)
    return found


def oldest(transaction: Transaction) -> dict[str, datetime]:
    """Connection → the moment of its earliest hint."""
    query = sa.select(pull_hints.c.connection, sa.func.min(pull_hints.c.changed_at)).group_by(pull_hints.c.connection)
    return dict(tuple(row) for row in transaction.execute(query))


def last_pulls(transaction: Transaction, codes: Collection[str]) -> dict[str, datetime]:
    """Connection → when its last pull began, of those that were ever pulled."""
    newest = (
        sa.select(pulls.c.started_at)
        .where(pulls.c.connection == connections.c.code)
        .order_by(pulls.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = transaction.execute(sa.select(connections.c.code, newest).where(connections.c.code.in_(codes)))
    return {code: moment for code, moment in rows if moment is not None}


def forget(transaction: Transaction, connection: str, moments: Sequence[datetime]) -> None:
    """Let go of hints: their time has been read, or nobody reads the connection any more."""
    if moments:
        hint = pull_hints.c
        own = (hint.connection == connection, hint.changed_at <= max(moments))
        transaction.execute(sa.delete(pull_hints).where(*own))
