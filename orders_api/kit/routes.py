"""The one kind of route: a plain path operation of FastAPI. Its signature says who may ask and what may be asked, and the API's
description follows from that.

What FastAPI does not do is done here, in a `route_class`: it looks at a request in an order that tells a stranger nothing.
First who asks, then the query, then the body, each only when what came before it was sound. How a few reads save time is in
`fast_lane`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from anyio import CapacityLimiter
from anyio.lowlevel import RunVar
from fastapi import APIRouter, Depends
from fastapi.routing import APIRoute
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from orders_api.kit.auth import Caller, May, admit, foreseen
from orders_api.kit.bodies import with_body
from orders_api.kit.errors import describe
from orders_api.kit.installation import ApiInstallation, installation_of
from orders_api.kit.queries import NoQuery, parse_query
from warehouse.ledger.settings.tokens import is_use_due

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from pydantic import BaseModel
    from starlette.responses import Response

    from warehouse.ledger.settings.tokens import Scope

READS_AT_ONCE = 2
"""Reads that are worked on at once: one computes while the other waits for the database. Three or more take the interpreter
from each other and from the event loop; measured, four of them serve half as many pages a second. More by more processes."""

OF_EVERY_ROUTE = (422, 500)
OF_A_PERMISSION = (401, 403, 429, 503)
OF_A_BODY = (408, 413, 415)


class AdmittingRoute(APIRoute):
    """FastAPI's route, worked on in our order; a parameter of `may(...)` says who is let in.

    The query is one model of the signature's, or there is none; a body is one model too.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 - FastAPI's own
        super().__init__(path, endpoint, **options)
        usual = (*OF_EVERY_ROUTE, *(OF_A_PERMISSION if self.scopes else ()), *(OF_A_BODY if self.body_field else ()))
        self.responses = dict(sorted({**describe(*usual), **self.responses}.items()))

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """Any of them admits; none where everyone may ask."""
        return next((each.call.scopes for each in self.dependant.dependencies if isinstance(each.call, May)), ())

    @property
    def query(self) -> type[BaseModel]:
        """The query's model."""
        model: Any = next((each.field_info.annotation for each in self.dependant.query_params), None)
        return NoQuery if model is None else model

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI calls it for the function that works on a request."""
        handle = super().get_route_handler()
        scopes, query = self.scopes, self.query
        body: Any = self.body_field and self.body_field.field_info.annotation

        async def answer(request: Request) -> Response:
            if scopes:
                request.state.caller = await run_in_threadpool(_admit, request, scopes)
            parse_query(request, query)
            response = await handle(request if body is None else await with_body(request, body))
            if scopes:
                note_use(response, request.state.caller, installation_of(request))
            return response

        async def answer_in_turn(request: Request) -> Response:
            async with readers():
                return await answer(request)

        return answer_in_turn if scopes and self.methods == {"GET"} else answer


def resource(tag: str, route_class: type[AdmittingRoute] = AdmittingRoute) -> APIRouter:
    """The router of a resource.

    Args:
        tag: Its heading in the API's description.
        route_class: How its routes are worked on.
    """
    return APIRouter(tags=[tag], route_class=route_class)


class Places:
    """Lets so many pieces of work of one kind through at once, in each event loop.

    Args:
        kind: Names the kind.
        count: How many.
    """

    def __init__(self, kind: str, count: int) -> None:
        self._limiters: RunVar[CapacityLimiter] = RunVar(kind)
        self._count = count

    def __call__(self) -> CapacityLimiter:
        """The limiter of the event loop that runs."""
        try:
            return self._limiters.get()
        except LookupError:
            limiter = CapacityLimiter(self._count)
            self._limiters.set(limiter)
            return limiter


readers = Places("orders_api_readers", READS_AT_ONCE)
"""Reads of programs; writes take none of their places."""


def note_use(response: Response, caller: Caller, installation: ApiInstallation) -> None:
    """Remember that the token was used, once the answer is out; unless the answer has something to note itself."""
    if response.background is None and is_use_due(caller.token, installation.clock()):
        response.background = BackgroundTask(installation.note, caller.token, None)


async def _installation(request: Request) -> ApiInstallation:
    return installation_of(request)


async def _raw_body(request: Request) -> bytes:
    return await request.body()


ThisInstallation = Annotated[ApiInstallation, Depends(_installation)]
RawBody = Annotated[bytes, Depends(_raw_body)]
"""The body as it came, beside the model."""


def _admit(request: Request, scopes: tuple[Scope, ...]) -> Caller:
    installation = installation_of(request)
    with installation.ledger.read_answered(foreseen(request)) as transaction:
        return admit(transaction, request, installation, *scopes)
