"""Confirming packages to a Mirakl instance: several shipments per order (ST01, ST23, ST24), or whole orders (OR23, OR24).

What lives here: which call follows which, their bodies, and which package an answer speaks of. What does not: one call
(`rest`), the meaning of a refusal (`refusals`), and which of the two ways an operator has (`capabilities`).

No call has an idempotency key: a part of an order sent twice is two shipments. Nothing is sent twice from here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from orders_pipeline.marketplaces.errors import InDoubt, Permanent
from orders_pipeline.marketplaces.mirakl.refusals import CARRIER_REFUSED, SHIPPING, by_state, judged, refused
from orders_pipeline.marketplaces.mirakl.states import UNSHIPPED_SHIPMENT_STATES
from orders_pipeline.marketplaces.protocol import Parcel
from orders_pipeline.marketplaces.receipts import (
    READ_BACK_HINT,
    SENT,
    PackageVerdict,
    Turn,
    after_another,
    in_turn,
    no_good_answer,
    receipt,
)
from orders_pipeline.marketplaces.rest import Rest, RestAnswer
from warehouse.shipments import AttemptOutcome, Receipt

PARCELS_PER_CALL = 100
"""ST01 takes a thousand. A hundred orders are what one OR11 call reads, and few enough to read back after a doubt."""

_NO_RECEIPT = PackageVerdict(
    AttemptOutcome.IN_DOUBT,
    "no_receipt",
    "the answer names the package neither as taken nor as refused",
    READ_BACK_HINT,
)
_PARTIAL = PackageVerdict(
    AttemptOutcome.REJECTED,
    "partial_not_possible",
    "this operator takes an order only as a whole, and a part of it would remain",
    "report the package that completes the order",
)
_UNKNOWN_SHIPMENT = PackageVerdict(
    AttemptOutcome.REJECTED,
    "shipment_unknown",
    "the instance has no such shipment of the order any more",
    "ask the operator: it may have been canceled",
)

Shipments = Mapping[str, Sequence[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class Confirming:
    """What confirming needs of a connection.

    Attributes:
        rest: Sends one call.
        orders: Reads orders by id, as OR11 lists them.
        shipments: Reads the shipments of orders by their ids, as ST11 lists them.
    """

    rest: Rest
    orders: Callable[[Sequence[str]], Mapping[str, Mapping[str, Any]]]
    shipments: Callable[[Sequence[str]], Shipments]


def check_batch(parcels: Sequence[Parcel]) -> None:
    """Refuse what one call cannot carry: an answer names an order, never one of its packages.

    Raises:
        Permanent: Too many packages, or two of one order.
    """
    orders = {parcel.original_id for parcel in parcels}
    if len(parcels) > PARCELS_PER_CALL or len(orders) < len(parcels):
        said = f"{len(parcels)} packages of {len(orders)} orders: at most {PARCELS_PER_CALL}, and one of each order"
        raise Permanent("batch_invalid", said, "report this as a defect")


# -- several shipments per order


def confirm_shipments(parcels: Sequence[Parcel], by: Confirming) -> list[Receipt]:
    """Create shipments that have left, and change the tracking of those the instance has."""
    new = [parcel for parcel in parcels if not parcel.is_update]
    known = [parcel for parcel in parcels if parcel.is_update]
    turns = [
        Turn("ST01", new, lambda group: _by_name_too("ST01", group, lambda each: _create(each, by))),
        Turn("ST23", known, lambda group: _by_name_too("ST23", group, lambda each: _update(each, by))),
    ]
    return in_turn([turn for turn in turns if turn.parcels])


def _by_name_too(
    operation: str, parcels: Sequence[Parcel], tell: Callable[[Sequence[Parcel]], Sequence[Receipt]]
) -> Sequence[Receipt]:
    """Tell packages, and those that are refused for their carrier's code once more with its name.

    So the list of registered carriers, which may be read once a day, is not needed for each confirmation.
    """
    receipts = tell(parcels)
    refused_ids = {each.shipment_id for each in receipts if each.code == CARRIER_REFUSED}
    again = {
        each.shipment_id: replace(each, carrier_code=None)
        for each in parcels
        if each.shipment_id in refused_ids and each.carrier_code and each.carrier_name
    }
    if not again:
        return receipts
    kept = [each for each in receipts if each.shipment_id not in again]
    return [*kept, *after_another(Turn(operation, list(again.values()), tell))]


def _create(parcels: Sequence[Parcel], by: Confirming) -> Sequence[Receipt]:
    shipments = [_shipment(parcel) for parcel in parcels]
    reply = by.rest.send("ST01", "POST", "/api/shipments", {"shipments": shipments})
    if reply.status == HTTPStatus.CREATED:
        return _listed(parcels, reply, "order_id", {parcel.original_id: parcel for parcel in parcels})
    verdict = judged(reply)
    if verdict.outcome is AttemptOutcome.REJECTED and len(parcels) > 1:
        # One package spoilt the call for all: nothing was taken, and alone each gets an answer of its own.
        return in_turn([Turn("ST01", [parcel], lambda group: _create(group, by)) for parcel in parcels])
    return [_answered(parcel, reply, verdict) for parcel in parcels]


def _shipment(parcel: Parcel) -> dict[str, Any]:
    tracking = _tracking(parcel, "tracking_url")
    return {
        "order_id": parcel.original_id,
        "shipment_lines": [
            {"order_line_id": line, "quantity": units, "package_reference": parcel.package_id}
            for line, units in parcel.quantities
        ],
        "shipped": True,
        **({"tracking": tracking} if tracking else {}),
        **({"shipping_from": {"warehouse": {"code": parcel.ship_from}}} if parcel.ship_from else {}),
    }


def _tracking(parcel: Parcel, url_name: str) -> dict[str, str]:
    """A registered carrier by its code, any other by its name and address; {} when nothing is known."""
    is_named = not parcel.carrier_code
    members = {
        "carrier_code": parcel.carrier_code,
        "carrier_name": parcel.carrier_name if is_named else None,
        "tracking_number": parcel.tracking_number,
        url_name: parcel.tracking_url if is_named else None,
    }
    return {name: value for name, value in members.items() if value}


def _update(parcels: Sequence[Parcel], by: Confirming) -> Sequence[Receipt]:
    """Change the tracking, and ship what was only created: which is which only the instance knows."""
    shipments = by.shipments([parcel.original_id for parcel in parcels])
    found = {parcel.shipment_id: _find(parcel, shipments.get(parcel.original_id, ())) for parcel in parcels}
    unknown = [parcel for parcel in parcels if found[parcel.shipment_id] is None]
    known = {str(each["id"]): parcel for parcel in parcels if (each := found[parcel.shipment_id]) is not None}
    waiting = {
        str(each["id"])
        for each in found.values()
        if each is not None and each.get("status") in UNSHIPPED_SHIPMENT_STATES
    }
    receipts = [receipt(parcel, "ST11", _UNKNOWN_SHIPMENT) for parcel in unknown]
    tracked = _track(known, by)
    for key, answer in tracked.items():
        if answer.outcome is not AttemptOutcome.SENT or key not in waiting:
            receipts.append(answer)
    to_ship = {
        key: known[key] for key, answer in tracked.items() if answer.outcome is AttemptOutcome.SENT and key in waiting
    }
    if to_ship:
        receipts += after_another(Turn("ST24", list(to_ship.values()), lambda _: _ship(to_ship, by)))
    return receipts


def _find(parcel: Parcel, shipments: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The shipment that a package became: by its id; where none was told, the only one of our name with just its units.

    Other tools name their packages too, and theirs are not to be changed.
    """
    alive = [each for each in shipments if each.get("status") != "CANCELED" and each.get("id")]
    if parcel.marketplace_package_id is not None:
        return next((each for each in alive if str(each["id"]) == parcel.marketplace_package_id), None)
    same = [each for each in alive if _contents(each) == (frozenset({parcel.package_id}), dict(parcel.quantities))]
    return same[0] if len(same) == 1 else None


def _contents(shipment: Mapping[str, Any]) -> tuple[frozenset[Any], dict[Any, Any]]:
    """The names that a shipment's lines give it, and its units by line."""
    lines = [line for line in shipment.get("shipment_lines") or () if isinstance(line, dict)]
    units: Counter[Any] = Counter()
    for line in lines:
        units[line.get("order_line_id")] += line.get("quantity") or 0
    return frozenset(line.get("package_reference") for line in lines), dict(units)


def _track(known: Mapping[str, Parcel], by: Confirming) -> dict[str, Receipt]:
    trackings = {key: _tracking(parcel, "tracking_url") for key, parcel in known.items()}
    receipts = {key: receipt(known[key], "ST23", SENT) for key, tracking in trackings.items() if not tracking}
    sent = {key: known[key] for key, tracking in trackings.items() if tracking}
    if sent:
        body = {"shipments": [{"id": key, "tracking": trackings[key]} for key in sent]}
        reply = by.rest.send("ST23", "POST", "/api/shipments/tracking", body)
        receipts |= dict(zip(sent, _changed(sent, reply), strict=True))
    return receipts


def _ship(to_ship: Mapping[str, Parcel], by: Confirming) -> Sequence[Receipt]:
    body = {"shipments": [{"id": key} for key in to_ship]}
    return _changed(to_ship, by.rest.send("ST24", "PUT", "/api/shipments/ship", body))


def _changed(known: Mapping[str, Parcel], reply: RestAnswer) -> Sequence[Receipt]:
    if reply.status == HTTPStatus.OK:
        return _listed(list(known.values()), reply, "id", known)
    verdict = judged(reply)
    return [_answered(parcel, reply, verdict) for parcel in known.values()]


def _listed(parcels: Sequence[Parcel], reply: RestAnswer, key: str, by_key: Mapping[str, Parcel]) -> Sequence[Receipt]:
    """The receipts of an answer that lists what was taken and what was refused: both come with a status of success."""
    value = reply.value if isinstance(reply.value, dict) else {}
    lists = [value.get("shipment_success"), value.get("shipment_errors")]
    if not any(isinstance(each, list) for each in lists):
        verdict = no_good_answer(reply.status, reply.operation, "without the lists of what was taken and refused")
        return [_answered(parcel, reply, verdict) for parcel in parcels]
    taken, errors = (_by(key, each) for each in lists)
    receipts = []
    for name, parcel in by_key.items():
        if name in errors and name not in taken:
            answer = _answered(parcel, reply, refused(_words(errors[name])))
        elif name in taken and name not in errors:
            answer = replace(_answered(parcel, reply, SENT), marketplace_package_id=_package_id(taken[name], parcel))
        else:
            answer = _answered(parcel, reply, _NO_RECEIPT)
        receipts.append(answer)
    return receipts


def _by(key: str, entries: object) -> dict[str, dict[str, Any]]:
    found = entries if isinstance(entries, list) else []
    return {str(each[key]): each for each in found if isinstance(each, dict) and each.get(key) is not None}


def _words(error: Mapping[str, Any]) -> str:
    message = error.get("message")
    return message.strip()[:300] if isinstance(message, str) and message.strip() else "refused without a reason"


def _package_id(entry: Mapping[str, Any], parcel: Parcel) -> str | None:
    return str(entry["id"]) if entry.get("id") else parcel.marketplace_package_id


# -- whole orders


def confirm_orders(parcels: Sequence[Parcel], by: Confirming) -> list[Receipt]:
    """Set the tracking of orders, and ship those whose last package this is; a part cannot be told."""
    partial = [parcel for parcel in parcels if not parcel.is_update and not parcel.is_whole]
    rest = [parcel for parcel in parcels if parcel.is_update or parcel.is_whole]
    to_ship = [parcel.original_id for parcel in rest if not parcel.is_update]
    orders = by.orders(to_ship) if to_ship else {}
    receipts = [receipt(parcel, "OR24", _PARTIAL) for parcel in partial]
    turns: list[Turn] = []
    for parcel in rest:
        verdict = None if parcel.is_update else _before_shipping(orders.get(parcel.original_id))
        if verdict is None:
            turns.append(
                Turn(
                    "OR23", [parcel], lambda group: _by_name_too("OR23", group, lambda each: _track_and_ship(each, by))
                )
            )
        else:
            receipts.append(receipt(parcel, "OR11", verdict))
    return [*receipts, *in_turn(turns)]


def _before_shipping(order: Mapping[str, Any] | None) -> PackageVerdict | None:
    """Why an order cannot be shipped; None when it can: OR24 itself would not say why."""
    if order is None:
        return refused("The order does not exist.")
    state = order.get("order_state")
    if state != SHIPPING:
        return by_state(str(state), f"the order is in state {state}")
    if order.get("can_shop_ship") is False:
        return refused("The order is not shipped by the shop.")
    return None


def _track_and_ship(parcels: Sequence[Parcel], by: Confirming) -> Sequence[Receipt]:
    (parcel,) = parcels
    tracked = _track_order(parcel, by)
    if tracked.outcome is not AttemptOutcome.SENT or parcel.is_update:
        return [tracked]
    return after_another(Turn("OR24", parcels, lambda _: [_ship_order(parcel, by)]))


def _track_order(parcel: Parcel, by: Confirming) -> Receipt:
    tracking = _tracking(parcel, "carrier_url")
    if not tracking:
        return receipt(parcel, "OR23", SENT)
    try:
        reply = by.rest.send("OR23", "PUT", f"{_path(parcel)}/tracking", tracking)
    except InDoubt as error:
        if parcel.is_update:
            raise
        return receipt(
            parcel, "OR23", PackageVerdict(AttemptOutcome.RETRY, error.code, error.message, _TRACK_AGAIN_HINT)
        )
    if reply.status == HTTPStatus.NO_CONTENT:
        return _answered(parcel, reply, SENT)
    verdict = judged(reply)
    if verdict.code in {"marketplace_unavailable", "unreadable_answer"} and not parcel.is_update:
        verdict = PackageVerdict(AttemptOutcome.RETRY, verdict.code, verdict.message, _TRACK_AGAIN_HINT)
    if parcel.is_update and verdict.code in {"already_shipped", "order_state"}:
        hint = "the tracking of an order this far on cannot be changed"
        verdict = PackageVerdict(AttemptOutcome.REJECTED, "tracking_refused", verdict.message, hint)
    return _answered(parcel, reply, verdict)


_TRACK_AGAIN_HINT = "the order is not shipped yet: its tracking is set again, which does no harm"


def _ship_order(parcel: Parcel, by: Confirming) -> Receipt:
    reply = by.rest.send("OR24", "PUT", f"{_path(parcel)}/ship")
    return _answered(parcel, reply, SENT if reply.status == HTTPStatus.NO_CONTENT else judged(reply))


def _path(parcel: Parcel) -> str:
    return f"/api/orders/{quote(parcel.original_id, safe='')}"


def _answered(parcel: Parcel, reply: RestAnswer, verdict: PackageVerdict) -> Receipt:
    answer = receipt(parcel, reply.operation, verdict)
    return replace(answer, request_id=reply.headers.get("x-request-id"), http_status=reply.status)
