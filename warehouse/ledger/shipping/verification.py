"""What the marketplace shows of our shipments: it ends doubts, verifies what was sent, and says where the two sides differ.

Every function here that writes takes the book's lock. Reading the marketplace is in `orders_pipeline.stages.confirm`, and every
pull brings orders along; which package at the marketplace is ours is in `matching`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from warehouse.ledger.base.prepared import Prepared
from warehouse.ledger.base.rows import read_rows
from warehouse.ledger.base.schema import confirmation_attempts, orders, shipments
from warehouse.ledger.book import holds
from warehouse.ledger.book.fulfilment import restate
from warehouse.ledger.book.orders import lock_book
from warehouse.ledger.shipping.claims import content_of, contents_of, is_due
from warehouse.ledger.shipping.confirmations import MOST_ATTEMPTS
from warehouse.ledger.shipping.matching import (
    UNITS_SHIPPED,
    Waiting,
    differences,
    fewer_units,
    find_package,
    known_name,
)
from warehouse.ledger.shipping.records import SHIPMENT_COLUMNS, StoredShipment
from warehouse.ledger.shipping.references import free_reference
from warehouse.ledger.shipping.troubles import DIFFERS, REJECTED, note, report_problem, resolve_problems
from warehouse.order_states import ConfirmationStatus, Status
from warehouse.shipments import AttemptOutcome, Receipt

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.shipping.claims import Claim
    from warehouse.order_parts import Package
    from warehouse.orders import Order


UNVERIFIED_AFTER = timedelta(hours=24)
"""A shipment that the marketplace does not show for so long needs somebody to look."""

SHOWN_BEFORE_DUE = timedelta(hours=1)
"""A shipment should be shown so long before its order's ship-by time: as long as there is still something to be done."""

USUALLY_SHOWN_WITHIN = timedelta(minutes=30)
"""Of a shipment that was sent less long ago nobody is told, however near its order's ship-by time is."""


def doubted(transaction: Transaction, codes: Sequence[str], limit: int, now: datetime) -> list[Waiting]:
    """Shipments in doubt whose time has come to be read back."""
    return _waiting(
        transaction,
        limit,
        shipments.c.status == ConfirmationStatus.IN_DOUBT.value,
        is_due(now),
        shipments.c.channel.in_(codes),
    )


def unverified(
    transaction: Transaction, codes: Sequence[str], limit: int, sent_before: datetime, now: datetime
) -> list[Waiting]:
    """Shipments sent before a time that the marketplace has not been seen to show, and that are due to be read back."""
    return _waiting(
        transaction,
        limit,
        shipments.c.status == ConfirmationStatus.SENT.value,
        shipments.c.sent_at <= sent_before,
        sa.or_(shipments.c.due_at.is_(None), is_due(now)),
        shipments.c.channel.in_(codes),
    )


_ATTEMPTED = (
    sa.select(confirmation_attempts.c.shipment_id, confirmation_attempts.c.content)
    .where(
        confirmation_attempts.c.shipment_id.in_(sa.bindparam("ids", expanding=True)),
        confirmation_attempts.c.content.is_not(None),
    )
    .order_by(confirmation_attempts.c.id)
)


def _waiting(transaction: Transaction, limit: int, *conditions: sa.ColumnElement[bool]) -> list[Waiting]:
    query = (
        sa.select(*SHIPMENT_COLUMNS, orders.c.original_id)
        .join_from(shipments, orders)
        .where(*conditions)
        .order_by(sa.func.coalesce(shipments.c.due_at, shipments.c.sent_at), shipments.c.id)
        .limit(limit)
    )
    rows = [(StoredShipment._make(members), original_id) for *members, original_id in transaction.execute(query)]
    if not rows:
        return []
    ids = [row.id for row, _ in rows]
    contents, attempted = contents_of(transaction, ids), _attempted(transaction, ids)
    return [
        Waiting(
            shipment=row,
            original_id=original_id,
            quantities=contents[row.id],
            attempted=tuple(attempted.get(row.id, ())),
        )
        for row, original_id in rows
    ]


def _attempted(transaction: Transaction, ids: Sequence[str]) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for shipment_id, content in transaction.execute(_ATTEMPTED, {"ids": list(ids)}):
        found.setdefault(shipment_id, []).append(content)
    return found


def end_doubts(transaction: Transaction, read: Sequence[tuple[Waiting, Order | None]], now: datetime) -> None:
    """Decide doubts by what the marketplace shows: it has the package, or has it otherwise, or has not got it.

    Args:
        transaction: A write transaction.
        read: Each shipment with its order as just read; None when the marketplace does not know the order.
        now: When it was read.
    """
    lock_book(transaction)
    touched: list[str] = []
    for waiting, order in read:
        row = _present(transaction, waiting)
        if row is None or row.status != ConfirmationStatus.IN_DOUBT.value or row.fence != waiting.shipment.fence:
            continue
        values, kind = _end_of_doubt(transaction, row, waiting, order, now)
        transaction.execute(sa.update(shipments).where(shipments.c.id == row.id).values(updated_at=now, **values))
        if values["status"] == ConfirmationStatus.QUEUED.value:
            _refute(transaction, row.id)
        receipt = Receipt(
            shipment_id=row.id,
            outcome=AttemptOutcome.IN_DOUBT,
            code=values.get("code") or "",
            message=values.get("message") or "",
            hint=values.get("hint") or "",
        )
        if values["status"] == ConfirmationStatus.REJECTED.value:
            report_problem(transaction, row, REJECTED, receipt, now)
        elif values["status"] == ConfirmationStatus.VERIFIED.value:
            resolve_problems(transaction, row.order_id, now)
        note(transaction, [row], kind, now, receipt)
        touched.append(row.order_id)
    holds.follow(transaction, touched, now)
    restate(transaction, touched, now)


def _end_of_doubt(
    transaction: Transaction, row: StoredShipment, waiting: Waiting, order: Order | None, now: datetime
) -> tuple[dict[str, Any], str]:
    found = None if order is None or order.packages is None else find_package(waiting, order.packages)
    if found is not None and order is not None:
        return _found_in_doubt(row, waiting, found, order, now)
    if order is None:
        said = ("order_unknown_there", "The marketplace does not know the order any more.")
    elif order.status in {Status.CANCELED, Status.REFUSED}:
        said = ("order_canceled", f"The marketplace has canceled the order ({order.marketplace_status}).")
    elif order.status is Status.SHIPPED:
        said = ("shipped_otherwise", "The order is shipped at the marketplace, and it does not show this package.")
    elif row.attempts >= MOST_ATTEMPTS:
        said = ("gave_up", "The marketplace never shows this package, however often it is told of it.")
    else:
        again = {"status": ConfirmationStatus.QUEUED.value, "due_at": now, "code": None, "message": None, "hint": None}
        return {
            **again,
            "reference": _reference(transaction, row, order.packages or ()),
        }, "confirmation_refuted"
    hint = "compare the order at the marketplace; correct it there, then retry or leave it"
    refused = {"status": ConfirmationStatus.REJECTED.value, "due_at": None, "code": said[0], "message": said[1]}
    return {**refused, "hint": hint}, "confirmation_rejected"


def _found_in_doubt(
    row: StoredShipment, waiting: Waiting, found: Package, order: Order, now: datetime
) -> tuple[dict[str, Any], str]:
    """The marketplace has the package: as we told it, or as we told it before an update that has not arrived."""
    apart = {**differences(waiting, found), **fewer_units(waiting, order)}
    known = {
        "marketplace_package_id": known_name(row, found),
        "sent_at": row.sent_at or now,
        "attempts": 0,
    }
    clean = {**known, "code": None, "message": None, "hint": None}
    if not apart.keys().isdisjoint({"quantities", UNITS_SHIPPED}):
        message = "The marketplace has this package, and other units in it or beside it than before."
        return {
            **known,
            "status": ConfirmationStatus.REJECTED.value,
            "due_at": None,
            "difference": apart,
            "code": DIFFERS,
            "message": message,
            "hint": "compare both sides; correct the package at the marketplace",
        }, "confirmation_rejected"
    is_ours = found.reference is not None or found.label in {None, str(row.reference)}
    if not apart or not is_ours:  # what somebody else told of it stays as it is
        return {
            **clean,
            "status": ConfirmationStatus.VERIFIED.value,
            "due_at": None,
            "verified_at": now,
            "sent_version": row.version,
            "difference": apart or None,
        }, "confirmation_verified"
    # It is there, told otherwise: telling it again changes this package and makes no other one.
    sent = row.sent_version or max(1, row.version - 1)
    return {
        **clean,
        "status": ConfirmationStatus.QUEUED.value,
        "due_at": now,
        "sent_version": sent,
    }, "confirmation_refuted"


def _reference(transaction: Transaction, shipment: StoredShipment, packages: Iterable[Package]) -> int:
    """The number to tell a package by: its own, unless the marketplace has a package of that name, which is not ours."""
    there = {int(each.label) for each in packages if each.label is not None and each.label.isdecimal()}
    own: int = shipment.reference
    if own not in there:
        return own
    query = sa.select(shipments.c.reference).where(shipments.c.order_id == shipment.order_id)
    return free_reference(shipment.id, there | set(transaction.execute(query).scalars()))


def settle_names(
    transaction: Transaction, read: Sequence[tuple[Claim, Order]], now: datetime
) -> tuple[list[Claim], list[tuple[Claim, Receipt]]]:
    """Look at the packages that an order has before it gets another one: a name of ours must be free, a package told once.

    Args:
        transaction: A write transaction.
        read: Claims, each with its order as the marketplace shows it now.
        now: When it was read.

    Returns:
        The claims to send, with references that no package of their orders has, and the results of the others: the marketplace
        has their packages already.
    """
    lock_book(transaction)
    to_send: list[Claim] = []
    there: list[tuple[Claim, Receipt]] = []
    for each, order in read:
        packages = order.packages or ()
        (waiting,) = _waiting(transaction, 1, shipments.c.id == each.id)
        if find_package(waiting, packages) is not None:
            message = "The marketplace has this package already."
            there.append(
                (
                    each,
                    Receipt(
                        shipment_id=each.id, outcome=AttemptOutcome.IN_DOUBT, code="there_already", message=message
                    ),
                )
            )
            continue
        shipped = {line.original_id: line.quantity_shipped for line in order.lines if line.quantity_shipped is not None}
        shipment = each.shipment._replace(reference=_reference(transaction, waiting.shipment, packages))
        transaction.execute(
            sa.update(shipments)
            .where(shipments.c.id == each.id, shipments.c.fence == each.fence)
            .values(reference=shipment.reference, updated_at=now)
        )
        transaction.execute(
            sa.update(confirmation_attempts)
            .where(confirmation_attempts.c.id == each.attempt_id)
            .values(content=content_of(shipment, each.quantities, shipped))
        )
        to_send.append(replace(each, shipment=shipment))
    return to_send, there


def _refute(transaction: Transaction, shipment_id: str) -> None:
    newest = (
        sa.select(sa.func.max(confirmation_attempts.c.id))
        .where(confirmation_attempts.c.shipment_id == shipment_id)
        .scalar_subquery()
    )
    transaction.execute(
        sa.update(confirmation_attempts)
        .where(confirmation_attempts.c.id == newest, confirmation_attempts.c.outcome == AttemptOutcome.IN_DOUBT.value)
        .values(outcome=AttemptOutcome.REFUTED.value)
    )


def postpone(transaction: Transaction, ids: Sequence[str], until: datetime) -> None:
    """Read these doubts back later: the marketplace could not be asked."""
    transaction.execute(
        sa.update(shipments)
        .where(shipments.c.id.in_(ids), shipments.c.status == ConfirmationStatus.IN_DOUBT.value)
        .values(due_at=until)
    )


def postpone_unverified(transaction: Transaction, ids: Sequence[str], until: datetime) -> None:
    """Read those of these shipments back later that are still not verified."""
    transaction.execute(
        sa.update(shipments)
        .where(shipments.c.id.in_(ids), shipments.c.status == ConfirmationStatus.SENT.value)
        .values(due_at=until)
    )


def unverified_counts(transaction: Transaction, codes: Sequence[str], now: datetime) -> dict[str, int]:
    """How many shipments of each channel were sent and are not shown, for a day or with their order's ship-by time at hand."""
    is_due = sa.and_(orders.c.ship_by <= now + SHOWN_BEFORE_DUE, shipments.c.sent_at <= now - USUALLY_SHOWN_WITHIN)
    query = (
        sa.select(shipments.c.channel, sa.func.count())
        .join_from(shipments, orders)
        .where(
            shipments.c.channel.in_(codes),
            shipments.c.status == ConfirmationStatus.SENT.value,
            sa.or_(shipments.c.sent_at < now - UNVERIFIED_AFTER, is_due),
        )
        .group_by(shipments.c.channel)
    )
    return {row[0]: int(row[1]) for row in transaction.execute(query)}


_SENT = Prepared(
    sa.select(shipments.c.id).where(
        shipments.c.order_id.in_(sa.bindparam("ids", expanding=True)),
        shipments.c.status == ConfirmationStatus.SENT.value,
    )
)


def are_awaited(transaction: Transaction, order_ids: Sequence[str]) -> bool:
    """Whether any of the orders has a sent shipment, which its packages may verify."""
    return bool(order_ids) and bool(_SENT.rows(transaction, {"ids": order_ids}))


def observe(transaction: Transaction, seen: Sequence[Order], now: datetime) -> int:
    """Verify sent shipments by orders as the marketplace shows them now; returns how many were verified.

    One query when none of the orders has a shipment that waits for it.
    """
    by_id = {each.id: each for each in seen if each.packages}
    if not are_awaited(transaction, list(by_id)):
        return 0
    waiting = _waiting(
        transaction,
        len(by_id) * 100,
        shipments.c.order_id.in_(list(by_id)),
        shipments.c.status == ConfirmationStatus.SENT.value,
    )
    lock_book(transaction)
    touched = []
    for each in waiting:
        order = by_id[each.shipment.order_id]
        if _verify(transaction, each, order, now):
            touched.append(order.id)
    restate(transaction, touched, now)
    return len(touched)


def verify_unasked(transaction: Transaction, codes: Sequence[str], limit: int, now: datetime) -> int:
    """Verify what is due at channels without a marketplace, where nobody has to be told; returns how many, at most `limit`."""
    lock_book(transaction)
    due = (
        sa.select(*SHIPMENT_COLUMNS)
        .where(
            shipments.c.channel.in_(codes),
            shipments.c.status == ConfirmationStatus.QUEUED.value,
            is_due(now),
            ~holds.is_held(shipments.c.order_id, now),
        )
        .order_by(shipments.c.due_at, shipments.c.id)
        .limit(limit)
    )
    rows = read_rows(transaction, StoredShipment, due)
    if not rows:
        return 0
    verified = (
        sa.update(shipments)
        .where(shipments.c.id.in_([row.id for row in rows]))
        .values(
            status=ConfirmationStatus.VERIFIED.value,
            sent_version=shipments.c.version,
            verified_at=now,
            due_at=None,
            attempts=0,
            code=None,
            message=None,
            hint=None,
            updated_at=now,
        )
    )
    transaction.execute(verified)
    note(transaction, rows, "confirmation_not_needed", now)
    touched = {row.order_id for row in rows}
    holds.follow(transaction, touched, now)
    restate(transaction, touched, now)
    return len(rows)


def _verify(transaction: Transaction, waiting: Waiting, order: Order, now: datetime) -> bool:
    row = _present(transaction, waiting)
    found = find_package(waiting, order.packages or ())
    if row is None or row.status != ConfirmationStatus.SENT.value or found is None:
        return False
    apart = {**differences(waiting, found), **fewer_units(waiting, order)}
    own = sa.update(shipments).where(shipments.c.id == row.id)
    if not apart:
        transaction.execute(
            own.values(
                status=ConfirmationStatus.VERIFIED.value,
                verified_at=now,
                difference=None,
                due_at=None,
                code=None,
                message=None,
                hint=None,
                marketplace_package_id=known_name(row, found),
                updated_at=now,
            )
        )
        resolve_problems(transaction, row.order_id, now)
        note(transaction, [row], "confirmation_verified", now)
        return True
    # A payload older than our confirmation differs from it by nature.
    is_older = row.sent_at is None or order.marketplace_updated_at <= row.sent_at
    if not is_older and apart != row.difference:
        transaction.execute(own.values(difference=apart, code=DIFFERS, message=_said(apart), updated_at=now))
        receipt = Receipt(
            shipment_id=row.id, outcome=AttemptOutcome.SENT, code=DIFFERS, message=_said(apart), hint=_DIFFERS_HINT
        )
        report_problem(transaction, row, DIFFERS, receipt, now)
        note(transaction, [row], "confirmation_differs", now, receipt)
    return False


_DIFFERS_HINT = "compare both sides: GET /v1/shipments/{id} shows them; report the package again, or correct it there"


def _said(apart: Mapping[str, Sequence[Any]]) -> str:
    return f"The marketplace shows something else than it was told: {', '.join(apart)}."


def _present(transaction: Transaction, waiting: Waiting) -> StoredShipment | None:
    query = sa.select(*SHIPMENT_COLUMNS).where(shipments.c.id == waiting.shipment.id)
    return next(iter(read_rows(transaction, StoredShipment, query)), None)
