"""What stands beside every page of the console: how many things want somebody, and whether the pipeline is up to date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base.schema import channels, connections, coverage
from warehouse.ledger.settings.kinds import kinds_that_take_orders
from warehouse.ledger.shipping import acceptance_queries
from warehouse.ledger.status.channel_status import late_before
from warehouse.ledger.watch import incident_queries

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Headlines:
    """The counts beside the navigation, and the state at the top.

    Attributes:
        open_incidents: How many incidents are open.
        waiting_acceptances: How many orders wait to be accepted or refused.
        is_connected: Whether any channel is retrieved at all.
        complete_through: Up to when nothing is missing in any retrieved channel; None while one was never covered.
        late: The channels that are late, the latest first, and since when.
        at: When this was read.
    """

    open_incidents: int
    waiting_acceptances: int
    is_connected: bool
    complete_through: datetime | None
    late: tuple[tuple[str, datetime], ...]
    at: datetime


def headlines(transaction: Transaction, visible_channels: tuple[str, ...] | None, now: datetime) -> Headlines:
    """The headlines of a reader who may see these channels; at most six statements."""
    query = (
        sa.select(channels.c.code, coverage.c.complete_through, connections.c.state)
        .select_from(channels.join(connections).outerjoin(coverage))
        .where(channels.c.retrieval.is_(True), connections.c.kind.not_in(kinds_that_take_orders(transaction)))
    )
    if visible_channels is not None:
        query = query.where(channels.c.code.in_(visible_channels))
    rows = transaction.execute(query).all()
    times = [row.complete_through for row in rows]
    late = [
        (row.complete_through, row.code)
        for row in rows
        if row.complete_through is not None and row.complete_through < late_before(now, row.state)
    ]
    return Headlines(
        open_incidents=incident_queries.count_open(transaction, visible_channels),
        waiting_acceptances=acceptance_queries.count_waiting(transaction, visible_channels),
        is_connected=bool(rows),
        complete_through=None if None in times or not times else min(times),
        late=tuple((code, through) for through, code in sorted(late)),
        at=now,
    )
