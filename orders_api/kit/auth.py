"""Who is asking, and what they may: bearer tokens, scopes, and the request limit of each token.

Everything of a request is looked at after `admit`, so that a stranger learns nothing, not even that a parameter is wrong.
Making and keeping tokens is in `warehouse.ledger.settings.tokens`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Security
from fastapi.security import HTTPBearer
from starlette.requests import Request

from orders_api.kit.errors import Problem
from warehouse.ledger.settings import tokens
from warehouse.ledger.settings.tokens import Scope

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Transaction

    from orders_api.kit.installation import ApiInstallation
    from warehouse.ledger.base.prepared import Question

GRANTED_BY = {
    Scope.ORDERS_READ: frozenset({Scope.ORDERS_READ, Scope.ORDERS_READ_PII, Scope.ADMIN}),
    Scope.ORDERS_READ_PII: frozenset({Scope.ORDERS_READ_PII}),
    Scope.ORDERS_WRITE: frozenset({Scope.ORDERS_WRITE, Scope.ADMIN}),
    Scope.SHIPMENTS_WRITE: frozenset({Scope.SHIPMENTS_WRITE, Scope.ADMIN}),
    Scope.OPERATIONS_WRITE: frozenset({Scope.OPERATIONS_WRITE, Scope.ADMIN}),
    Scope.CONFIGURATION_WRITE: frozenset({Scope.CONFIGURATION_WRITE, Scope.ADMIN}),
    Scope.METRICS_READ: frozenset({Scope.METRICS_READ, Scope.ADMIN}),
    Scope.ADMIN: frozenset({Scope.ADMIN}),
}
"""Scope → any of these grants it. An administrator does not read personal data unless given that scope by name."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The token behind a request, and what follows from it."""

    token: tokens.TokenInfo

    @property
    def consumer(self) -> str:
        """Whose cursor and acknowledgements these are."""
        return self.token.consumer

    @property
    def visible_channels(self) -> tuple[str, ...] | None:
        """Channels that may be seen; None for all."""
        return self.token.channels

    @property
    def sees_all_channels(self) -> bool:
        """Whether numbers that go through the whole book tell it nothing that it may not know."""
        return self.token.channels is None

    @property
    def may_read_pii(self) -> bool:
        """Whether personal data may be answered."""
        return self.may(Scope.ORDERS_READ_PII)

    def may(self, scope: Scope) -> bool:
        """Whether the token has this scope, or one that includes it."""
        return not GRANTED_BY[scope].isdisjoint(self.token.scopes)


class May(HTTPBearer):
    """The permission of a route, and in its description the token: any of the scopes admits.

    As a parameter it is the caller whom the route has admitted.
    """

    def __init__(self, *scopes: Scope) -> None:
        super().__init__(scheme_name="token", description="A token made with `orders tokens create`.", auto_error=False)
        self.scopes = scopes

    async def __call__(self, request: Request) -> Any:  # type: ignore[override] # noqa: ANN401 - a caller, no credentials
        """Who was admitted."""
        return request.state.caller


def may(*scopes: Scope) -> Any:  # noqa: ANN401 - as FastAPI's own
    """The permission as `caller: Annotated[Caller, …]` takes it: who asks, when they have any of the scopes."""
    return Security(May(*scopes), scopes=scopes)


MayRead = Annotated[Caller, may(Scope.ORDERS_READ)]


def admit(transaction: Transaction, request: Request, installation: ApiInstallation, *scopes: Scope) -> Caller:
    """Who is asking, when they may: with any of the scopes.

    The token is looked up for every request: what is revoked ends with the next call.

    Raises:
        Problem: 401 without an accepted token, 429 beyond the token's limit, 403 without the scope, in this order.
    """
    presented = _bearer(request.headers.get("authorization"))
    token = None if presented is None else tokens.verify(transaction, presented, installation.clock())
    if token is None:
        raise _unauthenticated(was_presented=presented is not None)
    request.state.consumer = token.consumer
    limit = installation.limiter.take(token.id)
    request.state.limit_headers = limit.headers
    if not limit.is_admitted:
        detail = f"This token has made too many requests. Try again in {limit.retry_after_seconds} seconds."
        raise Problem(429, "too_many_requests", detail, headers={"Retry-After": str(limit.retry_after_seconds)})
    caller = Caller(token)
    if not any(caller.may(scope) for scope in scopes):
        detail = f"This token lacks the scope {' or '.join(scopes)}."
        challenge = f'Bearer error="insufficient_scope", scope="{scopes[0]}"'
        raise Problem(403, "missing_scope", detail, headers={"WWW-Authenticate": challenge})
    return caller


def foreseen(request: Request) -> list[Question]:
    """What `admit` will ask."""
    presented = _bearer(request.headers.get("authorization"))
    return [] if presented is None else tokens.questions(presented)


def _bearer(header: str | None) -> str | None:
    scheme, _, presented = (header or "").partition(" ")
    return presented.strip() if scheme.lower() == "bearer" else None


def _unauthenticated(*, was_presented: bool) -> Problem:
    if was_presented:
        detail = "This token is not accepted: it is unknown, expired or revoked."
        return Problem(401, "invalid_token", detail, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
    detail = "Send a token: `Authorization: Bearer orders_…`."
    return Problem(401, "unauthenticated", detail, headers={"WWW-Authenticate": "Bearer"})
