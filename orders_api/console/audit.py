"""The audit log: what people did, in the console, by commands and over the API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import Field

from orders_api.console.kit.lists import around
from orders_api.console.kit.pages import Pages
from orders_api.console.kit.queries import ask
from orders_api.console.kit.rendering import moment
from orders_api.console.kit.settings import require_all_channels
from orders_api.console.kit.texts import Later
from orders_api.console.views.lists import Filter, ShownList
from orders_api.console.views.settings import AuditRow
from orders_api.kit.queries import NoQuery
from warehouse.ledger.people import audit as book
from warehouse.ledger.people.users import Role

if TYPE_CHECKING:
    from orders_api.console.kit.visits import Visit
    from warehouse.ledger.people.audit import RecordedEntry

PATH = "/audit"
FILTERS = {"actor": Later("Who"), "action": Later("What"), "subject": Later("To what")}

pages = Pages()


class AuditQuery(NoQuery):
    """The address of the list."""

    actor: str = Field("", max_length=100)
    action: str = Field("", max_length=100)
    subject: str = Field("", max_length=200)
    cursor: int | None = Field(None, ge=0)
    limit: int = Field(100, ge=1, le=1000)


@pages.listing(PATH, "audit.html", needs=Role.ADMIN)
def list_entries(visit: Visit) -> ShownList:
    """What was done, the newest first."""
    require_all_channels(visit)
    asked = ask(visit.request, AuditQuery)
    query = asked.query
    found = book.newest(
        visit.transaction, query.limit + 1, query.cursor, actor=query.actor, action=query.action, subject=query.subject
    )
    rows = found[: query.limit]
    cursor = str(rows[-1].number) if len(found) > len(rows) else None
    filters = tuple(Filter(name, label, text=getattr(query, name)) for name, label in FILTERS.items())
    whole = around(visit, asked, PATH, filters, cursor=cursor, labels={}, api="")
    return ShownList("audit", tuple(_row(visit, each) for each in rows), whole)


def _row(visit: Visit, each: RecordedEntry) -> AuditRow:
    zone = visit.installation.settings.time_zone
    entry = each.entry
    return AuditRow(
        number=each.number,
        at=moment(each.at, visit.now, zone),
        actor=entry.actor,
        origin=entry.origin,
        action=entry.action,
        subject=entry.subject,
        details=json.dumps(dict(entry.details), ensure_ascii=False) if entry.details else "",
        request_id=entry.request_id,
    )
