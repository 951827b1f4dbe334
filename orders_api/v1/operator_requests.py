"""Requests to the pipeline, which alone talks to marketplaces and storages: asked here, answered when it has done them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from orders_api.kit.addresses import address
from orders_api.kit.answers import fresh_answer, json_answer, render
from orders_api.kit.audit import note
from orders_api.kit.auth import Caller, may
from orders_api.kit.errors import Problem, describe, describe_header, not_found
from orders_api.kit.parameters import RequestId
from orders_api.kit.queries import NoQuery
from orders_api.kit.records import fill
from orders_api.kit.routes import ThisInstallation, resource
from orders_api.schemas.operator_requests import NewRequest, OperatorRequestList, OperatorRequestState
from orders_api.schemas.vocabulary import ORDER_ID
from warehouse.ledger.people import operator_requests
from warehouse.ledger.people.request_subjects import subjects
from warehouse.ledger.settings.tokens import Scope
from warehouse.operator_requests import RULES, ArgumentInvalid, SubjectKind, checked_arguments

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.operator_requests import OperatorRequest

router = resource("Operations")

MayOperate = Annotated[Caller, may(Scope.OPERATIONS_WRITE)]


class RequestQuery(NoQuery):
    """How many requests."""

    limit: int = Field(50, description="How many at most.", ge=1, le=200, examples=[50])


@router.post(
    "/v1/requests",
    summary="Ask the pipeline for something",
    status_code=202,
    response_model=OperatorRequestState,
    responses={
        202: {
            "description": "It is asked; the pipeline takes it up within seconds, where one runs.",
            "headers": describe_header("Location", "The request.", f"/v1/requests/{ORDER_ID}"),
        },
    },
)
def ask_pipeline(request: Request, caller: MayOperate, installation: ThisInstallation, asked: NewRequest) -> Response:
    """Tests of connections, storages and recipients, listings of folders, pulls, orders read again, replays, confirmations,
    file jobs. While the same request is open, asking again gives that one. What is asked for is kept 30 days.
    """
    try:
        arguments = checked_arguments(asked.kind, asked.arguments)
    except ArgumentInvalid as error:
        pointer = "/kind" if error.argument == "kind" else f"/arguments/{error.argument}"
        raise Problem(
            422, "invalid_request", error.message, errors=[{"pointer": pointer, "message": error.message}]
        ) from None
    about = RULES[asked.kind].subject
    said = f"There is no {about} of this code that the token may name."
    with installation.ledger.write() as transaction:
        if asked.subject not in subjects(transaction, about, caller.visible_channels):
            raise Problem(422, "unknown_subject", said, errors=[{"pointer": "/subject", "message": said}])
        made = operator_requests.ask(
            transaction, asked.kind, asked.subject, arguments, caller.consumer, installation.clock()
        )
        note(transaction, request, caller, "request_asked", asked.subject, {"kind": asked.kind.value, **arguments})
        seen = operator_requests.pipeline_seen_at(transaction)
    return fresh_answer(document(made, seen), 202, {"Location": address(request, f"/v1/requests/{made.id}")})


@router.get("/v1/requests", summary="List requests to the pipeline", response_model=OperatorRequestList, responses={})
def list_requests(
    request: Request, caller: MayOperate, installation: ThisInstallation, query: Annotated[RequestQuery, Query()]
) -> Response:
    """The newest requests about what the token may name."""
    with installation.ledger.read() as transaction:
        visible = _visible(transaction, caller)
        found = operator_requests.newest(transaction, query.limit, visible)
        seen = operator_requests.pipeline_seen_at(transaction)
    body = render({"requests": [document(each, seen) for each in found]})
    return json_answer(request, body, holds_pii=False)


@router.get(
    "/v1/requests/{id}",
    summary="Get a request to the pipeline",
    response_model=OperatorRequestState,
    responses=describe(404),
)
def get_request(
    request: Request, caller: MayOperate, installation: ThisInstallation, request_id: RequestId
) -> Response:
    """How far a request has come, and what came of it."""
    with installation.ledger.read() as transaction:
        found = find_visible(transaction, caller, request_id)
        seen = operator_requests.pipeline_seen_at(transaction)
    return json_answer(request, render(document(found, seen)), holds_pii=False)


def find_visible(transaction: Transaction, caller: Caller, request_id: str) -> OperatorRequest:
    """A request that the token may see.

    Raises:
        Problem: 404 `unknown_request`.
    """
    found = operator_requests.find(transaction, request_id)
    visible = _visible(transaction, caller)
    if found is None or (visible is not None and found.subject not in visible[RULES[found.kind].subject]):
        raise not_found("id", "There is no such request.", "unknown_request")
    return found


def _visible(transaction: Transaction, caller: Caller) -> dict[SubjectKind, frozenset[str]] | None:
    """What the token's requests may be about; None for everything, what has been removed meanwhile among it."""
    if caller.sees_all_channels:
        return None
    return {each: subjects(transaction, each, caller.visible_channels) for each in SubjectKind}


def document(found: OperatorRequest, seen: datetime | None) -> dict[str, Any]:
    """A request."""
    return fill(OperatorRequestState, found, pipeline_seen_at=seen)
