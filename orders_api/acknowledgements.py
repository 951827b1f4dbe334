"""Acknowledging orders: a consumer says which revision of which order it has taken over, or could not take over."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from orders_api.answers import NO_STORE, rendered
from orders_api.bodies import JSON
from orders_api.errors import describe, from_validation
from orders_api.reading import NoQuery
from orders_api.schemas import AcknowledgementRequest, AcknowledgementResults
from orders_api.writing import Writing, carry_out_with_body, described_write
from warehouse.ledger.acknowledgements import Acknowledgement, Answer, acknowledge
from warehouse.ledger.tokens import Scope

router = APIRouter(tags=["Orders"])


@router.post(
    "/v1/orders/acknowledgements",
    operation_id="acknowledge_orders",
    summary="Acknowledge orders",
    response_model=AcknowledgementResults,
    responses=describe(400, 401, 403, 413, 415, 422, 429, 500, 503),
    openapi_extra=described_write(Scope.ORDERS_READ, NoQuery, AcknowledgementRequest),
)
async def acknowledge_orders(request: Request) -> Response:
    """Say what became of 1 to 1000 orders on your side; each one gets its own result, and one unknown order stops no other.

    What is answered is committed. The same request again changes nothing and answers the same, but for `acknowledged`, which
    becomes `already_acknowledged`. An order that has changed since the revision you name is answered `stale_revision`.
    """
    return await carry_out_with_body(request, Scope.ORDERS_READ, NoQuery, _acknowledged)


def _acknowledged(writing: Writing[NoQuery]) -> Response:
    given = _given(writing.body)
    caller = writing.caller
    with writing.installation.ledger.write() as connection:
        answers = acknowledge(connection, caller.consumer, caller.visible_channels, given, writing.now)
    results = [_result(index, each) for index, each in enumerate(answers)]
    return Response(rendered({"results": results}), headers={"Cache-Control": NO_STORE}, media_type=JSON)


def _given(body: bytes) -> list[Acknowledgement]:
    try:
        asked = AcknowledgementRequest.model_validate_json(body)
    except ValidationError as error:
        raise from_validation("body", error.errors(include_input=False, include_url=False)) from None
    return [
        Acknowledgement(
            id=each.id,
            channel=each.channel,
            original_id=each.original_id,
            revision=each.revision,
            outcome=each.outcome,
            order_number=each.order_number,
            message=each.message,
        )
        for each in asked.acknowledgements
    ]


def _result(index: int, answer: Answer) -> dict[str, object]:
    return {
        "index": index,
        "result": answer.result,
        "id": answer.order_id,
        "revision": answer.revision,
        "current_revision": answer.current_revision,
        "candidates": answer.candidates,
    }
