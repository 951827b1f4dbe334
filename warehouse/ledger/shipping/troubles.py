"""What is said of shipments elsewhere: incidents about them, and their orders' timelines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base.schema import shipments
from warehouse.ledger.book import order_events
from warehouse.ledger.book.order_events import OrderEvent
from warehouse.ledger.shipping.records import StoredShipment
from warehouse.ledger.watch import incidents
from warehouse.order_states import ConfirmationStatus
from warehouse.shipments import Receipt

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction


STAGE = "confirm"
"""Stage of the incidents that are about one shipment."""


DIFFERS = "confirmation_differs"
REJECTED = "confirmation_rejected"


def report_problem(
    transaction: Transaction,
    row: StoredShipment,
    code: str,
    receipt: Receipt,
    now: datetime,
    attempt_id: int | None = None,
) -> None:
    """Open an incident about a shipment, and the attempt that showed it where there was one, or count another occurrence."""
    incidents.report(
        transaction,
        incidents.IncidentReport(
            scope="channel",
            subject=row.channel,
            stage=STAGE,
            code=code,
            message=f"package {row.package_id}: {receipt.message}",
            hint=receipt.hint,
            order_id=row.order_id,
            attempt_id=None if attempt_id is None else str(attempt_id),
            details={"shipment": row.id, "reason": receipt.code},
        ),
        now,
    )


def resolve_problems(transaction: Transaction, order_id: str, now: datetime) -> None:
    """Close the incidents about an order's shipments as far as none of them is in trouble any more: one has arrived."""
    own = shipments.c.order_id == order_id
    troubles = (
        (REJECTED, shipments.c.status == ConfirmationStatus.REJECTED.value),
        (DIFFERS, (shipments.c.code == DIFFERS) & (shipments.c.status != ConfirmationStatus.REJECTED.value)),
    )
    over = [
        code
        for code, is_in_trouble in troubles
        if transaction.execute(sa.select(shipments.c.id).where(own, is_in_trouble).limit(1)).first() is None
    ]
    if over:
        incidents.resolve_order(transaction, [order_id], STAGE, now, codes=over)


def note(
    transaction: Transaction, rows: Sequence[StoredShipment], kind: str, now: datetime, receipt: Receipt | None = None
) -> None:
    """Write what happened to shipments into their orders' timelines; nothing personal."""
    order_events.record(transaction, [_event(row, kind, receipt) for row in rows], now)


def _event(row: StoredShipment, kind: str, receipt: Receipt | None) -> OrderEvent:
    data = {"shipment": row.id, "package_id": row.package_id, "version": row.version}
    if receipt is not None and receipt.code:
        data |= {"code": receipt.code, "message": receipt.message}
    return OrderEvent(row.order_id, kind, data)
