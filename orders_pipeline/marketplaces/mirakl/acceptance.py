"""Accepting or refusing an order at a Mirakl instance (OR21): every line is decided in one call.

The order goes on to WAITING_DEBIT, not to SHIPPING: what became of it is only known when it is read again.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import quote

from orders_pipeline.marketplaces.errors import InDoubt, Refused
from orders_pipeline.marketplaces.mirakl.refusals import INVALID_STATE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orders_pipeline.marketplaces.rest import Rest

_HINTS: dict[str, tuple[str, str]] = {
    "ORDER_LINE_ACCEPTANCE_DECISION_MISSING": ("decision_missing", "decide every line of the order at once"),
    "ORDER_LINE_DUPLICATE_ID": ("decision_duplicate", "decide every line once"),
    "ORDER_LINE_NOT_FOUND": ("line_unknown", "compare the lines decided with the order's"),
    "ORDER_LINE_NULL_ELEMENT": ("decision_missing", "decide every line of the order at once"),
    "ORDER_PARTIAL_ACCEPTANCE_DISABLED": (
        "partial_acceptance_disabled",
        "the operator takes all lines or none: accept or refuse the whole order",
    ),
    "ORDER_FULFILLED_UNAUTHORIZED": ("not_shipped_by_shop", "the operator fulfils this order"),
    "ORDER_NOT_FOUND": ("order_not_found", "the shop of this connection does not have the order"),
}
_READ_AGAIN_HINT = "the order is read again: it may have been decided already"


def accept(rest: Rest, original_id: str, decisions: Mapping[str, bool]) -> None:
    """Decide every line of an order.

    Raises:
        InDoubt: It may have arrived, or the order is not waiting for a decision any more.
        Throttled, Unauthorised, Transient, Permanent: It has certainly not arrived.
        Refused: It is refused, with the instance's words.
    """
    lines = [{"id": line, "accepted": is_accepted} for line, is_accepted in decisions.items()]
    reply = rest.send("OR21", "PUT", f"/api/orders/{quote(original_id, safe='')}/accept", {"order_lines": lines})
    if reply.status == HTTPStatus.NO_CONTENT:
        return
    said = f"OR21 answered HTTP {reply.status}" + (f": {reply.said}" if reply.said else "")
    if reply.code == INVALID_STATE:
        raise InDoubt("order_state", said, _READ_AGAIN_HINT)
    is_refusal = HTTPStatus.BAD_REQUEST <= reply.status < HTTPStatus.INTERNAL_SERVER_ERROR
    if not is_refusal or reply.status == HTTPStatus.REQUEST_TIMEOUT or not (reply.code or reply.said):
        raise InDoubt("unanswered", said, _READ_AGAIN_HINT)
    code, hint = _HINTS.get(reply.code, ("acceptance_refused", "the operator's message says why"))
    raise Refused(code, said, hint)
