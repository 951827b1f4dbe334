"""Giving orders to channels without a marketplace: one at a time, in the book when it is answered.

What is taken and what is refused is decided in `warehouse.ledger.book.order_intake`, which `orders add` shares; reading orders
is in `orders`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import Header
from pydantic import WithJsonSchema
from starlette.requests import Request
from starlette.responses import Response

from orders_api.kit.answers import matches, render, tag_of
from orders_api.kit.auth import Caller, may
from orders_api.kit.errors import Problem, describe, describe_header
from orders_api.kit.idempotency import REPLAY, IdempotencyKeys, Once
from orders_api.kit.routes import RawBody, ThisInstallation, resource
from orders_api.schemas.order_intake import OrderTaken
from orders_api.schemas.vocabulary import ORDER_ID
from warehouse.given_orders import GivenOrder, UnfitDocument
from warehouse.ledger.base import idempotency
from warehouse.ledger.base.idempotency import KeptAnswer, RequestClaim
from warehouse.ledger.book import order_intake, order_queries
from warehouse.ledger.book.order_intake import IntakeRefusal, IntakeResult, OrderNotTaken
from warehouse.ledger.settings.tokens import Scope

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from orders_api.kit.installation import ApiInstallation

router = resource("Orders")

TAG = 'W/"9f86d081884c7d659a2feaa0c55ad015"'
IfMatch = Annotated[
    list[str] | None,
    WithJsonSchema({"type": "string", "examples": [TAG]}),
    Header(
        alias="If-Match",
        description="To change an order: its `ETag`, as `GET /v1/orders/{id}` or an earlier answer here has it; `*` for any.",
    ),
]
HEADERS = {
    **describe_header("Location", "The order.", f"/v1/orders/{ORDER_ID}"),
    **describe_header("ETag", "Of the order as it is now, without personal data.", TAG),
    **REPLAY,
}
STATUSES = {IntakeResult.CREATED: 201, IntakeResult.CHANGED: 200, IntakeResult.ALREADY_KNOWN: 200}


@router.post(
    "/v1/orders",
    summary="Give an order",
    status_code=201,
    response_model=OrderTaken,
    responses={
        **describe(400, 409, 412, 428),
        200: {
            "description": "It was known: it is changed, or nothing was new.",
            "model": OrderTaken,
            "headers": HEADERS,
        },
        201: {"description": "It is in the book.", "headers": HEADERS},
    },
)
def give_order(
    request: Request,
    caller: Annotated[Caller, may(Scope.ORDERS_WRITE)],
    installation: ThisInstallation,
    _given: GivenOrder,
    body: RawBody,
    keys: IdempotencyKeys = None,
    conditions: IfMatch = None,
) -> Response:
    """Give an order to a channel without a marketplace (kind `manual`), or change one that was given.

    It is kept as it was given, and is an order like every other one as soon as this is answered. Its `original_id` is unique
    in its channel: the same document again is `already_known`, and another one of that id is a change, which needs
    `If-Match`. A change is the whole document again; a line is cancelled by its `quantity_cancelled`. What is shipped cannot
    be taken back.
    """
    intake = _Intake(installation, caller, installation.clock(), orjson.loads(body), ",".join(conditions or ()))
    once = Once(installation.ledger, caller.consumer, intake.now)
    return once.answer(request, body, keys, intake.take, intake.may_see)


@dataclass(frozen=True, slots=True)
class _Intake:
    """One order on its way in: where, by whom and when, and what its giver knows of it."""

    installation: ApiInstallation
    caller: Caller
    now: datetime
    document: Any
    condition: str

    def take(self, claimed: RequestClaim | None) -> KeptAnswer:
        with self.installation.ledger.write() as transaction:
            taken = self._taken(transaction)
            headers = {
                "Location": f"/v1/orders/{taken.order_id}",
                "ETag": self._tags(transaction, taken.order_id, with_buyer=False)[0],
            }
            shown = {
                "id": taken.order_id,
                "channel": taken.channel,
                "original_id": taken.original_id,
                "result": taken.result,
            }
            answer = KeptAnswer(STATUSES[taken.result], headers, render(shown))
            if claimed is not None:
                idempotency.keep(transaction, claimed, answer)
        return answer

    def may_see(self, kept: KeptAnswer) -> bool:
        visible = self.caller.visible_channels
        return visible is None or orjson.loads(kept.body)["channel"] in visible

    def _taken(self, transaction: Transaction) -> order_intake.TakenOrder:
        def is_met(order_id: str) -> bool:
            return any(matches(self.condition, tag) for tag in self._tags(transaction, order_id, with_buyer=True))

        try:
            return order_intake.take(
                transaction,
                self.installation.keys,
                self.document,
                self.now,
                visible_channels=self.caller.visible_channels,
                may_change=is_met if self.condition else None,
            )
        except UnfitDocument as unfit:
            raise _unfit(unfit) from None
        except OrderNotTaken as error:
            raise _not_taken(error.refusal) from None

    def _tags(self, transaction: Transaction, order_id: str, *, with_buyer: bool) -> list[str]:
        """What readers have as the order's validator: those who do not see its buyer, and those who do."""
        row = order_queries.by_id(order_queries.MEMBERS, transaction, order_id, None)
        assert row is not None
        seen = [None, order_queries.sealed_parties(transaction, [order_id])] if with_buyer else [None]
        texts = [text for sealed in seen for text in self.installation.documents([row], sealed)]
        return [tag_of(text) for text in texts]


def _unfit(unfit: UnfitDocument) -> Problem:
    errors = [
        {"pointer": f"/{each.place}" if each.place else "", "code": each.code, "message": each.message}
        for each in unfit.faults
    ]
    detail = "The order cannot be changed so; nothing was recorded. See errors."
    return Problem(422, "invalid_order", detail, errors=errors)


def _not_taken(refusal: IntakeRefusal) -> Problem:
    match refusal:
        case IntakeRefusal.UNKNOWN_CHANNEL:
            detail = "There is no such channel for this token."
            errors = [{"pointer": "/channel", "code": refusal.value, "message": detail}]
            return Problem(422, "unknown_channel", detail, errors=errors)
        case IntakeRefusal.HAS_MARKETPLACE:
            detail = (
                "The orders of this channel come from its marketplace; only a channel of kind manual is given orders."
            )
            return Problem(409, "channel_has_marketplace", detail)
        case IntakeRefusal.IS_KNOWN:
            detail = "The channel has another order of this original_id: to change it send its ETag as If-Match."
            return Problem(428, "order_is_known", detail)
        case IntakeRefusal.HAS_CHANGED:
            detail = "The order is no longer as If-Match says: read it again, and decide anew."
            return Problem(412, "order_has_changed", detail)
        case IntakeRefusal.IS_UNKNOWN:
            detail = (
                "The channel has no order of this original_id that could be changed: without If-Match it is a new one."
            )
            return Problem(412, "no_order_to_change", detail)
