"""Errors as the API tells them: RFC 9457 problem documents, one shape for every status. When they are raised is each module's
own matter; nothing in a problem shows internals, secrets, or what the client sent as a value.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import compile_path

from warehouse.ledger.base.move_mark import is_refusal
from warehouse.ledger.book.retired_orders import RetiredOrdersUnreadable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi import FastAPI
    from starlette.requests import Request

PROBLEM_MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:orders-syndication:problem:"
NAME_LIMIT = 64
MOST_FAULTS = 100

CODES = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "body_too_large",
    415: "unsupported_media_type",
    422: "invalid_request",
    429: "too_many_requests",
    500: "internal_error",
    503: "unavailable",
}

REFUSALS = {
    404: "There is nothing at this path.",
    405: "This path does not answer to this method.",
    413: "The request's body is larger than this server accepts.",
}
"""Of the framework, before any code of ours ran."""


class Problem(Exception):
    """An answer that is an error.

    Attributes:
        status: HTTP status.
        code: Stable snake_case word that a client may branch on.
        detail: Plain sentence that says what to do.
        errors: Where the request is wrong: `parameter`, or `pointer` (RFC 6901, into the body), with a `message`.
        headers: Sent with it.
        members: Further members of the document.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        self.members = dict(members or {})


def not_found(parameter: str, detail: str, code: str) -> Problem:
    """Something that does not exist, or that this token may not see: both are told in the same words."""
    return Problem(404, code, detail, errors=[{"parameter": parameter, "message": detail}])


def problem_response(problem: Problem, request_id: str) -> Response:
    """The problem as an answer."""
    body = {
        "type": TYPE_PREFIX + problem.code,
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "code": problem.code,
        "errors": list(problem.errors),
        "request_id": request_id,
        **problem.members,
    }
    headers = {"Cache-Control": "no-store", **problem.headers}
    return Response(orjson.dumps(body), problem.status, headers, PROBLEM_MEDIA_TYPE)


def describe(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems of a route, for the description. Those that follow from its signature are there without being named."""
    schema = {"$ref": "#/components/schemas/ProblemDocument"}
    return {
        status: {"description": DESCRIPTIONS[status], "content": {PROBLEM_MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


def describe_header(name: str, meaning: str, example: str) -> dict[str, Any]:
    """A header of an answer, for the description."""
    return {name: {"description": meaning, "schema": {"type": "string"}, "example": example}}


DESCRIPTIONS = {
    400: "The cursor or position is not one of this list's, or a header is not as described.",
    401: "There is no token in the request, or it is not accepted: unknown, expired or revoked.",
    403: "The token lacks the scope that is named, or is limited to channels where that is not possible.",
    404: "It does not exist, or the token may not see it.",
    408: "The request's body did not arrive in time.",
    409: "It cannot be done as things stand; `code` says why.",
    412: "It is no longer as `If-Match` says; read it again.",
    413: "The request's body is too large.",
    415: "The body is not JSON.",
    422: "A parameter or a part of the body is not as described; each one is named.",
    428: "It is there already, otherwise: to change it send its `ETag` as `If-Match`.",
    429: "Too many requests with this token; `Retry-After` says for how many seconds to wait.",
    500: "The server failed; the request id finds the entry in its log.",
    503: "The ledger cannot be reached or is busy, or a check failed; try again later.",
}


RETIRED_UNREADABLE = (
    "Retired orders are among those that were asked for, and the order tables, where they stand, cannot be read now. Nothing "
    "of this request was recorded; try again, or ask for later orders."
)


def install(app: FastAPI) -> None:
    """Make every error of the application a problem."""

    async def on_http_error(request: Request, error: HTTPException) -> Response:
        problem = from_http_error(error)
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and (methods := _methods_at(request)):
            problem.headers["Allow"] = methods
        return _answer(request, problem)

    async def on_wrong_parameter(request: Request, error: RequestValidationError) -> Response:
        faults = [{**each, "loc": each["loc"][1:]} for each in error.errors()]
        return _answer(request, from_validation("query", faults))

    async def on_expected(request: Request, error: Exception) -> Response:
        return answer_expected(request, error)

    app.add_exception_handler(HTTPException, on_http_error)  # type: ignore[arg-type] # Starlette's own idiom
    app.add_exception_handler(RequestValidationError, on_wrong_parameter)  # type: ignore[arg-type] # as above
    for kind in EXPECTED:
        app.add_exception_handler(kind, on_expected)


EXPECTED = (Problem, OperationalError, PoolTimeout, RetiredOrdersUnreadable)
"""What code of ours raises when a request cannot be answered as it was meant."""


def answer_expected(request: Request, error: Exception) -> Response:
    """The problem that it is, or that the ledger or the lake cannot be reached."""
    match error:
        case Problem():
            problem = error
        case RetiredOrdersUnreadable():
            problem = Problem(503, "retired_orders_unreadable", RETIRED_UNREADABLE, headers={"Retry-After": "60"})
        case _:
            problem = ledger_unavailable(error)
    return _answer(request, problem)


def _answer(request: Request, problem: Problem) -> Response:
    request.state.problem = problem.code
    return problem_response(problem, request.state.request_id)


def ledger_unavailable(error: Exception) -> Problem:
    """The database does not answer, somebody else has been writing for too long, or the ledger is moving or has moved."""
    if is_refusal(error):
        detail = "The ledger is being moved to another database, or was. Nothing of this request was recorded; try again later."
        return Problem(503, "ledger_moved", detail, headers={"Retry-After": "60"})
    detail = "The ledger cannot be reached or is busy. Nothing of this request was recorded; try again."
    return Problem(503, "ledger_unavailable", detail, headers={"Retry-After": "5"})


def internal_error() -> Problem:
    """A defect of ours."""
    return Problem(500, "internal_error", "The server failed. The request id finds the entry in its log.")


def _methods_at(request: Request) -> str:
    """What this path answers to; the framework tells only the methods of the first route that it finds there."""
    described: Mapping[str, Mapping[str, Any]] = request.app.openapi()["paths"]
    path = request.url.path
    answering = [path] if path in described else [each for each in described if compile_path(each)[0].match(path)]
    methods = {method.upper() for each in answering for method in described[each]}
    return ", ".join(sorted({*methods, *(("HEAD",) if "GET" in methods else ())}))


def from_http_error(error: HTTPException) -> Problem:
    """What the framework refused, before any code of ours ran."""
    detail = REFUSALS.get(error.status_code, "The request could not be read.")
    code = CODES.get(error.status_code, "http_error")
    return Problem(error.status_code, code, detail, headers=error.headers)


def from_validation(where: str, faults: Sequence[Mapping[str, Any]]) -> Problem:
    """Each fault with its place; never with the value that was found there.

    Args:
        where: `query` or `body`.
        faults: What pydantic found.
    """
    fault = _body_fault if where == "body" else _query_fault
    errors = [fault(each) for each in faults[:MOST_FAULTS]]
    return Problem(422, "invalid_request", "The request is not as described: see errors.", errors=errors)


def place_in_body(fault: Mapping[str, Any]) -> str:
    """Where in the body pydantic found a fault, as the reference tokens of a JSON pointer: `lines/0/accepted`."""
    return "/".join(_escape(part) for part in fault["loc"])


def _body_fault(fault: Mapping[str, Any]) -> dict[str, str]:
    place = place_in_body(fault)
    return {"pointer": f"/{place}" if place else "", "message": message_of(fault)}


def _query_fault(fault: Mapping[str, Any]) -> dict[str, str]:
    name = str(fault["loc"][0])[:NAME_LIMIT] if fault["loc"] else ""
    return {"parameter": name, "message": message_of(fault)}


def message_of(fault: Mapping[str, Any]) -> str:
    """What pydantic found, in words that do not repeat the value."""
    match fault["type"]:
        case "extra_forbidden":
            return "there is no such parameter or member here"
        case "json_invalid":
            return "the body is not valid JSON"
        case _:
            return str(fault["msg"]).removeprefix("Value error, ")


def _escape(part: object) -> str:
    return str(part)[:NAME_LIMIT].replace("~", "~0").replace("/", "~1")
