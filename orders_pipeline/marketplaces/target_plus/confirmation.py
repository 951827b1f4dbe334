"""Telling Target what was acknowledged and shipped, and what its answers mean.

A package is one call, which has no key that would make a repetition harmless. What an answer says of the single items is not
public: what cannot be read in it is asked of the order's fulfilments.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from orders_pipeline.marketplaces.errors import InDoubt, MarketplaceError, Refused
from orders_pipeline.marketplaces.receipts import READ_BACK_HINT, SENT, PackageVerdict, no_good_answer
from orders_pipeline.marketplaces.target_plus.listing import pages
from orders_pipeline.marketplaces.target_plus.shipping_methods import carrier_of
from orders_pipeline.marketplaces.target_plus.states import ACKNOWLEDGED, PENDING, RELEASED, spelled
from warehouse.clock import iso
from warehouse.shipments import AttemptOutcome, Receipt

if TYPE_CHECKING:
    from orders_pipeline.marketplaces.protocol import Parcel
    from orders_pipeline.marketplaces.rest import Rest, RestAnswer
    from orders_pipeline.marketplaces.target_plus.listing import Rows

MOST_PAGES = 20
"""Of one order's fulfilments."""


def _rejected(code: str, message: str, hint: str) -> PackageVerdict:
    return PackageVerdict(AttemptOutcome.REJECTED, code, message, hint)


_NO_CORRECTION = _rejected(
    "correction_not_offered",
    "Target has this package, and what was told of it cannot be changed",
    "correct it in Partners Online",
)
_NO_METHOD = _rejected(
    "shipping_method_missing",
    "Target wants a shipping method of its own, such as UPSGround",
    "report the package with shipping_method, or set shipping_method for the channel",
)
_OTHER_CARRIER = _rejected(
    "shipping_method_unfit",
    "the shipping method is of another carrier than the package",
    "report the package with the shipping method of its carrier",
)
_THERE_ALREADY = PackageVerdict(
    AttemptOutcome.IN_DOUBT, "already_shipped", "refused: the order shows this package", READ_BACK_HINT
)
_NOT_SHOWN = PackageVerdict(
    AttemptOutcome.IN_DOUBT, "not_shown", "taken, but the order's fulfilments do not show the package", READ_BACK_HINT
)
_PARTLY = PackageVerdict(
    AttemptOutcome.IN_DOUBT, "partly_sent", "Target has taken a part of the package's units", READ_BACK_HINT
)


class SellerPaths(NamedTuple):
    """The paths below a seller."""

    seller_id: str

    @property
    def orders(self) -> str:
        """The listing of orders."""
        return f"/seller_orders/v1/sellers/{quote(self.seller_id, safe='')}/orders"

    @property
    def addresses(self) -> str:
        """Addresses by themselves."""
        return f"/seller_orders/v1/sellers/{quote(self.seller_id, safe='')}/order_addresses"

    @property
    def distribution_centers(self) -> str:
        """Where the seller ships from: what every seller may read."""
        return f"/sellers/v1/sellers/{quote(self.seller_id, safe='')}/distribution_centers"

    def order(self, original_id: str, what: str = "") -> str:
        """An order, or what belongs to it."""
        return f"{self.orders}/{quote(original_id, safe='')}{what and '/'}{what}"

    def status(self, original_id: str) -> str:
        """The state of an order, to be set."""
        return (
            f"/seller_orders/v1/sellers/{quote(self.seller_id, safe='')}/order_statuses/{quote(original_id, safe='')}"
        )


def ship(rest: Rest, paths: SellerPaths, parcel: Parcel) -> Receipt:
    """Tell of one package, an item for each line.

    Raises:
        Throttled, Unauthorised, Transient, Permanent: It has certainly not arrived.
        InDoubt: It may have arrived.
    """
    fault = _fault(parcel)
    if fault is not None:
        return _receipt(parcel, None, fault)
    common = {
        "shipped_date": iso(parcel.shipped_at),
        "shipping_method": parcel.shipping_method,
        "tracking_number": parcel.tracking_number,
    }
    items = [{"order_line_number": line, "quantity": units, **common} for line, units in parcel.quantities]
    path = paths.order(parcel.original_id, "bulk_fulfillments_create")
    answer = rest.send("fulfillment", "POST", path, {"items": items})
    return _receipt(parcel, answer, _verdict(rest, paths, parcel, answer))


def fulfillments(rest: Rest, paths: SellerPaths, original_id: str) -> Rows:
    """Every fulfilment of an order.

    Raises:
        MarketplaceError: They could not be read, or not all of them.
    """
    path = paths.order(original_id, "fulfillments")
    return [row for page in pages(rest, "fulfillments", path, [], MOST_PAGES) for row in page]


def acknowledge(rest: Rest, paths: SellerPaths, original_id: str) -> None:
    """Accept an order as a whole.

    Raises:
        InDoubt: It may have arrived, or the order does not wait for it any more.
        Refused: Target will not.
        Throttled, Unauthorised, Transient, Permanent: It has certainly not arrived.
    """
    answer = rest.send("acknowledge", "PUT", paths.status(original_id), {"status": ACKNOWLEDGED})
    if answer.is_success:
        return
    said = f"acknowledge answered HTTP {answer.status}" + (f": {answer.said}" if answer.said else "")
    if not _is_refusal(answer):
        raise InDoubt("unanswered", said, READ_BACK_HINT)
    order = rest.read("order", paths.order(original_id), None, {HTTPStatus.NOT_FOUND})
    if order.is_success and _state_of(order.value) not in {PENDING, RELEASED}:
        raise InDoubt("order_state", f"the order does not wait any more: {said}", READ_BACK_HINT)
    raise Refused("acceptance_refused", said, "the message says why; look at the order in Partners Online")


def _fault(parcel: Parcel) -> PackageVerdict | None:
    """What a package lacks that Target demands."""
    if parcel.is_update:
        return _NO_CORRECTION
    if parcel.shipping_method is None:
        return _NO_METHOD
    own = carrier_of(parcel.shipping_method)
    if own is not None and parcel.carrier_code not in {None, own}:
        return _OTHER_CARRIER
    return None


def _verdict(rest: Rest, paths: SellerPaths, parcel: Parcel, answer: RestAnswer) -> PackageVerdict:
    """What an answer means; one that does not say so for every item is judged by the order's fulfilments."""
    is_said = bool(answer.code or answer.said)
    if answer.is_success and not is_said and _takes_all(answer.value, len(parcel.quantities)):
        return SENT
    is_success = answer.is_success and isinstance(answer.value, dict | list)
    if not is_success and not _is_refusal(answer):
        return no_good_answer(answer.status, answer.operation, answer.said)
    try:
        seen = _seen(rest, paths, parcel)
    except MarketplaceError as error:
        return PackageVerdict(AttemptOutcome.IN_DOUBT, error.code, error.message, READ_BACK_HINT)
    if seen is SENT:
        return SENT if is_success else _THERE_ALREADY
    return (
        seen if seen is _PARTLY or (seen is _NOT_SHOWN and not is_said) else _refused(answer, is_known=seen is not None)
    )


def _refused(answer: RestAnswer, *, is_known: bool) -> PackageVerdict:
    words = f"{answer.code}: {answer.said}" if answer.code != answer.said and answer.code else answer.said
    if not is_known:
        return _rejected("order_not_found", words, "the seller of this connection does not have the order")
    return _rejected("shipment_refused", words, "the message says why; correct and report it again")


def _seen(rest: Rest, paths: SellerPaths, parcel: Parcel) -> PackageVerdict | None:
    """What of a package the order shows: all, a part or nothing of it; None when Target does not know the order."""
    order = rest.read("order", paths.order(parcel.original_id), None, {HTTPStatus.NOT_FOUND})
    if order.status == HTTPStatus.NOT_FOUND:
        return None
    there = _units_of(fulfillments(rest, paths, parcel.original_id), parcel.tracking_number)
    if all(there.get(line, 0) >= units for line, units in parcel.quantities):
        return SENT
    return _PARTLY if any(there.get(line, 0) for line, _ in parcel.quantities) else _NOT_SHOWN


def _is_refusal(answer: RestAnswer) -> bool:
    """Whether Target itself says no; a gateway in between says nothing in Target's form."""
    is_status = HTTPStatus.BAD_REQUEST <= answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
    return is_status and answer.status != HTTPStatus.REQUEST_TIMEOUT and bool(answer.code or answer.said)


def _takes_all(value: Any, items: int) -> bool:  # noqa: ANN401 - any JSON value
    """Whether each item has a result that is a fulfilment: with an id and without an error."""
    results = value.get("results") if isinstance(value, dict) else None
    if not isinstance(results, list) or len(results) != items:
        return False
    return all(isinstance(each, dict) and each.get("id") for each in results)


def _units_of(sent: Rows, tracking_number: str | None) -> dict[str, int]:
    """Units by line that have left under a tracking number."""
    found: dict[str, int] = {}
    for each, _ in sent:
        if isinstance(each, dict) and each.get("tracking_number") == tracking_number:
            line, units = str(each.get("order_line_number")), each.get("quantity")
            found[line] = found.get(line, 0) + (units if isinstance(units, int) else 0)
    return found


def _state_of(order: Any) -> str | None:  # noqa: ANN401 - any JSON value
    word = (order.get("order_status") or order.get("status")) if isinstance(order, dict) else None
    return spelled(word) if isinstance(word, str) else None


def _receipt(parcel: Parcel, answer: RestAnswer | None, verdict: PackageVerdict) -> Receipt:
    return Receipt(
        shipment_id=parcel.shipment_id,
        outcome=verdict.outcome,
        operation=answer.operation if answer is not None else None,
        http_status=answer.status if answer is not None else None,
        code=verdict.code,
        message=verdict.message,
        hint=verdict.hint,
    )
