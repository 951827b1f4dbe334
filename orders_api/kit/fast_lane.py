"""The fast lane, for the three reads that clients send all the time: a page of orders, the change feed, one order.

They are declared like every other route. But admission, query and work share one worker thread and one read, and neither
FastAPI's injection nor its routing and the layers around it are gone through: together they take as long as reading twenty
orders. What a read will ask PostgreSQL is foreseen, and asked at once. Nothing else belongs here.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from anyio import fail_after, to_thread, wait_readable
from starlette.requests import Request

from orders_api.kit.answers import GZIP_LEVEL, WORTH_COMPRESSING, refuses_gzip
from orders_api.kit.auth import Caller, admit, foreseen
from orders_api.kit.errors import EXPECTED, answer_expected
from orders_api.kit.installation import ApiInstallation, installation_of
from orders_api.kit.queries import parse_query
from orders_api.kit.routes import AdmittingRoute, note_use, readers, resource
from warehouse.ledger.base.reads import NotForeseenError
from warehouse.ledger.base.waits import longest_wait

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Sequence
    from contextlib import AbstractContextManager

    from fastapi import APIRouter
    from sqlalchemy.engine import Connection as Transaction
    from starlette.responses import Response
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Receive, Scope, Send

    from warehouse.ledger.base.prepared import Question
    from warehouse.ledger.book.order_queries import RowShape
    from warehouse.ledger.book.order_texts import OrderText

GIVEN = "orders_api.given"
"""Where a request keeps what its function takes."""
ID = "{id}"
ID_LENGTH = 36
"""Of an order's internal id; no word that could stand in its place is that long."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One read under way.

    Attributes:
        request: What was asked.
        transaction: The read transaction; over when the function returns.
        caller: Who is asking.
        installation: What the API holds.
    """

    request: Request
    transaction: Transaction
    caller: Caller
    installation: ApiInstallation

    @property
    def shape(self) -> RowShape[OrderText]:
        """What is read of the orders, by what the caller may see of the buyers."""
        return self.installation.shape(with_parties=self.caller.may_read_pii)

    def documents(self, rows: Sequence[OrderText]) -> list[bytes]:
        """The orders as JSON texts."""
        return self.installation.texts(rows, with_parties=self.caller.may_read_pii)


class FastLane(AdmittingRoute):
    """A route whose function takes a `Reading`, the variable parts of the path, and the query's model, if there are any."""

    async def serve(self, request: Request, receive: Receive, send: Send) -> None:
        """Answer without FastAPI; compressed for a client that takes it.

        One order is found in less time than a thread takes to begin, unless it may have to be read from the lake.
        """
        response = await self._answer_soon(request)
        await response(request.scope, receive, send)

    async def _answer_soon(self, request: Request) -> Response:
        installation = installation_of(request)
        is_one = bool(self.param_convertors)
        if (
            is_one
            and not installation.settings.retire_after_days
            and installation.ledger.engine.dialect.name == "sqlite"
        ):
            return self._answer_packed(request, installation.ledger.read())
        questions = self._foreseen(request)
        if not installation.settings.retire_after_days and self._is_brief(request, questions):
            async with readers():
                response = await self._answer_awaited(request, questions)
            if response is not None:
                return response
        reading = installation.ledger.read_answered(questions)
        return await to_thread.run_sync(self._answer_packed, request, reading, limiter=readers())

    def _is_brief(self, request: Request, questions: Sequence[Question]) -> bool:
        """Whether the event loop may answer: all is foreseen, and nothing takes long that is to be done then."""
        if len(questions) <= len(foreseen(request)):
            return False
        reader = installation_of(request).readers[questions[0].values["token_id"]]
        return bool(self.param_convertors) or not (reader.may_read_pii or _takes_gzip(request))

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """As FastAPI calls it."""

        async def answer(request: Request) -> Response:
            reading = installation_of(request).ledger.read_answered(self._foreseen(request))
            return await to_thread.run_sync(self._answer, request, reading, limiter=readers())

        return answer

    def _path(self, request: Request) -> list[Any]:
        """The variable parts of the path; an id that cannot be one is one that nothing has."""
        return [each.validate(request.path_params[each.alias], {}, loc=())[0] for each in self.dependant.path_params]

    def _foreseen(self, request: Request) -> list[Question]:
        """What will be asked: of the token, and by the function as this token most likely has it do."""
        asked, installation = foreseen(request), installation_of(request)
        reader = installation.readers.get(asked[0].values["token_id"]) if asked else None
        foresee: Foresight | None = getattr(self.endpoint, FORESIGHT, None)
        if reader is None or foresee is None or installation.ledger.engine.dialect.name != "postgresql":
            return asked
        try:
            return [*asked, *foresee(installation, reader, *self._given(request))]
        except EXPECTED:  # told once the token is known
            return asked

    def _given(self, request: Request) -> list[Any]:
        """What the function takes besides the reading; once read, kept with the request."""
        given: list[Any] | None = request.scope.get(GIVEN)
        if given is None:
            query = parse_query(request, self.query)
            given = request.scope[GIVEN] = [*self._path(request), *([query] if self.dependant.query_params else [])]
        return given

    async def _answer_awaited(self, request: Request, questions: Sequence[Question]) -> Response | None:
        """Let the event loop wait for PostgreSQL: a thread takes as long to begin as an order to be found.

        None: a thread has to read, because there are no answers, or they are not all that was asked (a retired order).
        """
        ledger = installation_of(request).ledger
        asked = ledger.ask(questions)
        if asked is None:
            return None
        try:
            with fail_after(longest_wait()):
                while not asked.message.is_there():
                    await wait_readable(asked.message.socket)
        except BaseException as error:
            asked.give_up()
            if isinstance(error, Exception):
                return None
            raise
        try:
            return self._answer_packed(request, ledger.answered(asked))
        except NotForeseenError:
            return None

    def _answer(self, request: Request, reading: AbstractContextManager[Transaction]) -> Response:
        installation = installation_of(request)
        with reading as transaction:
            caller = admit(transaction, request, installation, *self.scopes)
            installation.readers[caller.token.id] = caller
            given = self._given(request)
            response: Response = self.endpoint(Reading(request, transaction, caller, installation), *given)
        note_use(response, caller, installation)
        return response

    def _answer_packed(self, request: Request, reading: AbstractContextManager[Transaction]) -> Response:
        try:
            response = self._answer(request, reading)
        except EXPECTED as error:
            response = answer_expected(request, error)
        if _takes_gzip(request) and len(response.body) >= WORTH_COMPRESSING:
            response.body = gzip.compress(response.body, GZIP_LEVEL, mtime=0)
            response.headers["Content-Length"] = str(len(response.body))
            response.headers["Content-Encoding"] = "gzip"
        return response


def _takes_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "") and not refuses_gzip(request.headers)


Foresight = Callable[..., "Iterable[Question]"]
"""Of the installation, who asks, and what the function takes besides its reading."""
FORESIGHT = "foresee"

Endpoint = TypeVar("Endpoint", bound=Callable[..., object])


def foreseeing(foresee: Foresight) -> Callable[[Endpoint], Endpoint]:
    """Let a function of the fast lane be asked ahead what it will ask the ledger: all of it, or nothing."""

    def marked(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, FORESIGHT, foresee)
        return endpoint

    return marked


class FastLanes:
    """ASGI middleware: brings what the fast lane answers there, and everything else on.

    Args:
        app: What everything else goes to.
        routes: Those of the fast lane.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        self._app = app
        lanes = {each.path: each for each in routes if isinstance(each, FastLane)}
        self._by_path = {path: lane for path, lane in lanes.items() if not lane.param_convertors}
        self._by_id = {path.removesuffix(ID): lane for path, lane in lanes.items() if path.endswith(ID)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] == "http" and scope["method"] == "GET":
            path = scope["path"]
            lane, parameters = self._by_path.get(path), {}
            if lane is None and "/" not in (last := path[-ID_LENGTH:]):
                lane, parameters = self._by_id.get(path[:-ID_LENGTH]), {"id": last}
            if lane is not None:
                scope.update(route=lane, path_params=parameters)
                await lane.serve(Request(scope, receive), receive, send)
                return
        await self._app(scope, receive, send)


def fast_resource(tag: str) -> APIRouter:
    """Like `resource`, for routes of the fast lane."""
    return resource(tag, FastLane)
