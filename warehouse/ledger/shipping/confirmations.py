"""Confirming shipments: what came of a claim, and what people decide about it.

A shipment is claimed (`claims`), sent (`orders_pipeline.stages.confirm`), and recorded here; a claim that runs out leaves the
shipment in doubt. Every function here that writes takes the book's lock. What the marketplace shows of shipments, which also
ends doubts, is in `verification`.
"""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from warehouse.ledger.base.rows import read_rows
from warehouse.ledger.base.schema import (
    confirmation_attempts,
    shipments,
)
from warehouse.ledger.book import holds
from warehouse.ledger.book.fulfilment import restate
from warehouse.ledger.book.orders import lock_book
from warehouse.ledger.shipping.claims import Claim
from warehouse.ledger.shipping.records import SHIPMENT_COLUMNS, StoredShipment
from warehouse.ledger.shipping.troubles import REJECTED, note, report_problem, resolve_problems
from warehouse.order_states import ConfirmationStatus
from warehouse.processes import is_gone
from warehouse.sentences import Sentence
from warehouse.shipments import AttemptOutcome, Receipt

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction


FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
MOST_ATTEMPTS = 24
"""Of a shipment that fails in passing, before it waits for a person: about a day."""

DOUBT_PAUSE = timedelta(minutes=2)
"""A marketplace where sending twice may ship twice is asked only when a call that was cut off must have ended there too."""


class NotRetryable(Exception):
    """A shipment that has nothing to be tried again; `code` is a stable word, `message` a plain sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def record(transaction: Transaction, receipts: Sequence[tuple[Claim, Receipt]], now: datetime) -> None:
    """Write down what came of claims. Of a claim that somebody else has taken over only the attempt is written."""
    lock_book(transaction)
    _close_attempts(transaction, receipts, now)
    query = sa.select(*SHIPMENT_COLUMNS).where(shipments.c.id.in_([each.id for each, _ in receipts]))
    present = {row.id: row for row in read_rows(transaction, StoredShipment, query)}
    touched: list[str] = []
    for each, receipt in receipts:
        row = present[each.id]
        if row.fence != each.fence or row.status != ConfirmationStatus.SENDING.value:
            continue
        _settle(transaction, row, each, receipt, now)
        touched.append(row.order_id)
    holds.follow(transaction, touched, now)
    restate(transaction, touched, now)


def _close_attempts(transaction: Transaction, receipts: Sequence[tuple[Claim, Receipt]], now: datetime) -> None:
    update = (
        sa.update(confirmation_attempts)
        .where(confirmation_attempts.c.id == sa.bindparam("attempt"))
        .values(
            operation=sa.bindparam("new_operation"),
            finished_at=sa.bindparam("ended"),
            outcome=sa.bindparam("new_outcome"),
            http_status=sa.bindparam("new_status"),
            request_id=sa.bindparam("new_request"),
            code=sa.bindparam("new_code"),
            message=sa.bindparam("new_message"),
            hint=sa.bindparam("new_hint"),
        )
    )
    rows = [
        {
            "attempt": each.attempt_id,
            "new_operation": receipt.operation,
            "ended": now,
            "new_outcome": receipt.outcome.value,
            "new_status": receipt.http_status,
            "new_request": receipt.request_id,
            "new_code": receipt.code or None,
            "new_message": receipt.message or None,
            "new_hint": receipt.hint or None,
        }
        for each, receipt in receipts
    ]
    transaction.execute(update, rows)


def _settle(transaction: Transaction, row: StoredShipment, each: Claim, receipt: Receipt, now: datetime) -> None:
    """The shipment after an attempt, and the entry in its order's timeline."""
    values: dict[str, Any] = {
        "claimed_by": None,
        "claimed_until": None,
        "updated_at": now,
        "code": receipt.code or None,
        "message": receipt.message or None,
        "hint": receipt.hint or None,
    }
    match receipt.outcome:
        case AttemptOutcome.SENT:
            values |= _as_sent(row, each.shipment.version, receipt, now)
            resolve_problems(transaction, row.order_id, now)
        case AttemptOutcome.REJECTED:
            values |= {"status": ConfirmationStatus.REJECTED.value, "due_at": None}
            report_problem(transaction, row, REJECTED, receipt, now, each.attempt_id)
        case AttemptOutcome.IN_DOUBT:
            pause = receipt.wait if receipt.wait is not None else DOUBT_PAUSE
            values |= {"status": ConfirmationStatus.IN_DOUBT.value, "due_at": now + pause}
        case AttemptOutcome.RETRY:
            values |= _as_retried(transaction, row, each, receipt, now)
        case AttemptOutcome.RUNNING | AttemptOutcome.REFUTED:
            raise ValueError(f"an attempt does not end {receipt.outcome}")
    if row.version > each.shipment.version and values["status"] == ConfirmationStatus.REJECTED.value:
        values |= {"status": ConfirmationStatus.QUEUED.value, "due_at": now, "attempts": 0}
    transaction.execute(sa.update(shipments).where(shipments.c.id == row.id).values(**values))
    if receipt.outcome is not AttemptOutcome.RETRY or values["status"] == ConfirmationStatus.REJECTED.value:
        note(transaction, [row], f"confirmation_{receipt.outcome}", now, receipt)


def _as_sent(row: StoredShipment, version: int, receipt: Receipt, now: datetime) -> dict[str, Any]:
    """The marketplace has this version; when there is a newer one by now, that is told next."""
    is_newest = row.version == version
    return {
        "status": (ConfirmationStatus.SENT if is_newest else ConfirmationStatus.QUEUED).value,
        "due_at": None if is_newest else now,
        "attempts": 0,
        "sent_version": version,
        "sent_at": now,
        "marketplace_package_id": receipt.marketplace_package_id or row.marketplace_package_id,
        "told_carrier": receipt.told_carrier or row.told_carrier,
    }


def _as_retried(
    transaction: Transaction, row: StoredShipment, each: Claim, receipt: Receipt, now: datetime
) -> dict[str, Any]:
    if row.attempts >= MOST_ATTEMPTS and receipt.is_its_turn:
        report_problem(transaction, row, REJECTED, receipt, now, each.attempt_id)
        return {"status": ConfirmationStatus.REJECTED.value, "due_at": None}
    pause = backoff(row.attempts, random.random()) if receipt.wait is None else receipt.wait  # noqa: S311 - jitter
    attempts = row.attempts if receipt.is_its_turn else row.attempts - 1
    return {"status": ConfirmationStatus.QUEUED.value, "due_at": now + pause, "attempts": attempts}


def backoff(attempts: int, chance: float) -> timedelta:
    """How long to wait after so many attempts: doubling up to a cap, the second half of it left to `chance` (0 to 1).

    >>> backoff(1, 0.0), backoff(2, 1.0), backoff(50, 1.0)
    (datetime.timedelta(seconds=15), datetime.timedelta(seconds=60), datetime.timedelta(seconds=3600))
    """
    doublings = min(max(attempts - 1, 0), 16)
    return min(LONGEST_PAUSE, FIRST_PAUSE * float(2**doublings)) * (0.5 + chance / 2)


def give_up_lost_claims(transaction: Transaction, codes: Sequence[str], now: datetime, pause: timedelta) -> int:
    """Put shipments in doubt whose sender has ended, or has had its time; returns how many.

    Args:
        transaction: A write transaction.
        codes: Channels to look at.
        now: The present instant.
        pause: Before they are read back.
    """
    query = sa.select(shipments.c.id, shipments.c.order_id, shipments.c.claimed_by, shipments.c.claimed_until).where(
        shipments.c.status == ConfirmationStatus.SENDING.value, shipments.c.channel.in_(codes)
    )
    lost = [
        row
        for row in transaction.execute(query)
        if row.claimed_until is None or not now < row.claimed_until <= now + LONGEST_PAUSE or is_gone(row.claimed_by)
    ]
    if not lost:
        return 0
    lock_book(transaction)
    ids = [row.id for row in lost]
    transaction.execute(
        sa.update(shipments)
        .where(shipments.c.id.in_(ids), shipments.c.status == ConfirmationStatus.SENDING.value)
        .values(
            status=ConfirmationStatus.IN_DOUBT.value,
            fence=shipments.c.fence + 1,
            claimed_by=None,
            claimed_until=None,
            due_at=now + pause,
            updated_at=now,
        )
    )
    transaction.execute(
        sa.update(confirmation_attempts)
        .where(
            confirmation_attempts.c.shipment_id.in_(ids),
            confirmation_attempts.c.outcome == AttemptOutcome.RUNNING.value,
        )
        .values(
            outcome=AttemptOutcome.IN_DOUBT.value,
            finished_at=now,
            code="sender_ended",
            message="The sender ended without telling what came of it.",
        )
    )
    restate(transaction, [row.order_id for row in lost], now)
    return len(lost)


# -- what people decide


def retry(transaction: Transaction, shipment_id: str, now: datetime) -> str | None:
    """Try a shipment again now: send it, or read it back when it is in doubt. Returns its status, None when there is none.

    Raises:
        NotRetryable: It is held, under way, or has arrived.
    """
    lock_book(transaction)
    query = sa.select(*SHIPMENT_COLUMNS).where(shipments.c.id == shipment_id)
    for row in read_rows(transaction, StoredShipment, query):
        return _retry(transaction, row, now)
    return None


def retry_orders(transaction: Transaction, order_ids: Sequence[str], now: datetime) -> None:
    """Try the shipments of these orders again that are rejected or in doubt."""
    lock_book(transaction)
    states = [ConfirmationStatus.REJECTED.value, ConfirmationStatus.IN_DOUBT.value]
    query = sa.select(*SHIPMENT_COLUMNS).where(shipments.c.order_id.in_(order_ids), shipments.c.status.in_(states))
    _try_again(transaction, read_rows(transaction, StoredShipment, query.order_by(shipments.c.id)), now)


def _retry(transaction: Transaction, row: StoredShipment, now: datetime) -> str:
    match ConfirmationStatus(row.status):
        case ConfirmationStatus.REJECTED | ConfirmationStatus.QUEUED | ConfirmationStatus.IN_DOUBT:
            _try_again(transaction, [row], now)
        case ConfirmationStatus.HELD:
            raise NotRetryable(
                "shipment_held",
                Sentence("The shipment is held: its channel does not confirm, or a request to cancel holds its order."),
            )
        case ConfirmationStatus.SENDING:
            raise NotRetryable("shipment_under_way", Sentence("The shipment is being sent at this moment."))
        case ConfirmationStatus.SENT | ConfirmationStatus.VERIFIED:
            raise NotRetryable(
                "shipment_sent", Sentence("The marketplace has the shipment. Report the package again to change it.")
            )
        case ConfirmationStatus.NONE:
            raise NotRetryable(
                "shipment_skipped", Sentence("The shipment was skipped: the marketplace is not told by us.")
            )
    settled: str = transaction.execute(sa.select(shipments.c.status).where(shipments.c.id == row.id)).scalar_one()
    return settled


def _try_again(transaction: Transaction, rows: Sequence[StoredShipment], now: datetime) -> None:
    """Queue what was rejected; what is in doubt stays so, and is read back."""
    queued = sa.case(
        (shipments.c.status == ConfirmationStatus.REJECTED.value, ConfirmationStatus.QUEUED.value),
        else_=shipments.c.status,
    )
    chosen = shipments.c.id.in_([row.id for row in rows])
    values = {"status": queued, "due_at": now, "attempts": 0, "updated_at": now}
    transaction.execute(sa.update(shipments).where(chosen).values(**values))
    note(transaction, rows, "confirmation_retried", now)
    orders_of = sorted({row.order_id for row in rows})
    holds.follow(transaction, orders_of, now)
    restate(transaction, orders_of, now)


# -- shared
