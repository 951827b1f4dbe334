"""Counts that only grow, kept in the ledger because the process that counts is not the one that is asked for metrics.

Few rows: one per name, channel or connection, and bucket, whatever the number of orders. Counting happens in the transaction
of what is counted, so nothing is counted twice or lost. What can be read off other tables is not here but in `measures`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from warehouse.ledger.base.database import insert_of
from warehouse.ledger.base.schema import counters

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.engine import Connection as Transaction

INGEST_LAG = "ingest_lag"
"""Per channel: seconds from the marketplace's change of an order to its commit in the book."""
THROTTLED = "throttled"
"""Per connection: runs that the marketplace ended by asking to slow down."""
HINTS = "hints"
"""Per connection: messages that told of changes; the bucket says what they were worth."""

LAG_BOUNDS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400)
"""Upper bounds of a histogram's buckets in seconds; the last bucket, without a bound, is `+Inf`."""
BUCKETS = (*(str(bound) for bound in LAG_BOUNDS), "+Inf")
SUM = "sum"


def add(transaction: Transaction, name: str, amounts: Mapping[tuple[str, str], float]) -> None:
    """Add to counts of one name: (subject, bucket) → how much; a plain counter's bucket is ""."""
    if not amounts:
        return
    rows = [
        {"name": name, "subject": subject, "bucket": bucket, "value": amount}
        for (subject, bucket), amount in sorted(
            amounts.items()
        )  # always in this order, so that two writers cannot deadlock
    ]
    transaction.execute(_grow(transaction.dialect.name), rows)


@cache
def _grow(dialect: str) -> Any:  # noqa: ANN401 - the dialect's Insert
    insert = insert_of(dialect, counters)
    return insert.on_conflict_do_update(
        index_elements=["name", "subject", "bucket"], set_={"value": counters.c.value + insert.excluded.value}
    )


def observe(transaction: Transaction, name: str, seen: Iterable[tuple[str, float]]) -> None:
    """Add (subject, seconds) observations to a histogram. Below zero, where clocks differ, counts as zero."""
    amounts: Counter[tuple[str, str]] = Counter()
    totals: dict[tuple[str, str], float] = {}
    for subject, seconds in seen:
        counted = max(0.0, seconds)
        amounts[subject, BUCKETS[bisect_left(LAG_BOUNDS, counted)]] += 1
        totals[subject, SUM] = totals.get((subject, SUM), 0.0) + counted
    add(transaction, name, {**amounts, **totals})


def counted(transaction: Transaction, name: str) -> dict[str, dict[str, float]]:
    """Subject → bucket → count; of a histogram also `sum`."""
    found: dict[str, dict[str, float]] = {}
    query = sa.select(counters.c.subject, counters.c.bucket, counters.c.value).where(counters.c.name == name)
    for row in transaction.execute(query):
        found.setdefault(row.subject, {})[row.bucket] = row.value
    return found
