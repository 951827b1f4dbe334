"""States of Target's orders and of the units of their lines, and what they mean."""

from __future__ import annotations

from warehouse.order_states import Status

PENDING, RELEASED, ACKNOWLEDGED = "PENDING", "RELEASED_FOR_SHIPMENT", "ACKNOWLEDGED_BY_SELLER"
PARTIALLY_SHIPPED, SHIPPED, REFUNDED, CANCELED = "PARTIALLY_SHIPPED", "SHIPPED", "REFUNDED", "CANCELED"

OPEN = (PENDING, RELEASED, ACKNOWLEDGED, PARTIALLY_SHIPPED)
"""What is listed."""

RELEASED_MEANS = Status.PENDING
"""An order that is released may be shipped once the seller has acknowledged it."""

STATUSES = {
    PENDING: Status.PENDING,
    RELEASED: RELEASED_MEANS,
    ACKNOWLEDGED: Status.WAITING_FOR_SHIPMENT,
    PARTIALLY_SHIPPED: Status.PARTIALLY_SHIPPED,
    SHIPPED: Status.SHIPPED,
    REFUNDED: Status.SHIPPED,
    CANCELED: Status.CANCELED,
}

UNIT_STATES = frozenset({PENDING, RELEASED, ACKNOWLEDGED, SHIPPED, CANCELED})

_SPELLINGS = {"CANCELLED": CANCELED}


def spelled(sent: str | None) -> str | None:
    """A state as Target writes it; a word that is new stays as it was sent.

    >>> spelled("shipped"), spelled("Cancelled"), spelled("Teleported"), spelled(None)
    ('SHIPPED', 'CANCELED', 'Teleported', None)
    """
    if sent is None:
        return None
    word = _SPELLINGS.get(sent.upper(), sent.upper())
    return word if word in STATUSES else sent
