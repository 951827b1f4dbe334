"""The descriptions of the marketplaces' kinds, as the pipeline's registry last wrote them.

What a description holds is in `warehouse.marketplace_kinds`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base.database import upsert
from warehouse.ledger.base.schema import channels, connections, marketplace_kinds
from warehouse.marketplace_kinds import MarketplaceKind

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.base.database import Ledger

_KINDS = sa.select(marketplace_kinds.c.kind, marketplace_kinds.c.data).order_by(marketplace_kinds.c.kind)


def all_kinds(transaction: Transaction) -> dict[str, MarketplaceKind]:
    """Every kind by its word."""
    return {row.kind: MarketplaceKind.from_json(row.data) for row in transaction.execute(_KINDS)}


TAKING_ORDERS = sa.select(marketplace_kinds.c.kind).where(
    marketplace_kinds.c.data["takes_orders"].as_boolean().is_(True)
)


def kinds_that_take_orders(transaction: Transaction) -> frozenset[str]:
    """The kinds without a marketplace: the orders of their channels are given to us."""
    return frozenset(transaction.execute(TAKING_ORDERS).scalars())


LISTING_OPEN_ORDERS = sa.select(marketplace_kinds.c.kind).where(
    marketplace_kinds.c.data["lists_open_orders_only"].as_boolean().is_(True)
)


def kind_of_channel(transaction: Transaction, channel: str) -> MarketplaceKind | None:
    """The kind of a channel's marketplace; None while the pipeline has not described it."""
    query = (
        sa.select(marketplace_kinds.c.data)
        .join(connections, connections.c.kind == marketplace_kinds.c.kind)
        .join(channels, channels.c.connection == connections.c.code)
        .where(channels.c.code == channel)
    )
    data = transaction.execute(query).scalar_one_or_none()
    return None if data is None else MarketplaceKind.from_json(data)


def keep_kinds(ledger: Ledger, kinds: Mapping[str, MarketplaceKind], now: datetime) -> None:
    """Make the ledger's descriptions these and no other; when they are, nothing is written."""
    wanted = {kind: each.as_json() for kind, each in kinds.items()}
    with ledger.read() as transaction:
        known = {row.kind: row.data for row in transaction.execute(_KINDS)}
    if known == wanted:
        return
    rows = [{"kind": kind, "data": data, "updated_at": now} for kind, data in wanted.items()]
    with ledger.write() as transaction:
        transaction.execute(sa.delete(marketplace_kinds).where(marketplace_kinds.c.kind.not_in(list(wanted))))
        if rows:
            transaction.execute(upsert(transaction, marketplace_kinds, ("kind",)), rows)
