"""Accepting and refusing orders, where the marketplace leaves that to the seller. The pipeline tells the marketplace."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from orders_api.kit import cursors
from orders_api.kit.addresses import address, next_path
from orders_api.kit.answers import fresh_answer
from orders_api.kit.auth import Caller, MayRead, may
from orders_api.kit.errors import Problem, describe, describe_header
from orders_api.kit.pages import page_answer
from orders_api.kit.parameters import OrderId
from orders_api.kit.queries import PageQuery
from orders_api.kit.records import fill
from orders_api.kit.routes import ThisInstallation, resource
from orders_api.schemas.acceptances import Acceptance, AcceptancePage, AcceptanceRequest, AcceptanceState
from orders_api.schemas.vocabulary import ORDER_ID
from orders_api.v1.order_filters import Word, check_channels
from orders_api.v1.orders import find_order
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.shipping import acceptance_queries, acceptances, shipment_queries
from warehouse.ledger.shipping.acceptance_queries import AcceptanceFilter, AcceptancePlace, AcceptanceStage

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Transaction

    from orders_api.schemas.acceptances import LineDecision
    from warehouse.ledger.shipping.acceptance_queries import AcceptanceRecord

router = resource("Orders")

OF_THE_REQUEST = frozenset({"unknown_line", "line_undecided"})
"""Why a decision is wrong in itself; everything else is about the order's state."""


class AcceptanceQuery(PageQuery):
    """Which orders, and which page of them."""

    stage: AcceptanceStage = Field(
        AcceptanceStage.WAITING,
        description="`waiting` for a decision; `queued` or `sending`: decided, the marketplace is yet to be told; `done`.",
        examples=["waiting"],
    )
    channel: list[Word] = Field([], description="Of any of these channels; may be repeated.", examples=["amazon_fr"])


@router.get(
    "/v1/acceptances", summary="List orders to accept", response_model=AcceptancePage, responses=describe(400, 404)
)
def list_acceptances(
    request: Request, caller: MayRead, installation: ThisInstallation, query: Annotated[AcceptanceQuery, Query()]
) -> Response:
    """Orders that wait to be accepted or refused by the seller, or that were; `POST /v1/orders/{id}/acceptance` decides."""
    with installation.ledger.read() as transaction:
        rows, cursor = read_acceptances(transaction, query, caller.visible_channels)
    following = None if cursor is None else next_path(request, cursor)
    return page_answer(request, "acceptances", [document(each) for each in rows], following)


def read_acceptances(
    transaction: Transaction, query: AcceptanceQuery, visible_channels: tuple[str, ...] | None
) -> tuple[list[AcceptanceRecord], str | None]:
    """A page of the list, and the cursor of the next one; None on the last."""
    check_channels(transaction, query.channel, visible_channels)
    wanted = AcceptanceFilter(visible_channels=visible_channels, channels=tuple(query.channel), stage=query.stage)
    fingerprint = cursors.fingerprint_of("acceptances", query)
    after = None if query.cursor is None else AcceptancePlace(*cursors.decode_moment(query.cursor, fingerprint))
    rows = acceptance_queries.find_acceptances(transaction, wanted, after, query.limit + 1)
    if len(rows) <= query.limit:
        return rows, None
    rows = rows[: query.limit]
    return rows, cursors.encode_moment(fingerprint, *acceptance_queries.place_of(rows[-1]))


def document(record: AcceptanceRecord) -> dict[str, Any]:
    """An order of the list."""
    row = record.row
    return fill(
        Acceptance,
        row,
        order_id=row.id,
        stage=record.stage,
        accept_by=record.accept_by,
        can_refuse=record.can_refuse,
        lines=[asdict(each) for each in record.lines],
        decided_by=row.requested_by,
        decided_at=row.requested_at,
    )


@router.post(
    "/v1/orders/{id}/acceptance",
    summary="Accept or refuse an order",
    status_code=202,
    response_model=AcceptanceState,
    responses={
        **describe(404, 409),
        202: {
            "description": "The decision is committed; the marketplace is told later.",
            "headers": describe_header("Location", "The order.", f"/v1/orders/{ORDER_ID}"),
        },
    },
)
def decide_order(
    request: Request,
    caller: Annotated[Caller, may(Scope.SHIPMENTS_WRITE)],
    installation: ThisInstallation,
    own_id: OrderId,
    asked: AcceptanceRequest,
) -> Response:
    """Accept or refuse an order that waits for it at the marketplace: all of it, or every line by itself.

    The same decision again changes nothing; another one is refused, because the first may have been sent.
    """
    with installation.ledger.write() as transaction:
        find_order(transaction, caller, own_id)
        decisions = _decisions(transaction, own_id, asked)
        try:
            decision = acceptances.decide(transaction, own_id, decisions, caller.consumer, installation.clock())
        except acceptances.NotAcceptable as error:
            raise _undecidable(error) from None
    lines = [{"item_id": each, "accepted": is_accepted} for each, is_accepted in decision.decisions.items()]
    body = {"order_id": own_id, "status": decision.status, "lines": lines}
    return fresh_answer(body, 202, {"Location": address(request, f"/v1/orders/{own_id}")})


def _decisions(transaction: Transaction, order_id: str, asked: AcceptanceRequest) -> dict[str, bool]:
    if asked.lines is None:
        return acceptances.for_every_line(transaction, order_id, is_accepted=asked.accepted is True)
    known = shipment_queries.line_ids(transaction, order_id)
    decisions: dict[str, bool] = {}
    for index, each in enumerate(asked.lines):
        line = _line(each, known, index)
        if line in decisions:
            raise _wrong_line("duplicate_line", index, "Another entry names the same line.")
        decisions[line] = each.accepted
    return decisions


def _line(given: LineDecision, known: dict[str, str], index: int) -> str:
    line = given.item_id if given.item_original_id is None else known.get(given.item_original_id)
    if line not in known.values():
        raise _wrong_line("unknown_line", index, "The order has no such line.")
    assert line is not None
    return line


def _wrong_line(code: str, index: int, message: str) -> Problem:
    return Problem(422, code, message, errors=[{"pointer": f"/lines/{index}", "message": message}])


def _undecidable(error: acceptances.NotAcceptable) -> Problem:
    errors = [{"pointer": f"/{error.field}", "message": error.message}] if error.field else []
    return Problem(422 if error.code in OF_THE_REQUEST else 409, error.code, error.message, errors=errors)
