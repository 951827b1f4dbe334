"""Requests to the API, as the log has them: who asked what, when, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from orders_api.console.kit.lists import ROWS, around, choices
from orders_api.console.kit.pages import Pages
from orders_api.console.kit.queries import ask
from orders_api.console.kit.rendering import moment
from orders_api.console.kit.texts import Later, _
from orders_api.console.views.frame import Badge
from orders_api.console.views.incidents import CallList, CallRow
from orders_api.console.views.lists import Filter
from orders_api.v1.api_requests import ApiRequestQuery, document, read_requests
from warehouse import display
from warehouse.ledger.book.consumers import consumers_of, consumers_within
from warehouse.ledger.watch.api_requests import FIRST_FAILURE

if TYPE_CHECKING:
    from orders_api.console.kit.visits import Visit
    from warehouse.ledger.watch.api_requests import ApiRequests

PATH = "/logs/requests"
OUTCOMES = {"true": Later("Refused or failed"), "false": Later("Served")}

pages = Pages()


class ApiRequestsQuery(ApiRequestQuery):
    """The address of the list: the API's parameters, with shorter pages."""

    limit: int = Field(ROWS, ge=1, le=1000)


@pages.listing(PATH, "api_requests.html")
def list_api_requests(visit: Visit) -> CallList:
    """What was asked of the API, by the minute, the newest first; of somebody's channels what is about no others."""
    asked, limit = ask(visit.request, ApiRequestsQuery), visit.visible_channels
    visible = None if limit is None else consumers_within(visit.transaction, limit)
    rows, cursor = read_requests(visit.transaction, asked.query, visible)
    names = consumers_of(visit.transaction, None) if visible is None else visible
    filters = (
        Filter("consumer", _("Consumer"), choices(asked, "consumer", {each: each for each in names})),
        Filter("has_failed", _("Outcome"), choices(asked, "has_failed", OUTCOMES, _("All")), is_multiple=False),
    )
    whole = around(visit, asked, PATH, filters, cursor=cursor, labels={})
    days = visit.installation.settings.api_request_retention_days
    return CallList("requests", tuple(_row(visit, each) for each in rows), whole, days)


def _row(visit: Visit, row: ApiRequests) -> CallRow:
    is_fine = row.status < FIRST_FAILURE
    members = document(row)
    return CallRow(
        what=f"{row.method} {row.route or _('no such path')}",
        consumer=row.consumer,
        minute=moment(row.minute, visit.now, visit.installation.settings.time_zone),
        status=Badge(str(row.status), "done" if is_fine else "failed"),
        code=row.code,
        requests=display.number(row.requests),
        mean=_("%(count)s ms", count=display.number(members["mean_milliseconds"])),
        slowest=_("%(count)s ms", count=display.number(members["slowest_milliseconds"])),
        request_id=row.request_id,
        record=members,
    )
