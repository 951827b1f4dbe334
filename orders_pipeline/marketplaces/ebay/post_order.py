"""Cancellations at eBay: the Post-Order API v2, of which parts are being taken out of service.

Only whole orders are cancelled. What eBay answers may hold errors though its status is 200. It carries cancellations out later,
so that the order shows them as asked for at first.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from orders_pipeline.marketplaces.ebay.states import BUYER, CANCELED, NONE_REQUESTED, NOT_STARTED, REQUEST_ENDED, word
from orders_pipeline.marketplaces.errors import InDoubt, Refused
from orders_pipeline.marketplaces.receipts import READ_BACK_HINT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orders_pipeline.marketplaces.rest import Rest, RestAnswer, Sign

PATH = "/post-order/v2/cancellation"
_LOOK = "look at the order in Seller Hub, and cancel there if it must be"
_GONE = "eBay may have taken this call out of service: decide in Seller Hub"


def cancel(
    rest: Rest, sign: Sign | None, order: Mapping[str, Any], quantities: Mapping[str, int], reason: str | None
) -> None:
    """Cancel an order as the seller.

    Args:
        rest: Speaks to the Post-Order API.
        sign: Where the seller has a key.
        order: As eBay has it at present.
        quantities: All of its units.
        reason: eBay's word.

    Raises:
        InDoubt: It may have arrived.
        Refused: eBay will not.
        Throttled, Unauthorised, Transient, Permanent: It has certainly not arrived.
    """
    if reason is None:
        raise Refused("cancellation_refused", "eBay wants to know why", "name one of the reasons that it has")
    state = word(_text(_of(order, "cancelStatus").get("cancelState")))
    if state not in {None, NONE_REQUESTED}:
        said = "it is cancelled already" if state == CANCELED else "somebody has asked to cancel it already"
        raise Refused("cancellation_refused", said, _LOOK)
    if order.get("orderFulfillmentStatus") != NOT_STARTED:
        raise Refused("cancellation_refused", "something of it is shipped", _LOOK)
    whole = {str(line.get("lineItemId")): line.get("quantity") for line in _list(order, "lineItems")}
    if dict(quantities) != whole:
        raise Refused(
            "cancellation_refused", "eBay cancels whole orders only", "cancel all units, or refund some of them"
        )
    body = {
        "legacyOrderId": order.get("legacyOrderId") or order.get("orderId"),
        "cancelReason": reason,
        "buyerPaid": order.get("orderPaymentStatus") not in {"PENDING", "FAILED"},
    }
    answer = rest.send("createCancellation", "POST", PATH, body, sign)
    _judge(answer)
    if not _names_cancellation(answer.value):
        said = "createCancellation was answered without a cancellation"
        raise InDoubt("unanswered", said, READ_BACK_HINT)


def decide(rest: Rest, sign: Sign | None, order: Mapping[str, Any], *, is_accepted: bool) -> None:
    """Approve or reject what the buyer asks.

    Raises:
        InDoubt, Refused, Throttled, Unauthorised, Transient, Permanent: As for `cancel`.
    """
    request = _open_request(order) or _searched(rest, order)
    if request is None:
        raise Refused("cancellation_refused", "no request of the buyer is open", "read the order again")
    path = f"{PATH}/{quote(request, safe='')}"
    if is_accepted:
        answer = rest.send("approveCancellation", "POST", f"{path}/approve", None, sign)
    else:
        answer = rest.send("rejectCancellation", "POST", f"{path}/reject", {}, sign)
    _judge(answer)


def _open_request(order: Mapping[str, Any]) -> str | None:
    for each in _list(_of(order, "cancelStatus"), "cancelRequests"):
        is_open = word(_text(each.get("cancelRequestState"))) not in REQUEST_ENDED
        if is_open and word(_text(each.get("cancelInitiator"))) == BUYER:
            return _text(each.get("cancelRequestId"))
    return None


def _searched(rest: Rest, order: Mapping[str, Any]) -> str | None:
    """The request of an order that names none itself."""
    own_id = _text(order.get("legacyOrderId")) or _text(order.get("orderId"))
    answer = rest.read("searchCancellations", f"{PATH}/search", [("legacy_order_id", own_id), ("limit", 50)])
    ids = {own_id, _text(order.get("orderId"))}
    for each in _list(answer.value, "cancellations"):
        is_open = (
            word(_text(each.get("cancelState"))) == "APPROVAL_PENDING" or each.get("cancelStatus") == "CANCEL_REQUESTED"
        )
        if is_open and _text(each.get("legacyOrderId")) in ids:
            return _text(each.get("cancelId"))
    return None


def _judge(answer: RestAnswer) -> None:
    said = f"{answer.operation} answered HTTP {answer.status}" + (f": {answer.said}" if answer.said else "")
    if answer.is_success and not _has_errors(answer.value):
        if answer.body.strip() and answer.value is None:
            raise InDoubt("unanswered", f"{answer.operation} was answered with no JSON", READ_BACK_HINT)
        return
    is_refusal = HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
    if answer.status == HTTPStatus.NOT_FOUND and not answer.code:
        raise Refused("cancellation_refused", said, _GONE)
    if answer.is_success or (
        is_refusal and answer.status != HTTPStatus.REQUEST_TIMEOUT and (answer.code or answer.said)
    ):
        raise Refused("cancellation_refused", said, _LOOK)
    raise InDoubt("unanswered", said, READ_BACK_HINT)


def _has_errors(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    if not isinstance(value, dict):
        return False
    eligible = value.get("orderEligibilityResult")
    is_barred = isinstance(eligible, list) and any(_of(each).get("eligible") is False for each in eligible)
    return bool(value.get("errors") or value.get("error")) or is_barred


def _names_cancellation(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return isinstance(value, dict) and value.get("cancelId") is not None


def _of(value: Any, key: str | None = None) -> Mapping[str, Any]:  # noqa: ANN401 - any JSON value
    found = value.get(key) if key is not None and isinstance(value, dict) else value
    return found if isinstance(found, dict) else {}


def _list(value: Any, key: str) -> list[Mapping[str, Any]]:  # noqa: ANN401 - any JSON value
    found = _of(value).get(key)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _text(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    return None if value is None or value == "" else str(value)
