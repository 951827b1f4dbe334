"""Acknowledging orders: a consumer says which revision of which order it has taken over, or could not take over."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from orders_api.kit.answers import NO_STORE, rendered
from orders_api.kit.bodies import JSON
from orders_api.kit.errors import MOST_FAULTS, Problem, describe, from_validation, message_of, place_in_body
from orders_api.kit.reading import NoQuery
from orders_api.kit.writing import Writing, carry_out_with_body, described_write
from orders_api.schemas.acknowledgements import (
    AcknowledgementRequest,
    AcknowledgementRequestItem,
    AcknowledgementResults,
)
from warehouse.ledger.book.acknowledgements import (
    Acknowledgement,
    AcknowledgementAnswer,
    AcknowledgementEffect,
    acknowledge,
)
from warehouse.ledger.settings.tokens import Scope

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
    """Say what became of 1 to 1000 orders on your side; each one gets its own result, and a wrong one stops no other.

    What is answered is committed. The same request again changes nothing and answers the same, but for `acknowledged`, which
    becomes `already_acknowledged`. An order that has changed since the revision you name is answered `stale_revision`. When
    none of them is as described, the answer is 422.
    """
    return await carry_out_with_body(request, Scope.ORDERS_READ, NoQuery, _acknowledged)


def _acknowledged(writing: Writing[NoQuery]) -> Response:
    given = [_given(each) for each in _items(writing.body)]
    sound = [each for each in given if isinstance(each, Acknowledgement)]
    if not sound:
        raise _all_wrong([each for each in given if not isinstance(each, Acknowledgement)])
    caller = writing.caller
    with writing.installation.ledger.write() as transaction:
        answers = iter(acknowledge(transaction, caller.consumer, caller.visible_channels, sound, writing.now))
    results = [
        _result(index, next(answers), []) if isinstance(each, Acknowledgement) else _result(index, _INVALID, each)
        for index, each in enumerate(given)
    ]
    return Response(rendered({"results": results}), headers={"Cache-Control": NO_STORE}, media_type=JSON)


class _Body(BaseModel):
    """The request as far as it is checked as a whole; each acknowledgement is checked on its own."""

    model_config = ConfigDict(extra="forbid")

    acknowledgements: list[Any] = Field(min_length=1, max_length=1000)


_INVALID = AcknowledgementAnswer(AcknowledgementEffect.INVALID)


def _items(body: bytes) -> list[Any]:
    try:
        return _Body.model_validate_json(body).acknowledgements
    except ValidationError as error:
        raise from_validation("body", error.errors(include_input=False, include_url=False)) from None


def _given(item: Any) -> Acknowledgement | list[dict[str, str]]:  # noqa: ANN401 - any JSON value
    """One acknowledgement, or what is wrong with it."""
    try:
        each = AcknowledgementRequestItem.model_validate(item)
    except ValidationError as error:
        faults = error.errors(include_input=False, include_url=False)
        return [{"field": place_in_body(fault), "message": message_of(fault)} for fault in faults]
    return Acknowledgement(
        id=each.id,
        channel=each.channel,
        original_id=each.original_id,
        revision=each.revision,
        outcome=each.outcome,
        order_number=each.order_number,
        message=each.message,
    )


def _all_wrong(given: list[list[dict[str, str]]]) -> Problem:
    """The answer to a request of which nothing was understood."""
    errors = [
        {"pointer": f"/acknowledgements/{index}/{fault['field']}".rstrip("/"), "message": fault["message"]}
        for index, faults in enumerate(given)
        for fault in faults
    ]
    detail = "No acknowledgement is as described: see errors."
    return Problem(422, "invalid_request", detail, errors=errors[:MOST_FAULTS])


def _result(index: int, answer: AcknowledgementAnswer, errors: list[dict[str, str]]) -> dict[str, object]:
    return {
        "index": index,
        "result": answer.result,
        "id": answer.order_id,
        "revision": answer.revision,
        "current_revision": answer.current_revision,
        "candidates": answer.candidates,
        "errors": errors,
    }
