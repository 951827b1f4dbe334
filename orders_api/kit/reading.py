"""One read of the API from its token to its answer: in one worker thread, and in one transaction of the ledger.

The framework's own parameters and dependencies would cost more than the query (a second thread, and 0.3 ms for a list's
filters), and would tell a stranger which parameter is wrong before asking who it is. So a route made here has a function of
`(Reading, query)`; how it appears in the API's description is derived from the query's model. What writes is not here.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from orders_api.kit.auth import SECURITY_SCHEME, admit
from orders_api.kit.errors import Problem, describe, from_validation
from orders_api.kit.installation import Installation, installation_of
from warehouse.ledger.book import order_queries
from warehouse.ledger.settings.tokens import Scope, is_use_due

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fastapi import APIRouter
    from sqlalchemy.engine import Connection as Transaction

    from orders_api.kit.auth import Caller
    from warehouse.ledger.book.order_queries import Row
    from warehouse.ledger.exchange.numbering import Numbered

Query = TypeVar("Query", bound=BaseModel)
REPEATABLE = frozenset({"status", "channel", "marketplace", "column", "kind", "stage", "code", "level"})
MAY_HOLD_COMMAS = frozenset({"marketplace"})
ONE_AT_A_TIME = "one value at a time: for several repeat the parameter, name=first&name=second"
NAME_LIMIT = 64
NUMBER = re.compile(r"[0-9]{1,18}")

READING_THREADS = 2
"""Reads that are worked on at once: one computes while the other waits for the database. Three or more take the interpreter
from each other and from the event loop; measured, four of them serve half as many pages a second. More by more processes."""

_READERS: RunVar[CapacityLimiter] = RunVar("orders_api_readers")


class NoQuery(BaseModel):
    """No parameters: whatever is given is a mistake that the client should hear of."""

    model_config = ConfigDict(extra="forbid")


@dataclass(slots=True)
class Reading:
    """One read under way.

    Attributes:
        request: What was asked.
        transaction: The read transaction; over when the function returns.
        caller: Who is asking.
        installation: What the API holds.
        read_after: Set by the change feed: the position up to which the consumer has everything.
    """

    request: Request
    transaction: Transaction
    caller: Caller
    installation: Installation
    read_after: int | None = None

    @property
    def path(self) -> dict[str, str]:
        """The variable parts of the path."""
        return self.request.path_params

    def documents(self, rows: Sequence[Row]) -> list[str]:
        """The orders as JSON texts, with what the caller may see of the buyers."""
        sealed = None
        if self.caller.may_read_pii:
            sealed = order_queries.sealed_parties(self.transaction, [row["id"] for row in rows])
        return self.installation.documents(rows, sealed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Generic[Query]):
    """A GET route.

    Attributes:
        path: Where it is.
        operation_id: Its stable name in the API's description.
        summary: What it does, in a few words.
        query: Its query parameters; all others are refused.
        answer: The shape of its answer, for the description; None when `responses` describes it.
        problems: The statuses of its own problems, besides those of every route.
        path_parameters: OpenAPI parameter objects of the path's variable parts.
        responses: Further responses, for the description.
        scopes: Any of these admits.
    """

    path: str
    operation_id: str
    summary: str
    query: type[Query]
    answer: type[BaseModel] | None
    problems: tuple[int, ...] = ()
    path_parameters: tuple[dict[str, Any], ...] = ()
    responses: Mapping[int | str, dict[str, Any]] = field(default_factory=dict)
    scopes: tuple[Scope, ...] = (Scope.ORDERS_READ,)

    def serve(
        self, router: APIRouter
    ) -> Callable[[Callable[[Reading, Query], Response]], Callable[[Reading, Query], Response]]:
        """A decorator that registers the function which answers."""

        def register(function: Callable[[Reading, Query], Response]) -> Callable[[Reading, Query], Response]:
            async def endpoint(request: Request) -> Response:
                return await to_thread.run_sync(_read, request, self, function, limiter=_readers())

            endpoint.__doc__ = function.__doc__
            endpoint.__name__ = function.__name__
            router.get(
                self.path,
                operation_id=self.operation_id,
                summary=self.summary,
                response_model=self.answer,
                responses={**describe(401, 403, 422, 429, 500, 503, *self.problems), **self.responses},
                openapi_extra={
                    "security": [{SECURITY_SCHEME: [scope.value]} for scope in self.scopes],
                    "parameters": [*self.path_parameters, *query_parameters(self.query)],
                },
            )(endpoint)
            return function

        return register


def path_id(request: Request) -> str | None:
    """The internal id in the path; None when it is none of ours."""
    try:
        return str(uuid.UUID(request.path_params["id"]))
    except ValueError:
        return None


def number_in_path(request: Request, installation: Installation, caller: Caller, kind: Numbered) -> int | None:
    """What the id in the path stands for; None when it is none of this kind.

    The number itself is understood of a caller who sees all channels: another could count with it.
    """
    given: str = request.path_params["id"]
    if caller.sees_all_channels and NUMBER.fullmatch(given):
        return int(given)
    return installation.numbering.number(kind, given)


def _readers() -> CapacityLimiter:
    """The threads that read, of this event loop."""
    try:
        return _READERS.get()
    except LookupError:
        limiter = CapacityLimiter(READING_THREADS)
        _READERS.set(limiter)
        return limiter


def query_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    """The fields of a model as OpenAPI query parameters."""
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    required = schema.get("required", ())
    parameters = []
    for name, described in schema.get("properties", {}).items():
        inlined = _inlined(described, definitions)
        parameter = {
            "name": name,
            "in": "query",
            "required": name in required,
            "description": inlined.pop("description"),
        }
        parameters.append({**parameter, "example": inlined.pop("examples")[0], "schema": inlined})
    return parameters


def parsed(request: Request, model: type[Query]) -> Query:
    """The query parameters of a request.

    Raises:
        Problem: 422, naming each parameter that is unknown, given twice, or not as described.
    """
    values: dict[str, Any] = {}
    repeated: set[str] = set()
    joined: set[str] = set()
    for name, value in request.query_params.multi_items():
        if name in REPEATABLE:
            values.setdefault(name, []).append(value)
            if "," in value and name not in MAY_HOLD_COMMAS:
                joined.add(name)
        elif name in values:
            repeated.add(name[:NAME_LIMIT])
        else:
            values[name] = value
    if repeated or joined:
        errors = [{"parameter": name, "message": "given more than once"} for name in sorted(repeated)]
        errors += [{"parameter": name, "message": ONE_AT_A_TIME} for name in sorted(joined)]
        raise Problem(422, "invalid_request", "The request is not as described: see errors.", errors=errors)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise from_validation("query", error.errors(include_input=False, include_url=False)) from None


def _read(request: Request, route: Route[Query], function: Callable[[Reading, Query], Response]) -> Response:
    installation = installation_of(request)
    with installation.ledger.read() as transaction:
        caller = admit(transaction, request, installation, *route.scopes)
        reading = Reading(request, transaction, caller, installation)
        response = function(reading, parsed(request, route.query))
    if reading.read_after is not None or is_use_due(caller.token, installation.clock()):
        response.background = BackgroundTask(installation.note, caller.token, reading.read_after)
    return response


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON schema
    """A schema without references: parameters stand for themselves. A null member goes: a query has no null."""
    if isinstance(schema, list):
        return [_inlined(each, definitions) for each in schema if each != {"type": "null"}]
    if not isinstance(schema, dict):
        return schema
    merged = {name: _inlined(value, definitions) for name, value in schema.items() if name not in _LEFT_OUT}
    if "$ref" in schema:
        merged = {**_inlined(definitions[schema["$ref"].rpartition("/")[2]], definitions), **merged}
    if len(merged.get("anyOf", ())) == 1:
        merged = {**merged.pop("anyOf")[0], **merged}
    return {name: value for name, value in merged.items() if value is not None}


_LEFT_OUT = frozenset({"$ref", "title"})
