"""Finding orders by the ids that marketplaces and others gave them, and what a glance at the newest shows. No personal data.

Filtered lists and whole documents are in `order_queries`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from warehouse.ledger.base.schema import acknowledgements, channels, order_lines, orders, shipments
from warehouse.order_states import OPEN_STATUSES, FulfilledBy, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from decimal import Decimal

    from sqlalchemy.engine import Connection as Transaction

IDS_PER_QUERY = 500

_STATES = sorted(OPEN_STATUSES)
_IS_OPEN = sa.or_(orders.c.status.in_(_STATES), orders.c.source_status.in_(_STATES))


class Glance(NamedTuple):
    """An order in one line."""

    id: str
    original_id: str
    channel: str
    status: str
    lines: int
    total: Decimal | None
    currency: str | None


def ids_of(transaction: Transaction, channel: str, originals: Sequence[str]) -> dict[str, str]:
    """Marketplace order id → internal id, of a channel; of a split order the half that the merchant ships."""
    found: dict[str, str] = {}
    for start in range(0, len(originals), IDS_PER_QUERY):
        query = sa.select(orders.c.original_id, orders.c.id).where(
            orders.c.channel == channel,
            orders.c.original_id.in_(originals[start : start + IDS_PER_QUERY]),
            sa.func.coalesce(orders.c.fulfilled_by, "") != FulfilledBy.MARKETPLACE.value,
        )
        found |= {row.original_id: row.id for row in transaction.execute(query)}
    return found


def orders_named(transaction: Transaction, name: str) -> list[str]:
    """The internal ids of the orders that somebody knows by this name.

    Internal ids come first, then the marketplaces', then shipments and their tracking numbers, then the ERP's numbers: the
    first kind that fits decides.
    """
    every = sa.select(channels.c.code)  # the index on original ids begins with the channel
    for query in (
        sa.select(orders.c.id).where(orders.c.id == name),
        sa.select(orders.c.id).where(orders.c.channel.in_(every), orders.c.original_id == name),
        sa.select(shipments.c.order_id).where(sa.or_(shipments.c.tracking_number == name, shipments.c.id == name)),
        sa.select(acknowledgements.c.order_id).where(acknowledgements.c.order_number == name),
    ):
        found = sorted(set(transaction.execute(query).scalars()))
        if found:
            return found
    return []


def order_keys(order_ids: Sequence[str] | sa.BindParameter[Sequence[str]] | sa.Select[Any]) -> sa.Select[Any]:
    """The keys of orders: what their lines, versions and parties are found by."""
    return sa.select(orders.c.key).where(orders.c.id.in_(order_ids))


def first_original(transaction: Transaction, channel: str, ids: Sequence[str]) -> str | None:
    """The marketplace's id of one of the orders that is of a channel; None when none is."""
    query = sa.select(orders.c.original_id).where(orders.c.id.in_(ids), orders.c.channel == channel).limit(1)
    return transaction.execute(query).scalar()


def newest_originals(
    transaction: Transaction, channel: str, status: Status, fulfilled_by: FulfilledBy, limit: int
) -> list[str]:
    """The marketplace's ids of a channel's orders in a state, the newest purchases first."""
    query = (
        sa.select(orders.c.original_id)
        .where(orders.c.channel == channel, orders.c.status == status, orders.c.fulfilled_by == fulfilled_by)
        .order_by(orders.c.purchased_at.desc(), orders.c.id)
        .limit(limit)
    )
    return list(transaction.execute(query).scalars())


def newest_changes(transaction: Transaction, position: int, limit: int) -> list[Glance]:
    """The orders that changed last after a position, the newest first."""
    count = sa.select(sa.func.count()).where(order_lines.c.order_key == orders.c.key).scalar_subquery()
    query = (
        sa.select(
            orders.c.id,
            orders.c.original_id,
            orders.c.channel,
            orders.c.status,
            count.label("lines"),
            orders.c.total,
            orders.c.currency,
        )
        .where(orders.c.position > position)
        .order_by(orders.c.position.desc())
        .limit(limit)
    )
    return [Glance(*row) for row in transaction.execute(query)]


def open_originals(transaction: Transaction, connection: str) -> list[str]:
    """The marketplace's ids of orders that it may still change, of a connection's retrieved channels: oldest purchase first."""
    serving = sa.select(channels.c.code).where(channels.c.connection == connection, channels.c.retrieval.is_(True))
    query = (
        sa.select(orders.c.original_id)
        # the marketplace's state counts: an order that only our shipment has raised is still open there
        .where(_IS_OPEN, orders.c.channel.in_(serving))
        .order_by(orders.c.purchased_at, orders.c.id)
    )
    return list(dict.fromkeys(transaction.execute(query).scalars()))


def visible_ids(transaction: Transaction, ids: Iterable[str], visible_channels: tuple[str, ...] | None) -> set[str]:
    """Those of the orders that a reader may see."""
    query = sa.select(orders.c.id, orders.c.channel).where(orders.c.id.in_(ids))
    rows = transaction.execute(query)
    return {row.id for row in rows if visible_channels is None or row.channel in visible_channels}
