"""Named readers of the change feed: how far each one has read. Their tokens are in `tokens`, what they took over in
`acknowledgements`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base.prepared import Prepared, Question
from warehouse.ledger.base.schema import consumers, tokens

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction


@dataclass(frozen=True, slots=True)
class FeedReader:
    """A consumer that has asked for changes: up to which position it has them, when it asked, and whether it still may."""

    name: str
    position: int
    read_at: datetime
    may_read: bool


def note_position(transaction: Transaction, consumer: str, position: int, now: datetime) -> None:
    """Remember the position that a consumer asked to read after: everything up to it has reached the consumer."""
    transaction.execute(sa.update(consumers).where(consumers.c.name == consumer).values(position=position, read_at=now))


def position(transaction: Transaction, consumer: str) -> int | None:
    """The remembered position, None for an unknown consumer."""
    rows = _POSITION.rows(transaction, {"consumer": consumer})
    return int(rows[0][0]) if rows else None


def question(consumer: str) -> Question:
    """What `position` asks."""
    return Question(_POSITION, {"consumer": consumer})


_POSITION = Prepared(sa.select(consumers.c.position).where(consumers.c.name == sa.bindparam("consumer")))


def consumers_of(transaction: Transaction, channels: tuple[str, ...] | None) -> tuple[str, ...]:
    """Consumers by name; of some channels those that have, or had, a token for one of them."""
    if channels is None:
        return tuple(transaction.execute(sa.select(consumers.c.name).order_by(consumers.c.name)).scalars())
    rows = transaction.execute(sa.select(tokens.c.consumer, tokens.c.channels))
    return tuple(sorted({name for name, own in rows if own is None or not set(own).isdisjoint(channels)}))


def consumers_within(transaction: Transaction, channels: tuple[str, ...]) -> tuple[str, ...]:
    """Consumers by name that have never had a token for any other channel than these."""
    rows = transaction.execute(sa.select(tokens.c.consumer, tokens.c.channels)).all()
    beyond = {name for name, own in rows if own is None or not set(own) <= set(channels)}
    return tuple(sorted({name for name, _ in rows} - beyond))


def readers(transaction: Transaction, now: datetime) -> list[FeedReader]:
    """Every consumer that has ever asked for changes, by name."""
    may_read = sa.exists().where(
        tokens.c.consumer == consumers.c.name,
        tokens.c.revoked_at.is_(None),
        sa.or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > now),
    )
    query = sa.select(consumers.c.name, consumers.c.position, consumers.c.read_at, may_read)
    rows = transaction.execute(query.where(consumers.c.read_at.is_not(None)).order_by(consumers.c.name))
    return [FeedReader(name, position, read_at, bool(may)) for name, position, read_at, may in rows]
