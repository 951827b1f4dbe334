"""The daily sweep: every open order read again by its id, and the last days listed again, so that nothing stays missed.

Which orders are open is asked here; reading them is in `orders_pipeline.stages.pull`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from orders_pipeline.stages.connection import work_at_each
from orders_pipeline.stages.pull import SWEEP, retrieved_connections, sweep
from warehouse.ledger.base.schema import channels, orders
from warehouse.orders import OPEN_STATUSES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orders_pipeline.installation import Installation
    from orders_pipeline.stages.pull import PullResult


_STATES = sorted(OPEN_STATUSES)
_IS_OPEN = sa.or_(orders.c.status.in_(_STATES), orders.c.source_status.in_(_STATES))


def sweep_all(installation: Installation, codes: Sequence[str] | None = None) -> list[PullResult]:
    """Sweep every connection that has a channel to retrieve, or the given ones, several at a time."""
    return work_at_each(installation, retrieved_connections(installation, codes), SWEEP, _sweep_one)


def _sweep_one(installation: Installation, code: str) -> PullResult:
    return sweep(installation, code, open_original_ids(installation, code))


def open_original_ids(installation: Installation, connection: str) -> list[str]:
    """Original ids of the orders that the marketplace may still change, oldest purchase first; each once."""
    serving = sa.select(channels.c.code).where(channels.c.connection == connection, channels.c.retrieval.is_(True))
    query = (
        sa.select(orders.c.original_id)
        # the marketplace's state counts: an order that only our shipment has raised is still open there
        .where(_IS_OPEN, orders.c.channel.in_(serving))
        .order_by(orders.c.purchased_at, orders.c.id)
    )
    with installation.ledger.read() as transaction:
        return list(dict.fromkeys(transaction.execute(query).scalars()))
