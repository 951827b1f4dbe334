"""Who is asking, and what they may: bearer tokens, scopes, and the request limit of each token.

A router made by `protected_router` checks all three before anything else of the request is looked at, so that a stranger
learns nothing, not even that a parameter is wrong. Making and keeping tokens is in `warehouse.ledger.tokens`.
"""

# ruff: noqa: TC002 - FastAPI and pydantic read annotations at run time
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from orders_api.errors import Problem, describe
from orders_api.installation import installation_of
from warehouse.ledger.tokens import Scope, is_use_due

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from starlette.responses import Response

    from orders_api.installation import Installation
    from warehouse.ledger.tokens import TokenInfo

SECURITY_SCHEME = "token"
REPEATABLE = frozenset({"status", "channel"})

IMPLIED = {
    Scope.ORDERS_READ: frozenset({Scope.ORDERS_READ, Scope.ORDERS_READ_PII, Scope.ADMIN}),
    Scope.ORDERS_READ_PII: frozenset({Scope.ORDERS_READ_PII}),
    Scope.SHIPMENTS_WRITE: frozenset({Scope.SHIPMENTS_WRITE, Scope.ADMIN}),
    Scope.ADMIN: frozenset({Scope.ADMIN}),
}
"""Scope → any of these grants it. An administrator does not read personal data unless given that scope by name."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The token behind a request, and what follows from it."""

    token: TokenInfo

    @property
    def consumer(self) -> str:
        """Whose cursor and acknowledgements these are."""
        return self.token.consumer

    @property
    def visible_channels(self) -> tuple[str, ...] | None:
        """Channels that may be seen; None for all."""
        return self.token.channels

    @property
    def may_read_pii(self) -> bool:
        """Whether personal data may be answered."""
        return self.may(Scope.ORDERS_READ_PII)

    def may(self, scope: Scope) -> bool:
        """Whether the token has this scope, or one that includes it."""
        return not IMPLIED[scope].isdisjoint(self.token.scopes)


async def _current_caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


CurrentCaller = Annotated[Caller, Depends(_current_caller)]


def protected_router(scope: Scope, tag: str) -> APIRouter:
    """A router every route of which needs a token with this scope."""

    class ProtectedRoute(APIRoute):
        def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 - FastAPI's own
            options["openapi_extra"] = {
                **(options.get("openapi_extra") or {}),
                "security": [{SECURITY_SCHEME: [scope.value]}],
            }
            options["responses"] = {**describe(401, 403, 422, 429, 500, 503), **(options.get("responses") or {})}
            super().__init__(path, endpoint, **options)

        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            handler = super().get_route_handler()

            async def guarded(request: Request) -> Response:
                await _admit(request, scope)
                response = await handler(request)
                _note_reader(request, response)
                return response

            return guarded

    return APIRouter(route_class=ProtectedRoute, tags=[tag])


async def _admit(request: Request, scope: Scope) -> None:
    installation = await installation_of(request)
    presented = _bearer(request.headers.get("authorization"))
    token = None if presented is None else await run_in_threadpool(installation.verify, presented)
    if token is None:
        raise _unauthenticated(was_presented=presented is not None)
    limit = installation.limiter.take(token.id)
    request.state.limit_headers = limit.headers
    if not limit.is_admitted:
        detail = f"This token has made too many requests. Try again in {limit.retry_after_seconds} seconds."
        raise Problem(429, "too_many_requests", detail, headers={"Retry-After": str(limit.retry_after_seconds)})
    caller = Caller(token)
    if not caller.may(scope):
        detail = f"This token lacks the scope {scope.value}."
        challenge = f'Bearer error="insufficient_scope", scope="{scope.value}"'
        raise Problem(403, "missing_scope", detail, headers={"WWW-Authenticate": challenge})
    _refuse_repeated(request)
    request.state.caller = caller


def _note_reader(request: Request, response: Response) -> None:
    """Have this use remembered once the answer is out: at most once a minute, or when the consumer has read on."""
    installation: Installation = request.app.state.installation
    token = request.state.caller.token
    position = getattr(request.state, "read_after", None)
    if position is not None or is_use_due(token, installation.clock()):
        response.background = BackgroundTask(installation.note, token, position)


def _bearer(header: str | None) -> str | None:
    scheme, _, presented = (header or "").partition(" ")
    return presented.strip() if scheme.lower() == "bearer" else None


def _unauthenticated(*, was_presented: bool) -> Problem:
    if was_presented:
        detail = "This token is not accepted: it is unknown, expired or revoked."
        return Problem(401, "invalid_token", detail, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
    detail = "Send a token: `Authorization: Bearer orders_…`."
    return Problem(401, "unauthenticated", detail, headers={"WWW-Authenticate": "Bearer"})


def _refuse_repeated(request: Request) -> None:
    """A parameter that is given twice would silently be the last one."""
    if not request.url.query:
        return
    names = [name for name, _ in request.query_params.multi_items() if name not in REPEATABLE]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        errors = [{"parameter": name[:64], "message": "given more than once"} for name in repeated]
        raise Problem(422, "invalid_request", "The request is not as described: see errors.", errors=errors)
