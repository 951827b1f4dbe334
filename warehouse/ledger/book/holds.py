"""What a request to cancel holds: an order is not exported, its shipments are not told to the marketplace, until it ends.

Which orders are held, and their shipments following: held with the reason, and queued again. Shipments that wait because their
channel does not confirm are in `confirmations`; the requests themselves are in `cancellations`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from warehouse.cancellations import RequestState
from warehouse.ledger.base.prepared import Prepared
from warehouse.ledger.base.schema import cancellation_requests, channels, orders, shipments
from warehouse.ledger.book import order_events
from warehouse.ledger.book.fulfilment import restate
from warehouse.ledger.book.order_events import OrderEvent
from warehouse.order_states import ConfirmationStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

CONFIRMATION_OFF = "confirmation_off"
"""Why a shipment is held: its channel does not confirm."""

CANCELLATION = "cancellation_requested"
"""Why a shipment is held: a request to cancel holds its order."""

MANY = 500


def is_held(order_id: sa.ColumnElement[str], now: datetime | sa.BindParameter[datetime]) -> sa.ColumnElement[bool]:
    """Whether an order must be neither exported nor confirmed at this instant, as a condition of a query.

    Held is an order with an open request whose hold (channel setting `cancellation_hold_hours`) has not ended, and one whose
    cancellation the seller has accepted: until the marketplace shows it, or somebody declines after all.
    """
    requests = cancellation_requests.alias("held")
    is_accepted = requests.c.state == RequestState.ACCEPTED.value
    is_waiting = sa.and_(requests.c.state == RequestState.OPEN.value, requests.c.hold_until > now)
    return sa.exists().where(requests.c.order_id == order_id, sa.or_(is_accepted, is_waiting))


_HELD = Prepared(
    sa.select(orders.c.id).where(
        orders.c.id.in_(sa.bindparam("ids", expanding=True)), is_held(orders.c.id, sa.bindparam("now"))
    )
)
_ASKED = Prepared(
    sa.select(cancellation_requests.c.order_id).where(
        cancellation_requests.c.order_id.in_(sa.bindparam("ids", expanding=True)),
        cancellation_requests.c.state.in_([RequestState.OPEN.value, RequestState.ACCEPTED.value]),
    )
)


def held_orders(transaction: Transaction, order_ids: Sequence[str], now: datetime) -> frozenset[str]:
    """Those of the orders that are held, as `is_held` says."""
    found: set[str] = set()
    for start in range(0, len(order_ids), MANY):
        chosen = order_ids[start : start + MANY]
        found.update(order_id for (order_id,) in _HELD.rows(transaction, {"ids": chosen, "now": now}))
    return frozenset(found)


def asked_orders(transaction: Transaction, order_ids: Sequence[str]) -> frozenset[str]:
    """Those of the orders whose cancellation somebody has asked for, without an end so far."""
    return frozenset(order_id for (order_id,) in _ASKED.rows(transaction, {"ids": order_ids}))


def follow(transaction: Transaction, order_ids: Iterable[str], now: datetime) -> int:
    """Hold the waiting shipments of orders that are held now, and queue those that were; returns how many changed.

    Args:
        transaction: A write transaction that holds `orders.lock_book`.
        order_ids: Orders whose requests or shipments have changed.
        now: The present instant.
    """
    chosen = sorted(set(order_ids))
    changed: list[str] = []
    for start in range(0, len(chosen), MANY):
        changed += _follow(transaction, chosen[start : start + MANY], now)
    restate(transaction, changed, now)
    return len(changed)


def follow_all(transaction: Transaction, now: datetime) -> int:
    """`follow` for every order with a shipment that waits as its requests do not say: holds end by the clock."""
    table = shipments.c
    waits = sa.and_(table.status == ConfirmationStatus.QUEUED.value, is_held(table.order_id, now))
    is_over = sa.and_(
        table.status == ConfirmationStatus.HELD.value,
        table.held_reason == CANCELLATION,
        ~is_held(table.order_id, now),
    )
    query = sa.select(table.order_id).where(sa.or_(waits, is_over)).distinct()
    return follow(transaction, transaction.execute(query).scalars().all(), now)


def _follow(transaction: Transaction, order_ids: Sequence[str], now: datetime) -> list[str]:
    query = (
        sa.select(shipments, channels.c.confirmation)
        .join(channels, channels.c.code == shipments.c.channel)
        .where(
            shipments.c.order_id.in_(order_ids),
            sa.or_(
                shipments.c.status == ConfirmationStatus.QUEUED.value,
                sa.and_(shipments.c.status == ConfirmationStatus.HELD.value, shipments.c.held_reason == CANCELLATION),
            ),
        )
    )
    rows = transaction.execute(query).mappings().all()
    if not rows:
        return []
    held = held_orders(transaction, sorted({row["order_id"] for row in rows}), now)
    to_hold = [row for row in rows if row["order_id"] in held and row["status"] == ConfirmationStatus.QUEUED.value]
    over = [row for row in rows if row["order_id"] not in held and row["status"] == ConfirmationStatus.HELD.value]
    to_queue = [row for row in over if row["confirmation"]]
    still = [row for row in over if not row["confirmation"]]
    for part, status, reason, due_at in (
        (to_hold, ConfirmationStatus.HELD, CANCELLATION, None),
        (still, ConfirmationStatus.HELD, CONFIRMATION_OFF, None),
        (to_queue, ConfirmationStatus.QUEUED, None, now),
    ):
        if part:
            transaction.execute(
                sa.update(shipments)
                .where(shipments.c.id.in_([row["id"] for row in part]))
                .values(status=status.value, held_reason=reason, due_at=due_at, updated_at=now)
            )
    events = [_event(row, "confirmation_held", CANCELLATION) for row in to_hold]
    events += [_event(row, "confirmation_released", None) for row in to_queue]
    order_events.record(transaction, events, now)
    return [row["order_id"] for row in (*to_hold, *over)]


def _event(row: Mapping[Any, Any], kind: str, reason: str | None) -> OrderEvent:
    data = {"shipment": row["id"], "package_id": row["package_id"], "version": row["version"]}
    if reason is not None:
        data["reason"] = reason
    return OrderEvent(row["order_id"], kind, data)
