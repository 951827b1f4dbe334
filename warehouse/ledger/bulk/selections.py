"""The orders that were chosen for an action on many: their ids, frozen when they were chosen, in chunks; and their fates.

A chunk is what is done in one transaction, with its fates in the same one: so whoever is killed and begins again does none
twice and forgets none.
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

import orjson
import sqlalchemy as sa

from warehouse.bulk_actions import NOT_HANDLED, BulkFate, BulkOrder
from warehouse.ledger.base.schema import bulk_chunks, operator_requests
from warehouse.ledger.bulk.actions import CHUNK, orders_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.base.database import Ledger

DRAFT_FOR = timedelta(hours=1)
"""So long somebody may look at a preview."""
ID_BYTES = 16


def keep(transaction: Transaction, ids: Sequence[str], now: datetime) -> str:
    """Freeze a choice, and return its id."""
    selection = str(uuid.uuid4())
    rows = [
        {
            "selection": selection,
            "number": number,
            "chosen_at": now,
            "orders": b"".join(uuid.UUID(each).bytes for each in ids[start : start + CHUNK]),
        }
        for number, start in enumerate(range(0, len(ids), CHUNK))
    ]
    transaction.execute(sa.insert(bulk_chunks), rows)
    return selection


def forget(transaction: Transaction, now: datetime) -> None:
    """Forget what was chosen and not asked for, and what was asked so long ago that the request is forgotten."""
    kept = sa.select(operator_requests.c.id)
    transaction.execute(
        sa.delete(bulk_chunks).where(bulk_chunks.c.chosen_at < now - DRAFT_FOR, bulk_chunks.c.selection.not_in(kept))
    )


def chosen(transaction: Transaction, selection: str) -> Iterator[list[BulkOrder]]:
    """The orders, a chunk at a time; nothing when there is no such choice any more."""
    for number in _numbers(transaction, selection):
        query = sa.select(bulk_chunks.c.orders).where(_is(selection), bulk_chunks.c.number == number)
        yield orders_of(transaction, _ids(transaction.execute(query).scalar_one()))


def next_chunk(transaction: Transaction, selection: str) -> tuple[int, list[str]] | None:
    """The number of the first chunk whose turn has not come, and its orders; None at the end."""
    query = sa.select(bulk_chunks.c.number, bulk_chunks.c.orders).where(_is(selection), bulk_chunks.c.fates.is_(None))
    row = transaction.execute(query.order_by(bulk_chunks.c.number).limit(1)).one_or_none()
    return None if row is None else (row.number, _ids(row.orders))


def write_fates(transaction: Transaction, selection: str, number: int, fates: Sequence[BulkFate]) -> None:
    """Write down what became of the orders of a chunk."""
    rows = [[fate.order.original_id, fate.order.channel, fate.code, fate.reason] for fate in fates]
    where = sa.and_(_is(selection), bulk_chunks.c.number == number)
    transaction.execute(sa.update(bulk_chunks).where(where).values(fates=orjson.dumps(rows).decode()))


def fates_of(ledger: Ledger, selection: str) -> Iterator[list[BulkFate]]:
    """What became of each order, a chunk at a time, each read by itself; those whose turn has not come say so."""
    with ledger.read() as transaction:
        numbers = _numbers(transaction, selection)
    for number in numbers:
        query = sa.select(bulk_chunks.c.orders, bulk_chunks.c.fates)
        with ledger.read() as transaction:
            row = transaction.execute(query.where(_is(selection), bulk_chunks.c.number == number)).one_or_none()
            if row is None:  # forgotten meanwhile
                return
            ids = _ids(row.orders)
            waiting = orders_of(transaction, ids) if row.fates is None else []
        if row.fates is None:
            yield [BulkFate(each, NOT_HANDLED, "its turn has not come") for each in waiting]
        else:
            rows = zip(ids, orjson.loads(row.fates), strict=True)
            yield [BulkFate(BulkOrder(own_id, *each[:2]), *each[2:]) for own_id, each in rows]


def _numbers(transaction: Transaction, selection: str) -> list[int]:
    query = sa.select(bulk_chunks.c.number).where(_is(selection)).order_by(bulk_chunks.c.number)
    return list(transaction.execute(query).scalars())


def _is(selection: str) -> sa.ColumnElement[bool]:
    return bulk_chunks.c.selection == selection


def _ids(orders: bytes) -> list[str]:
    places = range(0, len(orders), ID_BYTES)
    return [str(uuid.UUID(bytes=bytes(orders[place : place + ID_BYTES]))) for place in places]
