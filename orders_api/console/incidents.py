"""Incidents: what is wrong, why, and what to do; closing by hand what no success will close."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from pydantic import Field

from orders_api.console.incident_steps import steps_of
from orders_api.console.kit.forms import text_of
from orders_api.console.kit.lists import ROWS, around, choices, read_numbered
from orders_api.console.kit.pages import Pages
from orders_api.console.kit.queries import ask
from orders_api.console.kit.rendering import moment
from orders_api.console.kit.texts import Later, _, gettext
from orders_api.console.logs import entry_row
from orders_api.console.views.frame import Badge
from orders_api.console.views.incidents import Deed, IncidentRow, IncidentView, Spark, SparkBar
from orders_api.console.views.lists import Filter, ShownList
from orders_api.console.words import PRESETS, in_words
from orders_api.kit.errors import not_found
from orders_api.v1.incidents import IncidentQuery
from orders_api.v1.order_filters import check_channels
from warehouse.clock import iso
from warehouse.incidents import IncidentKind
from warehouse.ledger.exchange.numbering import Numbered
from warehouse.ledger.people import audit
from warehouse.ledger.people.users import Role
from warehouse.ledger.status.channel_status import readable_channels
from warehouse.ledger.watch import activity, incident_queries, incidents
from warehouse.ledger.watch.activity import LogFilter
from warehouse.ledger.watch.incident_queries import IncidentFilter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from orders_api.console.kit.forms import Form
    from orders_api.console.kit.queries import Asked
    from orders_api.console.kit.visits import Visit
    from warehouse.ledger.people.audit import RecordedEntry
    from warehouse.ledger.watch.incident_queries import IncidentRecord

PATH = "/incidents"
STATES = {"acknowledged": Later("Acknowledged"), "resolved": Later("Resolved"), "all": Later("All")}
HOURS = {"4": Later("4 hours"), "24": Later("a day"), "72": Later("three days"), "168": Later("a week")}
"""For how long somebody may look after an incident, as the form offers it."""
DONE = {
    "incident_acknowledged": Later("looks after it"),
    "incident_noted": Later("wrote"),
    "incident_resolved": Later("closed it"),
}
DRAWN_DAYS, SPARK_HEIGHT = 14, 16
MOST_AFFECTED, MOST_DEEDS = 50, 100
LABELS = {"stage": Later("Stage"), "code": Later("Code"), "order_id": Later("Order")}
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
    wanted = query.as_filter(visit.visible_channels, visit.installation)
    read = partial(incident_queries.find_incidents, visit.transaction, wanted)
    rows, cursor = read_numbered(visit, "incidents", query, read, attrgetter("id"))
    days = _days(visit, rows)
    listed = tuple(_row(visit, each, days.get(each.id, {})) for each in rows)
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
    zone = visit.installation.settings.time_zone
    affected = incident_queries.orders_affected(visit.transaction, row, MOST_AFFECTED) if row.order_id else []
    return IncidentView(
        row=_row(visit, row, _days(visit, [row]).get(row.id, {})),
        cause=gettext(row.cause),
        code=row.code,
        stage=in_words(row.stage),
        facts=tuple((in_words(name), _text(value)) for name, value in named.items()),
        run=row.run_id or "",
        resolution=row.resolution,
        resolved=moment(row.resolved_at, visit.now, zone),
        acknowledged=moment(row.acknowledged_until, visit.now, zone) if row.is_acknowledged(visit.now) else None,
        acknowledged_by=row.acknowledged_by or "",
        announced=tuple(
            (recipient, moment(at, visit.now, zone))
            for recipient, at in incident_queries.announcements(visit.transaction, row)
        ),
        affected=f"/orders?{urlencode({'search': ' '.join(affected)})}" if len(affected) > 1 else "",
        affected_count=len(affected),
        steps=tuple(steps_of(visit, row)),
        deeds=tuple(_deed(visit, each) for each in audit.about(visit.transaction, [id], MOST_DEEDS)),
        hours=tuple(HOURS.items()),
        details=_details(visit, id, row),
        entries=tuple(entry_row(visit, each) for each in entries),
    )


@pages.action(f"{PATH}/{{id}}/acknowledge", needs=Role.OPERATOR)
def acknowledge_incident(visit: Visit, form: Form, id: str) -> str:  # noqa: A002 - as above
    """Say that one looks after it: nobody is alerted of it for a while."""
    row, hours = _find(visit, id), text_of(form, "hours")
    if hours not in HOURS:
        visit.tell(_("Choose for how long nobody is to be alerted."), "failed")
    elif incidents.acknowledge(visit.transaction, row.id, visit.user.name, visit.now + timedelta(hours=int(hours))):
        visit.audit("incident_acknowledged", id, {"hours": int(hours)})
        visit.tell(_("You look after it: nobody is alerted of it for %(time)s. Its end is told.", time=HOURS[hours]))
    else:
        visit.tell(_("This incident was closed already."), "failed")
    return f"{PATH}/{id}"


@pages.action(f"{PATH}/{{id}}/note", needs=Role.OPERATOR)
def note_incident(visit: Visit, form: Form, id: str) -> str:  # noqa: A002 - as above
    """Write something down for whoever looks at it next."""
    _find(visit, id)
    text = text_of(form, "text").strip()[:LONGEST_REASON]
    if text:
        visit.audit("incident_noted", id, {"reason": text})
    return f"{PATH}/{id}#deeds"


@pages.action(f"{PATH}/{{id}}/resolve", needs=Role.OPERATOR)
def resolve_incident(visit: Visit, form: Form, id: str) -> str:  # noqa: A002 - as above
    """Close an incident with a reason; it opens anew when the problem is seen again."""
    row, reason = _find(visit, id), text_of(form, "reason").strip()[:LONGEST_REASON]
    if not reason:
        visit.tell(_("Say why it is over: whoever meets the problem next will read it."), "failed")
    elif incidents.resolve_by_hand(visit.transaction, row.id, reason, visit.now):
        visit.audit("incident_resolved", id, {"code": row.code, "subject": row.subject, "reason": reason})
        visit.tell(_("The incident is closed. It opens anew when the problem is seen again."))
    else:
        visit.tell(_("This incident was closed already."), "failed")
    return f"{PATH}/{id}"


def _find(visit: Visit, own_id: str) -> IncidentRecord:
    number = visit.installation.numbering.number(Numbered.INCIDENT, own_id)
    wanted = IncidentFilter(visible_channels=visit.visible_channels, is_open=None, id=number)
    rows = [] if number is None else incident_queries.find_incidents(visit.transaction, wanted, None, 1)
    if not rows:
        raise not_found("id", _("There is no such incident, or you may not see its channel."), "unknown_incident")
    return rows[0]


def _days(visit: Visit, rows: Sequence[IncidentRecord]) -> dict[int, dict[date, int]]:
    """Incident → day → how often it was seen, of the days that are drawn."""
    return incident_queries.by_day(visit.transaction, [each.id for each in rows], _first_day(visit))


def _first_day(visit: Visit) -> date:
    return visit.now.date() - timedelta(days=DRAWN_DAYS - 1)


def _drawn(visit: Visit, counts: Mapping[date, int]) -> Spark:
    first, most = _first_day(visit), max(counts.values(), default=1)
    seen = [(number, first + timedelta(days=number)) for number in range(DRAWN_DAYS)]
    seen = [(number, day) for number, day in seen if counts.get(day)]
    bars = tuple(
        SparkBar(number, SPARK_HEIGHT - height, height)
        for number, height in ((number, max(1, round(SPARK_HEIGHT * counts[day] / most))) for number, day in seen)
    )
    said = ", ".join(_("%(count)s on %(day)s", count=counts[day], day=day) for _number, day in seen) or _("never")
    return Spark(bars, _("Seen in the last %(days)s days: %(when)s", days=DRAWN_DAYS, when=said))


def _deed(visit: Visit, each: RecordedEntry) -> Deed:
    at = moment(each.at, visit.now, visit.installation.settings.time_zone)
    entry = each.entry
    what = DONE.get(entry.action, in_words(entry.action).lower())
    return Deed(at, f"{entry.actor} {what}", str(entry.details.get("reason") or ""))


def _state(visit: Visit, row: IncidentRecord) -> Badge:
    if row.resolved_at is not None:
        return Badge(_("Resolved"), "done")
    if row.is_acknowledged(visit.now):
        return Badge(_("Acknowledged"), "waiting", _("%(name)s looks after it.", name=row.acknowledged_by))
    return Badge(_("Open"), "failed")


def _row(visit: Visit, row: IncidentRecord, days: Mapping[date, int]) -> IncidentRow:
    own_id = visit.installation.numbering.id(Numbered.INCIDENT, row.id)
    when = partial(moment, now=visit.now, zone=visit.installation.settings.time_zone)
    first, last = when(row.first_seen_at), when(row.last_seen_at)
    assert first is not None
    assert last is not None
    shown = (
        "scope",
        "subject",
        "stage",
        "code",
        "kind",
        "message",
        "cause",
        "hint",
        "occurrences",
        "resolution",
        "acknowledged_by",
    )
    record = {"id": own_id, **{name: getattr(row, name) for name in shown}, "order_id": row.order_id or None}
    times = {
        name: getattr(row, name) and iso(getattr(row, name))
        for name in ("first_seen_at", "last_seen_at", "resolved_at", "acknowledged_until")
    }
    return IncidentRow(
        id=own_id,
        message=row.message,
        hint=row.hint,
        subject=row.subject,
        kind=in_words(row.kind),
        state=_state(visit, row),
        drawn=_drawn(visit, days),
        occurrences=row.occurrences,
        first=first,
        last=last,
        order=row.order_id,
        record=record | times,
    )


def _filters(visit: Visit, asked: Asked[IncidentsQuery]) -> tuple[Filter, ...]:
    labels = {each.code: each.label for each in readable_channels(visit.transaction, visit.visible_channels)}
    kinds = {each.value: in_words(each) for each in IncidentKind}
    ways = {each.value: label for each, label in PRESETS.items()}
    return (
        Filter("state", _("State"), choices(asked, "state", STATES, _("Open")), is_multiple=False),
        Filter("kind", _("Kind"), choices(asked, "kind", kinds)),
        Filter("channel", _("Channel"), choices(asked, "channel", labels)),
        Filter("seen", _("Seen"), choices(asked, "seen", ways, _("At any time")), is_multiple=False),
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
