"""One action on many orders of the list: first what would happen to how many and which are left out, and why; then doing it.

The orders are those that the preview was about, whatever the list finds by then, and each is looked at once more when its turn
comes. A few hundred are done at once; more, and whatever takes asking a marketplace, are a request to the pipeline.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import QueryParams

from orders_api.console.kit.forms import text_of
from orders_api.console.kit.pages import GoTo, Pages
from orders_api.console.kit.queries import understand
from orders_api.console.kit.rendering import opened
from orders_api.console.kit.texts import Later, _, counted, retold
from orders_api.console.kit.visits import is_within
from orders_api.console.orders import LIST, PATH, OrdersQuery
from orders_api.console.requests import PATH as REQUESTS
from orders_api.console.views.orders import BulkForm, LeftOut
from orders_api.console.words import ACTIONS
from orders_api.kit.errors import not_found
from warehouse import display
from warehouse.bulk_actions import MOST_AT_ONCE, MOST_CHOSEN, BulkAction, BulkTask, checked_task
from warehouse.ledger.book import order_queries
from warehouse.ledger.book.consumers import consumers_of
from warehouse.ledger.book.order_filter import OrderFilter
from warehouse.ledger.bulk import actions, requests, selections
from warehouse.ledger.bulk.actions import JUDGED_AT_ONCE
from warehouse.ledger.people.users import Role
from warehouse.operator_requests import ArgumentInvalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orders_api.console.kit.forms import Form
    from orders_api.console.kit.visits import Visit
    from warehouse.bulk_actions import BulkFate, BulkOrder

BULK = f"{PATH}/bulk"
SHOWN = 20
EXPORT = "export"
TOO_OLD = Later("This preview is over an hour old. Choose the orders again.")

pages = Pages()


@pages.question(BULK, "bulk.html", needs=Role.OPERATOR)
def preview_bulk(visit: Visit, form: Form) -> BulkForm | GoTo:
    """What would happen; nothing has."""
    ids = _chosen_ids(visit, form)
    if not ids:
        return _instead(visit, form, _("Tick the orders first."))
    if text_of(form, "do") == EXPORT:
        listed = text_of(form, LIST) if text_of(form, "all") else f"search={' '.join(ids)}"
        return GoTo(f"{PATH}/export?{urlencode({LIST: listed})}")
    task = _task(visit, form)
    consumers = consumers_of(visit.transaction, visit.visible_channels)
    if task.action is BulkAction.ACKNOWLEDGE and not consumers:
        return _instead(visit, form, _("There is no consumer that could have taken them over."))
    tried = replace(task, consumer=task.consumer or consumers[0]) if task.action is BulkAction.ACKNOWLEDGE else task
    return _preview(visit, form, tried, ids, consumers)


def _preview(visit: Visit, form: Form, task: BulkTask, ids: Sequence[str], consumers: Sequence[str]) -> BulkForm:
    done, left, chosen = 0, _LeftOut(), ids[:MOST_CHOSEN]
    for start in range(0, len(chosen), JUDGED_AT_ONCE):
        orders = actions.orders_of(visit.transaction, chosen[start : start + JUDGED_AT_ONCE])
        done += left.add(actions.judge(visit.transaction, task, orders, visit.now))
    with visit.installation.ledger.write() as transaction:
        selection = selections.keep(transaction, chosen, visit.now)
    return BulkForm(
        action=task.action.value,
        word=ACTIONS[task.action],
        selection=selection,
        chosen=display.number(len(chosen)),
        count=done,
        left=left.shown(),
        most=display.number(MOST_CHOSEN) if len(ids) > MOST_CHOSEN else "",
        consumers=tuple(consumers) if task.action is BulkAction.ACKNOWLEDGE else (),
        has_reason=task.action is BulkAction.RESOLVE,
        is_request=_is_request(task, len(chosen)),
        listed=_back(form).partition("?")[2],
    )


@pages.action(f"{BULK}/run", needs=Role.OPERATOR)
def run_bulk(visit: Visit, form: Form) -> str:
    """Do it to those to which it can be done now, or ask the pipeline to."""
    selection, back = text_of(form, "selection"), _back(form)
    try:
        task = checked_task(_task(visit, form))
    except ArgumentInvalid as error:
        visit.tell(f"{opened(retold(error))}.", "failed")
        return back
    _check_consumer(visit, task)
    chosen = [each for chunk in selections.chosen(visit.transaction, selection) for each in chunk]
    if not chosen or not is_within(visit, {each.channel for each in chosen}):
        visit.tell(TOO_OLD, "failed")
        return back
    if _is_request(task, len(chosen)):
        asked = requests.ask(visit.transaction, task, selection, visit.now)
        visit.audit(f"bulk_{task.action}", selection, {"orders": len(chosen)})
        return back if asked is None else f"{REQUESTS}/{asked.id}?{urlencode({'back': back})}"
    _do_now(visit, task, chosen)
    return back


def _do_now(visit: Visit, task: BulkTask, chosen: Sequence[BulkOrder]) -> None:
    left = _LeftOut()
    fates = actions.carry_out(visit.transaction, task, chosen, visit.now)
    done = left.add(fates)
    ids = [each.order.id for each in fates if not each.code]
    visit.audit(f"bulk_{task.action}", "", {"orders": ids, "left_out": len(fates) - done})
    reasons = "; ".join(
        _("%(count)s left out: %(reason)s", count=each.count, reason=each.reason) for each in left.shown()
    )
    said = counted(
        "%(what)s: done for %(num)s order.", "%(what)s: done for %(num)s orders.", done, what=ACTIONS[task.action]
    )
    visit.tell(f"{said} {reasons}".strip(), "done" if done else "failed")


def _is_request(task: BulkTask, count: int) -> bool:
    return task.is_of_the_pipeline or count > MOST_AT_ONCE


def _back(form: Form) -> str:
    """The path of the list."""
    return f"{PATH}?{urlencode(parse_qsl(text_of(form, LIST)))}"


def _instead(visit: Visit, form: Form, text: str) -> GoTo:
    """Back to the list, which says why."""
    with visit.installation.ledger.write() as transaction:
        replace(visit, transaction=transaction).tell(text, "failed")
    return GoTo(_back(form))


def _task(visit: Visit, form: Form) -> BulkTask:
    try:
        action = BulkAction(text_of(form, "do"))
    except ValueError:
        raise not_found("do", _("There is no such action."), "unknown_action") from None
    return BulkTask(
        action=action,
        asked_by=visit.user.name,
        visible_channels=visit.visible_channels,
        consumer=text_of(form, "consumer"),
        prefix=text_of(form, "prefix").strip(),
        reason=text_of(form, "reason").strip(),
    )


def _check_consumer(visit: Visit, task: BulkTask) -> None:
    if task.consumer and task.consumer not in consumers_of(visit.transaction, visit.visible_channels):
        raise not_found("consumer", _("There is no such consumer."), "unknown_consumer")


def _chosen_ids(visit: Visit, form: Form) -> list[str]:
    """The orders that were ticked, or those of the whole list: of these, of which one may see, the first ones."""
    wanted = OrderFilter(visible_channels=visit.visible_channels, ids=tuple(form.get("ids", ())))
    if text_of(form, "all"):
        query = understand(QueryParams(text_of(form, LIST)), OrdersQuery).query
        wanted = query.as_filter(visit.transaction, visit.visible_channels, visit.installation)
    return order_queries.ids_of(visit.transaction, wanted, MOST_CHOSEN + 1)


class _LeftOut:
    """The orders that are left out, by the reason: how many, and the first ones by name."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._first: dict[str, list[str]] = {}

    def add(self, fates: Iterable[BulkFate]) -> int:
        """Take orders; returns how many of them are not left out."""
        done = 0
        for fate in fates:
            if not fate.code:
                done += 1
                continue
            self._counts[fate.reason] = self._counts.get(fate.reason, 0) + 1
            first = self._first.setdefault(fate.reason, [])
            if len(first) < SHOWN:
                first.append(fate.order.original_id)
        return done

    def shown(self) -> tuple[LeftOut, ...]:
        """For people."""
        return tuple(LeftOut(retold(reason), count, self._names(reason)) for reason, count in self._counts.items())

    def _names(self, reason: str) -> str:
        first, more = ", ".join(self._first[reason]), self._counts[reason] - SHOWN
        return _("%(some)s and %(count)s more", some=first, count=more) if more > 0 else first
