"""Incidents: what is wrong, why, and what to do; closing by hand what no success will close."""

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
from orders_api.console.logs import entry_row
from orders_api.console.views.frame import Badge
from orders_api.console.views.incidents import IncidentRow, IncidentView
from orders_api.console.views.lists import Filter, ShownList
from orders_api.console.words import in_words
from orders_api.kit.errors import not_found
from orders_api.v1.incidents import IS_OPEN, IncidentQuery
from orders_api.v1.order_filters import check_channels
from warehouse.clock import iso
from warehouse.incidents import IncidentKind
from warehouse.ledger.exchange.numbering import Numbered
from warehouse.ledger.people.users import Role
from warehouse.ledger.status.channel_status import readable_channels
from warehouse.ledger.watch import activity, incident_queries, incidents
from warehouse.ledger.watch.activity import LogFilter
from warehouse.ledger.watch.incident_queries import IncidentFilter

if TYPE_CHECKING:
    from orders_api.console.kit.forms import Form
    from orders_api.console.kit.queries import Asked
    from orders_api.console.kit.visits import Visit
    from warehouse.ledger.watch.incident_queries import IncidentRecord

PATH = "/incidents"
STATES = {"resolved": "Resolved", "all": "All"}
LABELS = {"stage": "Stage", "code": "Code", "order_id": "Order"}
SHOWN_ENTRIES = 10
LONGEST_REASON = 1000

pages = Pages()


class IncidentsQuery(IncidentQuery):
    """The address of the list: the API's parameters, with shorter pages."""

    limit: int = Field(ROWS, ge=1, le=1000)


@pages.listing(PATH, "incidents.html")
def list_incidents(visit: Visit) -> ShownList:
    """Problems, the newest first; each is one row, however often it happened."""
    asked = ask(visit.request, IncidentsQuery)
    query = asked.query
    check_channels(visit.transaction, query.channel, visit.visible_channels)
    wanted = IncidentFilter(
        visible_channels=visit.visible_channels,
        channels=tuple(query.channel),
        is_open=IS_OPEN[query.state],
        kinds=tuple(each.value for each in query.kind),
        stages=tuple(query.stage),
        codes=tuple(query.code),
        order_id=query.order_id,
    )
    read = partial(incident_queries.find_incidents, visit.transaction, wanted)
    rows, cursor = read_numbered(visit, "incidents", query, read, attrgetter("id"))
    listed = tuple(_row(visit, each) for each in rows)
    whole = around(visit, asked, PATH, _filters(visit, asked), cursor=cursor, labels=LABELS)
    return ShownList("incidents", listed, whole)


@pages.page(f"{PATH}/{{id}}", "incident.html")
def show_incident(visit: Visit, id: str) -> IncidentView:  # noqa: A002 - the path's own word
    """One incident: what, why, what to do, and what else happened there."""
    row = _find(visit, id)
    own = (row.subject,) if row.scope == "channel" else ()
    recent = LogFilter(visible_channels=visit.visible_channels, channels=own, order_id=row.order_id or None)
    entries = activity.find_entries(visit.transaction, recent, None, SHOWN_ENTRIES)
    named = visit.installation.numbering.with_ids(row.details)
    return IncidentView(
        row=_row(visit, row),
        cause=row.cause,
        code=row.code,
        stage=row.stage,
        facts=tuple((in_words(name), _text(value)) for name, value in named.items()),
        run=row.run_id or "",
        resolution=row.resolution,
        resolved=moment(row.resolved_at, visit.now, visit.installation.settings.time_zone),
        details=_details(visit, id, row),
        entries=tuple(entry_row(visit, each) for each in entries),
    )


@pages.action(f"{PATH}/{{id}}/resolve", needs=Role.OPERATOR)
def resolve_incident(visit: Visit, form: Form, id: str) -> str:  # noqa: A002 - as above
    """Close an incident with a reason; it opens anew when the problem is seen again."""
    row, reason = _find(visit, id), text_of(form, "reason").strip()[:LONGEST_REASON]
    if not reason:
        visit.tell("Say why it is over: whoever meets the problem next will read it.", "failed")
    elif incidents.resolve_by_hand(visit.transaction, row.id, reason, visit.now):
        visit.audit("incident_resolved", id, {"code": row.code, "subject": row.subject, "reason": reason})
        visit.tell("The incident is closed. It opens anew when the problem is seen again.")
    else:
        visit.tell("This incident was closed already.", "failed")
    return f"{PATH}/{id}"


def _find(visit: Visit, own_id: str) -> IncidentRecord:
    number = visit.installation.numbering.number(Numbered.INCIDENT, own_id)
    wanted = IncidentFilter(visible_channels=visit.visible_channels, is_open=None, id=number)
    rows = [] if number is None else incident_queries.find_incidents(visit.transaction, wanted, None, 1)
    if not rows:
        raise not_found("id", "There is no such incident, or you may not see its channel.", "unknown_incident")
    return rows[0]


def _row(visit: Visit, row: IncidentRecord) -> IncidentRow:
    own_id = visit.installation.numbering.id(Numbered.INCIDENT, row.id)
    when = partial(moment, now=visit.now, zone=visit.installation.settings.time_zone)
    is_open = row.resolved_at is None
    first, last = when(row.first_seen_at), when(row.last_seen_at)
    assert first is not None
    assert last is not None
    shown = ("scope", "subject", "stage", "code", "kind", "message", "cause", "hint", "occurrences", "resolution")
    record = {"id": own_id, **{name: getattr(row, name) for name in shown}, "order_id": row.order_id or None}
    times = {
        name: getattr(row, name) and iso(getattr(row, name))
        for name in ("first_seen_at", "last_seen_at", "resolved_at")
    }
    return IncidentRow(
        id=own_id,
        message=row.message,
        hint=row.hint,
        subject=row.subject,
        kind=in_words(row.kind),
        state=Badge("Open", "failed") if is_open else Badge("Resolved", "done"),
        occurrences=row.occurrences,
        first=first,
        last=last,
        order=row.order_id,
        record=record | times,
    )


def _filters(visit: Visit, asked: Asked[IncidentsQuery]) -> tuple[Filter, ...]:
    labels = {each.code: each.label for each in readable_channels(visit.transaction, visit.visible_channels)}
    kinds = {each.value: in_words(each) for each in IncidentKind}
    return (
        Filter("state", "State", choices(asked, "state", STATES, "Open"), is_multiple=False),
        Filter("kind", "Kind", choices(asked, "kind", kinds)),
        Filter("channel", "Channel", choices(asked, "channel", labels)),
    )


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _details(visit: Visit, own_id: str, row: IncidentRecord) -> str:
    """The incident as text to be handed on; nothing personal is in it."""
    lines = (
        f"incident {own_id}: {row.stage}: {row.code} of {row.scope} {row.subject}",
        row.message,
        row.cause,
        row.hint,
        f"order {row.order_id}" if row.order_id else "",
        f"{row.occurrences} times from {iso(row.first_seen_at)} to {iso(row.last_seen_at)}",
        f"run {row.run_id}" if row.run_id else "",
        f"copied {iso(visit.now)}, request {visit.request.state.request_id}",
    )
    return "\n".join(each for each in lines if each)
