"""The fast lane, for the three reads that clients send all the time: a page of orders, the change feed, one order.

They are declared like every other route. But admission, query and work share one worker thread and one read transaction, and
FastAPI's own injection is left out: it would cost a second thread and, for the filters of a list, 0.2 ms. Nothing else belongs
here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anyio import to_thread

from orders_api.kit.auth import Caller, admit
from orders_api.kit.installation import ApiInstallation, installation_of
from orders_api.kit.queries import parse_query
from orders_api.kit.routes import AdmittingRoute, note_use, readers, resource

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from fastapi import APIRouter
    from sqlalchemy.engine import Connection as Transaction
    from starlette.requests import Request
    from starlette.responses import Response

    from warehouse.ledger.book.order_queries import RowShape
    from warehouse.ledger.book.order_texts import OrderText


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

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """As FastAPI calls it."""

        async def answer(request: Request) -> Response:
            return await to_thread.run_sync(self._answer, request, limiter=readers())

        return answer

    def _answer(self, request: Request) -> Response:
        installation = installation_of(request)
        with installation.ledger.read() as transaction:
            caller = admit(transaction, request, installation, *self.scopes)
            query = parse_query(request, self.query)
            given: list[Any] = [
                each.validate(request.path_params[each.alias], {}, loc=())[0] for each in self.dependant.path_params
            ]
            if self.dependant.query_params:
                given.append(query)
            response: Response = self.endpoint(Reading(request, transaction, caller, installation), *given)
        note_use(response, caller, installation)
        return response


def fast_resource(tag: str) -> APIRouter:
    """Like `resource`, for routes of the fast lane."""
    return resource(tag, FastLane)
