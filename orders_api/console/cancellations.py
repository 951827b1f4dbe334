"""Requests to cancel: who asks, what it means for the order, and deciding them."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING

from pydantic import Field

from orders_api.console.kit.forms import text_of
from orders_api.console.kit.lists import ROWS, around, choices, read_numbered
from orders_api.console.kit.pages import Pages
from orders_api.console.kit.queries import ask
from orders_api.console.kit.rendering import moment
from orders_api.console.kit.texts import Later, _, gettext
from orders_api.console.views.frame import Badge
from orders_api.console.views.lists import Filter, ShownList
from orders_api.console.views.work import CancellationRow
from orders_api.console.words import in_words
from orders_api.kit.errors import not_found
from orders_api.v1.cancellation_requests import DETAILS, CancellationQuery
from orders_api.v1.order_filters import check_channels
from warehouse.cancellations import Decision, RequestState
from warehouse.clock import iso
from warehouse.ledger.book import cancellation_queries, cancellations
from warehouse.ledger.book.cancellation_queries import RequestFilter
from warehouse.ledger.book.cancellations import CancellationUndecidable
from warehouse.ledger.book.orders import lock_book
from warehouse.ledger.people.users import Role
from warehouse.ledger.status.channel_status import readable_channels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orders_api.console.kit.forms import Form
    from orders_api.console.kit.visits import Visit
    from warehouse.ledger.book.cancellation_queries import CancellationRecord

PATH = "/cancellations"
STATES = {
    RequestState.OPEN: Badge(Later("To decide"), "todo"),
    RequestState.ACCEPTED: Badge(Later("Accepted"), "waiting"),
    RequestState.DECLINED: Badge(Later("Declined"), "over"),
    RequestState.EXECUTED: Badge(Later("Canceled"), "done"),
    RequestState.WITHDRAWN: Badge(Later("Withdrawn"), "over"),
    RequestState.EXPIRED: Badge(Later("Nobody decided"), "warning"),
}
LABELS = {"order_id": Later("Order")}
DECISIONS = {"accept": Decision.ACCEPT, "decline": Decision.DECLINE}
LONGEST_REASON = 200

pages = Pages()


class CancellationsQuery(CancellationQuery):
    """The address of the list: the API's parameters, with shorter pages."""

    limit: int = Field(ROWS, ge=1, le=1000)


@pages.listing(PATH, "cancellations.html")
def list_requests(visit: Visit) -> ShownList:
    """Requests, the newest first."""
    asked = ask(visit.request, CancellationsQuery)
    query = asked.query
    check_channels(visit.transaction, query.channel, visit.visible_channels)
    wanted = RequestFilter(
        visible_channels=visit.visible_channels,
        states=() if query.state is None else (query.state.value,),
        channels=tuple(query.channel),
        order_id=query.order_id,
        shipped_despite=query.shipped_despite,
    )
    read = partial(cancellation_queries.find_requests, visit.transaction, wanted)
    rows, cursor = read_numbered(visit, _("cancellation requests"), query, read, attrgetter("number"))
    labels = {each.code: each.label for each in readable_channels(visit.transaction, visit.visible_channels)}
    states = {each.value: badge.word for each, badge in STATES.items()}
    despite = {"true": _("Shipped nevertheless"), "false": _("Not shipped")}
    filters = (
        Filter("state", _("State"), choices(asked, "state", states, _("All")), is_multiple=False),
        Filter("channel", _("Channel"), choices(asked, "channel", labels)),
        Filter(
            "shipped_despite", _("Shipped"), choices(asked, "shipped_despite", despite, _("All")), is_multiple=False
        ),
    )
    whole = around(visit, asked, PATH, filters, cursor=cursor, labels=LABELS, api="/cancellation-requests")
    shown = tuple(_row(visit, each, labels) for each in rows)
    return ShownList("cancellation_requests", shown, whole)


@pages.action(f"{PATH}/{{id}}/{{decision}}", needs=Role.OPERATOR)
def decide_request(visit: Visit, form: Form, id: str, decision: str) -> str:  # noqa: A002 - the part of the path
    """Accept or decline a request; the pipeline tells the marketplace, where its API takes that."""
    lock_book(visit.transaction)
    found = cancellation_queries.find(visit.transaction, id, visit.visible_channels)
    if found is None or decision not in DECISIONS:
        raise not_found("id", _("There is no such request, or you may not see its channel."), "unknown_request")
    reason = text_of(form, "reason").strip()[:LONGEST_REASON] or None
    try:
        cancellations.decide(
            visit.transaction,
            id,
            DECISIONS[decision],
            visit.user.name,
            reason,
            visit.visible_channels,
            visit.now,
        )
    except CancellationUndecidable as error:
        visit.tell(gettext(DETAILS[error.refusal]), "failed")
        return PATH
    visit.audit("cancellation_decided", id, {"order": found.order_id, "decision": decision, "reason": reason})
    accepted = _("The order is held, and the pipeline tells the marketplace where its API takes that.")
    visit.tell(accepted if decision == "accept" else _("Declined: the order is held no longer, and may be shipped."))
    return PATH


def _row(visit: Visit, each: CancellationRecord, labels: Mapping[str, str]) -> CancellationRow:
    when = partial(moment, now=visit.now, zone=visit.installation.settings.time_zone)
    decided = "" if each.decided_by is None else _("by %(name)s", name=each.decided_by)
    if each.decision_reason:
        decided += f": {each.decision_reason}"
    record: dict[str, str | int | bool | None] = {
        "id": each.id,
        "order_id": each.order_id,
        "original_id": each.original_id,
        "channel": each.channel,
        "requester": each.requester,
        "reason": each.reason,
        "state": each.state,
        "requested_at": iso(each.requested_at),
        "shipped_despite": each.shipped_despite,
    }
    return CancellationRow(
        id=each.id,
        order=each.order_id,
        original_id=each.original_id,
        channel=labels.get(each.channel, each.channel),
        requester=in_words(each.requester),
        reason=each.reason or "",
        asked=when(each.requested_at),
        hold=when(each.hold_until) if each.state == RequestState.OPEN else None,
        state=STATES[RequestState(each.state)],
        decided=decided,
        warning=_("Units of it were shipped nevertheless.") if each.shipped_despite else "",
        is_open=each.state == RequestState.OPEN and visit.user.role.includes(Role.OPERATOR),
        record=record,
    )
