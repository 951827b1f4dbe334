"""Confirming shipments: which one is sent next, by whom, what came of it, and what people decide about it.

A shipment is claimed, sent, and recorded. A claim has a fence that grows with each one, so that a sender which was paused
and overtaken records nothing; a claim that runs out leaves the shipment in doubt. Every function here that writes takes the
book's lock. Taking shipments in is in `shipments`, sending them in `orders_pipeline.stages.confirm`; what the marketplace shows
of them, which also ends doubts, is in `verification`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa

from warehouse.cancellations import MERCHANT, RequestState
from warehouse.ledger.base.database import has_come
from warehouse.ledger.base.schema import (
    cancellation_requests,
    channels,
    confirmation_attempts,
    order_lines,
    orders,
    shipment_lines,
    shipments,
)
from warehouse.ledger.book import holds, order_events
from warehouse.ledger.book.fulfilment import restate
from warehouse.ledger.book.orders import lock_book
from warehouse.ledger.watch import incidents
from warehouse.orders import ConfirmationStatus, Status
from warehouse.processes import is_gone, this_process
from warehouse.shipments import AttemptOutcome, Receipt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction
    from sqlalchemy.engine import RowMapping


STAGE = "confirm"
"""Stage of the incidents that are about one shipment."""

CLAIM_LENGTH = timedelta(minutes=5)
"""How long a sender has for what it claimed: longer than a call may take."""

FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(hours=1)
MOST_ATTEMPTS = 24
"""Of a shipment that fails in passing, before it waits for a person: about a day."""

DOUBT_PAUSE = timedelta(minutes=2)
"""A marketplace where sending twice may ship twice is asked only when a call that was cut off must have ended there too."""


DIFFERS = "confirmation_differs"
REJECTED = "confirmation_rejected"


class NotRetryable(Exception):
    """A shipment that has nothing to be tried again; `code` is a stable word, `message` a plain sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A shipment that this process may send until `until`, with all that the marketplace is told.

    Attributes:
        shipment: The row of `shipments`, `version` among it: what is told now.
        attempt_id: The attempt that the claim has opened.
        fence: Of this claim.
        until: Afterwards somebody else may take it over.
        original_id: The marketplace's order id.
        selector: The channel's selector.
        quantities: Units by the marketplace's line id.
        is_whole: Whether nothing of the order remains to be shipped with it.
        ordered_method: How the buyer wants it sent, in the marketplace's word.
        overrides_cancellation: Whether somebody has asked to cancel the order, and it is shipped nevertheless.
        is_beside_others: Whether the marketplace shows shipped units of the order and this package has not arrived yet: its
            packages are read before it is told of another one.
    """

    shipment: Mapping[str, Any]
    attempt_id: int
    fence: int
    until: datetime
    original_id: str
    selector: str | None
    quantities: tuple[tuple[str, int], ...]
    is_whole: bool
    ordered_method: str | None = None
    overrides_cancellation: bool = False
    is_beside_others: bool = False

    @property
    def id(self) -> str:
        """The shipment's id."""
        return str(self.shipment["id"])


def claim(transaction: Transaction, codes: Sequence[str], limit: int, now: datetime) -> list[Claim]:
    """Take up shipments that are due, the longest waiting first, at most one of each order.

    An order of which another shipment is under way or in doubt waits: two parts of it at once could not be told apart. So does
    one that a request to cancel holds.

    Args:
        transaction: A write transaction.
        codes: Channels to serve.
        limit: At most so many.
        now: The present instant.
    """
    lock_book(transaction)
    rows = _due(transaction, codes, limit, now)
    if not rows:
        return []
    until = now + CLAIM_LENGTH
    holder = this_process()
    transaction.execute(
        sa.update(shipments)
        .where(shipments.c.id.in_([row["id"] for row in rows]))
        .values(
            status=ConfirmationStatus.SENDING.value,
            fence=shipments.c.fence + 1,
            claimed_by=holder,
            claimed_until=until,
            due_at=None,
            attempts=shipments.c.attempts + 1,
            updated_at=now,
        )
    )
    contents = contents_of(transaction, [row["id"] for row in rows])
    shipped = _units_shipped(transaction, [row["order_id"] for row in rows])
    attempts = _open_attempts(transaction, rows, contents, shipped, now)
    whole = _whole_orders(transaction, [row["order_id"] for row in rows])
    restate(transaction, [row["order_id"] for row in rows], now)
    return [
        Claim(
            shipment={**row, "attempts": row["attempts"] + 1},
            attempt_id=attempts[row["id"]],
            fence=row["fence"] + 1,
            until=until,
            original_id=row["original_id"],
            selector=row["selector"],
            quantities=contents[row["id"]],
            is_whole=row["order_id"] in whole,
            ordered_method=orjson.loads("{" + row["order_facts"] + "}").get("service_level"),
            overrides_cancellation=row["overrides_cancellation"],
            is_beside_others=row["sent_version"] is None and any(shipped.get(row["order_id"], {}).values()),
        )
        for row in rows
    ]


def is_due(now: datetime) -> sa.ColumnElement[bool]:
    """A shipment's time has come."""
    return has_come(shipments.c.due_at, now)


_IS_OVERRIDDEN = sa.exists().where(
    cancellation_requests.c.order_id == shipments.c.order_id,
    cancellation_requests.c.requester != MERCHANT,
    cancellation_requests.c.state.in_([RequestState.DECLINED.value, RequestState.EXPIRED.value]),
)


def _due(transaction: Transaction, codes: Sequence[str], limit: int, now: datetime) -> list[dict[str, Any]]:
    other = shipments.alias("other")
    is_busy = sa.exists().where(
        other.c.order_id == shipments.c.order_id,
        other.c.status.in_([ConfirmationStatus.SENDING.value, ConfirmationStatus.IN_DOUBT.value]),
    )
    query = (
        sa.select(
            shipments,
            orders.c.original_id,
            orders.c.facts.label("order_facts"),
            _IS_OVERRIDDEN.label("overrides_cancellation"),
            channels.c.selector,
        )
        .join_from(shipments, orders)
        .join(channels, channels.c.code == shipments.c.channel)
        .where(
            shipments.c.status == ConfirmationStatus.QUEUED.value,
            is_due(now),
            shipments.c.channel.in_(codes),
            channels.c.confirmation.is_(True),
            ~is_busy,
            ~holds.is_held(shipments.c.order_id, now),
        )
        .order_by(shipments.c.due_at, shipments.c.reported_at, shipments.c.id)
        .limit(limit * 2)
    )
    found = [{str(name): value for name, value in row.items()} for row in transaction.execute(query).mappings()]
    first_of_order: dict[str, dict[str, Any]] = {}
    for row in found:
        first_of_order.setdefault(row["order_id"], row)
    return list(first_of_order.values())[:limit]


def _open_attempts(
    transaction: Transaction,
    rows: Sequence[Mapping[str, Any]],
    contents: Mapping[str, Sequence[tuple[str, int]]],
    shipped: Mapping[str, Mapping[str, int]],
    now: datetime,
) -> dict[str, int]:
    opened = [
        {
            "shipment_id": row["id"],
            "version": row["version"],
            "fence": row["fence"] + 1,
            "started_at": now,
            "outcome": AttemptOutcome.RUNNING.value,
            "content": content_of(row, contents[row["id"]], shipped.get(row["order_id"], {})),
        }
        for row in rows
    ]
    returning = sa.insert(confirmation_attempts).returning(
        confirmation_attempts.c.shipment_id, confirmation_attempts.c.id
    )
    return {row.shipment_id: row.id for row in transaction.execute(returning, opened)}


_CONTENTS = (
    sa.select(shipment_lines.c.shipment_id, order_lines.c.original_id, shipment_lines.c.quantity)
    .join_from(shipment_lines, order_lines, order_lines.c.id == shipment_lines.c.line_id)
    .where(shipment_lines.c.shipment_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(shipment_lines.c.shipment_id, order_lines.c.number)
)


def contents_of(transaction: Transaction, ids: Sequence[str]) -> dict[str, tuple[tuple[str, int], ...]]:
    """Shipment id → units by the marketplace's line id."""
    found: dict[str, list[tuple[str, int]]] = {}
    for shipment_id, original_id, quantity in transaction.execute(_CONTENTS, {"ids": list(ids)}):
        found.setdefault(shipment_id, []).append((original_id, quantity))
    return {shipment_id: tuple(lines) for shipment_id, lines in found.items()}


def content_of(
    row: Mapping[str, Any], quantities: Sequence[tuple[str, int]], shipped: Mapping[str, int]
) -> dict[str, Any]:
    """What an attempt tells of a shipment, and the units that the marketplace had shown as shipped by then."""
    return {
        "reference": row["reference"],
        "tracking_number": row["tracking_number"],
        "quantities": dict(quantities),
        "shipped_before": dict(shipped),
    }


def _units_shipped(transaction: Transaction, order_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """Order id → the marketplace's line id → units that it shows as shipped, of the lines of which it tells."""
    query = sa.select(order_lines.c.order_id, order_lines.c.original_id, order_lines.c.quantity_shipped).where(
        order_lines.c.order_id.in_(order_ids), order_lines.c.quantity_shipped.is_not(None)
    )
    found: dict[str, dict[str, int]] = {}
    for order_id, original_id, units in transaction.execute(query):
        found.setdefault(order_id, {})[original_id] = units
    return found


def _whole_orders(transaction: Transaction, order_ids: Sequence[str]) -> set[str]:
    """Orders of which our shipments leave nothing: those that readers see as shipped."""
    query = sa.select(orders.c.id).where(orders.c.id.in_(order_ids), orders.c.status == Status.SHIPPED.value)
    return set(transaction.execute(query).scalars())


def is_ours(transaction: Transaction, claims: Sequence[Claim], now: datetime, margin: timedelta) -> bool:
    """Whether all claims still hold for as long as a call may take; asked right before each call."""
    ids = {each.id: each.fence for each in claims}
    query = sa.select(shipments.c.id, shipments.c.fence, shipments.c.claimed_until).where(
        shipments.c.id.in_(list(ids)), shipments.c.status == ConfirmationStatus.SENDING.value
    )
    rows = transaction.execute(query).all()
    return len(rows) == len(ids) and all(
        row.fence == ids[row.id] and row.claimed_until is not None and row.claimed_until >= now + margin for row in rows
    )


def record(transaction: Transaction, receipts: Sequence[tuple[Claim, Receipt]], now: datetime) -> None:
    """Write down what came of claims. Of a claim that somebody else has taken over only the attempt is written."""
    lock_book(transaction)
    _close_attempts(transaction, receipts, now)
    present = {
        row["id"]: row
        for row in transaction.execute(
            sa.select(shipments).where(shipments.c.id.in_([each.id for each, _ in receipts]))
        ).mappings()
    }
    touched: list[str] = []
    for each, receipt in receipts:
        row = present[each.id]
        if row["fence"] != each.fence or row["status"] != ConfirmationStatus.SENDING.value:
            continue
        _settle(transaction, row, each, receipt, now)
        touched.append(row["order_id"])
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


def _settle(transaction: Transaction, row: RowMapping, each: Claim, receipt: Receipt, now: datetime) -> None:
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
            values |= _as_sent(row, each.shipment["version"], receipt, now)
            resolve_problems(transaction, row["order_id"], now)
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
    if row["version"] > each.shipment["version"] and values["status"] == ConfirmationStatus.REJECTED.value:
        values |= {"status": ConfirmationStatus.QUEUED.value, "due_at": now, "attempts": 0}
    transaction.execute(sa.update(shipments).where(shipments.c.id == row["id"]).values(**values))
    if receipt.outcome is not AttemptOutcome.RETRY or values["status"] == ConfirmationStatus.REJECTED.value:
        note(transaction, [row], f"confirmation_{receipt.outcome}", now, receipt)


def _as_sent(row: RowMapping, version: int, receipt: Receipt, now: datetime) -> dict[str, Any]:
    """The marketplace has this version; when there is a newer one by now, that is told next."""
    is_newest = row["version"] == version
    return {
        "status": (ConfirmationStatus.SENT if is_newest else ConfirmationStatus.QUEUED).value,
        "due_at": None if is_newest else now,
        "attempts": 0,
        "sent_version": version,
        "sent_at": now,
        "marketplace_package_id": receipt.marketplace_package_id or row["marketplace_package_id"],
        "told_carrier": receipt.told_carrier or row["told_carrier"],
    }


def _as_retried(
    transaction: Transaction, row: RowMapping, each: Claim, receipt: Receipt, now: datetime
) -> dict[str, Any]:
    if row["attempts"] >= MOST_ATTEMPTS and receipt.is_its_turn:
        report_problem(transaction, row, REJECTED, receipt, now, each.attempt_id)
        return {"status": ConfirmationStatus.REJECTED.value, "due_at": None}
    pause = backoff(row["attempts"], random.random()) if receipt.wait is None else receipt.wait  # noqa: S311 - jitter
    attempts = row["attempts"] if receipt.is_its_turn else row["attempts"] - 1
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
    row = transaction.execute(sa.select(shipments).where(shipments.c.id == shipment_id)).mappings().one_or_none()
    if row is None:
        return None
    match ConfirmationStatus(row["status"]):
        case ConfirmationStatus.REJECTED | ConfirmationStatus.QUEUED:
            status = ConfirmationStatus.QUEUED
        case ConfirmationStatus.IN_DOUBT:
            status = ConfirmationStatus.IN_DOUBT
        case ConfirmationStatus.HELD:
            raise NotRetryable(
                "shipment_held",
                "The shipment is held: its channel does not confirm, or a request to cancel holds its order.",
            )
        case ConfirmationStatus.SENDING:
            raise NotRetryable("shipment_under_way", "The shipment is being sent at this moment.")
        case ConfirmationStatus.SENT | ConfirmationStatus.VERIFIED:
            raise NotRetryable(
                "shipment_sent", "The marketplace has the shipment. Report the package again to change it."
            )
        case ConfirmationStatus.NONE:
            raise NotRetryable("shipment_skipped", "The shipment was skipped: the marketplace is not told by us.")
    values = {"status": status.value, "due_at": now, "attempts": 0, "updated_at": now}
    transaction.execute(sa.update(shipments).where(shipments.c.id == shipment_id).values(**values))
    note(transaction, [row], "confirmation_retried", now)
    holds.follow(transaction, [row["order_id"]], now)
    restate(transaction, [row["order_id"]], now)
    settled: str = transaction.execute(sa.select(shipments.c.status).where(shipments.c.id == shipment_id)).scalar_one()
    return settled


# -- shared


def report_problem(
    transaction: Transaction, row: RowMapping, code: str, receipt: Receipt, now: datetime, attempt_id: int | None = None
) -> None:
    """Open an incident about a shipment, and the attempt that showed it where there was one, or count another occurrence."""
    incidents.report(
        transaction,
        incidents.IncidentReport(
            scope="channel",
            subject=row["channel"],
            stage=STAGE,
            code=code,
            message=f"package {row['package_id']}: {receipt.message}",
            hint=receipt.hint,
            order_id=row["order_id"],
            attempt_id=None if attempt_id is None else str(attempt_id),
            details={"shipment": row["id"], "reason": receipt.code},
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
    transaction: Transaction, rows: Sequence[RowMapping], kind: str, now: datetime, receipt: Receipt | None = None
) -> None:
    """Write what happened to shipments into their orders' timelines; nothing personal."""
    order_events.record(transaction, [_event(row, kind, receipt) for row in rows], now)


def _event(row: RowMapping, kind: str, receipt: Receipt | None) -> dict[str, Any]:
    data = {"shipment": row["id"], "package_id": row["package_id"], "version": row["version"]}
    if receipt is not None and receipt.code:
        data |= {"code": receipt.code, "message": receipt.message}
    return {"order_id": row["order_id"], "kind": kind, "data": data}
