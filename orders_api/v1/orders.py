"""Reading orders: the list, the change feed, one order, and what happened to it. Documents come rendered from the ledger; here
they are only joined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from orders_api.kit import cursors
from orders_api.kit.addresses import next_link, next_path
from orders_api.kit.answers import json_answer, rendered
from orders_api.kit.errors import Problem, not_found
from orders_api.kit.reading import NoQuery, Reading, Route, path_id
from orders_api.schemas.orders import OrderChanges, OrderDocument, OrderPage, OrderPayload, Timeline
from orders_api.schemas.vocabulary import ORDER_ID
from orders_api.v1.order_filters import ChangesQuery, OrderListQuery
from warehouse.clock import iso
from warehouse.ledger.book import consumers, order_queries, raw_orders, timeline

if TYPE_CHECKING:
    from starlette.responses import Response

    from warehouse.ledger.book.order_queries import Row

router = APIRouter(tags=["Orders"])

ORDER_ID_PARAMETER = {
    "name": "id",
    "in": "path",
    "required": True,
    "description": "Internal id of the order.",
    "example": ORDER_ID,
    "schema": {"type": "string"},
}


@Route(
    path="/v1/orders",
    operation_id="list_orders",
    summary="List orders",
    query=OrderListQuery,
    answer=OrderPage,
    problems=(400, 404),
).serve(router)
def list_orders(reading: Reading, query: OrderListQuery) -> Response:
    """Orders that the filters find, a page at a time.

    Sorted by purchase date, an order that is there all the while is on exactly one page, whatever arrives in the meantime.
    To follow changes, read `/v1/orders/changes` instead.
    """
    wanted = query.wanted(reading)
    fingerprint = wanted.fingerprint(query.sort)
    after = cursors.decode(query.cursor, fingerprint, query.sort) if query.cursor is not None else None
    page = order_queries.page(reading.transaction, wanted, query.sort, after, query.limit)
    texts = reading.documents(page.rows)
    following = None
    if page.next_key is not None:
        following = next_path(reading.request, cursors.encode(fingerprint, page.next_key))
    members = f'"next":{rendered(following).decode()}'
    if query.count:
        members += f',"count":{order_queries.count(reading.transaction, wanted)}'
    body = f'{{"orders":[{",".join(texts)}],{members}}}'.encode()
    return json_answer(reading.request, body, holds_pii=reading.caller.may_read_pii, headers=next_link(following))


@Route(
    path="/v1/orders/changes",
    operation_id="read_order_changes",
    summary="Follow changes of orders",
    query=ChangesQuery,
    answer=OrderChanges,
    problems=(400,),
).serve(router)
def read_order_changes(reading: Reading, query: ChangesQuery) -> Response:
    """What changed after a position: each order once, as it is now, in the order of the changes.

    Start at 0; keep `next_after` when the orders of an answer are safe on your side, and go on from there. Nothing is missed,
    and an answer that got lost is simply asked for again. An order that changes again comes again.
    """
    changes = order_queries.changes(reading.transaction, reading.caller.visible_channels, query.after, query.limit)
    remembered = consumers.position(reading.transaction, reading.caller.consumer)
    if query.after > changes.head and query.after != remembered:  # earlier releases led readers of few channels further
        raise _unknown_position(changes.head)
    texts = reading.documents(changes.rows)
    if remembered != query.after:
        reading.read_after = query.after
    has_more = "true" if changes.has_more else "false"
    body = f'{{"orders":[{",".join(texts)}],"next_after":{changes.next_after},"has_more":{has_more}}}'.encode()
    return json_answer(reading.request, body, holds_pii=reading.caller.may_read_pii)


@Route(
    path="/v1/orders/{id}",
    operation_id="get_order",
    summary="Read one order",
    query=NoQuery,
    answer=OrderDocument,
    problems=(404,),
    path_parameters=(ORDER_ID_PARAMETER,),
).serve(router)
def get_order(reading: Reading, _query: NoQuery) -> Response:
    """One order by its internal id. By the marketplace's id: `/v1/orders?channel=…&original_id=…`."""
    (text,) = reading.documents([_one(reading)])
    return json_answer(reading.request, text.encode(), holds_pii=reading.caller.may_read_pii)


@Route(
    path="/v1/orders/{id}/events",
    operation_id="list_order_events",
    summary="Read what happened to an order",
    query=NoQuery,
    answer=Timeline,
    problems=(404,),
    path_parameters=(ORDER_ID_PARAMETER,),
).serve(router)
def list_order_events(reading: Reading, _query: NoQuery) -> Response:
    """When it was received, changed, acknowledged, in trouble and out of it: oldest first, the latest thousand of each."""
    own_id = _one(reading)["id"]
    entries = timeline.of_order(reading.transaction, own_id)
    numbering = reading.installation.numbering
    events = [
        {"at": iso(each.at), "kind": each.kind, "text": each.text, "data": numbering.with_ids(each.data)}
        for each in entries
    ]
    return json_answer(reading.request, rendered({"id": own_id, "events": events}), holds_pii=False)


@Route(
    path="/v1/orders/{id}/payload",
    operation_id="get_order_payload",
    summary="Read what the marketplace sent of an order",
    query=NoQuery,
    answer=OrderPayload,
    problems=(404,),
    path_parameters=(ORDER_ID_PARAMETER,),
).serve(router)
def get_order_payload(reading: Reading, _query: NoQuery) -> Response:
    """The marketplace's own JSON that the order was last read from; without personal data unless the token may read it.

    After the purge the personal data is gone for everybody.
    """
    own_id = _one(reading)["id"]
    kept = raw_orders.of_order(reading.transaction, own_id)
    if kept is None:
        raise not_found("id", "The payload of this order is not kept any more.", "payload_not_kept")
    is_whole = reading.caller.may_read_pii and kept.body is not None
    text = kept.open(reading.installation.keys).decode("utf-8", "replace") if is_whole else kept.payload
    members = f'"id":"{own_id}","received_at":"{iso(kept.received_at)}","redacted":{"false" if is_whole else "true"}'
    return json_answer(reading.request, f'{{{members},"payload":{text}}}'.encode(), holds_pii=is_whole)


def _one(reading: Reading) -> Row:
    own_id = path_id(reading.request)
    row = own_id and order_queries.by_id(reading.transaction, own_id, reading.caller.visible_channels)
    if not row:
        raise not_found("id", "There is no such order for this token.", "unknown_order")
    return row


def _unknown_position(head: int) -> Problem:
    detail = (
        f"The feed ends at {head}: this position is not one of its. Use the `next_after` of an earlier answer, or start again "
        "from 0 when the ledger was restored from a backup."
    )
    return Problem(
        400, "unknown_position", detail, errors=[{"parameter": "after", "message": f"beyond the end, {head}"}]
    )
