"""Acknowledging orders: a consumer says which revision of which order it has taken over, or could not take over."""

from __future__ import annotations

from starlette.responses import Response

from orders_api.kit.answers import fresh_answer
from orders_api.kit.auth import MayRead
from orders_api.kit.errors import MOST_FAULTS, Problem, describe, message_of, place_in_body
from orders_api.kit.records import fill, make
from orders_api.kit.routes import ThisInstallation, resource
from orders_api.schemas.acknowledgements import (
    AcknowledgementRequest,
    AcknowledgementRequestItem,
    AcknowledgementResult,
    AcknowledgementResults,
)
from orders_api.schemas.vocabulary import Faults
from warehouse.ledger.book.acknowledgements import (
    Acknowledgement,
    AcknowledgementAnswer,
    AcknowledgementEffect,
    acknowledge,
)

router = resource("Orders")


@router.post(
    "/v1/orders/acknowledgements",
    summary="Acknowledge orders",
    response_model=AcknowledgementResults,
    responses=describe(400),
)
def acknowledge_orders(caller: MayRead, installation: ThisInstallation, asked: AcknowledgementRequest) -> Response:
    """Say what became of 1 to 1000 orders on your side; each one gets its own result, and a wrong one stops no other.

    What is answered is committed. The same request again changes nothing and answers the same, but for `acknowledged`, which
    becomes `already_acknowledged`. An order that has changed since the revision you name is answered `stale_revision`. When
    none of them is as described, the answer is 422.
    """
    given = [_read(each) for each in asked.acknowledgements]
    sound = [each for each in given if isinstance(each, Acknowledgement)]
    if not sound:
        raise _all_wrong([each for each in given if not isinstance(each, Acknowledgement)])
    with installation.ledger.write() as transaction:
        now = installation.clock()
        answers = iter(acknowledge(transaction, caller.consumer, caller.visible_channels, sound, now))
    results = [
        _result(index, next(answers), []) if isinstance(each, Acknowledgement) else _result(index, _INVALID, each)
        for index, each in enumerate(given)
    ]
    return fresh_answer({"results": results})


_INVALID = AcknowledgementAnswer(AcknowledgementEffect.INVALID)


def _read(each: AcknowledgementRequestItem | Faults) -> Acknowledgement | list[dict[str, str]]:
    """One acknowledgement, or what is wrong with it."""
    if isinstance(each, Faults):
        return [{"field": place_in_body(fault), "message": message_of(fault)} for fault in each]
    return make(Acknowledgement, each)


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
    return fill(AcknowledgementResult, answer, index=index, id=answer.order_id, errors=errors)
