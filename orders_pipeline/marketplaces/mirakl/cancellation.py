"""Cancelling as the seller at a Mirakl instance: a whole order by OR29, units of its lines by OR30.

OR30 wants the amounts that go back to the buyer: they are the line's own, in proportion to the units. Mirakl has no request to
cancel that a buyer makes; buyers write messages and open incidents.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from orders_pipeline.marketplaces.errors import InDoubt, Refused
from orders_pipeline.marketplaces.reading import JsonObject

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orders_pipeline.marketplaces.rest import Rest, RestAnswer

CENT = Decimal("0.01")
_READ_AGAIN_HINT = "the next pull shows whether the order was cancelled"
_DONE = frozenset({HTTPStatus.OK, HTTPStatus.NO_CONTENT})


def cancel(rest: Rest, order: JsonObject, original_id: str, quantities: Mapping[str, int], reason: str | None) -> None:
    """Cancel units of an order that was just read.

    Args:
        rest: Of the instance.
        order: The order as OR11 gives it.
        original_id: Its id.
        quantities: Units by line id.
        reason: The operator's reason code (RE01); a whole order needs none.

    Raises:
        InDoubt: It may have arrived.
        Throttled, Unauthorised, Transient, Permanent: It has certainly not arrived.
        Refused: It is refused, or cannot be asked for.
    """
    lines = {str(line.get("order_line_id")): line for line in order.get("order_lines") or () if isinstance(line, dict)}
    left = {own_id: _left(line) for own_id, line in lines.items()}
    if any(units > left.get(own_id, 0) for own_id, units in quantities.items()):
        raise Refused(
            "cancellation_refused",
            "fewer units than that are open at the operator",
            "the order was shipped or cancelled meanwhile: read it again and decide anew",
        )
    if order.get("can_cancel") is True and {own_id: units for own_id, units in left.items() if units} == dict(
        quantities
    ):
        reply = rest.send("OR29", "PUT", f"/api/orders/{quote(original_id, safe='')}/cancel")
    else:
        if not reason:
            raise Refused(
                "reason_code_missing",
                "the operator wants a reason code to cancel a part of an order",
                "cancel again with one of the operator's reason codes (in its portal, or GET /api/reasons)",
            )
        currency = order.get("currency_iso_code")
        cancelations = [
            {**_share(lines[own_id], own_id, units, reason), "currency_iso_code": currency}
            for own_id, units in quantities.items()
        ]
        reply = rest.send("OR30", "PUT", "/api/orders/cancel", _body(order, cancelations))
    _judge(reply)


def _body(order: JsonObject, cancelations: Sequence[JsonObject]) -> JsonObject:
    mode = order.get("order_tax_mode")
    return {"cancelations": list(cancelations), **({"order_tax_mode": mode} if mode else {})}


def _left(line: JsonObject) -> int:
    """Units of a line that are neither cancelled nor on their way."""
    if line.get("order_line_state") not in {"WAITING_DEBIT", "WAITING_DEBIT_PAYMENT", "SHIPPING"}:
        return 0
    cancelled = sum(int(each.get("quantity") or 0) for each in line.get("cancelations") or ())
    return max(0, int(line.get("quantity") or 0) - cancelled)


def _share(line: JsonObject, own_id: str, units: int, reason: str) -> JsonObject:
    """The part of a line's amounts that belongs to so many of its units."""
    part = Decimal(units) / Decimal(int(line["quantity"]))
    return {
        "order_line_id": own_id,
        "quantity": units,
        "reason_code": reason,
        "amount": _amount(line.get("price"), part),
        "shipping_amount": _amount(line.get("shipping_price"), part),
        "taxes": _taxes(line.get("taxes"), part),
        "shipping_taxes": _taxes(line.get("shipping_taxes"), part),
    }


def _taxes(taxes: Any, part: Decimal) -> list[JsonObject]:  # noqa: ANN401 - any JSON value
    found = [each for each in taxes or () if isinstance(each, dict)]
    return [{"code": each.get("code"), "amount": _amount(each.get("amount"), part)} for each in found]


def _amount(whole: Any, part: Decimal) -> float:  # noqa: ANN401 - any JSON number
    """Exact when it is all of it, else rounded to a cent; JSON has no decimals but its numbers."""
    amount = Decimal(str(whole or 0))
    return float(amount if part == 1 else (amount * part).quantize(CENT, ROUND_HALF_UP))


def _judge(reply: RestAnswer) -> None:
    if reply.status in _DONE:
        return
    said = f"{reply.operation} answered HTTP {reply.status}" + (f": {reply.said}" if reply.said else "")
    is_refusal = HTTPStatus.BAD_REQUEST <= reply.status < HTTPStatus.INTERNAL_SERVER_ERROR
    if not is_refusal or reply.status == HTTPStatus.REQUEST_TIMEOUT or not (reply.code or reply.said):
        raise InDoubt("cancellation_in_doubt", said, _READ_AGAIN_HINT)
    raise Refused("cancellation_refused", said, "the operator's message says why; cancel in its portal if it must be")
