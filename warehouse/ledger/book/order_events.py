"""What happened to orders on our side: each event stands in its order's timeline and in the log, written by this one door.

Which events there are is decided where they happen; what each of them says is in `event_texts`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from warehouse.ledger.base.bulk import add_rows
from warehouse.ledger.base.rows import Json
from warehouse.ledger.base.schema import order_events, orders
from warehouse.ledger.book.event_texts import event_text
from warehouse.ledger.watch import activity
from warehouse.ledger.watch.activity import ActivityEntry, Level

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

STAGES = {
    "acknowledged": "api",
    "shipment": "import",
    "confirmation": "confirm",
    "acceptance": "accept",
    "cancellation": "cancel",
}
"""The first word of an event's kind → its stage in the log."""

TROUBLE = ("_rejected", "_in_doubt", "_differs", "_held", "_requested")
"""Ends of kinds that somebody may have to do something about."""

ORDERS_PER_QUERY = 500


class OrderEvent(NamedTuple):
    """What happened to an order: of what kind, with JSON-able details in which nothing is personal."""

    order_id: str
    kind: str
    data: Json


def record(
    transaction: Transaction,
    events: Sequence[OrderEvent],
    now: datetime,
    known: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write events, in the transaction of what they tell.

    Args:
        transaction: A write transaction.
        events: What happened.
        now: When they happened.
        known: Order id → channel, as far as the caller knows.
    """
    if not events:
        return
    rows = [{"order_id": order_id, "kind": kind, "data": data, "at": now} for order_id, kind, data in events]
    add_rows(transaction, order_events, rows)
    unread = sorted({each.order_id for each in events} - known.keys())
    channels = {**known, **_channels(transaction, unread)}
    entries = [
        ActivityEntry(
            stage=STAGES.get(each.kind.partition("_")[0], "orders"),
            kind=each.kind,
            level=Level.WARNING if each.kind.endswith(TROUBLE) else Level.INFO,
            text=event_text(each.kind, each.data),
            channel=channels.get(each.order_id),
            order_id=each.order_id,
            data=each.data,
        )
        for each in events
    ]
    activity.record(transaction, entries, now)


_CHANNELS = sa.select(orders.c.id, orders.c.channel).where(orders.c.id.in_(sa.bindparam("ids", expanding=True)))


def _channels(transaction: Transaction, ids: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for start in range(0, len(ids), ORDERS_PER_QUERY):
        rows = transaction.execute(_CHANNELS, {"ids": ids[start : start + ORDERS_PER_QUERY]})
        found |= {row.id: row.channel for row in rows.all()}
    return found
