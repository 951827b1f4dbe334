"""What has happened to the book since a position: how many orders are new, how many have changed. It reads along an index."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from warehouse.ledger.base.database import POSITION, mark
from warehouse.ledger.base.schema import orders

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.engine import Connection as Transaction

MOST = 1000
"""Orders that are looked at; more have happened than anybody counts."""


class Movement(NamedTuple):
    """Since a position; `is_more` where more orders moved than were looked at."""

    position: int
    new: int
    changed: int
    is_more: bool


def newest_position(transaction: Transaction) -> int:
    """The position of the last change of the book."""
    return mark(transaction, POSITION)


def news_since(transaction: Transaction, position: int, channels: Collection[str] | None) -> Movement:
    """What has happened after a position in these channels; None for all."""
    through = newest_position(transaction)
    moved = sa.select(orders.c.revision, orders.c.channel).where(orders.c.position > position)
    rows = transaction.execute(moved.order_by(orders.c.position).limit(MOST + 1)).all()
    seen = [row.revision for row in rows if channels is None or row.channel in channels]
    new = sum(revision == 1 for revision in seen)
    return Movement(through, new, len(seen) - new, len(rows) > MOST)
