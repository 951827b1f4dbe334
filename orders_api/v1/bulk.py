"""One action on many orders: what it would do, asking the pipeline for it, and what became of each order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from orders_api.kit.addresses import address
from orders_api.kit.answers import NO_STORE, fresh_answer
from orders_api.kit.audit import note
from orders_api.kit.auth import Caller
from orders_api.kit.errors import Problem, describe, describe_header, not_found
from orders_api.kit.parameters import RequestId
from orders_api.kit.routes import ThisInstallation, resource
from orders_api.schemas.bulk import BulkPreview, BulkRequest
from orders_api.schemas.operator_requests import OperatorRequestState
from orders_api.schemas.vocabulary import ORDER_ID
from orders_api.v1.operator_requests import MayOperate, document, find_visible
from orders_api.v1.order_filters import OrderFilterQuery
from warehouse.bulk_actions import MOST_CHOSEN, BulkAction, BulkTask, checked_task, heading, lines
from warehouse.ledger.book import order_queries
from warehouse.ledger.book.consumers import consumers_of
from warehouse.ledger.book.order_filter import OrderFilter
from warehouse.ledger.bulk import actions, requests, selections
from warehouse.ledger.people import operator_requests
from warehouse.ledger.settings.tokens import Scope
from warehouse.operator_requests import ArgumentInvalid, RequestKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.engine import Connection as Transaction

    from orders_api.kit.installation import ApiInstallation
    from warehouse.ledger.base.database import Ledger
    from warehouse.operator_requests import OperatorRequest

router = resource("Operations")
MEMBERS = {"prefix": "order_number_prefix"}
"""Members of the body that are called otherwise than what they say."""


NEEDED = {
    BulkAction.RETRY: Scope.SHIPMENTS_WRITE,
    BulkAction.ACCEPT: Scope.SHIPMENTS_WRITE,
    BulkAction.REFUSE: Scope.SHIPMENTS_WRITE,
    BulkAction.RESOLVE: Scope.ADMIN,
}
"""What the action takes at one order, where that is not only to read it."""


class BulkQuery(OrderFilterQuery):
    """The filters of the list."""

    dry_run: bool = Field(False, description="Tell what would become of them, and change nothing.", examples=[True])


@router.post(
    "/v1/orders/bulk",
    summary="Do one thing to many orders",
    status_code=202,
    response_model=OperatorRequestState,
    responses={
        **describe(404),
        200: {"description": "What would become of them; it was a dry run.", "model": BulkPreview},
        202: {
            "description": "It is asked; the pipeline does it, a few hundred orders at a time.",
            "headers": describe_header("Location", "The request.", f"/v1/requests/{ORDER_ID}"),
        },
    },
)
def change_orders(
    request: Request,
    caller: MayOperate,
    installation: ThisInstallation,
    query: Annotated[BulkQuery, Query()],
    asked: BulkRequest,
) -> Response:
    """The orders are those that the filters find now, at most 100,000; each is looked at once more when its turn comes, and
    left out where it cannot be done any more. `GET /v1/requests/{id}` tells how far it is, `GET /v1/requests/{id}/orders` what
    became of each. Beside `operations:write` it takes `orders:read`, and what the action takes at one order: `shipments:write`
    to retry, accept or refuse, `admin` to resolve, or to acknowledge for another consumer than one's own.
    """
    needed = NEEDED.get(asked.action, Scope.ORDERS_READ)
    is_of_others = asked.consumer not in {None, caller.consumer}
    _require(caller, Scope.ORDERS_READ, needed, *([Scope.ADMIN] if is_of_others else []))
    task, now = _task(caller, asked), installation.clock()
    with installation.ledger.read() as transaction:
        _check_consumer(transaction, task)
        ids = _find(transaction, caller, installation, query, asked)
        if query.dry_run:
            return fresh_answer(_preview(transaction, installation, task, ids))
    with installation.ledger.write() as transaction:
        made = requests.ask(transaction, task, selections.keep(transaction, ids, now), now)
        assert made is not None
        note(transaction, request, caller, f"bulk_{task.action}", made.id, {"orders": len(ids)})
        seen = operator_requests.pipeline_seen_at(transaction)
    return fresh_answer(document(made, seen), 202, {"Location": address(request, f"/v1/requests/{made.id}")})


@router.get(
    "/v1/requests/{id}/orders",
    summary="Download what became of many orders",
    responses={
        **describe(404),
        200: {
            "description": "CSV, a row for each order that was chosen: `order` (the marketplace's id), `id`, `channel`, `fate` "
            "(`done`, `left_out`, or `not_handled` while its turn has not come), `code` and `reason`.",
            "content": {"text/csv": {"schema": {"type": "string"}}},
        },
    },
)
def download_fates(caller: MayOperate, installation: ThisInstallation, request_id: RequestId) -> Response:
    """What has become so far of each order of a request about many. Texts with which a table program would begin to compute
    have an apostrophe in front.
    """
    _require(caller, Scope.ORDERS_READ)
    with installation.ledger.read() as transaction:
        found = find_visible(transaction, caller, request_id)
    return fates_file(installation.ledger, found)


def fates_file(ledger: Ledger, found: OperatorRequest) -> Response:
    """The answer with the file.

    Raises:
        Problem: 404 `unknown_request`: it is not about many orders.
    """
    if found.kind is not RequestKind.BULK:
        raise not_found("id", "The request is not about many orders.", "unknown_request")
    name = f'attachment; filename="{found.arguments["action"]}-{found.id}.csv"'
    headers = {"Cache-Control": NO_STORE, "Content-Disposition": name}
    media = "text/csv; charset=utf-8; header=present"
    return StreamingResponse(_rows(ledger, found.id), headers=headers, media_type=media)


def _rows(ledger: Ledger, selection: str) -> Iterator[bytes]:
    yield heading()
    for fates in selections.fates_of(ledger, selection):
        yield lines(fates)


def _require(caller: Caller, *scopes: Scope) -> None:
    """Refuse who may ask the pipeline, but not do this to a single order.

    Raises:
        Problem: 403 `missing_scope`.
    """
    lacking = next((each for each in scopes if not caller.may(each)), None)
    if lacking is not None:
        raise Problem(403, "missing_scope", f"This token lacks the scope {lacking}, which this takes at one order too.")


def _task(caller: Caller, asked: BulkRequest) -> BulkTask:
    task = BulkTask(
        action=asked.action,
        asked_by=caller.consumer,
        visible_channels=caller.visible_channels,
        consumer=asked.consumer or (caller.consumer if asked.action is BulkAction.ACKNOWLEDGE else ""),
        prefix=(asked.order_number_prefix or "").strip(),
        reason=(asked.reason or "").strip(),
    )
    try:
        return checked_task(task)
    except ArgumentInvalid as error:
        pointer = f"/{MEMBERS.get(error.argument, error.argument)}"
        errors = [{"pointer": pointer, "message": error.message}]
        raise Problem(422, "invalid_request", error.message, errors=errors) from None


def _check_consumer(transaction: Transaction, task: BulkTask) -> None:
    if task.consumer and task.consumer not in consumers_of(transaction, task.visible_channels):
        raise not_found("consumer", "There is no such consumer.", "unknown_consumer")


def _find(
    transaction: Transaction, caller: Caller, installation: ApiInstallation, query: BulkQuery, asked: BulkRequest
) -> list[str]:
    """The orders that are meant.

    Raises:
        Problem: 422 `nothing_chosen`: no filter, or no order; `too_many_orders`.
    """
    wanted = query.as_filter(transaction, caller.visible_channels, installation)
    is_filtered = wanted != OrderFilter(visible_channels=caller.visible_channels)
    if asked.ids is None and not is_filtered:
        raise Problem(422, "nothing_chosen", "Say which orders, by filters in the query or by ids.")
    if asked.ids is not None:
        named = tuple(asked.ids) if wanted.ids is None else tuple(set(asked.ids) & set(wanted.ids))
        wanted = replace(wanted, ids=named)
    found = order_queries.ids_of(transaction, wanted, MOST_CHOSEN + 1)
    if not found:
        raise Problem(422, "nothing_chosen", "The filters find no order.")
    if len(found) > MOST_CHOSEN:
        raise Problem(422, "too_many_orders", f"At most {MOST_CHOSEN} orders at once: narrow the filters down.")
    return found


def _preview(
    transaction: Transaction, installation: ApiInstallation, task: BulkTask, ids: Sequence[str]
) -> dict[str, object]:
    left = actions.count_left_out(transaction, task, ids, installation.clock())
    return {
        "orders": len(ids),
        "would_be_done": len(ids) - left.total(),
        "left_out": [{"code": code, "reason": said, "orders": count} for (code, said), count in left.most_common()],
    }
