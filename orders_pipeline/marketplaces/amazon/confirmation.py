"""Confirming a package to Amazon: the body of confirmShipment, and what its answer means.

Orders v0 (https://developer-docs.amazon.com/sp-api/docs/orders-api-v0-reference#confirmshipment); 204 without a body is
the only success. Pure: the call itself is made in `client`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from orders_pipeline.marketplaces.amazon.answers import failure, said
from orders_pipeline.marketplaces.amazon.carriers import OTHER
from orders_pipeline.marketplaces.receipts import READ_BACK_HINT, SENT, PackageVerdict, no_good_answer, receipt
from warehouse.clock import iso
from warehouse.shipments import AttemptOutcome

if TYPE_CHECKING:
    import httpx

    from orders_pipeline.marketplaces.protocol import Parcel
    from warehouse.shipments import Receipt

CONFIRM = "confirmShipment"

_REFETCH_HINT = "read the order again: it was canceled or changed meanwhile"
_RAISED = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})

_REFUSALS: tuple[tuple[str, str, str], ...] = (
    ("nonexistentorderitem|failed to find order item", "order_canceled", _REFETCH_HINT),
    (r"ship\+|ship_plus", "ship_plus", "Amazon confirms this order by its label: there is nothing to report"),
    ("not fulfilled by the merchant", "not_merchant_fulfilled", "Amazon ships this order itself"),
    ("packagereferenceid", "reference_invalid", "report this as a defect: the reference is made here"),
    ("orderitemid", "line_unknown", "compare the lines reported with the order's"),
    ("quantity", "quantity_refused", _REFETCH_HINT),
    ("carrier", "carrier_refused", "set the channel's carrier table: orders carriers"),
    ("tracking", "tracking_refused", "report the package again with the carrier's tracking number"),
    ("shipdate|ship date", "ship_date_refused", "report the package again with the date it left"),
    ("marketplaceid", "marketplace_id_refused", "check the channel's selector"),
)
"""What Amazon's words mean for good: the first pattern found counts. Amazon has one code, InvalidInput, for all of them."""

_ALREADY = re.compile("packagetoupdatenotfound|already (been )?fulfilled", re.IGNORECASE)


def body(parcel: Parcel) -> dict[str, Any]:
    """The request for a package.

    The reference makes it safe to send again: Amazon edits the package that it has under this reference, whoever made it; that
    none but ours has it is the caller's to know. It is a text of digits, and lines are always written out, as a list: Amazon
    refuses anything else.
    """
    carrier = parcel.carrier_code or OTHER
    optional = {
        "carrierName": parcel.carrier_name if carrier == OTHER else None,
        "shippingMethod": parcel.shipping_method,
        "shipFromSupplySourceId": parcel.ship_from,
    }
    return {
        "marketplaceId": parcel.selector,
        "packageDetail": {
            "packageReferenceId": str(parcel.reference),
            "carrierCode": carrier,
            **{name: value for name, value in optional.items() if value},
            "trackingNumber": parcel.tracking_number,
            "shipDate": iso(parcel.shipped_at),
            "orderItems": [{"orderItemId": line, "quantity": units} for line, units in parcel.quantities],
        },
    }


def missing(parcel: Parcel) -> Receipt | None:
    """The refusal of a package that lacks what Amazon requires, or is somebody else's there, without asking Amazon; else None.

    A package that Amazon was told of under another name than ours is not ours to change, and ours would be a second one.
    """
    if parcel.marketplace_package_id is not None and parcel.marketplace_package_id != str(parcel.reference):
        said = f"Amazon was told of this package under another reference, {parcel.marketplace_package_id}, and not from here"
        hint = "correct the package in Seller Central"
        return receipt(parcel, CONFIRM, PackageVerdict(AttemptOutcome.REJECTED, "package_not_ours", said, hint))
    if parcel.selector is None:
        said, hint = "the order's channel has no marketplace id", "set the channel's selector: orders apply"
        verdict = PackageVerdict(AttemptOutcome.RETRY, "marketplace_id_missing", said, hint, is_its_turn=False)
        return receipt(parcel, CONFIRM, verdict)
    if not parcel.tracking_number:
        hint = "report the package again with its tracking number"
        return receipt(
            parcel,
            CONFIRM,
            PackageVerdict(AttemptOutcome.REJECTED, "tracking_missing", "Amazon needs a tracking number", hint),
        )
    if not parcel.carrier_name and parcel.carrier_code in {None, "", OTHER}:
        hint = "report the package again with its carrier"
        return receipt(
            parcel,
            CONFIRM,
            PackageVerdict(AttemptOutcome.REJECTED, "carrier_missing", "Amazon needs a carrier or its name", hint),
        )
    return None


def judged(parcel: Parcel, response: httpx.Response, per_second: float) -> Receipt:
    """The receipt for an answer of confirmShipment.

    Args:
        parcel: The package that was sent.
        response: The answer, read.
        per_second: The operation's known rate.

    Raises:
        Unauthorised, Throttled, Permanent: 401, 403, 429, a redirection: the package has certainly not arrived.
    """
    status = response.status_code
    if status in _RAISED or HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        error = failure(response, CONFIRM, per_second)
        if error is not None:
            raise error
    return replace(
        receipt(parcel, CONFIRM, verdict(status, response.content)),
        request_id=response.headers.get("x-amzn-requestid"),
        http_status=status,
    )


def verdict(status: int, content: bytes) -> PackageVerdict:
    """What an answer means that is neither over quota nor a refused credential.

    >>> verdict(204, b"").outcome
    <AttemptOutcome.SENT: 'sent'>
    >>> verdict(503, b"<html>").outcome, verdict(200, b"").outcome
    (<AttemptOutcome.IN_DOUBT: 'in_doubt'>, <AttemptOutcome.IN_DOUBT: 'in_doubt'>)
    """
    if status == HTTPStatus.NO_CONTENT:
        return SENT
    words = said(content)
    is_refusal = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    if not is_refusal or status == HTTPStatus.REQUEST_TIMEOUT or words is None:
        return no_good_answer(status, CONFIRM, words or "")
    if _ALREADY.search(words):
        return PackageVerdict(AttemptOutcome.IN_DOUBT, "already_fulfilled", words, READ_BACK_HINT)
    if status == HTTPStatus.NOT_FOUND:
        return PackageVerdict(
            AttemptOutcome.REJECTED, "order_not_found", words, "Amazon does not know the order in this account"
        )
    for pattern, code, hint in _REFUSALS:
        if re.search(pattern, words, re.IGNORECASE):
            return PackageVerdict(AttemptOutcome.REJECTED, code, words, hint)
    return PackageVerdict(AttemptOutcome.REJECTED, "shipment_refused", words, "Amazon's message says why")
