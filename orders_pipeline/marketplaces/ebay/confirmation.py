"""Telling eBay of packages, and what its answers mean (Fulfillment API v1, createShippingFulfillment).

A package cannot be told a second time with other tracking, and a call has no key that would make its repetition harmless. What
arrived is shown by the order's packages.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from orders_pipeline.marketplaces.errors import MarketplaceError
from orders_pipeline.marketplaces.receipts import READ_BACK_HINT, SENT, PackageVerdict, no_good_answer
from warehouse.clock import iso
from warehouse.shipments import AttemptOutcome, Receipt

if TYPE_CHECKING:
    from orders_pipeline.marketplaces.protocol import Parcel
    from orders_pipeline.marketplaces.rest import Rest, RestAnswer

SYSTEM_ERROR = "30500"
UNKNOWN_ORDER = frozenset({"32100"})

_SHOWN_ALREADY = PackageVerdict(
    AttemptOutcome.IN_DOUBT, "already_shipped", "refused: eBay shows this package already", READ_BACK_HINT
)
_FIXED = PackageVerdict(
    AttemptOutcome.REJECTED,
    "correction_not_offered",
    "eBay does not let the tracking of a package be changed over its API",
    "correct it in Seller Hub",
)
_BAD_NUMBER = PackageVerdict(
    AttemptOutcome.REJECTED,
    "tracking_number_invalid",
    "eBay takes tracking numbers of letters and digits only",
    "report the package again with the carrier's own number",
)


def path_of(original_id: str, what: str = "") -> str:
    """The path of an order, or of what belongs to it."""
    return f"/sell/fulfillment/v1/order/{quote(original_id, safe='')}{what and '/'}{what}"


def ebay_number(number: str) -> str | None:
    """A tracking number as eBay takes it: without blanks and hyphens; None when that leaves other signs.

    >>> ebay_number("1Z 999-AA1"), ebay_number("A/1")
    ('1Z999AA1', None)
    """
    found = "".join(number.replace("-", "").split())
    return found if found.isascii() and found.isalnum() else None


def ship(rest: Rest, parcel: Parcel) -> Receipt:
    """Tell of one package, its lines and units always named.

    Raises:
        Throttled, Unauthorised, Transient, Permanent: It has certainly not arrived.
        InDoubt: It may have arrived.
    """
    if parcel.is_update:
        return _receipt(parcel, None, _FIXED)
    number = None if parcel.tracking_number is None else ebay_number(parcel.tracking_number)
    if parcel.tracking_number is not None and number is None:
        return _receipt(parcel, None, _BAD_NUMBER)
    carrier = parcel.carrier_code or parcel.carrier_name
    body: dict[str, Any] = {
        "lineItems": [{"lineItemId": line_id, "quantity": units} for line_id, units in parcel.quantities],
        "shippedDate": iso(parcel.shipped_at),
        # Carrier and number go together, or neither does.
        **({"shippingCarrierCode": carrier or "Other", "trackingNumber": number} if number is not None else {}),
    }
    answer = rest.send("createShippingFulfillment", "POST", path_of(parcel.original_id, "shipping_fulfillment"), body)
    verdict = _verdict(answer)
    if verdict.outcome is AttemptOutcome.REJECTED and verdict.code != "order_not_found":
        verdict = _refused(rest, parcel, number, verdict)
    return _receipt(parcel, answer, verdict)


def _verdict(answer: RestAnswer) -> PackageVerdict:
    if answer.status == HTTPStatus.CREATED:
        return SENT
    is_refusal = HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
    is_unclear = answer.status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT} or answer.code == SYSTEM_ERROR
    if not is_refusal or is_unclear or not answer.code:
        return no_good_answer(answer.status, answer.operation, answer.said)
    if answer.status == HTTPStatus.NOT_FOUND or answer.code in UNKNOWN_ORDER:
        hint = "the seller of this connection does not have the order"
        return PackageVerdict(AttemptOutcome.REJECTED, "order_not_found", answer.said or answer.code, hint)
    said = f"{answer.code}: {answer.said}" if answer.said else answer.code
    return PackageVerdict(
        AttemptOutcome.REJECTED, "shipment_refused", said, "the message says why; correct and report it again"
    )


def _refused(rest: Rest, parcel: Parcel, number: str | None, verdict: PackageVerdict) -> PackageVerdict:
    """A refusal does not tell whether the package is there already: the order's packages do."""
    try:
        answer = rest.read("getShippingFulfillments", path_of(parcel.original_id, "shipping_fulfillment"))
    except MarketplaceError as error:
        return PackageVerdict(AttemptOutcome.IN_DOUBT, error.code, error.message, READ_BACK_HINT)
    sent = answer.value.get("fulfillments") if isinstance(answer.value, dict) else None
    shown = [each for each in sent or () if isinstance(each, dict) and each.get("shipmentTrackingNumber") == number]
    is_there = shown if number is not None else [each for each in shown if _units(each) == dict(parcel.quantities)]
    return _SHOWN_ALREADY if is_there else verdict


def _units(package: dict[str, Any]) -> dict[str, int]:
    lines = package.get("lineItems")
    return {str(each.get("lineItemId")): each.get("quantity", 1) for each in lines or () if isinstance(each, dict)}


def _receipt(parcel: Parcel, answer: RestAnswer | None, verdict: PackageVerdict) -> Receipt:
    return Receipt(
        shipment_id=parcel.shipment_id,
        outcome=verdict.outcome,
        operation=answer.operation if answer is not None else None,
        request_id=answer.headers.get("x-ebay-c-request-id") if answer is not None else None,
        http_status=answer.status if answer is not None else None,
        code=verdict.code,
        message=verdict.message,
        hint=verdict.hint,
        marketplace_package_id=_package_id(answer) if verdict.outcome is AttemptOutcome.SENT else None,
    )


def _package_id(answer: RestAnswer | None) -> str | None:
    """The last part of the address that the answer names."""
    location = "" if answer is None else answer.headers.get("location", "")
    return unquote(urlsplit(location).path.rstrip("/").rpartition("/")[2]) or None
