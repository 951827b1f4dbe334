"""Telling OTTO what was shipped and cancelled, and what its answers mean (Shipments API v1, Orders API v4).

A package is one call. It has no key that would make a repetition harmless, but a unit is sent once only, and a package can be
asked for by its carrier and tracking number. Its units show as sent in the order only some time later.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from orders_pipeline.marketplaces.countries import to_alpha_3
from orders_pipeline.marketplaces.errors import InDoubt, MarketplaceError, Refused
from orders_pipeline.marketplaces.otto.carriers import PARCEL_CARRIERS, REQUIREMENTS
from orders_pipeline.marketplaces.receipts import READ_BACK_HINT, SENT, PackageVerdict, no_good_answer
from warehouse.clock import iso
from warehouse.shipments import AttemptOutcome, Receipt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orders_pipeline.marketplaces.protocol import Parcel
    from orders_pipeline.marketplaces.rest import Rest, RestAnswer

ORDERS, SHIPMENTS = "/v4/orders", "/v1/shipments"

UNITS_PER_CANCELLATION = 50
"""Their ids stand in the address, which must not become too long."""


def _missing(code: str, message: str, hint: str) -> PackageVerdict:
    return PackageVerdict(AttemptOutcome.REJECTED, code, message, hint)


_NO_CORRECTION = _missing(
    "correction_not_offered",
    "OTTO has this package, and what was told of it cannot be changed",
    "correct it in OTTO Partner Connect",
)
_NO_PLACE = _missing(
    "ship_from_missing",
    "OTTO wants the place that a package leaves from",
    "describe it in ship_from_places of the connection, and name it in ship_from",
)
_NO_CARRIER = _missing("carrier_unknown", "OTTO has no code for this carrier", "map the carrier: orders carriers")
_NO_RETURN = _missing(
    "return_label_missing",
    "OTTO wants a parcel's return tracking number, and its carrier (DHL, GLS or HERMES)",
    "report the package with return_tracking_number and return_carrier",
)
_THERE_ALREADY = PackageVerdict(
    AttemptOutcome.IN_DOUBT, "already_shipped", "refused: OTTO has a package with this number", READ_BACK_HINT
)
_PARTLY = PackageVerdict(
    AttemptOutcome.IN_DOUBT, "partly_sent", "OTTO has taken a part of the package's units", READ_BACK_HINT
)


def order_path(original_id: str, what: str = "") -> str:
    """The path of an order, or of what is done with it."""
    return f"{ORDERS}/{quote(original_id, safe='')}{what and '/'}{what}"


def ship(rest: Rest, parcel: Parcel) -> Receipt:
    """Tell of one package.

    Raises:
        Throttled, Unauthorised, Transient, Permanent: It has certainly not arrived.
        InDoubt: It may have arrived.
    """
    body = _body(parcel)
    if isinstance(body, PackageVerdict):
        return _receipt(parcel, None, body)
    answer = rest.send("shipment", "POST", SHIPMENTS, body)
    return _receipt(parcel, answer, _verdict(rest, parcel, answer))


def cancel(rest: Rest, original_id: str, quantities: Mapping[str, int]) -> None:
    """Cancel units; only those that are released and not sent can be.

    Raises:
        InDoubt: It may have arrived, or a part of it has.
        Refused: OTTO will not.
        Throttled, Unauthorised, Transient, Permanent: It has certainly not arrived.
    """
    units = list(quantities)
    for start in range(0, len(units), UNITS_PER_CANCELLATION):
        named = ",".join(quote(each, safe="") for each in units[start : start + UNITS_PER_CANCELLATION])
        try:
            path = order_path(original_id, f"positionItems/{named}/cancellation")
            _judge(rest.send("cancellation", "POST", path))
        except Exception as error:
            if start:
                said = f"{start} units are cancelled, others not"
                raise InDoubt("cancellation_in_doubt", said, READ_BACK_HINT) from error
            raise


def _body(parcel: Parcel) -> dict[str, Any] | PackageVerdict:
    """What is sent of a package; the verdict on one that lacks what OTTO demands."""
    place = parcel.ship_from_place
    country = None if place is None else to_alpha_3(place.country_code)
    if parcel.is_update:
        return _NO_CORRECTION
    if place is None or country is None:
        return _NO_PLACE
    if parcel.carrier_code is None:
        return _NO_CARRIER
    returned = _return_key(parcel)
    if returned is None and parcel.carrier_code in PARCEL_CARRIERS:
        return _NO_RETURN
    unit = {"salesOrderId": parcel.original_id, **({"returnTrackingKey": returned} if returned else {})}
    return {
        "trackingKey": {"carrier": parcel.carrier_code, "trackingNumber": parcel.tracking_number},
        "shipDate": iso(parcel.shipped_at),
        "shipFromAddress": {"city": place.city, "countryCode": country, "zipCode": place.postal_code},
        "positionItems": [{"positionItemId": line_id, **unit} for line_id, _ in parcel.quantities],
    }


def _return_key(parcel: Parcel) -> dict[str, str] | None:
    """The return label; it is the carrier of the parcel where none is named."""
    carrier = REQUIREMENTS.return_carrier(parcel.return_carrier, parcel.carrier_code or "")
    if parcel.return_tracking_number is None or carrier is None:
        return None
    return {"carrier": carrier, "trackingNumber": parcel.return_tracking_number}


def _verdict(rest: Rest, parcel: Parcel, answer: RestAnswer) -> PackageVerdict:
    is_whole = answer.is_success and not answer.code and not answer.said
    if is_whole and _shipment_id(answer) is not None:
        return SENT
    is_refusal = HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
    is_said = bool(answer.code or answer.said)
    if is_whole or not is_said or not (answer.is_success or is_refusal) or answer.status == HTTPStatus.REQUEST_TIMEOUT:
        return no_good_answer(answer.status, answer.operation, answer.said)
    return _refused(rest, parcel, answer)


def _refused(rest: Rest, parcel: Parcel, answer: RestAnswer) -> PackageVerdict:
    """What a refusal means: that it was told before, in part or as a whole; that there is no such order; or what it says."""
    path = f"{SHIPMENTS}/carriers/{_quoted(parcel.carrier_code)}/trackingnumbers/{_quoted(parcel.tracking_number)}"
    try:
        found = rest.read("shipments", path, None, {HTTPStatus.NOT_FOUND})
        if found.is_success:
            units = {each for each, _ in parcel.quantities}
            there = units & _units_of(found.value)
            if there:
                return _THERE_ALREADY if there == units else _PARTLY
        order = rest.read("order", order_path(parcel.original_id), None, {HTTPStatus.NOT_FOUND})
    except MarketplaceError as error:
        return PackageVerdict(AttemptOutcome.IN_DOUBT, error.code, error.message, READ_BACK_HINT)
    words = f"{answer.code}: {answer.said}" if answer.code != answer.said else answer.said
    if order.status == HTTPStatus.NOT_FOUND:
        return _missing("order_not_found", words, "the seller of this connection does not have the order")
    return _missing("shipment_refused", words, "the message says why; correct and report it again")


def _units_of(value: Any) -> set[str]:  # noqa: ANN401 - any JSON value
    sent = value.get("positionItems") if isinstance(value, dict) else None
    units = sent if isinstance(sent, list) else []
    return {str(each.get("positionItemId")) for each in units if isinstance(each, dict)}


def _shipment_id(answer: RestAnswer | None) -> str | None:
    value = answer.value.get("shipmentId") if answer is not None and isinstance(answer.value, dict) else None
    return str(value) if isinstance(value, str | int) and value and not isinstance(value, bool) else None


def _receipt(parcel: Parcel, answer: RestAnswer | None, verdict: PackageVerdict) -> Receipt:
    return Receipt(
        shipment_id=parcel.shipment_id,
        outcome=verdict.outcome,
        operation=answer.operation if answer is not None else None,
        http_status=answer.status if answer is not None else None,
        code=verdict.code,
        message=verdict.message,
        hint=verdict.hint,
        marketplace_package_id=_shipment_id(answer),
    )


def _judge(answer: RestAnswer) -> None:
    """Whether a cancellation was taken.

    Raises:
        InDoubt, Refused: As for `cancel`.
    """
    if answer.is_success and not answer.said:
        return
    said = f"{answer.operation} answered HTTP {answer.status}" + (f": {answer.said}" if answer.said else "")
    if answer.is_success:
        raise InDoubt("cancellation_in_doubt", f"a part of it was refused: {said}", READ_BACK_HINT)
    is_refusal = HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
    if not is_refusal or answer.status == HTTPStatus.REQUEST_TIMEOUT or not answer.said:
        raise InDoubt("unanswered", said, READ_BACK_HINT)
    raise Refused(
        "cancellation_refused", said, "only released units that are not sent can be cancelled; the message says why"
    )


def _quoted(word: str | None) -> str:
    return quote(word or "", safe="")
