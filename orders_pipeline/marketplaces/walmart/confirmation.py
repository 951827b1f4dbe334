"""Telling Walmart what was shipped, cancelled and acknowledged, and what its answers mean (Orders API v3).

A shipping update charges the customer and cannot be taken back; it has no key that would make a repetition harmless. Its
answer is the order, which shows what arrived.
"""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from orders_pipeline.marketplaces.errors import InDoubt, MarketplaceError, Refused
from orders_pipeline.marketplaces.receipts import READ_BACK_HINT, SENT, PackageVerdict, no_good_answer
from orders_pipeline.marketplaces.walmart.carriers import CUSTOMER_REQUEST
from orders_pipeline.marketplaces.walmart.documents import single_order
from orders_pipeline.marketplaces.walmart.states import CANCELLED, LEFT, SHIPPED, known_state
from warehouse.shipments import AttemptOutcome, Receipt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orders_pipeline.marketplaces.protocol import Parcel
    from orders_pipeline.marketplaces.rest import Rest, RestAnswer

LINES_PER_CANCELLATION = 100
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
UNIT = "EACH"

_NOT_SHOWN = PackageVerdict(
    AttemptOutcome.IN_DOUBT, "not_shown", "the answer does not show the package on its lines", READ_BACK_HINT
)
_NOT_OURS = PackageVerdict(
    AttemptOutcome.REJECTED,
    "package_not_ours",
    "the lines are not, or not only, in the package that was told before: changing its tracking would change another one",
    "correct the tracking in Seller Center",
)
_THERE_ALREADY = PackageVerdict(
    AttemptOutcome.IN_DOUBT,
    "already_shipped",
    "refused: the lines are shipped with this tracking number",
    READ_BACK_HINT,
)
_NO_TRACKING_URL = PackageVerdict(
    AttemptOutcome.REJECTED,
    "tracking_url_missing",
    "Walmart has no code for this carrier, and then it wants the address where the parcel is tracked",
    "report the package with tracking_url, or map the carrier: orders carriers",
)


def path_of(original_id: str, what: str = "") -> str:
    """The path of an order, or of what is done with it."""
    return f"/v3/orders/{quote(original_id, safe='')}{what and '/'}{what}"


def ship(rest: Rest, parcel: Parcel) -> Receipt:
    """Tell of one package; only the units in it, each line with the same tracking.

    Raises:
        Throttled, Unauthorised, Transient, Permanent: It has certainly not arrived.
        InDoubt: It may have arrived.
    """
    if parcel.carrier_code is None and parcel.tracking_url is None:
        return _receipt(parcel, None, _NO_TRACKING_URL)
    before: Mapping[str, str] | None = {}
    if parcel.is_update:
        order = rest.read("order", path_of(parcel.original_id), tolerated={HTTPStatus.NOT_FOUND})
        before = _numbers(order.value, parcel)
    if before is None:
        return _receipt(parcel, None, _NOT_OURS)
    lines = [_line(parcel, line_id, units, before.get(line_id)) for line_id, units in parcel.quantities]
    body: dict[str, Any] = {"orderLines": {"orderLine": lines}}
    if parcel.is_update:
        body = {"processMode": "PARTIAL_UPDATE", **body}
    answer = rest.send("shipping", "POST", path_of(parcel.original_id, "shipping"), {"orderShipment": body})
    verdict = _verdict(parcel, answer)
    if verdict.outcome is AttemptOutcome.REJECTED and answer.status != HTTPStatus.NOT_FOUND:
        verdict = _refused(rest, parcel, verdict)
    return _receipt(parcel, answer, verdict)


def _numbers(value: Any, parcel: Parcel) -> dict[str, str] | None:  # noqa: ANN401 - any JSON value
    """The tracking number that each line of an earlier confirmation left with; None when it left in other packages too.

    An update changes the tracking of a line, whoever shipped it.
    """
    ours, found = seller_reference(parcel.shipment_id), dict[str, str]()
    lines = {str(line.get("lineNumber")): line for line in _list(single_order(value), "orderLines", "orderLine")}
    for line_id, _ in parcel.quantities:
        line = lines.get(line_id, {})
        left = [
            each
            for each in _list(line, "orderLineStatuses", "orderLineStatus")
            if known_state(str(each.get("status"))) in LEFT
        ]
        numbers = {
            str(info.get("trackingNumber")) for each in left if isinstance(info := each.get("trackingInfo"), dict)
        }
        if line.get("sellerOrderId") != ours or len(numbers) != 1:
            return None
        found[line_id] = numbers.pop()
    return found


def _refused(rest: Rest, parcel: Parcel, verdict: PackageVerdict) -> PackageVerdict:
    """A refusal does not tell whether the package is there already: the order does."""
    try:
        answer = rest.read("order", path_of(parcel.original_id))
    except MarketplaceError as error:
        return PackageVerdict(AttemptOutcome.IN_DOUBT, error.code, error.message, READ_BACK_HINT)
    return _THERE_ALREADY if _shows(answer.value, parcel) else verdict


def cancel(rest: Rest, original_id: str, quantities: Mapping[str, int], reason: str | None) -> None:
    """Cancel units, a hundred lines a call.

    Raises:
        InDoubt: It may have arrived, or a part of it has.
        Refused: Walmart will not.
        Throttled, Unauthorised, Transient, Permanent: It has certainly not arrived.
    """
    lines = list(quantities.items())
    for start in range(0, len(lines), LINES_PER_CANCELLATION):
        part = lines[start : start + LINES_PER_CANCELLATION]
        body = {"orderLines": {"orderLine": [_cancelled(*each, reason or CUSTOMER_REQUEST) for each in part]}}
        try:
            answer = rest.send("cancel", "POST", path_of(original_id, "cancel"), {"orderCancellation": body})
            _judge(answer, "cancellation_refused", "the message says why; cancel in Seller Center if it must be")
        except MarketplaceError as error:
            if start:
                raise InDoubt(
                    "cancellation_in_doubt", f"{start} lines are cancelled, others not", READ_BACK_HINT
                ) from error
            raise


def acknowledge(rest: Rest, original_id: str) -> None:
    """Accept an order as a whole; saying so again is no harm.

    Raises:
        InDoubt, Refused, Throttled, Unauthorised, Transient, Permanent: As for `cancel`.
    """
    answer = rest.send("acknowledge", "POST", path_of(original_id, "acknowledge"))
    _judge(answer, "acceptance_refused", "the message says why; look at the order in Seller Center")


def seller_reference(shipment_id: str) -> str:
    """Our name of a package within the 30 characters that Walmart keeps: the same number, written shorter.

    >>> seller_reference("6f9619ff-8b86-d011-b42d-00c04fc964ff")
    '6ltlzdzahw39tuqzqhdis09of'
    """
    try:
        number, found = uuid.UUID(shipment_id).int, ""
    except ValueError:
        return shipment_id[:30]
    while number:
        number, digit = divmod(number, len(DIGITS))
        found = DIGITS[digit] + found
    return found


def _line(parcel: Parcel, line_id: str, units: int, number_before: str | None) -> dict[str, Any]:
    if parcel.carrier_code is not None:
        carrier = {"carrier": parcel.carrier_code}
    else:
        carrier = {"otherCarrier": parcel.carrier_name or ""}
    tracking = {
        "shipDateTime": int(parcel.shipped_at.timestamp() * 1000),
        "carrierName": carrier,
        "methodCode": parcel.ordered_method or parcel.shipping_method or "Standard",
        "trackingNumber": parcel.tracking_number,
        **({"trackingURL": parcel.tracking_url} if parcel.tracking_url else {}),
    }
    status = {
        "status": SHIPPED,
        "statusQuantity": {"unitOfMeasurement": UNIT, "amount": str(units)},
        "trackingInfo": tracking,
        **({"currentTrackingInfo": {"trackingNumber": number_before}} if number_before else {}),
    }
    return {
        "lineNumber": line_id,
        "sellerOrderId": seller_reference(parcel.shipment_id),
        "intentToCancelOverride": parcel.overrides_cancellation,
        "orderLineStatuses": {"orderLineStatus": [status]},
    }


def _cancelled(line_id: str, units: int, reason: str) -> dict[str, Any]:
    status = {
        "status": CANCELLED,
        "cancellationReason": reason,
        "statusQuantity": {"unitOfMeasurement": UNIT, "amount": str(units)},
    }
    return {"lineNumber": line_id, "orderLineStatuses": {"orderLineStatus": [status]}}


def _verdict(parcel: Parcel, answer: RestAnswer) -> PackageVerdict:
    if answer.is_success:
        return SENT if _shows(answer.value, parcel) else _NOT_SHOWN
    is_refusal = HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
    if not is_refusal or answer.status == HTTPStatus.REQUEST_TIMEOUT or not (answer.code or answer.said):
        return no_good_answer(answer.status, answer.operation, answer.said)
    if answer.status == HTTPStatus.NOT_FOUND:
        hint = "the seller of this connection does not have the order"
        return PackageVerdict(AttemptOutcome.REJECTED, "order_not_found", answer.said or answer.code, hint)
    said = f"{answer.code}: {answer.said}" if answer.code and answer.said else answer.said or answer.code
    return PackageVerdict(
        AttemptOutcome.REJECTED, "shipment_refused", said, "the message says why; correct and report it again"
    )


def _shows(value: Any, parcel: Parcel) -> bool:  # noqa: ANN401 - any JSON value
    """Whether the order in an answer has left with the package's tracking number, on each of its lines."""
    found: dict[str, bool] = {}
    for line in _list(single_order(value), "orderLines", "orderLine"):
        for each in _list(line, "orderLineStatuses", "orderLineStatus"):
            info = each.get("trackingInfo")
            number = info.get("trackingNumber") if isinstance(info, dict) else None
            if known_state(str(each.get("status"))) in LEFT and number == parcel.tracking_number:
                found[str(line.get("lineNumber"))] = True
    return all(line_id in found for line_id, _ in parcel.quantities)


def _list(value: Any, *path: str) -> list[dict[str, Any]]:  # noqa: ANN401 - any JSON value
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _receipt(parcel: Parcel, answer: RestAnswer | None, verdict: PackageVerdict) -> Receipt:
    return Receipt(
        shipment_id=parcel.shipment_id,
        outcome=verdict.outcome,
        operation=answer.operation if answer is not None else None,
        request_id=answer.headers.get("wm_qos.correlation_id") if answer is not None else None,
        http_status=answer.status if answer is not None else None,
        code=verdict.code,
        message=verdict.message,
        hint=verdict.hint,
    )


def _judge(answer: RestAnswer, code: str, hint: str) -> None:
    if answer.is_success:
        return
    said = f"{answer.operation} answered HTTP {answer.status}" + (f": {answer.said}" if answer.said else "")
    is_refusal = HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
    if not is_refusal or answer.status == HTTPStatus.REQUEST_TIMEOUT or not (answer.code or answer.said):
        raise InDoubt("unanswered", said, READ_BACK_HINT)
    raise Refused(code, said, hint)
