"""Which closed orders are due to be retired, and what the ledger lets go of once the lake has it.

An order is due when it was closed long enough ago, is published, and nothing can happen to it by itself any more: no personal
data, no exact payload and no version is left to be let go of, no shipment is on its way, no request to cancel it is open.
Reading retired orders is in `retired_orders`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from warehouse.cancellations import LIVE
from warehouse.ledger.base.database import RETIRED, next_values
from warehouse.ledger.base.rows import columns_of, read_rows
from warehouse.ledger.base.schema import (
    UNSETTLED,
    cancellation_requests,
    order_versions,
    orders,
    quarantine,
    raw_orders,
)
from warehouse.ledger.book.orders import lock_book
from warehouse.ledger.book.payload_dictionaries import texts
from warehouse.ledger.book.retired_orders import NO_FACTS, NO_PAYLOAD, payloads_of
from warehouse.order_states import CLOSED_STATUSES, PiiState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.base.database import Ledger

ORDERS_PER_BATCH = 2_000
"""As many as are read, written to the lake and compared at a time."""
ORDERS_PER_COMMIT = 250
"""The write lock is held for some milliseconds at a time."""


class DueOrder(NamedTuple):
    """An order that is due, as it was when it was read; `payload` is JSON without personal data."""

    key: int
    id: str
    position: int
    content_hash: bytes
    closed_at: datetime
    raw_seq: int
    facts: str
    payload: str


@dataclass(frozen=True, slots=True)
class Ripeness:
    """What makes orders due.

    Attributes:
        before: Orders that were closed before this.
        position: The last position through which the lake has orders.
        raw_seq: The last payload that the lake has.
    """

    before: datetime
    position: int
    raw_seq: int

    @classmethod
    def of(cls, before: datetime, published: Mapping[str, int]) -> Ripeness:
        """With how far each table of the lake has come (`published_through`)."""
        return cls(before, published.get("orders", 0), published.get("raw_orders", 0))


def due(ledger: Ledger, ripe: Ripeness) -> Iterator[list[DueOrder]]:
    """The orders that are due, those closed first first; each batch in a read transaction of its own."""
    after: tuple[datetime, int] | None = None
    while True:
        with ledger.read() as transaction:
            query = _due(ripe).order_by(orders.c.closed_at, orders.c.key).limit(ORDERS_PER_BATCH)
            if after is not None:
                place = sa.tuple_(*after, types=[orders.c.closed_at.type, orders.c.key.type])
                query = query.where(sa.tuple_(orders.c.closed_at, orders.c.key) > place)
            rows = read_rows(transaction, _Row, query)
            batch = _with_payloads(transaction, rows)
        if not batch:
            return
        yield batch
        after = (batch[-1].closed_at, batch[-1].key)


def count_due(transaction: Transaction, ripe: Ripeness) -> int:
    """How many orders are due."""
    return int(transaction.execute(sa.select(sa.func.count()).select_from(_due(ripe).subquery())).scalar_one())


def empty_orders(ledger: Ledger, batch: Sequence[DueOrder]) -> int:
    """Empty what the lake has of these orders; those that have changed since they were read stay whole. Returns how many."""
    gone = 0
    for start in range(0, len(batch), ORDERS_PER_COMMIT):
        some = batch[start : start + ORDERS_PER_COMMIT]
        with ledger.write() as transaction:
            lock_book(transaction)
            gone += _empty(transaction, some)
    return gone


def _empty(transaction: Transaction, batch: Sequence[DueOrder]) -> int:
    columns = (orders.c.id, orders.c.position, orders.c.content_hash, orders.c.raw_seq, orders.c.facts)
    rows = transaction.execute(sa.select(*columns).where(orders.c.id.in_([each.id for each in batch])))
    now = {row.id: (row.position, bytes(row.content_hash), row.raw_seq, row.facts) for row in rows}
    same = [each for each in batch if now.get(each.id) == (each.position, each.content_hash, each.raw_seq, each.facts)]
    if same:
        is_same = orders.c.id.in_([each.id for each in same])
        transaction.execute(sa.update(orders).where(is_same).values(facts=NO_FACTS))
        seqs = [each.raw_seq for each in same]
        emptied = sa.update(raw_orders).where(raw_orders.c.seq.in_(seqs), raw_orders.c.body.is_(None))
        transaction.execute(emptied.values(payload=NO_PAYLOAD))
        next_values(transaction, RETIRED, len(same))
    return len(same)


class _Row(NamedTuple):
    """The same as a row, with the payload as it is kept."""

    key: int
    id: str
    position: int
    content_hash: bytes
    closed_at: datetime
    raw_seq: int
    facts: str
    payload: bytes


def _due(ripe: Ripeness) -> sa.Select[Any]:
    wished = sa.exists().where(
        cancellation_requests.c.order_id == orders.c.id,
        cancellation_requests.c.state.in_(sorted(LIVE)),
    )
    logged = sa.exists().where(order_versions.c.order_key == orders.c.key)
    aside = sa.exists().where(
        quarantine.c.connection == raw_orders.c.connection, quarantine.c.original_id == raw_orders.c.original_id
    )
    return (
        sa.select(*columns_of(_Row, orders, raw_orders))
        .join_from(orders, raw_orders, raw_orders.c.seq == orders.c.raw_seq)
        .where(
            sa.literal_column("orders.facts <> ''"),  # as the index has it
            orders.c.closed_at < ripe.before,
            orders.c.status.in_(sorted(CLOSED_STATUSES)),
            orders.c.position <= ripe.position,
            orders.c.raw_seq <= ripe.raw_seq,
            orders.c.pii_state != PiiState.PRESENT.value,
            sa.text(f"NOT ({UNSETTLED})"),
            raw_orders.c.body.is_(None),
            ~logged,
            ~wished,
            ~aside,
        )
    )


def _with_payloads(transaction: Transaction, rows: Sequence[_Row]) -> list[DueOrder]:
    """With payloads as text; that of an order which shares its payload with a retired one is in the lake already."""
    elsewhere = payloads_of(transaction, sorted({each.raw_seq for each in rows if each.payload == NO_PAYLOAD}))
    own = iter(texts(transaction, [each.payload for each in rows if each.payload != NO_PAYLOAD]))
    return [
        DueOrder(
            each.key,
            each.id,
            each.position,
            bytes(each.content_hash),
            each.closed_at,
            each.raw_seq,
            each.facts,
            next(own) if each.payload != NO_PAYLOAD else elsewhere[each.raw_seq].decode(),
        )
        for each in rows
    ]
