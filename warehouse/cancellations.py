"""The domain: what a request to cancel an order is. Words and an id; rows are in `warehouse.ledger.book.cancellations`."""

from __future__ import annotations

from enum import StrEnum

from warehouse.ids import derived_id

MERCHANT = "MERCHANT"
"""The requester of a cancellation that the seller wants: no marketplace asks for it, and none withdraws it."""

HOLD_SETTING = "cancellation_hold_hours"
"""The channel's setting that says how long an order with an open request is held."""
LONGEST_HOLD_HOURS = 24.0 * 90


class RequestState(StrEnum):
    """Where a request stands.

    OPEN: nobody has decided. ACCEPTED: the seller agrees, and the marketplace is yet to show it. DECLINED: the seller ships.
    EXECUTED: the marketplace shows the units as cancelled. WITHDRAWN: the marketplace does not show the request any more.
    EXPIRED: nobody decided until the hold ended, or until the units were shipped.
    """

    OPEN = "open"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    EXECUTED = "executed"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


LIVE = frozenset({RequestState.OPEN, RequestState.ACCEPTED})
"""States that somebody has to do something about."""

UNDECIDED = frozenset({RequestState.OPEN, RequestState.ACCEPTED, RequestState.EXPIRED})
"""States in which shipping the units is shipping despite the request."""


class Decision(StrEnum):
    """What the seller makes of a request."""

    ACCEPT = "accept"
    DECLINE = "decline"


def request_id(order: str, requester: str) -> str:
    """UUIDv5 of the order's internal id and the requester: the same after every rebuild."""
    return derived_id(order, f"cancellation\n{requester}")
