"""Accepting and refusing orders, where the marketplace leaves that to the seller. The pipeline tells the marketplace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from starlette.requests import Request
from starlette.responses import Response

from orders_api.kit.addresses import address
from orders_api.kit.answers import fresh_answer
from orders_api.kit.auth import Caller, may
from orders_api.kit.errors import Problem, describe, describe_header
from orders_api.kit.parameters import OrderId
from orders_api.kit.routes import ThisInstallation, resource
from orders_api.schemas.acceptances import AcceptanceRequest, AcceptanceState
from orders_api.schemas.vocabulary import ORDER_ID
from orders_api.v1.orders import find_order
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.shipping import acceptances, shipment_queries

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Transaction

    from orders_api.schemas.acceptances import LineDecision

router = resource("Orders")

OF_THE_REQUEST = frozenset({"unknown_line", "line_undecided"})
"""Why a decision is wrong in itself; everything else is about the order's state."""


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
