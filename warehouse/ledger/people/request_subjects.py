"""What a request of an operator may be about: codes that exist, and of these what somebody who sees some channels may name."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

import sqlalchemy as sa

from warehouse.ledger.base.schema import operator_requests
from warehouse.ledger.settings.channels import all_channels, all_connections, connections_serving_only
from warehouse.ledger.settings.recipients import all_recipients
from warehouse.ledger.settings.storages import all_storages
from warehouse.operator_requests import RequestKind, SubjectKind

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.engine import Connection as Transaction

BETWEEN = ", "
"""Between the channels of many orders."""


def subjects(transaction: Transaction, kind: SubjectKind, visible_channels: Collection[str] | None) -> frozenset[str]:
    """The codes of this kind.

    Args:
        transaction: A transaction.
        kind: What is looked for.
        visible_channels: What the asker may see; None for everything. Anyone else may name these channels, and the
            connections that serve no other; storages and recipients are everybody's, and so not theirs to name. Of what was
            asked about many orders they see that which was about no channel but theirs.
    """
    if visible_channels is None:
        return _all(transaction, kind)
    match kind:
        case SubjectKind.CHANNEL:
            return _all(transaction, kind) & frozenset(visible_channels)
        case SubjectKind.CONNECTION:
            return frozenset(connections_serving_only(transaction, sorted(visible_channels)))
        case SubjectKind.STORAGE | SubjectKind.RECIPIENT:
            return frozenset()
        case SubjectKind.CHANNELS:
            seen = frozenset(visible_channels)
            return frozenset(each for each in _all(transaction, kind) if seen.issuperset(each.split(BETWEEN)))
        case _:
            assert_never(kind)


def _all(transaction: Transaction, kind: SubjectKind) -> frozenset[str]:
    match kind:
        case SubjectKind.CHANNEL:
            return frozenset(each.code for each in all_channels(transaction))
        case SubjectKind.CONNECTION:
            return frozenset(each.code for each in all_connections(transaction))
        case SubjectKind.STORAGE:
            return frozenset(each.code for each in all_storages(transaction))
        case SubjectKind.RECIPIENT:
            return frozenset(each.code for each in all_recipients(transaction))
        case SubjectKind.CHANNELS:
            query = sa.select(operator_requests.c.subject).where(operator_requests.c.kind == RequestKind.BULK)
            return frozenset(transaction.execute(query.distinct()).scalars())
        case _:
            assert_never(kind)
