"""Carrying out one action on many orders, a chunk after the other, and reading them again where that is the action.

Any process may be killed at any instant: a chunk is done together with what is told of it, or not at all.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from orders_pipeline.stages import normalise, pull
from warehouse.bulk_actions import BulkFate
from warehouse.ledger.bulk import actions, requests, selections
from warehouse.ledger.people import operator_requests as book

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orders_pipeline.installation import Installation
    from warehouse.bulk_actions import BulkOrder
    from warehouse.operator_requests import OperatorRequest

CLAIM_LENGTH = timedelta(minutes=5)
"""So long a request is its process's after each step, and then for as long as that renews its lease."""
GOES_ON_FOR = timedelta(seconds=30)
"""After it what was asked meanwhile comes first."""
BUSY_TRIES, BUSY_SECONDS = 12, 5.0
"""How often a connection that another process reads is asked for again, and how long between."""


def carry_out(installation: Installation, request: OperatorRequest) -> dict[str, Any] | None:
    """Do what was asked to the next orders; None when some are left."""
    step = _fetch_chunk if requests.task_of(request).is_of_the_pipeline else _do_chunk
    ends_at = time.monotonic() + GOES_ON_FOR.total_seconds()
    while step(installation, request):
        if time.monotonic() >= ends_at:
            return None
    with installation.ledger.read() as transaction:
        found = book.find(transaction, request.id)
    return {} if found is None else dict(found.result)


def _do_chunk(installation: Installation, request: OperatorRequest) -> bool:
    with installation.ledger.write() as transaction:
        return requests.do_next_chunk(transaction, request, installation.clock(), CLAIM_LENGTH)


def _fetch_chunk(installation: Installation, request: OperatorRequest) -> bool:
    """Reading an order twice does no harm, forgetting one would: what came of it is written when it was read."""
    with installation.ledger.read() as transaction:
        chunk = selections.next_chunk(transaction, request.id)
        if chunk is None:
            return False
        number, ids = chunk
        task, orders = requests.task_of(request), actions.orders_of(transaction, ids)
        fates = {each.order.id: each for each in actions.judge(transaction, task, orders, installation.clock())}
        owners = actions.connections_of(transaction)
    for connection in sorted({owners[fate.order.channel] for fate in fates.values() if not fate.code}):
        mine = [each for each in orders if not fates[each.id].code and owners[each.channel] == connection]
        fates |= _read_again(installation, connection, mine)
    normalise.normalise_pending(installation)
    with installation.ledger.write() as transaction:
        if selections.next_chunk(transaction, request.id) != chunk:  # another process has gone on with it
            return True
        now = installation.clock()
        requests.tell(transaction, request, number, [fates[each] for each in ids], now, CLAIM_LENGTH)
    return True


def _read_again(installation: Installation, connection: str, orders: Sequence[BulkOrder]) -> Mapping[str, BulkFate]:
    names = [each.original_id for each in orders]
    result = pull.refetch(installation, connection, names)
    for _ in range(BUSY_TRIES):
        if result.outcome != "busy":
            break
        installation.sleep(BUSY_SECONDS)
        result = pull.refetch(installation, connection, names)
    if result.error is not None:
        return {each.id: BulkFate(each, result.error.code, result.error.message) for each in orders}
    if result.outcome == "busy":
        said = "another process reads its connection all the time"
        return {each.id: BulkFate(each, "busy", said) for each in orders}
    return {each.id: BulkFate(each) for each in orders}
