"""States of the units of OTTO's orders and what they mean; an order has no state of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.order_states import Status

if TYPE_CHECKING:
    from collections.abc import Collection

ANNOUNCED, PROCESSABLE, SENT, RETURNED = "ANNOUNCED", "PROCESSABLE", "SENT", "RETURNED"
BY_PARTNER, BY_MARKETPLACE = "CANCELLED_BY_PARTNER", "CANCELLED_BY_MARKETPLACE"
IN_ORDER = (ANNOUNCED, PROCESSABLE, SENT, RETURNED, BY_PARTNER, BY_MARKETPLACE)
"""From the least done: an order is called what its least done unit is."""

LEFT = frozenset({SENT, RETURNED})
CANCELLED = frozenset({BY_PARTNER, BY_MARKETPLACE})

CANCELLED_BY = {BY_PARTNER: "SELLER", BY_MARKETPLACE: "MARKETPLACE"}


def known_state(sent: str | None) -> str | None:
    """The state as OTTO writes it; None for a new one.

    >>> known_state("sent"), known_state("TELEPORTED")
    ('SENT', None)
    """
    state = (sent or "").upper()
    return state if state in IN_ORDER else None


def status_of(states: Collection[str | None]) -> Status:
    """What the states of an order's units make of it; None among them is a state that nobody knows.

    >>> status_of(["ANNOUNCED"]), status_of(["SENT", "PROCESSABLE"]), status_of(["SENT", "CANCELLED_BY_PARTNER"])
    (<Status.PENDING: 'PENDING'>, <Status.PARTIALLY_SHIPPED: 'PARTIALLY_SHIPPED'>, <Status.SHIPPED: 'SHIPPED'>)
    """
    if not states or None in states:
        return Status.UNKNOWN
    kept = set(states) - CANCELLED
    if not kept:
        return Status.CANCELED
    if kept == {ANNOUNCED}:
        return Status.PENDING
    if not kept & LEFT:
        return Status.WAITING_FOR_SHIPMENT
    return Status.PARTIALLY_SHIPPED if kept - LEFT else Status.SHIPPED


def order_state(states: Collection[str | None]) -> str | None:
    """The state that an order is called by: that of its least done unit; None when none is known."""
    return next((each for each in IN_ORDER if each in states), None)
