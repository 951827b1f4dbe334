"""Acknowledging orders: a consumer says which revision of which order it has taken over, or could not take over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter
from pydantic import ValidationError
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from orders_api.answers import rendered
from orders_api.auth import SECURITY_SCHEME, admit
from orders_api.bodies import JSON, read_body, require_json
from orders_api.errors import describe, from_validation
from orders_api.installation import installation_of
from orders_api.reading import NoQuery, parsed
from orders_api.schemas import AcknowledgementRequest, AcknowledgementResults
from warehouse.ledger.acknowledgements import Acknowledgement, Answer, acknowledge
from warehouse.ledger.tokens import Scope, is_use_due

if TYPE_CHECKING:
    from orders_api.auth import Caller

router = APIRouter(tags=["Orders"])


@router.post(
    "/v1/orders/acknowledgements",
    operation_id="acknowledge_orders",
    summary="Acknowledge orders",
    response_model=AcknowledgementResults,
    responses=describe(400, 401, 403, 413, 415, 422, 429, 500, 503),
    openapi_extra={
        "security": [{SECURITY_SCHEME: [Scope.ORDERS_READ.value]}],
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": {"$ref": "#/components/schemas/AcknowledgementRequest"}}},
        },
    },
)
async def acknowledge_orders(request: Request) -> Response:
    """Say what became of 1 to 1000 orders on your side; each one gets its own result, and one unknown order stops no other.

    What is answered is committed. The same request again changes nothing and answers the same, but for `acknowledged`, which
    becomes `already_acknowledged`. An order that has changed since the revision you name is answered `stale_revision`.
    """
    caller = await run_in_threadpool(_admitted, request)
    body = await read_body(request)
    return await run_in_threadpool(_acknowledged, request, caller, body)


def _admitted(request: Request) -> Caller:
    """Before the body is read: a stranger's body is not looked at."""
    installation = installation_of(request)
    with installation.ledger.read() as connection:
        caller = admit(connection, request, installation, Scope.ORDERS_READ)
    parsed(request, NoQuery)
    require_json(request)
    return caller


def _acknowledged(request: Request, caller: Caller, body: bytes) -> Response:
    given = _given(body)
    installation = installation_of(request)
    now = installation.clock()
    with installation.ledger.write() as connection:
        answers = acknowledge(connection, caller.consumer, caller.visible_channels, given, now)
    results = [_result(index, each) for index, each in enumerate(answers)]
    response = Response(rendered({"results": results}), headers={"Cache-Control": "no-store"}, media_type=JSON)
    if is_use_due(caller.token, now):
        response.background = BackgroundTask(installation.note, caller.token, None)
    return response


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
