"""States of the lines of Walmart's orders and what they mean; an order has no state of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.order_states import Status

if TYPE_CHECKING:
    from collections.abc import Collection

CREATED, ACKNOWLEDGED, SHIPPED, DELIVERED, CANCELLED, REFUND = (
    *("Created", "Acknowledged", "Shipped", "Delivered", "Cancelled", "Refund"),
)
IN_ORDER = (CREATED, ACKNOWLEDGED, SHIPPED, DELIVERED, REFUND, CANCELLED)
"""From the least done: an order is called what its least done line is."""

OPEN = frozenset({CREATED, ACKNOWLEDGED})
LEFT = frozenset({SHIPPED, DELIVERED, REFUND})
"""What is refunded was shipped before: what is not is cancelled."""

_SPELLINGS = {each.upper(): each for each in IN_ORDER} | {"CANCELED": CANCELLED, "REFUNDED": REFUND}


def known_state(sent: str) -> str | None:
    """The state as Walmart writes it; None for a new one.

    >>> known_state("SHIPPED"), known_state("Teleported")
    ('Shipped', None)
    """
    return _SPELLINGS.get(sent.upper())


def status_of(states: Collection[str | None]) -> Status:
    """What the states of an order's units make of it; None among them is a state that nobody knows.

    >>> status_of(["Created", "Cancelled"]), status_of(["Shipped", "Acknowledged"]), status_of([])
    (<Status.PENDING: 'PENDING'>, <Status.PARTIALLY_SHIPPED: 'PARTIALLY_SHIPPED'>, <Status.UNKNOWN: 'UNKNOWN'>)
    """
    if not states or None in states:
        return Status.UNKNOWN
    kept = {each for each in states if each != CANCELLED}
    if not kept:
        return Status.CANCELED
    if kept == {CREATED}:
        return Status.PENDING
    if not kept & LEFT:
        return Status.WAITING_FOR_SHIPMENT
    return Status.PARTIALLY_SHIPPED if kept & OPEN else Status.SHIPPED


def order_state(states: Collection[str | None]) -> str | None:
    """The state that an order is called by: that of its least done units; None when none is known."""
    return next((each for each in IN_ORDER if each in states), None)
