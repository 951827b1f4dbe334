"""One write of the API from its token to its answer: who asks is known before the body is read, and the work is in one thread.

Each write opens its own transactions of the ledger. What reads is in `reading`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool

from orders_api.kit.auth import SECURITY_SCHEME, admit
from orders_api.kit.bodies import JSON, read_body, require_json
from orders_api.kit.installation import Installation, installation_of
from orders_api.kit.reading import Query, parsed, query_parameters
from warehouse.ledger.settings.tokens import is_use_due

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from pydantic import BaseModel
    from starlette.requests import Request
    from starlette.responses import Response

    from orders_api.kit.auth import Caller
    from warehouse.ledger.settings.tokens import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing(Generic[Query]):
    """One write under way.

    Attributes:
        request: What was asked.
        query: Its parameters.
        body: Its body; empty where the route takes none.
        caller: Who is asking.
        installation: What the API holds.
        now: When it is recorded.
    """

    request: Request
    query: Query
    body: bytes
    caller: Caller
    installation: Installation
    now: datetime


async def carry_out(
    request: Request, scope: Scope, query: type[Query], work: Callable[[Writing[Query]], Response]
) -> Response:
    """Admit, then do the work; for a route without a body."""
    caller, asked = await run_in_threadpool(_admitted, request, scope, query)
    return await run_in_threadpool(_done, request, caller, asked, b"", work)


async def carry_out_with_body(
    request: Request, scope: Scope, query: type[Query], work: Callable[[Writing[Query]], Response]
) -> Response:
    """Admit, read the JSON body, then do the work: a stranger's body is not looked at."""
    caller, asked = await run_in_threadpool(_admitted, request, scope, query)
    require_json(request)
    body = await read_body(request)
    return await run_in_threadpool(_done, request, caller, asked, body, work)


def described_write(
    scope: Scope,
    query: type[BaseModel],
    body: type[BaseModel] | None = None,
    parameters: tuple[dict[str, Any], ...] = (),
) -> dict[str, Any]:
    """What the API's description says of a write, besides its answers: scope, parameters, and the shape of its body."""
    described: dict[str, Any] = {"security": [{SECURITY_SCHEME: [scope.value]}]}
    if listed := [*parameters, *query_parameters(query)]:
        described["parameters"] = listed
    if body is not None:
        schema = {"$ref": f"#/components/schemas/{body.__name__}"}
        described["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}}}
    return described


def _admitted(request: Request, scope: Scope, query: type[Query]) -> tuple[Caller, Query]:
    installation = installation_of(request)
    with installation.ledger.read() as transaction:
        caller = admit(transaction, request, installation, scope)
    return caller, parsed(request, query)


def _done(
    request: Request, caller: Caller, query: Query, body: bytes, work: Callable[[Writing[Query]], Response]
) -> Response:
    installation = installation_of(request)
    now = installation.clock()
    writing = Writing(request=request, query=query, body=body, caller=caller, installation=installation, now=now)
    response = work(writing)
    if is_use_due(caller.token, now):
        response.background = BackgroundTask(installation.note, caller.token, None)
    return response
