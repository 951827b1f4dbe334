"""What the marketplace shows of our shipments: it ends doubts, verifies what was sent, and tells where the two sides differ.

Every function here that writes takes the book's lock. Reading the marketplace is in `orders_pipeline.confirming`, and every
pull brings orders along; which shipment is sent when is in `confirmations`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from warehouse.ledger.confirmations import (
    DIFFERS,
    MOST_ATTEMPTS,
    REJECTED,
    AttemptOutcome,
    Result,
    contents_of,
    note,
    report_problem,
    resolve_problems,
)
from warehouse.ledger.fulfilment import restate
from warehouse.ledger.orders import lock_book
from warehouse.ledger.schema import confirmation_attempts, orders, shipments
from warehouse.orders import ConfirmationStatus, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection, RowMapping

    from warehouse.orders import Order, Package

UNVERIFIED_AFTER = timedelta(hours=24)
"""A shipment that the marketplace does not show for so long needs somebody to look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A shipment that waits to be read back.

    Attributes:
        shipment: Its row.
        original_id: The marketplace's order id.
        quantities: Units by the marketplace's line id.
    """

    shipment: Mapping[str, Any]
    original_id: str
    quantities: tuple[tuple[str, int], ...]


def doubted(connection: Connection, codes: Sequence[str], limit: int, now: datetime) -> list[Waiting]:
    """Shipments in doubt whose time has come to be read back."""
    return _waiting(
        connection,
        limit,
        shipments.c.status == ConfirmationStatus.IN_DOUBT.value,
        shipments.c.due_at <= now,
        shipments.c.channel.in_(codes),
    )


def unverified(
    connection: Connection, codes: Sequence[str], limit: int, sent_before: datetime, now: datetime
) -> list[Waiting]:
    """Shipments sent before a time that the marketplace has not been seen to show, and that are due to be read back."""
    return _waiting(
        connection,
        limit,
        shipments.c.status == ConfirmationStatus.SENT.value,
        shipments.c.sent_at <= sent_before,
        sa.or_(shipments.c.due_at.is_(None), shipments.c.due_at <= now),
        shipments.c.channel.in_(codes),
    )


def _waiting(connection: Connection, limit: int, *conditions: sa.ColumnElement[bool]) -> list[Waiting]:
    query = (
        sa.select(shipments, orders.c.original_id)
        .join_from(shipments, orders)
        .where(*conditions)
        .order_by(sa.func.coalesce(shipments.c.due_at, shipments.c.sent_at), shipments.c.id)
        .limit(limit)
    )
    rows = [{str(name): value for name, value in row.items()} for row in connection.execute(query).mappings()]
    contents = contents_of(connection, [row["id"] for row in rows])
    return [Waiting(shipment=row, original_id=row["original_id"], quantities=contents[row["id"]]) for row in rows]


def end_doubts(connection: Connection, read: Sequence[tuple[Waiting, Order | None]], now: datetime) -> None:
    """Decide doubts by what the marketplace shows: it has the package, or has it otherwise, or has not got it.

    Args:
        connection: A write transaction.
        read: Each shipment with its order as just read; None when the marketplace does not know the order.
        now: When it was read.
    """
    lock_book(connection)
    touched: list[str] = []
    for waiting, order in read:
        row = _present(connection, waiting)
        if (
            row is None
            or row["status"] != ConfirmationStatus.IN_DOUBT.value
            or row["fence"] != waiting.shipment["fence"]
        ):
            continue
        values, kind = _end_of_doubt(row, waiting, order, now)
        connection.execute(sa.update(shipments).where(shipments.c.id == row["id"]).values(updated_at=now, **values))
        if values["status"] == ConfirmationStatus.QUEUED.value:
            _refute(connection, row["id"])
        told = Result(
            outcome=AttemptOutcome.IN_DOUBT,
            code=values.get("code") or "",
            message=values.get("message") or "",
            hint=values.get("hint") or "",
        )
        if values["status"] == ConfirmationStatus.REJECTED.value:
            report_problem(connection, row, REJECTED, told, now)
        elif values["status"] == ConfirmationStatus.VERIFIED.value:
            resolve_problems(connection, row["order_id"], now)
        note(connection, row, kind, now, told)
        touched.append(row["order_id"])
    restate(connection, touched, now)


def _end_of_doubt(row: RowMapping, waiting: Waiting, order: Order | None, now: datetime) -> tuple[dict[str, Any], str]:
    found = None if order is None or order.packages is None else find_package(waiting.shipment, order.packages)
    if found is not None:
        return _found_in_doubt(row, waiting, found, now)
    if order is None:
        said = ("order_unknown_there", "The marketplace does not know the order any more.")
    elif order.status in {Status.CANCELED, Status.REFUSED}:
        said = ("order_canceled", f"The marketplace has canceled the order ({order.marketplace_status}).")
    elif order.status is Status.SHIPPED:
        said = ("shipped_otherwise", "The order is shipped at the marketplace, and it does not show this package.")
    elif row["attempts"] >= MOST_ATTEMPTS:
        said = ("gave_up", "The marketplace never shows this package, however often it is told of it.")
    else:
        again = {"status": ConfirmationStatus.QUEUED.value, "due_at": now, "code": None, "message": None, "hint": None}
        return again, "confirmation_refuted"
    hint = "compare the order at the marketplace; correct it there, then retry or leave it"
    refused = {"status": ConfirmationStatus.REJECTED.value, "due_at": None, "code": said[0], "message": said[1]}
    return {**refused, "hint": hint}, "confirmation_rejected"


def _found_in_doubt(row: RowMapping, waiting: Waiting, found: Package, now: datetime) -> tuple[dict[str, Any], str]:
    """The marketplace has the package: as we told it, or as we told it before an update that has not arrived."""
    apart = differences(waiting, found)
    known = {"known_as": found.reference or row["known_as"], "sent_at": row["sent_at"] or now, "attempts": 0}
    clean = {**known, "code": None, "message": None, "hint": None}
    if "quantities" in apart:
        message = "The marketplace has this package with other units in it."
        return {
            **known,
            "status": ConfirmationStatus.REJECTED.value,
            "due_at": None,
            "difference": apart,
            "code": DIFFERS,
            "message": message,
            "hint": "compare both sides; correct the package at the marketplace",
        }, "confirmation_rejected"
    if not apart:
        return {
            **clean,
            "status": ConfirmationStatus.VERIFIED.value,
            "due_at": None,
            "verified_at": now,
            "sent_version": row["version"],
            "difference": None,
        }, "confirmation_verified"
    # It is there, told otherwise: telling it again changes this package and makes no other one.
    sent = row["sent_version"] or max(1, row["version"] - 1)
    return {
        **clean,
        "status": ConfirmationStatus.QUEUED.value,
        "due_at": now,
        "sent_version": sent,
    }, "confirmation_refuted"


def _refute(connection: Connection, shipment_id: str) -> None:
    newest = (
        sa.select(sa.func.max(confirmation_attempts.c.id))
        .where(confirmation_attempts.c.shipment_id == shipment_id)
        .scalar_subquery()
    )
    connection.execute(
        sa.update(confirmation_attempts)
        .where(confirmation_attempts.c.id == newest, confirmation_attempts.c.outcome == AttemptOutcome.IN_DOUBT.value)
        .values(outcome=AttemptOutcome.REFUTED.value)
    )


def postpone(connection: Connection, ids: Sequence[str], until: datetime) -> None:
    """Read these doubts back later: the marketplace could not be asked."""
    connection.execute(
        sa.update(shipments)
        .where(shipments.c.id.in_(ids), shipments.c.status == ConfirmationStatus.IN_DOUBT.value)
        .values(due_at=until)
    )


def postpone_unverified(connection: Connection, ids: Sequence[str], until: datetime) -> None:
    """Read those of these shipments back later that are still not verified."""
    connection.execute(
        sa.update(shipments)
        .where(shipments.c.id.in_(ids), shipments.c.status == ConfirmationStatus.SENT.value)
        .values(due_at=until)
    )


def unverified_counts(connection: Connection, codes: Sequence[str], sent_before: datetime) -> dict[str, int]:
    """How many shipments of each channel were sent before a time and are not verified."""
    query = (
        sa.select(shipments.c.channel, sa.func.count())
        .where(
            shipments.c.channel.in_(codes),
            shipments.c.status == ConfirmationStatus.SENT.value,
            shipments.c.sent_at < sent_before,
        )
        .group_by(shipments.c.channel)
    )
    return {row[0]: int(row[1]) for row in connection.execute(query)}


def observe(connection: Connection, seen: Sequence[Order], now: datetime) -> int:
    """Verify sent shipments by orders as the marketplace shows them now; returns how many were verified.

    One query when none of the orders has a shipment that waits for it.
    """
    by_id = {each.id: each for each in seen if each.packages}
    if not by_id:
        return 0
    waiting = _waiting(
        connection,
        len(by_id) * 100,
        shipments.c.order_id.in_(list(by_id)),
        shipments.c.status == ConfirmationStatus.SENT.value,
    )
    if not waiting:
        return 0
    lock_book(connection)
    touched = []
    for each in waiting:
        order = by_id[each.shipment["order_id"]]
        if _verify(connection, each, order, now):
            touched.append(order.id)
    restate(connection, touched, now)
    return len(touched)


def _verify(connection: Connection, waiting: Waiting, order: Order, now: datetime) -> bool:
    row = _present(connection, waiting)
    found = find_package(waiting.shipment, order.packages or ())
    if row is None or row["status"] != ConfirmationStatus.SENT.value or found is None:
        return False
    apart = differences(waiting, found)
    own = sa.update(shipments).where(shipments.c.id == row["id"])
    if not apart:
        connection.execute(
            own.values(
                status=ConfirmationStatus.VERIFIED.value,
                verified_at=now,
                difference=None,
                due_at=None,
                code=None,
                message=None,
                hint=None,
                known_as=row["known_as"] or found.reference,
                updated_at=now,
            )
        )
        resolve_problems(connection, row["order_id"], now)
        note(connection, row, "confirmation_verified", now)
        return True
    # A payload older than our confirmation differs from it by nature.
    if order.marketplace_updated_at > row["sent_at"] and apart != row["difference"]:
        connection.execute(own.values(difference=apart, code=DIFFERS, message=_said(apart), updated_at=now))
        told = Result(outcome=AttemptOutcome.SENT, code=DIFFERS, message=_said(apart), hint=_DIFFERS_HINT)
        report_problem(connection, row, DIFFERS, told, now)
        note(connection, row, "confirmation_differs", now, told)
    return False


_DIFFERS_HINT = "compare both sides: GET /v1/shipments/{id} shows them; report the package again, or correct it there"


def find_package(shipment: Mapping[str, Any], packages: Iterable[Package]) -> Package | None:
    """The package that a shipment is at the marketplace: by the marketplace's id, by our reference, or by tracking number."""
    present = [each for each in packages if each.is_shipped]
    labels = {str(shipment["reference"]), shipment["package_id"]}
    for is_it in (
        lambda each: shipment["known_as"] is not None and each.reference == shipment["known_as"],
        lambda each: each.label is not None and each.label in labels,
        lambda each: (
            shipment["tracking_number"] is not None
            and _folded(each.tracking_number) == _folded(shipment["tracking_number"])
        ),
    ):
        found = [each for each in present if is_it(each)]
        if len(found) == 1:
            return found[0]
    return None


def differences(waiting: Waiting, found: Package) -> dict[str, list[Any]]:
    """What the marketplace shows otherwise than it was told: member → [ours, theirs]. What it does not show does not differ."""
    ours = waiting.shipment
    apart: dict[str, list[Any]] = {}
    if (
        found.tracking_number
        and ours["tracking_number"]
        and _folded(found.tracking_number) != _folded(ours["tracking_number"])
    ):
        apart["tracking_number"] = [ours["tracking_number"], found.tracking_number]
    told = {_folded(each) for each in (ours["told_carrier"], ours["carrier_code"], ours["carrier_name"]) if each}
    if found.carriers and told and told.isdisjoint(_folded(each) for each in found.carriers):
        apart["carrier"] = [ours["told_carrier"] or ours["carrier_code"], found.carriers[0]]
    if found.quantities and sorted(found.quantities) != sorted(waiting.quantities):
        apart["quantities"] = [dict(waiting.quantities), dict(found.quantities)]
    return apart


def _folded(text: str | None) -> str:
    return "".join((text or "").split()).casefold()


def _said(apart: Mapping[str, Sequence[Any]]) -> str:
    return f"The marketplace shows something else than it was told: {', '.join(apart)}."


def _present(connection: Connection, waiting: Waiting) -> RowMapping | None:
    query = sa.select(shipments).where(shipments.c.id == waiting.shipment["id"])
    return connection.execute(query).mappings().one_or_none()
