"""Claims: which shipment is sent next, and by whom.

Every function here that writes takes the book's lock. A claim has a fence that grows with each one, so that a sender which was
paused and overtaken records nothing. What came of a claim is in `confirmations`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import orjson
import sqlalchemy as sa

from warehouse.cancellations import MERCHANT, RequestState
from warehouse.ledger.base.database import has_come
from warehouse.ledger.base.rows import Json
from warehouse.ledger.base.schema import (
    cancellation_requests,
    channels,
    confirmation_attempts,
    order_lines,
    orders,
    shipment_lines,
    shipments,
)
from warehouse.ledger.book import holds
from warehouse.ledger.book.fulfilment import restate
from warehouse.ledger.book.order_ids import order_keys
from warehouse.ledger.book.orders import lock_book
from warehouse.ledger.shipping.records import SHIPMENT_COLUMNS, StoredShipment
from warehouse.order_states import ConfirmationStatus, Status
from warehouse.processes import this_process
from warehouse.shipments import AttemptOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction


CLAIM_LENGTH = timedelta(minutes=5)
"""How long a sender has for what it claimed: longer than a call may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A shipment that this process may send until `until`, with all that the marketplace is told.

    Attributes:
        shipment: The package, as it is told now.
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

    shipment: StoredShipment
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
        return self.shipment.id


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
    due = _due(transaction, codes, limit, now)
    if not due:
        return []
    rows = [each.shipment for each in due]
    until = now + CLAIM_LENGTH
    holder = this_process()
    transaction.execute(
        sa.update(shipments)
        .where(shipments.c.id.in_([row.id for row in rows]))
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
    contents = contents_of(transaction, [row.id for row in rows])
    shipped = _units_shipped(transaction, [row.order_id for row in rows])
    attempts = _open_attempts(transaction, rows, contents, shipped, now)
    whole = _whole_orders(transaction, [row.order_id for row in rows])
    restate(transaction, [row.order_id for row in rows], now)
    return [
        Claim(
            shipment=each.shipment,
            attempt_id=attempts[each.shipment.id],
            fence=each.shipment.fence + 1,
            until=until,
            original_id=each.original_id,
            selector=each.selector,
            quantities=contents[each.shipment.id],
            is_whole=each.shipment.order_id in whole,
            ordered_method=each.ordered_method,
            overrides_cancellation=each.overrides_cancellation,
            is_beside_others=each.shipment.sent_version is None
            and any(shipped.get(each.shipment.order_id, {}).values()),
        )
        for each in due
    ]


def is_due(now: datetime) -> sa.ColumnElement[bool]:
    """A shipment's time has come."""
    return has_come(shipments.c.due_at, now)


_IS_OVERRIDDEN = sa.exists().where(
    cancellation_requests.c.order_id == shipments.c.order_id,
    cancellation_requests.c.requester != MERCHANT,
    cancellation_requests.c.state.in_([RequestState.DECLINED.value, RequestState.EXPIRED.value]),
)


class _Due(NamedTuple):
    """A shipment that is due, and what is told of its order."""

    shipment: StoredShipment
    original_id: str
    selector: str | None
    ordered_method: str | None
    overrides_cancellation: bool


def _due(transaction: Transaction, codes: Sequence[str], limit: int, now: datetime) -> list[_Due]:
    other = shipments.alias("other")
    is_busy = sa.exists().where(
        other.c.order_id == shipments.c.order_id,
        other.c.status.in_([ConfirmationStatus.SENDING.value, ConfirmationStatus.IN_DOUBT.value]),
    )
    query = (
        sa.select(
            *SHIPMENT_COLUMNS,
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
    first_of_order: dict[str, _Due] = {}
    for *members, original_id, facts, overrides_cancellation, selector in transaction.execute(query):
        row = StoredShipment._make(members)
        due = _Due(
            row, original_id, selector, orjson.loads("{" + facts + "}").get("service_level"), overrides_cancellation
        )
        first_of_order.setdefault(row.order_id, due)
    return list(first_of_order.values())[:limit]


def _open_attempts(
    transaction: Transaction,
    rows: Sequence[StoredShipment],
    contents: Mapping[str, Sequence[tuple[str, int]]],
    shipped: Mapping[str, Mapping[str, int]],
    now: datetime,
) -> dict[str, int]:
    opened = [
        {
            "shipment_id": row.id,
            "version": row.version,
            "fence": row.fence + 1,
            "started_at": now,
            "outcome": AttemptOutcome.RUNNING.value,
            "content": content_of(row, contents[row.id], shipped.get(row.order_id, {})),
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


def content_of(shipment: StoredShipment, quantities: Sequence[tuple[str, int]], shipped: Mapping[str, int]) -> Json:
    """What an attempt tells of a shipment, and the units that the marketplace had shown as shipped by then."""
    return {
        "reference": shipment.reference,
        "tracking_number": shipment.tracking_number,
        "quantities": dict(quantities),
        "shipped_before": dict(shipped),
    }


def _units_shipped(transaction: Transaction, order_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """Order id → the marketplace's line id → units that it shows as shipped, of the lines of which it tells."""
    query = sa.select(
        order_lines.c.order_id, order_lines.c.original_id, order_lines.c.marketplace_quantity_shipped
    ).where(order_lines.c.order_key.in_(order_keys(order_ids)), order_lines.c.marketplace_quantity_shipped.is_not(None))
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
