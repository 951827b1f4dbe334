"""Requests to cancel: reading them, deciding them, and cancelling as the seller. The pipeline tells the marketplace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from orders_api.kit import cursors
from orders_api.kit.addresses import address, next_link, next_path
from orders_api.kit.answers import NO_STORE, json_answer, rendered
from orders_api.kit.bodies import JSON
from orders_api.kit.errors import Problem, describe, from_validation, not_found
from orders_api.kit.reading import NoQuery, Reading, Route, path_id
from orders_api.kit.writing import Writing, carry_out_with_body, described_write
from orders_api.schemas.cancellations import (
    CancellationDecision,
    CancellationRequest,
    CancellationRequestPage,
    OrderCancellation,
)
from orders_api.schemas.vocabulary import ORDER_ID
from orders_api.v1.order_filters import Word, check_channels
from orders_api.v1.orders import ORDER_ID_PARAMETER
from warehouse.cancellations import Decision, RequestState
from warehouse.clock import iso
from warehouse.ledger.book import cancellation_queries, cancellations, order_queries
from warehouse.ledger.book.cancellation_queries import RequestFilter
from warehouse.ledger.book.cancellations import CancellationUndecidable, Refusal
from warehouse.ledger.book.orders import lock_book
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.shipping import shipment_queries

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

router = APIRouter(tags=["Cancellation requests"])

Body = TypeVar("Body", bound=BaseModel)

REQUEST_PARAMETER = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "Id of the request.",
    "example": ORDER_ID,
    "schema": {"type": "string"},
}

DETAILS = {
    Refusal.UNKNOWN: "There is no such request for this token.",
    Refusal.CLOSED: "The marketplace has carried the request out, or withdrawn it: there is nothing to decide any more.",
    Refusal.CARRIED_OUT: "The marketplace was told of the decision already: it cannot be taken back here.",
    Refusal.UNDER_WAY: "An earlier cancellation of this order is still under way: wait until the marketplace shows it.",
    Refusal.UNKNOWN_LINE: "The order has no such line.",
    Refusal.WHOLE_ORDER_ONLY: "The marketplace cancels whole orders only: leave out the lines.",
    Refusal.UNKNOWN_REASON: "Name one of the marketplace's reasons: `cancel_reasons` of the channel's requirements.",
    Refusal.NOTHING_REMAINS: "So many units do not remain to be shipped, and only those can be cancelled.",
}
STATUSES = {
    Refusal.UNKNOWN: 404,
    **dict.fromkeys(
        (Refusal.UNKNOWN_LINE, Refusal.NOTHING_REMAINS, Refusal.WHOLE_ORDER_ONLY, Refusal.UNKNOWN_REASON), 422
    ),
}
"""All others are conflicts."""


class CancellationQuery(BaseModel):
    """Which requests, and which page of them."""

    model_config = ConfigDict(extra="forbid")

    state: RequestState | None = Field(None, description="Only in this state.", examples=["open"])
    channel: list[Word] = Field([], description="Of any of these channels; may be repeated.", examples=["amazon_fr"])
    order_id: Word | None = Field(None, description="Of this order, by its internal id.", examples=[ORDER_ID])
    shipped_despite: bool | None = Field(
        None, description="Only those whose units were shipped nevertheless, or only the others.", examples=[True]
    )
    limit: int = Field(100, ge=1, le=1000, description="Requests a page.", examples=[100])
    cursor: str | None = Field(None, description="Where the page begins: from `next`.", examples=["WzEsImlkIiwxN10"])


@Route(
    path="/v1/cancellation-requests",
    operation_id="list_cancellation_requests",
    summary="List requests to cancel",
    query=CancellationQuery,
    answer=CancellationRequestPage,
    problems=(400, 404),
).serve(router)
def list_cancellation_requests(reading: Reading, query: CancellationQuery) -> Response:
    """Who asked to cancel what, newest first. The order itself carries the label `cancellation_requested`."""
    visible = reading.caller.visible_channels
    check_channels(reading.transaction, query.channel, visible)
    numbering, fingerprint = reading.installation.numbering, cursors.fingerprint_of("cancellation requests", query)
    before = cursors.decode_number(numbering, query.cursor, fingerprint)
    wanted = RequestFilter(
        visible_channels=visible,
        states=() if query.state is None else (query.state.value,),
        channels=tuple(query.channel),
        order_id=query.order_id,
        shipped_despite=query.shipped_despite,
    )
    rows = cancellation_queries.listed(reading.transaction, wanted, before, query.limit + 1)
    following = None
    if len(rows) > query.limit:
        rows.pop()
        following = next_path(
            reading.request,
            cursors.encode_number(numbering, fingerprint, rows[-1]["number"]),
        )
    body = rendered({"cancellation_requests": [_document(row) for row in rows], "next": following})
    return json_answer(reading.request, body, holds_pii=False, headers=next_link(following))


@Route(
    path="/v1/cancellation-requests/{id}",
    operation_id="get_cancellation_request",
    summary="Read one request to cancel",
    query=NoQuery,
    answer=CancellationRequest,
    problems=(404,),
    path_parameters=(REQUEST_PARAMETER,),
).serve(router)
def get_cancellation_request(reading: Reading, _query: NoQuery) -> Response:
    """One request."""
    own_id = path_id(reading.request)
    row = None
    if own_id is not None:
        row = cancellation_queries.find(reading.transaction, own_id, reading.caller.visible_channels)
    if row is None:
        raise _refused(Refusal.UNKNOWN)
    return json_answer(reading.request, rendered(_document(row)), holds_pii=False)


@router.post(
    "/v1/cancellation-requests/{id}/accept",  # noqa: FAST003 - the id is read from the request
    operation_id="accept_cancellation_request",
    summary="Accept a request to cancel",
    status_code=202,
    response_model=CancellationRequest,
    responses=describe(401, 403, 404, 409, 413, 415, 422, 429, 500, 503),
    openapi_extra=described_write(
        Scope.SHIPMENTS_WRITE, NoQuery, CancellationDecision, parameters=(REQUEST_PARAMETER,)
    ),
)
async def accept_cancellation_request(request: Request) -> Response:
    """Agree to cancel: the order is held, and the marketplace is told where its API takes that.

    Where it does not, cancel the order at the marketplace; an incident says so until it shows the order as cancelled.
    """
    return await carry_out_with_body(request, Scope.SHIPMENTS_WRITE, NoQuery, _accepted)


@router.post(
    "/v1/cancellation-requests/{id}/decline",  # noqa: FAST003 - the id is read from the request
    operation_id="decline_cancellation_request",
    summary="Decline a request to cancel",
    response_model=CancellationRequest,
    responses=describe(401, 403, 404, 409, 413, 415, 422, 429, 500, 503),
    openapi_extra=described_write(
        Scope.SHIPMENTS_WRITE, NoQuery, CancellationDecision, parameters=(REQUEST_PARAMETER,)
    ),
)
async def decline_cancellation_request(request: Request) -> Response:
    """Ship nevertheless: the order is held no longer, and the marketplace is told where it wants to hear of it."""
    return await carry_out_with_body(request, Scope.SHIPMENTS_WRITE, NoQuery, _declined)


@router.post(
    "/v1/orders/{id}/cancellation",  # noqa: FAST003 - the id is read from the request
    operation_id="cancel_order",
    summary="Cancel an order, or units of it, as the seller",
    status_code=202,
    response_model=CancellationRequest,
    responses=describe(401, 403, 404, 409, 413, 415, 422, 429, 500, 503),
    openapi_extra=described_write(Scope.SHIPMENTS_WRITE, NoQuery, OrderCancellation, parameters=(ORDER_ID_PARAMETER,)),
)
async def cancel_order(request: Request) -> Response:
    """Cancel what remains to be shipped, or some units of it; the marketplace is told where its API takes that.

    It becomes a request of `MERCHANT`, accepted from the start; follow it there.
    """
    return await carry_out_with_body(request, Scope.SHIPMENTS_WRITE, NoQuery, _cancelled)


def _accepted(writing: Writing[NoQuery]) -> Response:
    return _decided(writing, Decision.ACCEPT, 202)


def _declined(writing: Writing[NoQuery]) -> Response:
    return _decided(writing, Decision.DECLINE, 200)


def _decided(writing: Writing[NoQuery], decision: Decision, status: int) -> Response:
    asked = _read(CancellationDecision, writing.body)
    own_id = path_id(writing.request)
    if own_id is None:
        raise _refused(Refusal.UNKNOWN)
    caller = writing.caller
    with writing.installation.ledger.write() as transaction:
        lock_book(transaction)
        try:
            row = cancellations.decide(
                transaction, own_id, decision, caller.consumer, asked.reason, caller.visible_channels, writing.now
            )
        except CancellationUndecidable as error:
            raise _refused(error.refusal) from None
    return Response(rendered(_document(row)), status, {"Cache-Control": NO_STORE}, JSON)


def _cancelled(writing: Writing[NoQuery]) -> Response:
    asked = _read(OrderCancellation, writing.body)
    own_id = path_id(writing.request)
    with writing.installation.ledger.write() as transaction:
        lock_book(transaction)
        if own_id is None or order_queries.by_id(transaction, own_id, writing.caller.visible_channels) is None:
            raise not_found("id", "There is no such order for this token.", "unknown_order")
        wanted = _wanted(transaction, own_id, asked)
        try:
            row = cancellations.ask(transaction, own_id, wanted, writing.caller.consumer, asked.reason, writing.now)
        except CancellationUndecidable as error:
            raise _refused(error.refusal) from None
    headers = {
        "Location": address(writing.request, f"/v1/cancellation-requests/{row['id']}"),
        "Cache-Control": NO_STORE,
    }
    return Response(rendered(_document(row)), 202, headers, JSON)


def _wanted(transaction: Transaction, order_id: str, asked: OrderCancellation) -> dict[str, int | None] | None:
    """Line id → units."""
    if asked.lines is None:
        return None
    known = shipment_queries.line_ids(transaction, order_id)
    return {
        known.get(each.item_original_id or "", "") if each.item_id is None else each.item_id: each.quantity
        for each in asked.lines
    }


def _read(model: type[Body], body: bytes) -> Body:
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise from_validation("body", error.errors(include_input=False, include_url=False)) from None


def _refused(refusal: Refusal) -> Problem:
    detail = DETAILS[refusal]
    if refusal is Refusal.UNKNOWN:
        return not_found("id", detail, "unknown_cancellation_request")
    pointer = "/reason" if refusal is Refusal.UNKNOWN_REASON else "/lines"
    errors = [{"pointer": pointer, "message": detail}] if refusal in STATUSES else []
    return Problem(STATUSES.get(refusal, 409), refusal.value, detail, errors=errors)


def _document(row: Mapping[str, Any]) -> dict[str, Any]:
    plain = (
        "id",
        "order_id",
        "original_id",
        "channel",
        "marketplace",
        "requester",
        "reason",
        "state",
        "decided_by",
        "decision_reason",
        "shipped_despite",
    )
    times = ("requested_at", "seen_at", "hold_until", "decided_at", "told_at", "closed_at")
    lines = [
        {"item_id": each["id"], "item_original_id": each["original_id"], "quantity": each["quantity"]}
        for each in row["lines"]
    ]
    return {
        **{name: row[name] for name in plain},
        **{name: _wire(row[name]) for name in times},
        "lines": lines,
    }


def _wire(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)
