"""The fast lane, for the three reads that clients send all the time: a page of orders, the change feed, one order.

They are declared like every other route. But admission, query and work share one worker thread and one read transaction, and
neither FastAPI's injection nor its routing and the layers around it are gone through: together they take as long as reading
twenty orders. Nothing else belongs here.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anyio import to_thread
from starlette.requests import Request

from orders_api.kit.answers import GZIP_LEVEL, WORTH_COMPRESSING, refuses_gzip
from orders_api.kit.auth import Caller, admit, foreseen
from orders_api.kit.errors import EXPECTED, answer_expected
from orders_api.kit.installation import ApiInstallation, installation_of
from orders_api.kit.queries import parse_query
from orders_api.kit.routes import AdmittingRoute, note_use, readers, resource
from warehouse.ledger.book.order_queries import question_by_id

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence

    from fastapi import APIRouter
    from sqlalchemy.engine import Connection as Transaction
    from starlette.responses import Response
    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Receive, Scope, Send

    from warehouse.ledger.base.prepared import Question
    from warehouse.ledger.book.order_queries import RowShape
    from warehouse.ledger.book.order_texts import OrderText

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

        One order in SQLite is found in less time than a thread takes to begin, unless it may have to be read from the lake.
        """
        installation = installation_of(request)
        is_brief = installation.ledger.engine.dialect.name == "sqlite" and not installation.settings.retire_after_days
        if self.param_convertors and is_brief:
            response = self._answer_packed(request)
        else:
            response = await to_thread.run_sync(self._answer_packed, request, limiter=readers())
        await response(request.scope, receive, send)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """As FastAPI calls it."""

        async def answer(request: Request) -> Response:
            return await to_thread.run_sync(self._answer, request, limiter=readers())

        return answer

    def _answer(self, request: Request) -> Response:
        installation = installation_of(request)
        given: list[Any] = [
            each.validate(request.path_params[each.alias], {}, loc=())[0] for each in self.dependant.path_params
        ]
        with installation.ledger.read_answered(_foreseen(request, installation, given)) as transaction:
            caller = admit(transaction, request, installation, *self.scopes)
            if caller.may_read_pii:
                installation.pii_readers.add(caller.token.id)
            query = parse_query(request, self.query)
            if self.dependant.query_params:
                given.append(query)
            response: Response = self.endpoint(Reading(request, transaction, caller, installation), *given)
        note_use(response, caller, installation)
        return response

    def _answer_packed(self, request: Request) -> Response:
        try:
            response = self._answer(request)
        except EXPECTED as error:
            response = answer_expected(request, error)
        is_taken = "gzip" in request.headers.get("accept-encoding", "") and not refuses_gzip(request.headers)
        if is_taken and len(response.body) >= WORTH_COMPRESSING:
            response.body = gzip.compress(response.body, GZIP_LEVEL, mtime=0)
            response.headers["Content-Length"] = str(len(response.body))
            response.headers["Content-Encoding"] = "gzip"
        return response


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


def _foreseen(request: Request, installation: ApiInstallation, order_ids: Sequence[str]) -> list[Question]:
    """What will be asked: of the token, and of one order as this token most likely reads it."""
    asked = foreseen(request)
    may_read_pii = any(each.values["token_id"] in installation.pii_readers for each in asked)
    shape = installation.shape(with_parties=may_read_pii)
    return [*asked, *(question_by_id(shape, each) for each in order_ids)]


def fast_resource(tag: str) -> APIRouter:
    """Like `resource`, for routes of the fast lane."""
    return resource(tag, FastLane)
