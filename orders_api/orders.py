"""Reading orders: the list, the change feed, one order, and what happened to it. Documents come rendered from the ledger; here
they are only joined.
"""

# ruff: noqa: TC001, TC002 - FastAPI and pydantic read annotations at run time
from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlencode

from fastapi import Path, Query
from starlette.requests import Request
from starlette.responses import Response

from orders_api import cursors
from orders_api.answers import json_answer, rendered
from orders_api.auth import Caller, CurrentCaller, protected_router
from orders_api.errors import Problem, describe, not_found
from orders_api.installation import CurrentInstallation, Installation
from orders_api.order_filters import ChangesQuery, NoQuery, OrderListQuery
from orders_api.schemas import ORDER_ID, OrderChanges, OrderDocument, OrderPage, Timeline
from warehouse import documents
from warehouse.clock import iso
from warehouse.ledger import consumers, order_queries
from warehouse.ledger.tokens import Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from warehouse.ledger.order_queries import Row

router = protected_router(Scope.ORDERS_READ, "Orders")

OrderId = Annotated[str, Path(description="Internal id of the order.", examples=[ORDER_ID])]


@router.get(
    "/v1/orders",
    operation_id="list_orders",
    summary="List orders",
    response_model=OrderPage,
    responses=describe(400, 404),
)
def list_orders(
    request: Request,
    query: Annotated[OrderListQuery, Query()],
    caller: CurrentCaller,
    installation: CurrentInstallation,
) -> Response:
    """Orders that the filters find, a page at a time.

    An order that is there all the while is on exactly one page, whatever arrives in the meantime, when sorted by purchase
    date. To follow changes, read `/v1/orders/changes` instead.
    """
    with installation.ledger.read() as connection:
        known = order_queries.known_channels(connection, query.channel) if query.channel else frozenset()
        wanted = query.wanted(caller.visible_channels, known)
        fingerprint = wanted.fingerprint(query.sort)
        after = (
            None
            if query.cursor is None
            else cursors.decode(query.cursor, fingerprint, is_by_position=query.sort.is_by_position)
        )
        page = order_queries.page(connection, wanted, query.sort, after, query.limit)
        texts = _documents(connection, page.rows, caller, installation)
        count = order_queries.count(connection, wanted) if query.count else None
    following = None if page.next_key is None else _next_path(request, cursors.encode(fingerprint, page.next_key))
    members = f',"next":{rendered(following).decode()}' + (f',"count":{count}' if count is not None else "")
    body = f'{{"orders":[{",".join(texts)}]{members}}}'.encode()
    links = {"Link": f'<{following}>; rel="next"'} if following else None
    return json_answer(request, body, holds_pii=caller.may_read_pii, headers=links)


@router.get(
    "/v1/orders/changes",
    operation_id="read_order_changes",
    summary="Follow changes of orders",
    response_model=OrderChanges,
    responses=describe(400),
)
def read_order_changes(
    request: Request, query: Annotated[ChangesQuery, Query()], caller: CurrentCaller, installation: CurrentInstallation
) -> Response:
    """What changed after a position: each order once, as it is now, in the order of the changes.

    Start at 0; keep `next_after` when the orders of an answer are safe on your side, and go on from there. Nothing is missed,
    and an answer that got lost is simply asked for again. An order that changes again comes again.
    """
    with installation.ledger.read() as connection:
        changes = order_queries.changes(connection, caller.visible_channels, query.after, query.limit)
        if query.after > changes.head:
            raise _unknown_position(changes.head)
        texts = _documents(connection, changes.rows, caller, installation)
        if consumers.position(connection, caller.consumer) != query.after:
            request.state.read_after = query.after
    has_more = "true" if changes.has_more else "false"
    body = f'{{"orders":[{",".join(texts)}],"next_after":{changes.next_after},"has_more":{has_more}}}'.encode()
    return json_answer(request, body, holds_pii=caller.may_read_pii)


@router.get(
    "/v1/orders/{id}",
    operation_id="get_order",
    summary="Read one order",
    response_model=OrderDocument,
    responses=describe(404),
)
def get_order(
    request: Request,
    id: OrderId,  # noqa: A002 - the name of the parameter in the API
    _query: Annotated[NoQuery, Query()],
    caller: CurrentCaller,
    installation: CurrentInstallation,
) -> Response:
    """One order by its internal id. By the marketplace's id: `/v1/orders?channel=…&original_id=…`."""
    with installation.ledger.read() as connection:
        row = _one(connection, id, caller)
        (text,) = _documents(connection, [row], caller, installation)
    return json_answer(request, text.encode(), holds_pii=caller.may_read_pii)


@router.get(
    "/v1/orders/{id}/events",
    operation_id="list_order_events",
    summary="Read what happened to an order",
    response_model=Timeline,
    responses=describe(404),
)
def list_order_events(
    request: Request,
    id: OrderId,  # noqa: A002 - as above
    _query: Annotated[NoQuery, Query()],
    caller: CurrentCaller,
    installation: CurrentInstallation,
) -> Response:
    """When it was received, changed, acknowledged, in trouble and out of it; oldest first, at most the latest thousand of each."""
    with installation.ledger.read() as connection:
        row = _one(connection, id, caller)
        entries = order_queries.timeline(connection, row["id"])
    events = [{"at": iso(each.at), "kind": each.kind, "text": each.text, "data": each.data} for each in entries]
    return json_answer(request, rendered({"id": row["id"], "events": events}), holds_pii=False)


def _documents(connection: Connection, rows: Sequence[Row], caller: Caller, installation: Installation) -> list[str]:
    if not caller.may_read_pii:
        return [documents.document(row, None) for row in rows]
    sealed = order_queries.sealed_parties(connection, [row["id"] for row in rows])
    return [documents.document(row, installation.open_parties(row["id"], sealed.get(row["id"]))) for row in rows]


def _one(connection: Connection, given: str, caller: Caller) -> Row:
    try:
        own_id = str(uuid.UUID(given))
    except ValueError:
        row = None
    else:
        row = order_queries.by_id(connection, own_id, caller.visible_channels)
    if row is None:
        raise not_found("id", "There is no such order for this token.", "unknown_order")
    return row


def _next_path(request: Request, cursor: str) -> str:
    """The same question with another cursor; without the host, which only a proxy may know."""
    asked = [(name, value) for name, value in request.query_params.multi_items() if name not in {"cursor", "count"}]
    return f"{request.url.path}?{urlencode([*asked, ('cursor', cursor)])}"


def _unknown_position(head: int) -> Problem:
    detail = (
        f"The feed ends at {head}: this position is not one of its. Use the `next_after` of an earlier answer, or start again "
        "from 0 when the ledger was restored from a backup."
    )
    return Problem(
        400, "unknown_position", detail, errors=[{"parameter": "after", "message": f"beyond the end, {head}"}]
    )
