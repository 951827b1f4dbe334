"""Shipments that are not told because their channel does not confirm: holding, releasing and skipping them.

Why an order's shipments may be held besides is in `warehouse.ledger.book.holds`; which are, in `shipment_queries`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base.rows import read_rows
from warehouse.ledger.base.schema import channels, shipments
from warehouse.ledger.book import holds
from warehouse.ledger.book.fulfilment import restate
from warehouse.ledger.book.orders import lock_book
from warehouse.ledger.shipping.records import SHIPMENT_COLUMNS, StoredShipment
from warehouse.ledger.shipping.troubles import note
from warehouse.order_states import ConfirmationStatus

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction


HELD_PER_COMMIT = 200
"""Held shipments that are decided in one transaction: the write lock is held for less than 100 ms."""


def hold_switched_off(transaction: Transaction, now: datetime) -> int:
    """Hold the waiting shipments of channels whose confirmation has been switched off; returns how many."""
    off = sa.select(channels.c.code).where(channels.c.confirmation.is_(False))
    waiting = sa.select(*SHIPMENT_COLUMNS).where(
        shipments.c.status == ConfirmationStatus.QUEUED.value, shipments.c.channel.in_(off)
    )
    if transaction.execute(waiting.limit(1)).first() is None:
        return 0
    lock_book(transaction)
    rows = read_rows(transaction, StoredShipment, waiting)
    transaction.execute(
        sa.update(shipments)
        .where(shipments.c.id.in_([row.id for row in rows]))
        .values(status=ConfirmationStatus.HELD.value, held_reason=holds.CONFIRMATION_OFF, due_at=None, updated_at=now)
    )
    note(transaction, rows, "confirmation_held", now)
    restate(transaction, [row.order_id for row in rows], now)
    return len(rows)


def release_held(transaction: Transaction, channel: str, now: datetime) -> int:
    """Send held shipments of a channel after all, a bounded number of them; returns how many, 0 when none are left."""
    return _decide_held(transaction, channel, ConfirmationStatus.QUEUED, "confirmation_released", now)


def skip_held(transaction: Transaction, channel: str, now: datetime) -> int:
    """Never send held shipments of a channel: somebody else has told the marketplace. Bounded and counted like releasing."""
    return _decide_held(transaction, channel, ConfirmationStatus.NONE, "confirmation_skipped", now)


def _decide_held(transaction: Transaction, channel: str, status: ConfirmationStatus, kind: str, now: datetime) -> int:
    lock_book(transaction)
    held = (
        sa.select(*SHIPMENT_COLUMNS)
        .where(
            shipments.c.channel == channel,
            shipments.c.status == ConfirmationStatus.HELD.value,
            shipments.c.held_reason == holds.CONFIRMATION_OFF,
        )
        .order_by(shipments.c.reported_at, shipments.c.id)
        .limit(HELD_PER_COMMIT)
    )
    rows = read_rows(transaction, StoredShipment, held)
    if not rows:
        return 0
    transaction.execute(
        sa.update(shipments)
        .where(shipments.c.id.in_([row.id for row in rows]))
        .values(
            status=status.value,
            held_reason=None,
            due_at=now if status is ConfirmationStatus.QUEUED else None,
            updated_at=now,
        )
    )
    note(transaction, rows, kind, now)
    restate(transaction, [row.order_id for row in rows], now)
    return len(rows)
