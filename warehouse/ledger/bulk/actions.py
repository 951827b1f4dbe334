"""What each action on many orders does, and which orders it leaves out and why: one rule, for previews and for doing it.

Whatever the number, an action takes a fixed number of statements. What an action does to an order is what the API and the
page of the order do; sent twice, each does nothing twice. Reading orders again is the pipeline's: here it is only judged.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, assert_never

import sqlalchemy as sa

from warehouse.bulk_actions import BulkAction, BulkFate, BulkOrder
from warehouse.ledger.base.schema import orders
from warehouse.ledger.book import acknowledgements
from warehouse.ledger.book.acknowledgements import Acknowledgement, AcknowledgementEffect
from warehouse.ledger.book.orders import lock_book
from warehouse.ledger.book.orders_to_export import export_again
from warehouse.ledger.people.request_subjects import subjects
from warehouse.ledger.settings import file_jobs
from warehouse.ledger.settings.channels import all_channels
from warehouse.ledger.settings.file_jobs import JobKind
from warehouse.ledger.shipping import acceptances, confirmations, shipment_queries
from warehouse.ledger.shipping.acceptances import NotAcceptable
from warehouse.ledger.watch import incidents
from warehouse.ledger.watch.incident_queries import open_by_order
from warehouse.operator_requests import SubjectKind
from warehouse.order_states import AcknowledgementOutcome
from warehouse.sentences import Sentence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.bulk_actions import BulkTask

CHUNK = 250
"""Orders that are done in one transaction: what takes longest of the actions holds the write lock some 100 ms for so many."""

JUDGED_AT_ONCE = 1000
"""Orders of a preview that are read together: nothing is locked."""

Reasons = dict[str, tuple[str, str]]
"""Internal id of an order that is left out → the code and the reason."""


def orders_of(transaction: Transaction, ids: Sequence[str]) -> list[BulkOrder]:
    """The orders with these ids, in this order; one that is there no more has nothing but its id."""
    query = sa.select(orders.c.id, orders.c.original_id, orders.c.channel).where(orders.c.id.in_(ids))
    found = {row.id: BulkOrder(*row) for row in transaction.execute(query)}
    return [found.get(each) or BulkOrder(each) for each in ids]


def judge(transaction: Transaction, task: BulkTask, chosen: Sequence[BulkOrder], now: datetime) -> list[BulkFate]:
    """What would become of each order now; nothing is written.

    Args:
        transaction: A transaction.
        task: The action.
        chosen: The orders, each once.
        now: The present instant.
    """
    present = [each for each in chosen if each.channel]
    left: Reasons = {
        each.id: ("unknown_order", Sentence("there is no such order any more")) for each in chosen if not each.channel
    }
    left |= _left_out(transaction, task, present, now)
    return [BulkFate(each, *left.get(each.id, ())) for each in chosen]


def carry_out(transaction: Transaction, task: BulkTask, chosen: Sequence[BulkOrder], now: datetime) -> list[BulkFate]:
    """Do it to the orders to which it can be done now, and tell what became of each.

    Args:
        transaction: A write transaction.
        task: The action; none that is the pipeline's.
        chosen: The orders, each once.
        now: The present instant.
    """
    lock_book(transaction)
    fates = judge(transaction, task, chosen, now)
    doing = [fate.order for fate in fates if not fate.code]
    if doing:
        _do(transaction, task, doing, now)
    return fates


def count_left_out(
    transaction: Transaction, task: BulkTask, ids: Sequence[str], now: datetime
) -> Counter[tuple[str, str]]:
    """How many of these orders would be left out, by code and reason; nothing is written."""
    left: Counter[tuple[str, str]] = Counter()
    for start in range(0, len(ids), JUDGED_AT_ONCE):
        fates = judge(transaction, task, orders_of(transaction, ids[start : start + JUDGED_AT_ONCE]), now)
        left.update((each.code, each.reason) for each in fates if each.code)
    return left


def connections_of(transaction: Transaction) -> dict[str, str]:
    """Channel → the connection that serves it."""
    return {each.code: each.connection for each in all_channels(transaction)}


def _left_out(transaction: Transaction, task: BulkTask, chosen: Sequence[BulkOrder], now: datetime) -> Reasons:
    ids = [each.id for each in chosen]
    match task.action:
        case BulkAction.RETRY:
            troubled = shipment_queries.in_trouble(transaction, ids)
            return _without(
                ids, troubled, "nothing_to_retry", Sentence("no shipment of it was rejected or is in doubt")
            )
        case BulkAction.RESOLVE:
            troubled = set(open_by_order(transaction, ids))
            return _without(ids, troubled, "no_open_incident", Sentence("no incident about it is open"))
        case BulkAction.ACKNOWLEDGE:
            answers = acknowledgements.would_acknowledge(
                transaction, task.consumer, task.visible_channels, _acknowledgements(task, chosen), now
            )
            news = {each.order_id for each in answers if each.result is AcknowledgementEffect.ACKNOWLEDGED}
            return _without(
                ids, news, "already_acknowledged", Sentence("%(consumer)s has it already", consumer=task.consumer)
            )
        case BulkAction.ACCEPT | BulkAction.REFUSE:
            return _undecidable(transaction, task, ids)
        case BulkAction.NEXT_FILE:
            jobs = file_jobs.switched_on(transaction)
            written = {each.job.channel for each in jobs if each.job.kind is JobKind.EXPORT}
            writable = {each.id for each in chosen if each.channel in written}
            return _without(ids, writable, "no_export_job", Sentence("its channel writes no order files"))
        case BulkAction.FETCH:
            owners = connections_of(transaction)
            mine = subjects(transaction, SubjectKind.CONNECTION, task.visible_channels)
            askable = {each.id for each in chosen if owners.get(each.channel) in mine}
            return _without(
                ids, askable, "foreign_connection", Sentence("its connection serves channels that you do not see")
            )
        case _:
            assert_never(task.action)


def _do(transaction: Transaction, task: BulkTask, chosen: Sequence[BulkOrder], now: datetime) -> None:
    ids = [each.id for each in chosen]
    match task.action:
        case BulkAction.RETRY:
            confirmations.retry_orders(transaction, ids, now)
        case BulkAction.RESOLVE:
            incidents.resolve_orders_by_hand(transaction, ids, task.reason.strip(), now)
        case BulkAction.ACKNOWLEDGE:
            given = _acknowledgements(task, chosen)
            acknowledgements.acknowledge(transaction, task.consumer, task.visible_channels, given, now)
        case BulkAction.ACCEPT | BulkAction.REFUSE:
            acceptances.decide_many(transaction, _decisions(transaction, task, ids), task.asked_by, now)
        case BulkAction.NEXT_FILE:
            export_again(transaction, ids)
        case BulkAction.FETCH:
            raise ValueError("the pipeline reads orders again")
        case _:
            assert_never(task.action)


def _without(ids: Sequence[str], doing: set[str] | set[str | None], code: str, reason: str) -> Reasons:
    return {each: (code, reason) for each in ids if each not in doing}


def _acknowledgements(task: BulkTask, chosen: Sequence[BulkOrder]) -> list[Acknowledgement]:
    prefix = task.prefix.strip()
    return [
        Acknowledgement(
            id=each.id,
            outcome=AcknowledgementOutcome.OK,
            order_number=f"{prefix}{each.original_id}" if prefix else None,
        )
        for each in chosen
    ]


def _decisions(transaction: Transaction, task: BulkTask, ids: Sequence[str]) -> Mapping[str, Mapping[str, bool]]:
    return acceptances.for_every_line_of(transaction, ids, is_accepted=task.action is BulkAction.ACCEPT)


def _undecidable(transaction: Transaction, task: BulkTask, ids: Sequence[str]) -> Reasons:
    left: Reasons = {}
    for own_id, verdict in acceptances.judge(transaction, _decisions(transaction, task, ids)).items():
        if isinstance(verdict, NotAcceptable):
            left[own_id] = (verdict.code, verdict.message)
        elif not verdict.is_news:
            left[own_id] = ("decided_already", Sentence("it is decided so already"))
    return left
