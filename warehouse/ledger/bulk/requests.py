"""An action on many orders as a request to the pipeline, and carrying such a request out, a chunk of its orders at a time."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sqlalchemy.exc import OperationalError

from warehouse.bulk_actions import BulkAction, BulkFate, BulkTask, checked_task, merged, tally
from warehouse.ledger.bulk import selections
from warehouse.ledger.bulk.actions import carry_out, orders_of
from warehouse.ledger.people import operator_requests
from warehouse.ledger.people.request_subjects import BETWEEN
from warehouse.logs import Event, place_of
from warehouse.operator_requests import RequestKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.bulk_actions import BulkOrder
    from warehouse.operator_requests import OperatorRequest

logger = logging.getLogger(__name__)

DEFECT = "internal_error"
SAID = ("consumer", "prefix", "reason")


def ask(transaction: Transaction, task: BulkTask, selection: str, now: datetime) -> OperatorRequest | None:
    """Ask the pipeline for an action on orders that were chosen; asked again, it is the same request.

    Args:
        transaction: A write transaction.
        task: The action.
        selection: As `selections.keep` gave it.
        now: The present instant.

    Returns:
        The request; None when nothing was chosen by this name, or it is forgotten.

    Raises:
        ArgumentInvalid: See `checked_task`.
    """
    checked_task(task)
    found = operator_requests.find(transaction, selection)
    if found is not None:
        return found if found.kind is RequestKind.BULK else None
    chosen = [each for chunk in selections.chosen(transaction, selection) for each in chunk]
    if not chosen:
        return None
    said = {name: getattr(task, name) for name in SAID if getattr(task, name)}
    limit = task.visible_channels
    arguments = {
        "action": task.action.value,
        "orders": len(chosen),
        "selection": selection,
        "visible_channels": None if limit is None else list(limit),
        **said,
    }
    subject = BETWEEN.join(sorted({each.channel for each in chosen if each.channel}))
    return operator_requests.ask(
        transaction, RequestKind.BULK, subject, arguments, task.asked_by, now, own_id=selection
    )


def task_of(request: OperatorRequest) -> BulkTask:
    """What was asked."""
    said, limit = request.arguments, request.arguments["visible_channels"]
    return BulkTask(
        action=BulkAction(said["action"]),
        asked_by=request.asked_by,
        visible_channels=None if limit is None else tuple(limit),
        **{name: said[name] for name in SAID if name in said},
    )


def do_next_chunk(transaction: Transaction, request: OperatorRequest, now: datetime, length: timedelta) -> bool:
    """Do what was asked to the next chunk of orders; False when there is none.

    Args:
        transaction: A write transaction: what is done and what is told of it stand or fall together.
        request: The request, which the caller has claimed.
        now: The present instant.
        length: For how long it stays the caller's.
    """
    chunk = selections.next_chunk(transaction, request.id)
    if chunk is None:
        return False
    number, ids = chunk
    task, orders = task_of(request), orders_of(transaction, ids)
    tell(transaction, request, number, _each_safely(transaction, task, orders, now), now, length)
    return True


def tell(
    transaction: Transaction,
    request: OperatorRequest,
    number: int,
    fates: Sequence[BulkFate],
    now: datetime,
    length: timedelta,
) -> None:
    """Write down what became of a chunk, and how far the request has come with it; see `do_next_chunk`."""
    selections.write_fates(transaction, request.id, number, fates)
    found = operator_requests.find(transaction, request.id)
    before = {} if found is None else found.result
    left = tally(fates)
    result = {
        "orders": request.arguments["orders"],
        "handled": before.get("handled", 0) + len(fates),
        "done": before.get("done", 0) + len(fates) - sum(left.values()),
        "left_out": merged(before.get("left_out", {}), left),
    }
    operator_requests.bring_forward(transaction, request, result, now, length)


def _each_safely(
    transaction: Transaction, task: BulkTask, orders: Sequence[BulkOrder], now: datetime
) -> list[BulkFate]:
    """All at once; where that meets a defect, each by itself, so that it stops one order and not all."""
    try:
        with transaction.begin_nested():
            return carry_out(transaction, task, orders, now)
    except OperationalError:
        raise
    except Exception as error:  # noqa: BLE001 - told of the order that has it
        if len(orders) == 1:
            logger.log(logging.ERROR, Event.UNEXPECTED_ERROR, extra={"exception": place_of(error)})
            return [BulkFate(orders[0], DEFECT, f"a defect has stopped it ({type(error).__name__}): see the log")]
    return [fate for each in orders for fate in _each_safely(transaction, task, [each], now)]
