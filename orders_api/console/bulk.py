"""One action on many orders of the list: first what would happen to how many and which are left out, and why; then doing it.

The preview does it too, and takes it back: so it says what will be. What an action does to an order is what the API and the
page of the order do; sent twice, each of them does nothing twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

import orjson
from starlette.datastructures import QueryParams

from orders_api.console.kit.forms import text_of
from orders_api.console.kit.pages import GoTo, Pages
from orders_api.console.kit.queries import understand
from orders_api.console.orders import ACTIONS, LIST, PATH, OrdersQuery
from orders_api.console.views.orders import BulkForm, LeftOut
from orders_api.kit.errors import not_found
from warehouse.ledger.book import acknowledgements, order_queries
from warehouse.ledger.book.acknowledgements import Acknowledgement, AcknowledgementEffect
from warehouse.ledger.book.consumers import consumers_of
from warehouse.ledger.book.order_filter import OrderFilter, Sort
from warehouse.ledger.book.orders import lock_book
from warehouse.ledger.book.orders_to_export import export_again
from warehouse.ledger.people import operator_requests
from warehouse.ledger.people.request_subjects import subjects
from warehouse.ledger.people.users import Role
from warehouse.ledger.settings import file_jobs
from warehouse.ledger.settings.channels import all_channels
from warehouse.ledger.settings.file_jobs import JobKind
from warehouse.ledger.shipping import acceptances, confirmations, shipment_queries
from warehouse.ledger.watch import incidents
from warehouse.ledger.watch.incident_queries import open_by_order
from warehouse.operator_requests import MOST_IDS, RequestKind, SubjectKind, checked_arguments
from warehouse.order_states import AcknowledgementOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orders_api.console.kit.forms import Form
    from orders_api.console.kit.visits import Visit

BULK = f"{PATH}/bulk"
MOST = 500
"""Orders at once; the list leads to the next ones."""
SHOWN = 20
LONGEST_REASON = 1000

pages = Pages()


class BulkAction(StrEnum):
    """What is done to each."""

    EXPORT = "export"
    RETRY = "retry"
    ACKNOWLEDGE = "acknowledge"
    FETCH = "fetch"
    RESOLVE = "resolve"
    ACCEPT = "accept"
    REFUSE = "refuse"
    NEXT_FILE = "next_file"


@dataclass(frozen=True, slots=True)
class BulkOrder:
    """One of the orders."""

    id: str
    original_id: str
    channel: str


@dataclass(slots=True)
class BulkOutcome:
    """What became of them: those to which it was done, and the others by the reason."""

    done: list[str] = field(default_factory=list)
    left: dict[str, list[str]] = field(default_factory=dict)

    def leave(self, order: BulkOrder, reason: str) -> None:
        """Leave an order out."""
        self.left.setdefault(reason, []).append(order.original_id)


@pages.once(BULK, "bulk.html", needs=Role.OPERATOR)
def preview_bulk(visit: Visit, form: Form) -> BulkForm | GoTo:
    """What would happen; nothing has."""
    action, (chosen, has_more) = _action(form), _chosen(visit, form)
    if not chosen:
        visit.tell("Tick the orders first.", "failed")
        return GoTo(_back(form))
    if action is BulkAction.EXPORT:
        listed = text_of(form, LIST) if text_of(form, "all") else f"search={' '.join(each.id for each in chosen)}"
        return GoTo(f"{PATH}/export?{urlencode({LIST: listed})}")
    consumers = consumers_of(visit.transaction, visit.visible_channels)
    if action is BulkAction.ACKNOWLEDGE and not consumers:
        visit.tell("There is no consumer that could have taken them over.", "failed")
        return GoTo(_back(form))
    tried = {"consumer": list(consumers[:1]), "reason": ["-"], **form}
    with visit.transaction.begin_nested() as attempt:
        outcome = _DO[action](visit, chosen, tried)
        attempt.rollback()
    return BulkForm(
        action=action.value,
        word=ACTIONS[action],
        ids=tuple(each.id for each in chosen),
        count=len(outcome.done),
        left=tuple(_left_out(reason, ids) for reason, ids in outcome.left.items()),
        most=MOST if has_more else 0,
        consumers=consumers if action is BulkAction.ACKNOWLEDGE else (),
        has_reason=action is BulkAction.RESOLVE,
        listed=_back(form).partition("?")[2],
    )


@pages.action(f"{BULK}/run", needs=Role.OPERATOR)
def run_bulk(visit: Visit, form: Form) -> str:
    """Do it to those to which it can be done now."""
    action, (chosen, _) = _action(form), _chosen(visit, form)
    back = _back(form)
    if action is BulkAction.EXPORT or (action is BulkAction.RESOLVE and not text_of(form, "reason").strip()):
        visit.tell("Say why they are handled: whoever meets the problem next will read it.", "failed")
        return back
    outcome = _DO[action](visit, chosen, form)
    visit.audit(f"bulk_{action.value}", "", {"orders": outcome.done, "left_out": sum(map(len, outcome.left.values()))})
    reasons = "; ".join(f"{len(ids)} left out: {reason}" for reason, ids in outcome.left.items())
    count = len(outcome.done)
    done = f"{ACTIONS[action]}: done for {count} {'order' if count == 1 else 'orders'}."
    visit.tell(f"{done} {reasons}".strip(), "done" if outcome.done else "failed")
    return back


def _back(form: Form) -> str:
    """The path of the list."""
    return f"{PATH}?{urlencode(parse_qsl(text_of(form, LIST)))}"


def _action(form: Form) -> BulkAction:
    try:
        return BulkAction(text_of(form, "do"))
    except ValueError:
        raise not_found("do", "There is no such action.", "unknown_action") from None


def _chosen(visit: Visit, form: Form) -> tuple[list[BulkOrder], bool]:
    """The orders that were ticked, or those of the whole list; of these, of which one may see, the first ones. And whether
    there are more.
    """
    wanted, sort = OrderFilter(visible_channels=visit.visible_channels, ids=tuple(form.get("ids", ()))), Sort.NEWEST
    if text_of(form, "all"):
        query = understand(QueryParams(text_of(form, LIST)), OrdersQuery).query
        wanted, sort = query.as_filter(visit.transaction, visit.visible_channels, visit.installation), query.sort
    found = order_queries.page(visit.transaction, wanted, sort, None, MOST)
    facts = [(row.id, orjson.loads(f"{{{row.facts}}}")) for row in found.rows]
    return [
        BulkOrder(own_id, each["original_id"], each["channel"]) for own_id, each in facts
    ], found.next_key is not None


def _left_out(reason: str, original_ids: Sequence[str]) -> LeftOut:
    more = len(original_ids) - SHOWN
    return LeftOut(
        reason, len(original_ids), ", ".join(original_ids[:SHOWN]) + (f" and {more} more" if more > 0 else "")
    )


def _retry(visit: Visit, chosen: Sequence[BulkOrder], _form: Form) -> BulkOutcome:
    outcome = BulkOutcome()
    lock_book(visit.transaction)
    troubled = shipment_queries.in_trouble(visit.transaction, [each.id for each in chosen])
    for order in chosen:
        for own_id in troubled.get(order.id, ()):
            confirmations.retry(visit.transaction, own_id, visit.now)
        if order.id in troubled:
            outcome.done.append(order.id)
        else:
            outcome.leave(order, "no shipment of it was rejected or is in doubt")
    return outcome


def _acknowledge(visit: Visit, chosen: Sequence[BulkOrder], form: Form) -> BulkOutcome:
    outcome, consumer, prefix = BulkOutcome(), text_of(form, "consumer"), text_of(form, "prefix").strip()[:50]
    if consumer not in consumers_of(visit.transaction, visit.visible_channels):
        raise not_found("consumer", "There is no such consumer.", "unknown_consumer")
    given = [
        Acknowledgement(
            id=each.id,
            outcome=AcknowledgementOutcome.OK,
            order_number=f"{prefix}{each.original_id}" if prefix else None,
        )
        for each in chosen
    ]
    answers = acknowledgements.acknowledge(visit.transaction, consumer, visit.visible_channels, given, visit.now)
    for order, answer in zip(chosen, answers, strict=True):
        if answer.result is AcknowledgementEffect.ACKNOWLEDGED:
            outcome.done.append(order.id)
        else:
            outcome.leave(order, f"{consumer} has it already")
    return outcome


def _fetch(visit: Visit, chosen: Sequence[BulkOrder], _form: Form) -> BulkOutcome:
    outcome = BulkOutcome()
    owners = {each.code: each.connection for each in all_channels(visit.transaction)}
    mine = subjects(visit.transaction, SubjectKind.CONNECTION, visit.visible_channels)
    by_owner: dict[str, list[BulkOrder]] = {}
    for order in chosen:
        owner = owners.get(order.channel, "")
        if owner in mine:
            by_owner.setdefault(owner, []).append(order)
        else:
            outcome.leave(order, "its connection serves channels that you do not see")
    for owner, orders in by_owner.items():
        for start in range(0, len(orders), MOST_IDS):
            ids = [each.original_id for each in orders[start : start + MOST_IDS]]
            arguments = checked_arguments(RequestKind.FETCH, {"original_ids": ids})
            operator_requests.ask(visit.transaction, RequestKind.FETCH, owner, arguments, visit.user.name, visit.now)
        outcome.done += [each.id for each in orders]
    return outcome


def _resolve(visit: Visit, chosen: Sequence[BulkOrder], form: Form) -> BulkOutcome:
    outcome, reason = BulkOutcome(), text_of(form, "reason").strip()[:LONGEST_REASON]
    troubles = open_by_order(visit.transaction, [each.id for each in chosen])
    for order in chosen:
        for number in troubles.get(order.id, ()):
            incidents.resolve_by_hand(visit.transaction, number, reason, visit.now)
        if order.id in troubles:
            outcome.done.append(order.id)
        else:
            outcome.leave(order, "no incident about it is open")
    return outcome


def _decide(visit: Visit, chosen: Sequence[BulkOrder], *, is_accepted: bool) -> BulkOutcome:
    outcome = BulkOutcome()
    for order in chosen:
        decisions = acceptances.for_every_line(visit.transaction, order.id, is_accepted=is_accepted)
        try:
            acceptances.decide(visit.transaction, order.id, decisions, visit.user.name, visit.now)
        except acceptances.NotAcceptable as error:
            outcome.leave(order, error.message)
        else:
            outcome.done.append(order.id)
    return outcome


def _next_file(visit: Visit, chosen: Sequence[BulkOrder], _form: Form) -> BulkOutcome:
    outcome = BulkOutcome()
    lock_book(visit.transaction)
    jobs = {each.job.channel for each in file_jobs.switched_on(visit.transaction) if each.job.kind is JobKind.EXPORT}
    for order in chosen:
        if order.channel in jobs:
            outcome.done.append(order.id)
        else:
            outcome.leave(order, "its channel writes no order files")
    export_again(visit.transaction, outcome.done)
    return outcome


_DO: Mapping[BulkAction, Callable[[Visit, Sequence[BulkOrder], Any], BulkOutcome]] = {
    BulkAction.RETRY: _retry,
    BulkAction.ACKNOWLEDGE: _acknowledge,
    BulkAction.FETCH: _fetch,
    BulkAction.RESOLVE: _resolve,
    BulkAction.ACCEPT: lambda visit, chosen, _: _decide(visit, chosen, is_accepted=True),
    BulkAction.REFUSE: lambda visit, chosen, _: _decide(visit, chosen, is_accepted=False),
    BulkAction.NEXT_FILE: _next_file,
}
