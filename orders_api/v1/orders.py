"""Reading orders: the list, the change feed, one order, and what happened to it. Documents come rendered from the ledger; here
they are only joined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import Query
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response

from orders_api.kit import cursors
from orders_api.kit.addresses import next_link, next_path
from orders_api.kit.answers import json_answer, render
from orders_api.kit.auth import Caller, MayRead, may
from orders_api.kit.errors import Problem, describe, not_found
from orders_api.kit.fast_lane import Reading, fast_resource, foreseeing
from orders_api.kit.parameters import OrderId
from orders_api.kit.routes import ThisInstallation, resource
from orders_api.schemas.orders import OrderChanges, OrderDocument, OrderExplanation, OrderPage, OrderPayload, Timeline
from orders_api.v1.order_filters import ChangesQuery, OrderListQuery
from warehouse.clock import iso
from warehouse.ledger.book import change_feed, consumers, order_queries, order_tally, raw_orders, timeline
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.status import explanation

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Transaction

    from orders_api.kit.installation import ApiInstallation
    from warehouse.documents import StoredOrder
    from warehouse.ledger.base.prepared import Question

router = resource("Orders")
fast = fast_resource("Orders")

FastRead = Annotated[Reading, may(Scope.ORDERS_READ)]


def _foresee_list(installation: ApiInstallation, reader: Caller, query: OrderListQuery) -> list[Question]:
    if query.asks_the_ledger or query.count:
        return []
    wanted = query.filter_of_itself(reader.visible_channels, installation)
    after = None if query.cursor is None else cursors.decode(query.cursor, wanted.fingerprint(query.sort), query.sort)
    shape = installation.shape(with_parties=reader.may_read_pii)
    return order_queries.questions_of_page(shape, wanted, query.sort, after, query.limit)


@fast.get("/v1/orders", summary="List orders", response_model=OrderPage, responses=describe(400, 404))
@foreseeing(_foresee_list)
def list_orders(reading: FastRead, query: Annotated[OrderListQuery, Query()]) -> Response:
    """Orders that the filters find, a page at a time.

    Sorted by purchase date, an order that is there all the while is on exactly one page, whatever arrives in the meantime.
    To follow changes, read `/v1/orders/changes` instead.
    """
    wanted = query.as_filter(reading.transaction, reading.caller.visible_channels, reading.installation)
    fingerprint = wanted.fingerprint(query.sort)
    after = cursors.decode(query.cursor, fingerprint, query.sort) if query.cursor is not None else None
    page = order_queries.page(reading.shape, reading.transaction, wanted, query.sort, after, query.limit)
    texts = reading.documents(page.rows)
    following = None
    if page.next_key is not None:
        following = next_path(reading.request, cursors.encode(fingerprint, page.next_key))
    members = b'"next":' + render(following)
    if query.count:
        members += b',"count":%d' % order_tally.count(reading.transaction, wanted)
    body = b'{"orders":[%b],%b}' % (b",".join(texts), members)
    return json_answer(reading.request, body, holds_pii=reading.caller.may_read_pii, headers=next_link(following))


def _foresee_changes(installation: ApiInstallation, reader: Caller, query: ChangesQuery) -> list[Question]:
    shape = installation.shape(with_parties=reader.may_read_pii)
    asked = change_feed.questions(shape, reader.visible_channels, query.after, query.limit)
    return [*asked, consumers.question(reader.consumer)] if asked else []


@fast.get(
    "/v1/orders/changes", summary="Follow changes of orders", response_model=OrderChanges, responses=describe(400)
)
@foreseeing(_foresee_changes)
def read_order_changes(reading: FastRead, query: Annotated[ChangesQuery, Query()]) -> Response:
    """What changed after a position: each order once, as it is now, in the order of the changes.

    Start at 0; keep `next_after` when the orders of an answer are safe on your side, and go on from there. Nothing is missed,
    and an answer that got lost is simply asked for again. An order that changes again comes again.
    """
    changes = change_feed.changes(
        reading.shape, reading.transaction, reading.caller.visible_channels, query.after, query.limit
    )
    remembered = consumers.position(reading.transaction, reading.caller.consumer)
    if query.after > changes.head and query.after != remembered:  # earlier releases led readers of few channels further
        raise _unknown_position(changes.head)
    texts = reading.documents(changes.rows)
    has_more = b"true" if changes.has_more else b"false"
    body = b'{"orders":[%b],"next_after":%d,"has_more":%b}' % (b",".join(texts), changes.next_after, has_more)
    response = json_answer(reading.request, body, holds_pii=reading.caller.may_read_pii)
    if remembered != query.after and (not changes.has_more or reading.installation.is_position_due(reading.caller)):
        response.background = BackgroundTask(reading.installation.note, reading.caller.token, query.after)
    return response


def _foresee_order(installation: ApiInstallation, reader: Caller, own_id: str) -> list[Question]:
    return [order_queries.question_by_id(installation.shape(with_parties=reader.may_read_pii), own_id)]


@fast.get("/v1/orders/{id}", summary="Read one order", response_model=OrderDocument, responses=describe(404))
@foreseeing(_foresee_order)
def get_order(reading: FastRead, own_id: OrderId) -> Response:
    """One order by its internal id. By the marketplace's id: `/v1/orders?channel=…&original_id=…`."""
    row = order_queries.by_id(reading.shape, reading.transaction, own_id, reading.caller.visible_channels)
    if row is None:
        raise _unknown_order()
    (text,) = reading.documents([row])
    return json_answer(reading.request, text, holds_pii=reading.caller.may_read_pii)


@router.get(
    "/v1/orders/{id}/events",
    summary="Read what happened to an order",
    response_model=Timeline,
    responses=describe(404),
)
def list_order_events(request: Request, caller: MayRead, installation: ThisInstallation, own_id: OrderId) -> Response:
    """When it was received, changed, acknowledged, in trouble and out of it: oldest first, the latest thousand of each."""
    with installation.ledger.read() as transaction:
        find_order(transaction, caller, own_id)
        entries = timeline.of_order(transaction, own_id)
    numbering = installation.numbering
    events = [
        {"at": iso(each.at), "kind": each.kind, "text": each.text, "data": numbering.with_ids(each.data)}
        for each in entries
    ]
    return json_answer(request, render({"id": own_id, "events": events}), holds_pii=False)


@router.get(
    "/v1/orders/{id}/explanation",
    summary="Explain one order",
    response_model=OrderExplanation,
    responses=describe(404),
)
def explain_order(request: Request, caller: MayRead, installation: ThisInstallation, own_id: OrderId) -> Response:
    """Why it has its status, may ship or not, is held, was taken over, exported and confirmed, and what is wrong with it."""
    with installation.ledger.read() as transaction:
        row = find_order(transaction, caller, own_id)
        sentence, answers = explanation.explain(transaction, row, installation.clock())
    body = render({"id": own_id, "sentence": sentence, "answers": answers})
    return json_answer(request, body, holds_pii=False)


@router.get(
    "/v1/orders/{id}/payload",
    summary="Read what the marketplace sent of an order",
    response_model=OrderPayload,
    responses=describe(404),
)
def get_order_payload(request: Request, caller: MayRead, installation: ThisInstallation, own_id: OrderId) -> Response:
    """The marketplace's own JSON that the order was last read from; without personal data unless the token may read it.

    After the purge the personal data is gone for everybody.
    """
    with installation.ledger.read() as transaction:
        find_order(transaction, caller, own_id)
        kept = raw_orders.of_order(transaction, own_id)
    if kept is None:
        raise not_found("id", "The payload of this order is not kept any more.", "payload_not_kept")
    is_whole = caller.may_read_pii and kept.body is not None
    text = (kept.open(installation.keys) if is_whole else kept.redacted).decode("utf-8", "replace")
    members = f'"id":"{own_id}","received_at":"{iso(kept.received_at)}","redacted":{"false" if is_whole else "true"}'
    return json_answer(request, f'{{{members},"payload":{text}}}'.encode(), holds_pii=is_whole)


def find_order(transaction: Transaction, caller: Caller, own_id: str) -> StoredOrder:
    """The order of this id.

    Raises:
        Problem: 404 `unknown_order`: there is none, or the caller may not see it.
    """
    row = order_queries.by_id(order_queries.MEMBERS, transaction, own_id, caller.visible_channels)
    if row is None:
        raise _unknown_order()
    return row


def _unknown_order() -> Problem:
    return not_found("id", "There is no such order for this token.", "unknown_order")


def _unknown_position(head: int) -> Problem:
    detail = (
        f"The feed ends at {head}: this position is not one of its. Use the `next_after` of an earlier answer, or start again "
        "from 0 when the ledger was restored from a backup."
    )
    return Problem(
        400, "unknown_position", detail, errors=[{"parameter": "after", "message": f"beyond the end, {head}"}]
    )
