"""Incidents: what is wrong, one by one, and closing by hand what no success will close."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from orders_api.kit.answers import fresh_answer, json_answer, render
from orders_api.kit.auth import Caller, MayRead, may
from orders_api.kit.errors import Problem, describe, not_found
from orders_api.kit.pages import page_answer, read_page
from orders_api.kit.parameters import IncidentId, number_of
from orders_api.kit.queries import PageQuery
from orders_api.kit.records import fill
from orders_api.kit.routes import ThisInstallation, resource
from orders_api.schemas.incidents import Incident, IncidentAcknowledgement, IncidentPage, IncidentResolution
from orders_api.schemas.vocabulary import ORDER_ID
from orders_api.v1.order_filters import Word, check_channels
from warehouse.date_presets import DatePreset, bounds
from warehouse.incidents import IncidentKind
from warehouse.ledger.exchange.numbering import Numbered
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.watch import incident_queries, incidents
from warehouse.ledger.watch.incident_queries import IncidentFilter, IncidentRecord

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Transaction

    from orders_api.kit.installation import ApiInstallation

router = resource("Incidents")


class IncidentState(StrEnum):
    """Which incidents."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    ALL = "all"


IS_OPEN = {
    IncidentState.OPEN: True,
    IncidentState.ACKNOWLEDGED: True,
    IncidentState.RESOLVED: False,
    IncidentState.ALL: None,
}
LONGEST_ACKNOWLEDGEMENT = timedelta(days=30)


class IncidentQuery(PageQuery):
    """Which incidents, and which page of them."""

    state: IncidentState = Field(
        IncidentState.OPEN,
        description="Open ones, of these those that somebody looks after (`acknowledged`), resolved ones, or all.",
        examples=["open"],
    )
    seen: DatePreset | None = Field(
        None, description="Seen within this range of days, in the merchant's time zone.", examples=["today"]
    )
    channel: list[Word] = Field(
        [],
        description="Of any of these channels, their connections' among them; may be repeated.",
        examples=["amazon_fr"],
    )
    kind: list[IncidentKind] = Field([], description="Of any of these kinds; may be repeated.", examples=["retrieval"])
    stage: list[Word] = Field([], description="Of any of these stages; may be repeated.", examples=["pull"])
    code: list[Word] = Field([], description="Of any of these codes; may be repeated.", examples=["throttled"])
    order_id: Word | None = Field(None, description="About this order, by its internal id.", examples=[ORDER_ID])

    def as_filter(self, visible_channels: tuple[str, ...] | None, installation: ApiInstallation) -> IncidentFilter:
        """The filter for a reader."""
        now = installation.clock()
        first, end = (None, None) if self.seen is None else bounds(self.seen, now, installation.settings.time_zone)
        return IncidentFilter(
            visible_channels=visible_channels,
            channels=tuple(self.channel),
            is_open=IS_OPEN[self.state],
            kinds=tuple(each.value for each in self.kind),
            stages=tuple(self.stage),
            codes=tuple(self.code),
            order_id=self.order_id,
            acknowledged_after=now if self.state is IncidentState.ACKNOWLEDGED else None,
            seen_after=first,
            seen_before=end,
        )


@router.get("/v1/incidents", summary="List incidents", response_model=IncidentPage, responses=describe(400, 404))
def list_incidents(
    request: Request, caller: MayRead, installation: ThisInstallation, query: Annotated[IncidentQuery, Query()]
) -> Response:
    """Problems that concern the token's channels, newest first; each is one row, however often it happened."""
    wanted = query.as_filter(caller.visible_channels, installation)
    with installation.ledger.read() as transaction:
        check_channels(transaction, query.channel, caller.visible_channels)
        rows, following = read_page(
            request,
            installation.numbering,
            "incidents",
            query,
            partial(incident_queries.find_incidents, transaction, wanted),
            attrgetter("id"),
        )
    return page_answer(request, "incidents", [_document(installation, caller, row) for row in rows], following)


@router.get("/v1/incidents/{id}", summary="Read one incident", response_model=Incident, responses=describe(404))
def get_incident(request: Request, caller: MayRead, installation: ThisInstallation, given: IncidentId) -> Response:
    """One incident, open or resolved."""
    with installation.ledger.read() as transaction:
        row = _find(transaction, installation, caller, given)
    return json_answer(request, render(_document(installation, caller, row)), holds_pii=False)


@router.post(
    "/v1/incidents/{id}/resolve",
    summary="Resolve an incident by hand",
    response_model=Incident,
    responses=describe(404, 409),
)
def resolve_incident(
    caller: Annotated[Caller, may(Scope.ADMIN)],
    installation: ThisInstallation,
    given: IncidentId,
    asked: IncidentResolution,
) -> Response:
    """Close an incident with a reason. It opens anew when the problem is seen again."""
    with installation.ledger.write() as transaction:
        row = _find(transaction, installation, caller, given)
        if not incidents.resolve_by_hand(transaction, row.id, asked.reason, installation.clock()):
            raise Problem(409, "incident_resolved", "This incident is resolved already.")
        row = _find(transaction, installation, caller, given)
    return fresh_answer(_document(installation, caller, row))


@router.post(
    "/v1/incidents/{id}/acknowledge",
    summary="Look after an incident",
    response_model=Incident,
    responses=describe(404, 409),
)
def acknowledge_incident(
    caller: Annotated[Caller, may(Scope.ADMIN)],
    installation: ThisInstallation,
    given: IncidentId,
    asked: IncidentAcknowledgement,
) -> Response:
    """Say that somebody looks after it: until then nobody is alerted of it again. It stays open, and its end is told."""
    now = installation.clock()
    if not now < asked.until <= now + LONGEST_ACKNOWLEDGEMENT:
        errors = [{"pointer": "/until", "message": "a time to come, within thirty days"}]
        raise Problem(422, "invalid_request", "The request is not as described: see errors.", errors=errors)
    with installation.ledger.write() as transaction:
        row = _find(transaction, installation, caller, given)
        if not incidents.acknowledge(transaction, row.id, caller.consumer, asked.until):
            raise Problem(409, "incident_resolved", "This incident is resolved already.")
        row = _find(transaction, installation, caller, given)
    return fresh_answer(_document(installation, caller, row))


def _find(transaction: Transaction, installation: ApiInstallation, caller: Caller, given: str) -> IncidentRecord:
    number = number_of(given, installation, caller, Numbered.INCIDENT)
    rows = []
    if number is not None:
        wanted = IncidentFilter(visible_channels=caller.visible_channels, is_open=None, id=number)
        rows = incident_queries.find_incidents(transaction, wanted, None, 1)
    if not rows:
        raise not_found("id", "There is no such incident for this token.", "unknown_incident")
    return rows[0]


def _document(installation: ApiInstallation, caller: Caller, row: IncidentRecord) -> dict[str, Any]:
    numbering = installation.numbering
    return fill(
        Incident,
        row,
        id=numbering.id(Numbered.INCIDENT, row.id),
        number=row.id if caller.sees_all_channels else None,
        details=numbering.with_ids(row.details),
        attempt_id=numbering.id(Numbered.ATTEMPT, int(row.attempt_id)) if row.attempt_id else None,
        order_id=row.order_id or None,
        file_id=numbering.id(Numbered.FILE, int(row.file_id)) if row.file_id else None,
    )
