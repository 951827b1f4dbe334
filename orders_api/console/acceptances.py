"""Orders that wait to be accepted or refused by the seller: which, until when, and deciding them whole or line by line."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from pydantic import Field

from orders_api.console.kit.forms import text_of
from orders_api.console.kit.lists import ROWS, around, choices
from orders_api.console.kit.pages import Pages
from orders_api.console.kit.queries import ask
from orders_api.console.kit.rendering import moment
from orders_api.console.kit.texts import Later, _, retold
from orders_api.console.views.acceptances import AcceptanceLine, AcceptanceList, AcceptanceRow
from orders_api.console.views.frame import Badge
from orders_api.console.views.lists import Filter
from orders_api.kit.errors import not_found
from orders_api.v1.acceptances import AcceptanceQuery, document, read_acceptances
from warehouse import display
from warehouse.ledger.book import order_queries
from warehouse.ledger.people.users import Role
from warehouse.ledger.shipping import acceptance_queries, acceptances
from warehouse.ledger.shipping.acceptance_queries import AcceptanceStage
from warehouse.ledger.status.channel_status import readable_channels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orders_api.console.kit.forms import Form
    from orders_api.console.kit.visits import Visit
    from warehouse.ledger.shipping.acceptance_queries import AcceptanceRecord, OfferedLine

PATH = "/acceptances"
STAGES = {
    AcceptanceStage.WAITING: Badge(Later("To decide"), "todo"),
    AcceptanceStage.QUEUED: Badge(Later("To be told"), "waiting"),
    AcceptanceStage.SENDING: Badge(Later("Being told"), "waiting"),
    AcceptanceStage.DONE: Badge(Later("Told"), "done"),
}
VERDICTS = {True: Badge(Later("Accepted"), "done"), False: Badge(Later("Refused"), "over")}
POLICIES = {"manual": Later("by hand"), "automatic": Later("by itself"), "off": Later("elsewhere")}
"""Who decides, as a channel's settings have it."""
WHOLE = {"accept": True, "refuse": False}
LINE = "line."

pages = Pages()


class AcceptancesQuery(AcceptanceQuery):
    """The address of the list: the API's parameters, with shorter pages."""

    limit: int = Field(ROWS, ge=1, le=1000)


@pages.listing(PATH, "acceptances.html")
def list_acceptances(visit: Visit) -> AcceptanceList:
    """Those that wait, the longest waiting first; or those that were decided, the latest first."""
    asked = ask(visit.request, AcceptancesQuery)
    rows, cursor = read_acceptances(visit.transaction, asked.query, visit.visible_channels)
    labels = {each.code: each.label for each in readable_channels(visit.transaction, visit.visible_channels)}
    stages = {each.value: badge.word for each, badge in STAGES.items() if each is not AcceptanceStage.WAITING}
    filters = (
        Filter("stage", _("State"), choices(asked, "stage", stages, _("To decide")), is_multiple=False),
        Filter("channel", _("Channel"), choices(asked, "channel", labels)),
    )
    whole = around(visit, asked, PATH, filters, cursor=cursor, labels={})
    shown = tuple(_row(visit, each, labels) for each in rows)
    deciding = acceptance_queries.policies(visit.transaction, visit.visible_channels)
    policies = tuple((code, labels.get(code, code), POLICIES[policy]) for code, policy in deciding.items())
    return AcceptanceList("acceptances", shown, whole, policies)


@pages.action(f"{PATH}/{{id}}", needs=Role.OPERATOR)
def decide_order(visit: Visit, form: Form, id: str) -> str:  # noqa: A002 - the part of the path
    """Accept or refuse an order, whole or line by line; the pipeline tells the marketplace."""
    if order_queries.by_id(order_queries.MEMBERS, visit.transaction, id, visit.visible_channels) is None:
        raise not_found("id", _("There is no such order, or you may not see its channel."), "unknown_order")
    whole = WHOLE.get(text_of(form, "do"))
    if whole is None:
        typed = {name.removeprefix(LINE): text_of(form, name) for name in form if name.startswith(LINE)}
        decisions = {line: WHOLE[word] for line, word in typed.items() if word in WHOLE}
    else:
        decisions = acceptances.for_every_line(visit.transaction, id, is_accepted=whole)
    try:
        acceptances.decide(visit.transaction, id, decisions, visit.user.name, visit.now)
    except acceptances.NotAcceptable as error:
        visit.tell(retold(error), "failed")
        return PATH
    accepted = sum(decisions.values())
    visit.audit("acceptance_decided", id, {"accepted": accepted, "refused": len(decisions) - accepted})
    visit.tell(
        _(
            "%(accepted)s accepted, %(refused)s refused: the pipeline tells the marketplace.",
            accepted=accepted,
            refused=len(decisions) - accepted,
        )
    )
    return PATH


def _row(visit: Visit, each: AcceptanceRecord, labels: Mapping[str, str]) -> AcceptanceRow:
    row = each.row
    when = partial(moment, now=visit.now, zone=visit.installation.settings.time_zone)
    total, currency = each.total
    members = document(each)
    due = each.accept_by
    return AcceptanceRow(
        order=row.id,
        original_id=row.original_id,
        channel=labels.get(row.channel, row.channel),
        purchased=when(row.purchased_at),
        accept_by=when(due),
        is_overdue=due is not None and due < visit.now and each.stage is AcceptanceStage.WAITING,
        total=None if total is None else display.money(Decimal(total), currency),
        state=STAGES[each.stage],
        decided="" if row.requested_by is None else _("by %(name)s", name=row.requested_by),
        trouble=": ".join(text for text in (row.code, row.message) if text),
        lines=tuple(_line(line) for line in each.lines),
        can_refuse=each.can_refuse,
        is_open=each.stage is AcceptanceStage.WAITING and visit.user.role.includes(Role.OPERATOR),
        record={**{name: value for name, value in members.items() if name != "lines"}, "lines": len(each.lines)},
    )


def _line(each: OfferedLine) -> AcceptanceLine:
    what = " · ".join(text for text in (each.sku, each.title) if text) or each.item_original_id
    units = _("units not told") if each.quantity is None else f"{each.quantity} ×"
    return AcceptanceLine(each.item_id, what, units, None if each.is_accepted is None else VERDICTS[each.is_accepted])
