"""What the ledger lets go of once it is old: superseded payloads, and versions and pulls that the lake keeps.

Nothing that was not published goes, and never the newest payload of an order: the book can always be replayed from what
stays. Purging personal data is a clock of its own, and not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base.database import NORMALISED_THROUGH, mark
from warehouse.ledger.base.schema import order_versions, orders, pulls, quarantine, raw_orders

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from warehouse.ledger.base.database import Ledger

ROWS_PER_COMMIT = 500
"""Rows deleted in one transaction: the write lock is held for some milliseconds at a time."""

PULLS_READ_AGAIN = 1_000
"""So many of the newest published pulls stay, because publishing reads them again."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows were let go of."""

    raw_orders: int
    order_versions: int
    pulls: int


def prune(ledger: Ledger, published: Mapping[str, int], before: datetime) -> Pruned:
    """Let go of what is older than `before` and published; in small transactions, and safe to stop anywhere.

    Args:
        ledger: The ledger.
        published: How far the lake has come: the last `seq`, `position` and `id` of each table (`published_through`).
        before: Rows of this time and later stay.
    """
    return Pruned(
        _prune_payloads(ledger, published.get("raw_orders", 0), before),
        _prune_log(
            ledger, order_versions.c.position, order_versions.c.recorded_at, published.get("order_versions", 0), before
        ),
        _prune_log(ledger, pulls.c.id, pulls.c.started_at, published.get("pulls", 0) - PULLS_READ_AGAIN, before),
    )


def _prune_log(ledger: Ledger, number: sa.Column[int], at: sa.Column[datetime], through: int, before: datetime) -> int:
    """Delete from the old end of a table that grows at the other one."""
    gone = 0
    while True:
        with ledger.write() as transaction:
            rows = transaction.execute(
                sa.select(number, at).where(number <= through).order_by(number).limit(ROWS_PER_COMMIT)
            ).all()
            old = [row[0] for row in rows if row[1] < before]
            if old:
                transaction.execute(sa.delete(number.table).where(number.in_(old)))
        gone += len(old)
        if len(old) < ROWS_PER_COMMIT:
            return gone


def _prune_payloads(ledger: Ledger, published: int, before: datetime) -> int:
    gone = 0
    for seqs in _superseded(ledger, published, before):
        with ledger.write() as transaction:
            transaction.execute(sa.delete(raw_orders).where(raw_orders.c.seq.in_(seqs)))
        gone += len(seqs)
    return gone


def _superseded(ledger: Ledger, published: int, before: datetime) -> Iterator[list[int]]:
    """Payloads that a newer one of the same order has replaced and that nothing in the book refers to, by seq."""
    later, book, aside = raw_orders.alias("later"), orders.alias("book"), quarantine.alias("aside")
    is_superseded = sa.exists().where(
        later.c.connection == raw_orders.c.connection,
        later.c.original_id == raw_orders.c.original_id,
        later.c.seq > raw_orders.c.seq,
    )
    is_origin = sa.exists().where(
        book.c.channel == raw_orders.c.channel,
        book.c.original_id == raw_orders.c.original_id,
        book.c.raw_seq == raw_orders.c.seq,
    )
    is_aside = sa.exists().where(
        aside.c.connection == raw_orders.c.connection,
        aside.c.original_id == raw_orders.c.original_id,
        aside.c.raw_seq == raw_orders.c.seq,
    )
    after = 0
    while True:
        with ledger.read() as transaction:
            through = min(published, mark(transaction, NORMALISED_THROUGH))
            query = (
                sa.select(raw_orders.c.seq)
                .where(
                    raw_orders.c.seq > after,
                    raw_orders.c.seq <= through,
                    raw_orders.c.received_at < before,
                    is_superseded,
                    ~is_origin,
                    ~is_aside,
                )
                .order_by(raw_orders.c.seq)
                .limit(ROWS_PER_COMMIT)
            )
            seqs = list(transaction.execute(query).scalars())
        if not seqs:
            return
        yield seqs
        after = seqs[-1]
