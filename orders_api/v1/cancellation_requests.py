"""Requests to cancel: reading them, deciding them, and cancelling as the seller. The pipeline tells the marketplace."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from orders_api.kit.addresses import address
from orders_api.kit.answers import fresh_answer, json_answer, render
from orders_api.kit.auth import Caller, MayRead, may
from orders_api.kit.errors import Problem, describe, not_found
from orders_api.kit.pages import page_answer, read_page
from orders_api.kit.parameters import OrderId, RequestId
from orders_api.kit.queries import PageQuery
from orders_api.kit.records import fill
from orders_api.kit.routes import ThisInstallation, resource
from orders_api.schemas.cancellations import (
    CancellationDecision,
    CancellationRequest,
    CancellationRequestPage,
    OrderCancellation,
)
from orders_api.schemas.vocabulary import ORDER_ID
from orders_api.v1.order_filters import Word, check_channels
from orders_api.v1.orders import find_order
from warehouse.cancellations import Decision, RequestState
from warehouse.ledger.book import cancellation_queries, cancellations
from warehouse.ledger.book.cancellation_queries import CancellationRecord, RequestFilter
from warehouse.ledger.book.cancellations import CancellationUndecidable, Refusal
from warehouse.ledger.book.orders import lock_book
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.shipping import shipment_queries

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Transaction

    from orders_api.kit.installation import ApiInstallation

router = resource("Cancellation requests")

MayDecide = Annotated[Caller, may(Scope.SHIPMENTS_WRITE)]

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


class CancellationQuery(PageQuery):
    """Which requests, and which page of them."""

    state: RequestState | None = Field(None, description="Only in this state.", examples=["open"])
    channel: list[Word] = Field([], description="Of any of these channels; may be repeated.", examples=["amazon_fr"])
    order_id: Word | None = Field(None, description="Of this order, by its internal id.", examples=[ORDER_ID])
    shipped_despite: bool | None = Field(
        None, description="Only those whose units were shipped nevertheless, or only the others.", examples=[True]
    )


@router.get(
    "/v1/cancellation-requests",
    summary="List requests to cancel",
    response_model=CancellationRequestPage,
    responses=describe(400, 404),
)
def list_cancellation_requests(
    request: Request, caller: MayRead, installation: ThisInstallation, query: Annotated[CancellationQuery, Query()]
) -> Response:
    """Who asked to cancel what, newest first. The order itself carries the label `cancellation_requested`."""
    wanted = RequestFilter(
        visible_channels=caller.visible_channels,
        states=() if query.state is None else (query.state.value,),
        channels=tuple(query.channel),
        order_id=query.order_id,
        shipped_despite=query.shipped_despite,
    )
    with installation.ledger.read() as transaction:
        check_channels(transaction, query.channel, caller.visible_channels)
        rows, following = read_page(
            request,
            installation.numbering,
            "cancellation requests",
            query,
            partial(cancellation_queries.find_requests, transaction, wanted),
            attrgetter("number"),
        )
    return page_answer(request, "cancellation_requests", [_document(row) for row in rows], following)


@router.get(
    "/v1/cancellation-requests/{id}",
    summary="Read one request to cancel",
    response_model=CancellationRequest,
    responses=describe(404),
)
def get_cancellation_request(
    request: Request, caller: MayRead, installation: ThisInstallation, own_id: RequestId
) -> Response:
    """One request."""
    with installation.ledger.read() as transaction:
        row = cancellation_queries.find(transaction, own_id, caller.visible_channels)
    if row is None:
        raise _problem(Refusal.UNKNOWN)
    return json_answer(request, render(_document(row)), holds_pii=False)


@router.post(
    "/v1/cancellation-requests/{id}/accept",
    summary="Accept a request to cancel",
    status_code=202,
    response_model=CancellationRequest,
    responses=describe(404, 409),
)
def accept_cancellation_request(
    caller: MayDecide, installation: ThisInstallation, own_id: RequestId, asked: CancellationDecision
) -> Response:
    """Agree to cancel: the order is held, and the marketplace is told where its API takes that.

    Where it does not, cancel the order at the marketplace; an incident says so until it shows the order as cancelled.
    """
    return fresh_answer(_decide(installation, caller, own_id, Decision.ACCEPT, asked.reason), 202)


@router.post(
    "/v1/cancellation-requests/{id}/decline",
    summary="Decline a request to cancel",
    response_model=CancellationRequest,
    responses=describe(404, 409),
)
def decline_cancellation_request(
    caller: MayDecide, installation: ThisInstallation, own_id: RequestId, asked: CancellationDecision
) -> Response:
    """Ship nevertheless: the order is held no longer, and the marketplace is told where it wants to hear of it."""
    return fresh_answer(_decide(installation, caller, own_id, Decision.DECLINE, asked.reason))


@router.post(
    "/v1/orders/{id}/cancellation",
    summary="Cancel an order, or units of it, as the seller",
    status_code=202,
    response_model=CancellationRequest,
    responses=describe(404, 409),
)
def cancel_order(
    request: Request, caller: MayDecide, installation: ThisInstallation, own_id: OrderId, asked: OrderCancellation
) -> Response:
    """Cancel what remains to be shipped, or some units of it; the marketplace is told where its API takes that.

    It becomes a request of `MERCHANT`, accepted from the start; follow it there.
    """
    with installation.ledger.write() as transaction:
        lock_book(transaction)
        find_order(transaction, caller, own_id)
        units = _units(transaction, own_id, asked)
        try:
            row = cancellations.ask(transaction, own_id, units, caller.consumer, asked.reason, installation.clock())
        except CancellationUndecidable as error:
            raise _problem(error.refusal) from None
    where = address(request, f"/v1/cancellation-requests/{row.id}")
    return fresh_answer(_document(row), 202, {"Location": where})


def _decide(
    installation: ApiInstallation, caller: Caller, own_id: str, decision: Decision, reason: str | None
) -> dict[str, Any]:
    with installation.ledger.write() as transaction:
        lock_book(transaction)
        try:
            row = cancellations.decide(
                transaction, own_id, decision, caller.consumer, reason, caller.visible_channels, installation.clock()
            )
        except CancellationUndecidable as error:
            raise _problem(error.refusal) from None
    return _document(row)


def _units(transaction: Transaction, order_id: str, asked: OrderCancellation) -> dict[str, int | None] | None:
    """Line id → units."""
    if asked.lines is None:
        return None
    known = shipment_queries.line_ids(transaction, order_id)
    return {
        known.get(each.item_original_id or "", "") if each.item_id is None else each.item_id: each.quantity
        for each in asked.lines
    }


def _problem(refusal: Refusal) -> Problem:
    detail = DETAILS[refusal]
    if refusal is Refusal.UNKNOWN:
        return not_found("id", detail, "unknown_cancellation_request")
    pointer = "/reason" if refusal is Refusal.UNKNOWN_REASON else "/lines"
    errors = [{"pointer": pointer, "message": detail}] if refusal in STATUSES else []
    return Problem(STATUSES.get(refusal, 409), refusal.value, detail, errors=errors)


def _document(row: CancellationRecord) -> dict[str, Any]:
    lines = [
        {"item_id": each["id"], "item_original_id": each["original_id"], "quantity": each["quantity"]}
        for each in row.lines
    ]
    return fill(CancellationRequest, row, lines=lines)
