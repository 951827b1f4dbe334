"""The orders that an export writes: what the marketplace has changed, and what files that were given up had told.

Orders that a request to cancel holds are left out; when the hold ends they come anew. Writing files is not here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base.database import MARKETPLACE_CHANGES, next_values
from warehouse.ledger.base.schema import file_members, files, orders, parties
from warehouse.ledger.book import holds
from warehouse.ledger.book.retired_orders import NO_FACTS, facts_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction


CHUNK = 4000
"""Orders that an export reads at a time: each chunk costs a commit, and writing the membership of so many holds the write
lock for some 20 ms."""


@dataclass(frozen=True, slots=True)
class OrderToExport:
    """An order that the marketplace has changed, as it is now: rendered facts, and its sealed parties if it has any."""

    id: str
    revision: int
    position: int
    status: str
    fulfilled_by: str | None
    country_code: str | None
    change: int
    facts: str
    sealed: bytes | None


def changed_orders(
    transaction: Transaction, channel: str, statuses: Sequence[str], after: int, through: int, now: datetime
) -> list[OrderToExport]:
    """The next `CHUNK` orders of a channel that the marketplace has changed, in the order of their latest change.

    Orders that a request to cancel holds are left out; when the hold ends they get a number anew.

    Args:
        transaction: A read transaction.
        channel: Code of the channel.
        statuses: Only orders in one of these; empty: all.
        after: Number of the last marketplace change not wanted any more.
        through: Number of the last one that is wanted.
        now: The present instant.
    """
    query = (
        sa.select(*_COLUMNS)
        .outerjoin(parties, parties.c.order_key == orders.c.key)
        .where(
            orders.c.channel == channel,
            orders.c.marketplace_change.between(after + 1, through),
            ~holds.is_held(orders.c.id, now),
        )
        .order_by(orders.c.marketplace_change)
        .limit(CHUNK)
    )
    if statuses:
        # put so that the index on status does not serve it: that one would bring them in another order
        query = query.where(sa.func.coalesce(orders.c.status, "").in_(statuses))
    return _with_facts(transaction, [OrderToExport(*row) for row in transaction.execute(query).all()])


def orders_of_files(
    transaction: Transaction,
    channel: str,
    statuses: Sequence[str],
    given_up: Sequence[int],
    cursor: int,
    after: str,
    now: datetime,
) -> list[OrderToExport]:
    """The next `CHUNK` orders of files that were given up, by id: those that no later file tells of.

    Args:
        transaction: A read transaction.
        channel: Code of the channel.
        statuses: Only orders in one of these; empty: all.
        given_up: The files.
        cursor: Orders that were changed after it are told anyway.
        after: Id of the last order of the chunk before, "" at first.
        now: The present instant.
    """
    later = file_members.alias()
    later_file = files.alias()
    is_in_later_file = (
        sa.select(later.c.order_id)
        .join_from(later, later_file, later_file.c.id == later.c.file_id)
        .where(
            later.c.order_id == file_members.c.order_id,
            later.c.file_id > file_members.c.file_id,
            later_file.c.state.in_(["planned", "uploaded"]),
        )
        .exists()
    )
    lost = sa.select(file_members.c.order_id).where(file_members.c.file_id.in_(given_up), ~is_in_later_file)
    query = (
        sa.select(*_COLUMNS)
        .outerjoin(parties, parties.c.order_key == orders.c.key)
        .where(
            orders.c.channel == channel,
            orders.c.id.in_(lost),
            orders.c.id > after,
            orders.c.marketplace_change <= cursor,
            ~holds.is_held(orders.c.id, now),
        )
        .order_by(orders.c.id)
        .limit(CHUNK)
    )
    if statuses:
        query = query.where(sa.func.coalesce(orders.c.status, "").in_(statuses))
    return _with_facts(transaction, [OrderToExport(*row) for row in transaction.execute(query).all()])


def _with_facts(transaction: Transaction, found: list[OrderToExport]) -> list[OrderToExport]:
    """With the facts of retired orders, which a new file job and one that was reset export too."""
    retired = facts_of(transaction, [each.id for each in found if each.facts == NO_FACTS])
    return [replace(each, facts=retired[each.id]) if each.id in retired else each for each in found]


def export_again(transaction: Transaction, order_ids: Sequence[str]) -> None:
    """Let the next order file of their channels hold these orders, whether one held them before or not."""
    ids = sorted(set(order_ids))
    if not ids:
        return
    first = next_values(transaction, MARKETPLACE_CHANGES, len(ids))
    update = (
        sa.update(orders).where(orders.c.id == sa.bindparam("own_id")).values(marketplace_change=sa.bindparam("new"))
    )
    transaction.execute(update, [{"own_id": own_id, "new": number} for number, own_id in enumerate(ids, first)])


_COLUMNS = (
    orders.c.id,
    orders.c.revision,
    orders.c.position,
    orders.c.status,
    orders.c.fulfilled_by,
    orders.c.shipping_country_code,
    orders.c.marketplace_change,
    orders.c.facts,
    parties.c.sealed,
)
