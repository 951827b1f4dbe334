"""Shipments as the ERP reports them: the one door for the API, for files and for the command line.

Everything is checked inside the writing transaction, so that no two reports together ship more than was ordered. What shipments
make of an order is in `fulfilment`, telling the marketplace in `confirmations`, reading them in `shipment_queries`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base.bulk import add_records, add_rows
from warehouse.ledger.base.database import upsert
from warehouse.ledger.base.schema import shipment_lines, shipments
from warehouse.ledger.book import order_events
from warehouse.ledger.book.fulfilment import restate
from warehouse.ledger.book.orders import lock_book
from warehouse.ledger.shipping.intake import Intake
from warehouse.shipment_reports import ReportRefused, ReportResult, Sender, ShipmentAnswer, ShipmentReport

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction


def report(
    transaction: Transaction, sender: Sender, given: Sequence[ShipmentReport], now: datetime
) -> list[ShipmentAnswer]:
    """Take reported shipments in, one after the other, each with an answer of its own; the same one twice changes nothing.

    Accepted shipments raise their orders' quantities and status in this transaction, and wait for the pipeline; where the
    channel does not confirm, they are held.

    Args:
        transaction: A write transaction; this takes the book's lock.
        sender: Who reports.
        given: The shipments, at most some hundreds: the write lock is held meanwhile.
        now: When they are recorded.
    """
    lock_book(transaction)
    intake = _examined(transaction, sender, given, now)
    _write(transaction, intake, now)
    return intake.answers


def examine(
    transaction: Transaction, sender: Sender, given: Sequence[ShipmentReport], now: datetime
) -> list[ShipmentAnswer]:
    """What `report` would answer, without writing anything; a read transaction will do."""
    return _examined(transaction, sender, given, now).answers


def _examined(transaction: Transaction, sender: Sender, given: Sequence[ShipmentReport], now: datetime) -> Intake:
    intake = Intake(transaction, sender, given, now)
    for each in given:
        try:
            intake.answers.append(intake.take(each))
        except ReportRefused as refused:
            intake.answers.append(
                ShipmentAnswer(result=ReportResult.REFUSED, order_id=refused.order_id, faults=tuple(refused.faults))
            )
    return intake


def _write(transaction: Transaction, intake: Intake, now: datetime) -> None:
    if not intake.written:
        return
    rows = list(intake.written.values())
    known = [row for row in rows if row.id in intake.known]
    if known:
        transaction.execute(upsert(transaction, shipments, ("id",)), [row._asdict() for row in known])
        old = shipment_lines.c.shipment_id.in_([row.id for row in known])
        transaction.execute(sa.delete(shipment_lines).where(old))
    add_records(transaction, shipments, [row for row in rows if row.id not in intake.known])
    add_rows(
        transaction,
        shipment_lines,
        [
            {
                "shipment_id": own_id,
                "line_id": line_id,
                "quantity": units,
                "shipped_by_others": by_others,
                "may_have_left": 0,
            }
            for own_id in intake.written
            for line_id, (units, by_others) in intake.lines_of[own_id].items()
        ],
    )
    order_events.record(transaction, intake.events, now, intake.channels_of_written())
    restate(transaction, {row.order_id for row in rows}, now, intake.shipments_now())
