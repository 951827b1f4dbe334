"""Retired orders as readers meet them: what stands in the lake alone is put where the ledger has nothing any more.

A retired order keeps its row, with everything that lists ask for, its lines and its shipments; its facts and its payload are
empty. Whoever writes new facts makes it a whole order again. What is retired, and when, is in `retirement`; the lake's side is
in `warehouse.lake`.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base.database import RETIRED, RETIRED_DOCUMENTS, mark
from warehouse.ledger.base.schema import orders

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.base.database import RetiredDocuments

NO_FACTS = ""
NO_PAYLOAD = b""
"""What the ledger has of a retired order."""
LOOKED_THROUGH = 50_000
"""So many orders at most are looked through for some that are retired."""


class RetiredOrdersUnreadable(Exception):
    """What retired orders have in the lake alone cannot be read now, or is not there.

    Attributes:
        message: Plain sentence, without addresses or passwords.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def facts_of(transaction: Transaction, order_ids: Sequence[str]) -> Mapping[str, str]:
    """The facts of retired orders, by id.

    Raises:
        RetiredOrdersUnreadable: The lake cannot be read, or lacks one of them.
    """
    if not order_ids:
        return {}
    query = sa.select(orders.c.id, orders.c.key).where(orders.c.id.in_(order_ids))
    keys = {row.id: row.key for row in transaction.execute(query)}
    wanted = list(keys.values())
    found = _documents(transaction).facts(wanted)
    _require_all(wanted, found)
    return {own_id: found[key] for own_id, key in keys.items()}


def retired_among(transaction: Transaction, order_ids: Sequence[str]) -> frozenset[str]:
    """Those of the orders that are retired."""
    query = sa.select(orders.c.id).where(orders.c.id.in_(order_ids), orders.c.facts == NO_FACTS)
    return frozenset(transaction.execute(query).scalars())


def some_retired(transaction: Transaction, most: int) -> list[str]:
    """Ids of some retired orders, of those that have not changed for longest; none where none of these is retired."""
    if not mark(transaction, RETIRED):
        return []
    position = orders.c.position
    end = sa.select(position).order_by(position).limit(1).offset(LOOKED_THROUGH).scalar_subquery()
    query = sa.select(orders.c.id).where(orders.c.facts == NO_FACTS, position <= sa.func.coalesce(end, sys.maxsize))
    return list(transaction.execute(query.order_by(position).limit(most)).scalars())


def payloads_of(transaction: Transaction, seqs: Sequence[int]) -> Mapping[int, bytes]:
    """The payloads that retired orders were last read from, without personal data, as JSON, by seq.

    Raises:
        RetiredOrdersUnreadable: The lake cannot be read, or lacks one of them.
    """
    if not seqs:
        return {}
    found = _documents(transaction).payloads(seqs)
    _require_all(seqs, found)
    return found


def _documents(transaction: Transaction) -> RetiredDocuments:
    found: RetiredDocuments | None = transaction.get_execution_options().get(RETIRED_DOCUMENTS)
    if found is None:
        raise RetiredOrdersUnreadable("this process does not read the order tables, where retired orders stand")
    return found


def _require_all(wanted: Sequence[int], found: Mapping[int, object]) -> None:
    missing = [each for each in wanted if each not in found]
    if missing:
        raise RetiredOrdersUnreadable(
            f"{len(missing)} of {len(wanted)} retired orders are not in the order tables, where they stand alone: "
            "put the lake back from a backup"
        )
