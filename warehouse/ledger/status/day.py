"""The figures of a day, as the daily summary tells them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.cancellations import LIVE
from warehouse.ledger.base.schema import cancellation_requests, channels, coverage, orders, quarantine, shipments
from warehouse.ledger.base.schema import incidents as incident_rows
from warehouse.order_states import ConfirmationStatus

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Transaction

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFigures:
    """What came in 24 hours (`orders`, `opened` and `resolved` incidents), and what is there now.

    Attributes:
        covered: Each channel that is retrieved, and through when it was read completely; None: never.
    """

    orders: int
    opened: int
    resolved: int
    quarantined: int
    requests: int
    unsent: int
    in_doubt: int
    rejected: int
    covered: Sequence[tuple[str, datetime | None]]


def figures_of_day(transaction: Transaction, codes: Sequence[str], now: datetime) -> DayFigures:
    """Figures of the last 24 hours and of this instant; of some channels, or of all when none is named."""
    since = now - DAY

    def count(table: sa.Table, *conditions: sa.ColumnElement[bool]) -> int:
        own = [table.c.channel.in_(codes)] if codes and "channel" in table.c else []
        return int(
            transaction.execute(sa.select(sa.func.count()).select_from(table).where(*conditions, *own)).scalar_one()
        )

    waiting = (ConfirmationStatus.QUEUED, ConfirmationStatus.SENDING)
    covered = sa.select(channels.c.code, coverage.c.complete_through).outerjoin_from(channels, coverage)
    covered = covered.where(channels.c.retrieval.is_(True)).order_by(channels.c.code)
    if codes:
        covered = covered.where(channels.c.code.in_(codes))
    return DayFigures(
        orders=count(orders, orders.c.received_at > since, orders.c.is_historical.is_(False)),
        opened=count(incident_rows, incident_rows.c.first_seen_at > since),
        resolved=count(incident_rows, incident_rows.c.resolved_at > since),
        quarantined=count(quarantine),
        requests=count(cancellation_requests, cancellation_requests.c.state.in_(sorted(LIVE))),
        unsent=count(shipments, shipments.c.status.in_(waiting)),
        in_doubt=count(shipments, shipments.c.status == ConfirmationStatus.IN_DOUBT.value),
        rejected=count(shipments, shipments.c.status == ConfirmationStatus.REJECTED.value),
        covered=[(row.code, row.complete_through) for row in transaction.execute(covered)],
    )
