"""Decided requests to cancel on their way to the marketplace: claimed, told or put back, and those whose teller has died.

What is decided is in `cancellations`; telling the marketplace is in `orders_pipeline.stages.cancel`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base.database import has_come
from warehouse.ledger.base.rows import read_rows
from warehouse.ledger.base.schema import cancellation_requests, channels
from warehouse.ledger.base.schema import incidents as incident_rows
from warehouse.ledger.book import order_events
from warehouse.ledger.book.cancellation_queries import COLUMNS, CancellationRecord
from warehouse.ledger.book.cancellations import DECIDED, STAGE
from warehouse.ledger.book.order_events import OrderEvent
from warehouse.ledger.watch import incidents

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction


CLAIM = timedelta(minutes=5)
"""How long a call to a marketplace may take before it counts as lost."""


@dataclass(frozen=True, slots=True)
class Due:
    """A decided request whose marketplace is to be told, with what is known of its order there."""

    request: CancellationRecord
    selector: str | None
    attempt: int


def due_connections(transaction: Transaction, now: datetime) -> list[str]:
    """Codes of the connections whose marketplace is to be told something now."""
    requests = cancellation_requests.c
    query = (
        sa.select(channels.c.connection)
        .join_from(cancellation_requests, channels, channels.c.code == requests.channel)
        .where(has_come(requests.due_at, now))
        .distinct()
    )
    return sorted(transaction.execute(query).scalars())


def claim(transaction: Transaction, owner: str, now: datetime) -> Due | None:
    """Take up the longest waiting request of a connection to tell its marketplace of it."""
    requests = cancellation_requests.c
    query = (
        sa.select(*COLUMNS, channels.c.selector)
        .join_from(cancellation_requests, channels, channels.c.code == requests.channel)
        .where(has_come(requests.due_at, now), channels.c.connection == owner)
        .order_by(requests.due_at, requests.number)
        .limit(1)
    )
    found = transaction.execute(query).one_or_none()
    if found is None:
        return None
    *members, selector = found
    row = CancellationRecord._make(members)
    attempt = row.attempts + 1
    changed = sa.update(cancellation_requests).where(requests.id == row.id, requests.attempts == row.attempts)
    taken = transaction.execute(
        changed.values(due_at=None, claimed_until=now + CLAIM, attempts=attempt, updated_at=now)
    )
    return Due(row, selector, attempt) if taken.rowcount else None


def keep(transaction: Transaction, due: Due, now: datetime) -> bool:
    """Extend a claim right before a call; False when it has counted as lost since, or the request has changed."""
    requests = cancellation_requests.c
    kept = transaction.execute(
        sa.update(cancellation_requests)
        .where(
            requests.id == due.request.id,
            requests.attempts == due.attempt,
            requests.claimed_until.is_not(None),
            requests.state == due.request.state,
        )
        .values(claimed_until=now + CLAIM)
    )
    return kept.rowcount == 1


def conclude(transaction: Transaction, due: Due, now: datetime) -> None:
    """Remember that the marketplace took the decision; what comes of it shows with the order."""
    if _close_attempt(transaction, due, {"told_at": now}, now):
        data = {"request": due.request.id}
        order_events.record(transaction, [OrderEvent(due.request.order_id, "cancellation_told", data)], now)
        incidents.resolve_order(transaction, [due.request.order_id], STAGE, now)


def put_back(transaction: Transaction, due: Due, wait: timedelta | None, now: datetime) -> None:
    """Remember that the marketplace did not take the cancellation; None: it is not tried again by itself."""
    _close_attempt(transaction, due, {"due_at": None if wait is None else now + wait}, now)


def _close_attempt(transaction: Transaction, due: Due, values: Mapping[str, datetime | None], now: datetime) -> bool:
    requests = cancellation_requests.c
    changed = sa.update(cancellation_requests).where(
        requests.id == due.request.id,
        requests.attempts == due.attempt,
        requests.state.in_([each.value for each in DECIDED]),
    )
    return bool(transaction.execute(changed.values(claimed_until=None, updated_at=now, **values)).rowcount)


def lost_claims(transaction: Transaction, now: datetime) -> list[CancellationRecord]:
    """Requests whose teller has died: nobody knows whether the marketplace was told. They are not tried again by themselves."""
    requests = cancellation_requests.c
    query = sa.select(*COLUMNS).where(requests.claimed_until <= now)
    rows = read_rows(transaction, CancellationRecord, query)
    ids = [row.id for row in rows]
    transaction.execute(sa.update(cancellation_requests).where(requests.id.in_(ids)).values(claimed_until=None))
    return rows


def end_idle_incidents(transaction: Transaction, now: datetime) -> None:
    """Close the incidents of connections whose marketplace is to be told nothing any more: no success would ever end them."""
    requests, incident = cancellation_requests.c, incident_rows.c
    waiting = (
        sa.select(channels.c.connection)
        .join_from(cancellation_requests, channels, channels.c.code == requests.channel)
        .where(sa.or_(requests.due_at.is_not(None), requests.claimed_until.is_not(None)))
    )
    idle = sa.select(incident.subject).where(
        incident.scope == "connection",
        incident.stage == STAGE,
        incident.resolved_at.is_(None),
        incident.subject.not_in(waiting),
    )
    codes = transaction.execute(idle.distinct()).scalars().all()
    if codes:
        incidents.resolve(transaction, "connection", codes, [STAGE], now)
