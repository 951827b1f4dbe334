"""States of eBay's orders and lines, and what they mean (Fulfillment API v1)."""

from __future__ import annotations

from warehouse.order_states import Status

NOT_STARTED, IN_PROGRESS, FULFILLED = "NOT_STARTED", "IN_PROGRESS", "FULFILLED"
LEAVING = frozenset({IN_PROGRESS, FULFILLED})
"""Orders of which something has left: what it was is told by another call."""

PAID, PENDING, FAILED = "PAID", "PENDING", "FAILED"
FULLY_REFUNDED, PARTIALLY_REFUNDED = "FULLY_REFUNDED", "PARTIALLY_REFUNDED"

NONE_REQUESTED, CANCELED = "NONE_REQUESTED", "CANCELED"
REQUEST_ENDED = frozenset({"COMPLETED", "REJECTED", "CLOSED"})
BUYER = "BUYER"

FULFILMENT_STATES = frozenset({NOT_STARTED, IN_PROGRESS, FULFILLED})
PAYMENT_STATES = frozenset({PAID, PENDING, FAILED, FULLY_REFUNDED, PARTIALLY_REFUNDED})
CANCEL_STATES = frozenset({NONE_REQUESTED, IN_PROGRESS, CANCELED})


def word(sent: str | None) -> str | None:
    """A state as eBay's lists write it.

    >>> word("cancelled"), word(None)
    ('CANCELED', None)
    """
    found = None if sent is None else sent.upper()
    return CANCELED if found == "CANCELLED" else found


def status_of(fulfilment: str | None, payment: str | None, cancel: str | None) -> Status:
    """What the three states of an order make of it; None is one that was not sent.

    >>> status_of("NOT_STARTED", "PAID", "IN_PROGRESS"), status_of("FULFILLED", "FULLY_REFUNDED", None)
    (<Status.WAITING_FOR_SHIPMENT: 'WAITING_FOR_SHIPMENT'>, <Status.SHIPPED: 'SHIPPED'>)
    """
    if cancel == CANCELED:
        return Status.CANCELED
    if payment in {PENDING, FAILED}:
        return Status.PENDING
    if fulfilment != NOT_STARTED:
        return _LEFT.get(fulfilment, Status.UNKNOWN)
    return _NOT_LEFT.get(payment, Status.UNKNOWN)


_LEFT: dict[str | None, Status] = {FULFILLED: Status.SHIPPED, IN_PROGRESS: Status.PARTIALLY_SHIPPED}
_NOT_LEFT: dict[str | None, Status] = {
    FULLY_REFUNDED: Status.CANCELED,
    PAID: Status.WAITING_FOR_SHIPMENT,
    PARTIALLY_REFUNDED: Status.WAITING_FOR_SHIPMENT,
}


def shipped_units(state: str | None, ordered: int | None, packed: int | None) -> int | None:
    """How many units of a line left.

    Args:
        state: Of the line.
        ordered: Units ordered.
        packed: Units in the packages that eBay shows; None where these were not asked for. One unit may be in several, so that
            more than were ordered are no contradiction.

    >>> shipped_units("FULFILLED", 3, None), shipped_units("IN_PROGRESS", 3, None), shipped_units("IN_PROGRESS", 3, 4)
    (3, None, 3)
    """
    within = packed if packed is None or ordered is None else min(packed, ordered)
    if state == FULFILLED:
        return within if ordered is None else ordered
    if state == NOT_STARTED:
        return within or 0
    return (within or None) if state == IN_PROGRESS else within
