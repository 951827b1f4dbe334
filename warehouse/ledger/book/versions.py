"""Where versions of orders have their facts: what still holds stands in `orders` alone, and moves here before it changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base.prepared import Prepared
from warehouse.ledger.base.schema import order_versions, orders
from warehouse.ledger.book.order_ids import order_keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection as Transaction

_current = orders.alias("current")
_CURRENT_FACTS = (
    sa.select(_current.c.facts)
    .where(_current.c.id == order_versions.c.order_id)
    .correlate(order_versions)
    .scalar_subquery()
)
COLUMNS = tuple(
    sa.func.coalesce(each, _CURRENT_FACTS).label("facts") if each.name == "facts" else each
    for each in order_versions.columns
    if each.name != "order_key"
)
"""Of a version, with its facts wherever they are."""

_KEEP = Prepared(
    sa.update(order_versions)
    .where(
        order_versions.c.order_key.in_(order_keys(sa.bindparam("ids", expanding=True))),
        order_versions.c.facts.is_(None),
    )
    .values(facts=_CURRENT_FACTS)
)


def keep_facts(transaction: Transaction, order_ids: Sequence[str]) -> None:
    """Give versions of orders the facts of their own, before those of the orders change."""
    _KEEP.change(transaction, {"ids": list(order_ids)})
