"""Token buckets per (connection, operation), kept in the ledger so that restarts and processes share them.

The bucket answers how long to wait; waiting is the caller's.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base import counters
from warehouse.ledger.base.database import upsert
from warehouse.ledger.base.schema import quota_buckets

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

_BUCKET = (
    sa.select(quota_buckets)
    .where(
        quota_buckets.c.connection == sa.bindparam("owner"),
        quota_buckets.c.operation == sa.bindparam("asked_operation"),
    )
    .with_for_update()
)

_BLOCK = sa.select(sa.func.max(quota_buckets.c.blocked_until)).where(
    quota_buckets.c.connection == sa.bindparam("owner")
)
"""An operation that is used for the first time is blocked as long as the connection's others."""

SHORTEST_WAIT = 0.001
"""Seconds: a wait that no clock shows would never end."""

LONGEST_BLOCK = timedelta(hours=24)
"""After a 429: a marketplace's daily quota is the longest that one can ask to wait for."""


def take(transaction: Transaction, owner: str, operation: str, per_second: float, burst: int, now: datetime) -> float:
    """Take one token, or tell how many seconds until there is one (0.0: taken).

    A clock that steps back refills nothing; a rate that changed applies from now on. A block that ends later than any lasts
    was set by a clock that ran ahead, and is not believed.
    """
    row = transaction.execute(_BUCKET, {"owner": owner, "asked_operation": operation}).mappings().one_or_none()
    if row is None:
        tokens, blocked_until = float(burst), transaction.execute(_BLOCK, {"owner": owner}).scalar_one()
    else:
        elapsed = max(0.0, (now - row["refilled_at"]).total_seconds())
        tokens, blocked_until = min(float(burst), row["tokens"] + elapsed * per_second), row["blocked_until"]
    if blocked_until is not None and blocked_until > now + LONGEST_BLOCK:
        blocked_until = None
    wait = (blocked_until - now).total_seconds() if blocked_until is not None and blocked_until > now else 0.0
    if wait <= 0.0 and tokens < 1.0:
        wait = max(SHORTEST_WAIT, (1.0 - tokens) / per_second)
    if wait <= 0.0:
        tokens -= 1.0
    values = {
        "connection": owner,
        "operation": operation,
        "tokens": tokens,
        "refilled_at": now,
        "per_second": per_second,
        "burst": burst,
        "blocked_until": blocked_until,
    }
    transaction.execute(upsert(transaction, quota_buckets, ("connection", "operation")), [values])
    return max(0.0, wait)


def learn(
    transaction: Transaction, owner: str, operation: str, tokens: float, refill_at: datetime | None, now: datetime
) -> None:
    """Believe the marketplace about what is left of a bucket that was taken from, and until when nothing is."""
    bucket = quota_buckets.c
    known = sa.update(quota_buckets).where(bucket.connection == owner, bucket.operation == operation)
    block_ends = {"blocked_until": refill_at} if tokens < 1.0 and refill_at is not None else {}
    transaction.execute(known.values(tokens=max(0.0, tokens), refilled_at=now, **block_ends))


def block(transaction: Transaction, owner: str, now: datetime, seconds: float) -> None:
    """After a 429: nothing is taken from this connection's buckets for `seconds`, and what they believed to have is gone."""
    counters.add(transaction, counters.THROTTLED, {(owner, ""): 1})
    transaction.execute(
        sa.update(quota_buckets)
        .where(quota_buckets.c.connection == owner)
        .values(blocked_until=now + min(LONGEST_BLOCK, timedelta(seconds=seconds)), tokens=0.0, refilled_at=now)
    )


def left(transaction: Transaction) -> dict[str, dict[str, float]]:
    """What share of its burst each bucket had left when it was last used: connection → operation → 0.0 to 1.0."""
    shares: dict[str, dict[str, float]] = {}
    query = sa.select(
        quota_buckets.c.connection, quota_buckets.c.operation, quota_buckets.c.tokens, quota_buckets.c.burst
    )
    for row in transaction.execute(query):
        shares.setdefault(row.connection, {})[row.operation] = row.tokens / row.burst
    return shares


def shares_left(transaction: Transaction, now: datetime) -> dict[tuple[str, ...], float]:
    """Connection and operation → the share of its burst that is left: 0 to 1."""
    shares: dict[tuple[str, ...], float] = {}
    for row in transaction.execute(sa.select(quota_buckets)).mappings():
        is_blocked = row["blocked_until"] is not None and row["blocked_until"] > now
        refilled = row["tokens"] + max(0.0, (now - row["refilled_at"]).total_seconds()) * row["per_second"]
        share = 0.0 if is_blocked else min(float(row["burst"]), refilled) / row["burst"]
        shares[row["connection"], row["operation"]] = share
    return shares
