"""Incidents: what is wrong, one by one, and closing by hand what no success will close."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from orders_api.kit import cursors
from orders_api.kit.addresses import next_link, next_path
from orders_api.kit.answers import NO_STORE, json_answer, rendered
from orders_api.kit.bodies import JSON
from orders_api.kit.errors import Problem, describe, from_validation, not_found
from orders_api.kit.reading import NoQuery, Reading, Route, number_in_path
from orders_api.kit.writing import Writing, carry_out_with_body, described_write
from orders_api.schemas.incidents import Incident, IncidentPage, IncidentResolution
from orders_api.schemas.vocabulary import INCIDENT_ID
from orders_api.v1.order_filters import Word, check_channels
from warehouse.clock import iso
from warehouse.incidents import IncidentKind
from warehouse.ledger.exchange.numbering import Numbered
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.watch import incident_queries, incidents
from warehouse.ledger.watch.incident_queries import IncidentFilter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection as Transaction

router = APIRouter(tags=["Incidents"])

INCIDENT_PARAMETER = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "Id of the incident; a token of all channels may give its number instead.",
    "example": INCIDENT_ID,
    "schema": {"type": "string"},
}


class IncidentState(StrEnum):
    """Which incidents."""

    OPEN = "open"
    RESOLVED = "resolved"
    ALL = "all"


IS_OPEN = {IncidentState.OPEN: True, IncidentState.RESOLVED: False, IncidentState.ALL: None}


class IncidentQuery(BaseModel):
    """Which incidents, and which page of them."""

    model_config = ConfigDict(extra="forbid")

    state: IncidentState = Field(IncidentState.OPEN, description="Open ones, resolved ones, or all.", examples=["open"])
    channel: list[Word] = Field(
        [],
        description="Of any of these channels, their connections' among them; may be repeated.",
        examples=["amazon_fr"],
    )
    kind: list[IncidentKind] = Field([], description="Of any of these kinds; may be repeated.", examples=["retrieval"])
    stage: list[Word] = Field([], description="Of any of these stages; may be repeated.", examples=["pull"])
    code: list[Word] = Field([], description="Of any of these codes; may be repeated.", examples=["throttled"])
    order_id: Word | None = Field(
        None, description="About this order, by its internal id.", examples=["0f1c2d5e-7f0b-5d1a-9c50-3b1c7a3f9a10"]
    )
    limit: int = Field(100, ge=1, le=1000, description="Incidents a page.", examples=[100])
    cursor: str | None = Field(None, description="Where the page begins: from `next`.", examples=["WzEsImlkIiwxN10"])


@Route(
    path="/v1/incidents",
    operation_id="list_incidents",
    summary="List incidents",
    query=IncidentQuery,
    answer=IncidentPage,
    problems=(400, 404),
).serve(router)
def list_incidents(reading: Reading, query: IncidentQuery) -> Response:
    """Problems that concern the token's channels, newest first; each is one row, however often it happened."""
    visible = reading.caller.visible_channels
    check_channels(reading.transaction, query.channel, visible)
    numbering, fingerprint = reading.installation.numbering, cursors.fingerprint_of("incidents", query)
    before = cursors.decode_number(numbering, query.cursor, fingerprint)
    wanted = IncidentFilter(
        visible_channels=visible,
        channels=tuple(query.channel),
        is_open=IS_OPEN[query.state],
        kinds=tuple(each.value for each in query.kind),
        stages=tuple(query.stage),
        codes=tuple(query.code),
        order_id=query.order_id,
    )
    rows = incident_queries.incident_rows(reading.transaction, wanted, before, query.limit + 1)
    following = None
    if len(rows) > query.limit:
        rows.pop()
        following = next_path(reading.request, cursors.encode_number(numbering, fingerprint, rows[-1]["id"]))
    body = rendered({"incidents": [incident_document(reading, row) for row in rows], "next": following})
    return json_answer(reading.request, body, holds_pii=False, headers=next_link(following))


@Route(
    path="/v1/incidents/{id}",
    operation_id="get_incident",
    summary="Read one incident",
    query=NoQuery,
    answer=Incident,
    problems=(404,),
    path_parameters=(INCIDENT_PARAMETER,),
).serve(router)
def get_incident(reading: Reading, _query: NoQuery) -> Response:
    """One incident, open or resolved."""
    row = _one(reading.transaction, reading)
    return json_answer(reading.request, rendered(incident_document(reading, row)), holds_pii=False)


@router.post(
    "/v1/incidents/{id}/resolve",  # noqa: FAST003 - the id is read from the request
    operation_id="resolve_incident",
    summary="Resolve an incident by hand",
    response_model=Incident,
    responses=describe(401, 403, 404, 409, 413, 415, 422, 429, 500, 503),
    openapi_extra=described_write(Scope.ADMIN, NoQuery, IncidentResolution, parameters=(INCIDENT_PARAMETER,)),
)
async def resolve_incident(request: Request) -> Response:
    """Close an incident with a reason. It opens anew when the problem is seen again."""
    return await carry_out_with_body(request, Scope.ADMIN, NoQuery, _resolved)


def _resolved(writing: Writing[NoQuery]) -> Response:
    try:
        asked = IncidentResolution.model_validate_json(writing.body)
    except ValidationError as error:
        raise from_validation("body", error.errors(include_input=False, include_url=False)) from None
    with writing.installation.ledger.write() as transaction:
        row = _one(transaction, writing)
        if not incidents.resolve_by_hand(transaction, row["id"], asked.reason, writing.now):
            raise Problem(409, "incident_resolved", "This incident is resolved already.")
        row = _one(transaction, writing)
    return Response(rendered(incident_document(writing, row)), headers={"Cache-Control": NO_STORE}, media_type=JSON)


def _one(transaction: Transaction, asked: Reading | Writing[NoQuery]) -> dict[str, Any]:
    number = number_in_path(asked.request, asked.installation, asked.caller, Numbered.INCIDENT)
    rows = []
    if number is not None:
        wanted = IncidentFilter(visible_channels=asked.caller.visible_channels, is_open=None, id=number)
        rows = incident_queries.incident_rows(transaction, wanted, None, 1)
    if not rows:
        raise not_found("id", "There is no such incident for this token.", "unknown_incident")
    return rows[0]


def incident_document(asked: Reading | Writing[NoQuery], row: Mapping[str, Any]) -> dict[str, Any]:
    """An incident as the API shows it."""
    numbering = asked.installation.numbering
    plain = (
        "scope",
        "subject",
        "stage",
        "code",
        "kind",
        "message",
        "cause",
        "hint",
        "run_id",
        "occurrences",
        "resolution",
    )
    return {
        "id": numbering.id(Numbered.INCIDENT, row["id"]),
        "number": row["id"] if asked.caller.sees_all_channels else None,
        **{name: row[name] for name in plain},
        "details": numbering.with_ids(row["details"]),
        "attempt_id": numbering.id(Numbered.ATTEMPT, int(row["attempt_id"])) if row["attempt_id"] else None,
        "order_id": row["order_id"] or None,
        "file_id": numbering.id(Numbered.FILE, int(row["file_id"])) if row["file_id"] else None,
        "first_seen_at": iso(row["first_seen_at"]),
        "last_seen_at": iso(row["last_seen_at"]),
        "resolved_at": None if row["resolved_at"] is None else iso(row["resolved_at"]),
    }
