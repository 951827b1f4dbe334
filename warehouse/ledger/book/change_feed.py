"""The change feed: what changed after a position, for whoever follows the book. Filtered lists are in `order_queries`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base.database import POSITION, mark, question_of_mark
from warehouse.ledger.base.schema import orders
from warehouse.ledger.book.order_filter import Key, OrderFilter, Sort
from warehouse.ledger.book.order_queries import MEMBERS, page, questions_of_page

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.base.prepared import Question
    from warehouse.ledger.book.order_queries import RowShape
    from warehouse.ledger.book.order_texts import OrderText


@dataclass(frozen=True, slots=True)
class Changes:
    """A part of the change feed.

    Attributes:
        rows: Orders as they are now, by position.
        next_after: Where to read on.
        has_more: Whether more was there at the time of reading.
        head: The last position of the whole feed.
    """

    rows: list[OrderText]
    next_after: int
    has_more: bool
    head: int


def changes(
    shape: RowShape[OrderText],
    transaction: Transaction,
    visible_channels: tuple[str, ...] | None,
    after: int,
    limit: int,
) -> Changes:
    """What changed after a position: each order once, in its present state, by position.

    Positions are given in commit order, and the head is read first: whatever is committed later lies beyond it. A reader of
    few channels has a head of its own, the last position in them: it learns nothing of how much the others do.
    """
    head = mark(transaction, POSITION)
    wanted = OrderFilter(visible_channels=visible_channels)
    found = page(shape, transaction, wanted, Sort.POSITION, Key(position=after), limit)
    last = found.rows[-1].position if found.rows else after
    if visible_channels is not None:
        head = last if found.rows else _own_head(transaction, visible_channels, after)
    has_more = found.next_key is not None
    return Changes(found.rows, last if has_more else max(last, head), has_more, head)


def questions(
    shape: RowShape[OrderText], visible_channels: tuple[str, ...] | None, after: int, limit: int
) -> list[Question]:
    """What `changes` asks, where that is known beforehand: for a reader of all channels."""
    if visible_channels is not None:
        return []
    page_asks = questions_of_page(shape, OrderFilter(), Sort.POSITION, Key(position=after), limit)
    return [question_of_mark(POSITION), *page_asks]


def _own_head(transaction: Transaction, visible_channels: tuple[str, ...], after: int) -> int:
    """The last position of these channels when none is beyond `after`: mostly that one, which is found at once."""
    own = sa.select(orders.c.position).where(orders.c.channel.in_(visible_channels))
    if after == 0 or transaction.execute(own.where(orders.c.position == after)).first() is not None:
        return after
    wanted = OrderFilter(visible_channels=visible_channels)
    last = page(MEMBERS, transaction, wanted, Sort.LATEST_CHANGE, None, 1).rows
    return last[0].position if last else 0
