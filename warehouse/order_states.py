"""The words for where an order, its confirmation and its personal data stand, and for why something must not ship."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """Where an order stands; the marketplace's own word is kept beside it as `marketplace_status`."""

    PENDING = "PENDING"
    WAITING_FOR_SHIPMENT = "WAITING_FOR_SHIPMENT"
    PARTIALLY_SHIPPED = "PARTIALLY_SHIPPED"
    SHIPPED = "SHIPPED"
    REFUSED = "REFUSED"
    CANCELED = "CANCELED"
    UNKNOWN = "UNKNOWN"


OPEN_STATUSES = frozenset({Status.PENDING, Status.WAITING_FOR_SHIPMENT, Status.PARTIALLY_SHIPPED, Status.UNKNOWN})
"""Statuses in which the marketplace may still change the order; the sweep reads these again by id."""


CLOSED_STATUSES = frozenset(Status) - OPEN_STATUSES
"""Statuses in which nothing is left to do: from here on the clock of the personal data runs."""


class FulfilledBy(StrEnum):
    """Who ships: the seller, or the marketplace's own warehouse."""

    MERCHANT = "merchant"
    MARKETPLACE = "marketplace"


class ConfirmationStatus(StrEnum):
    """How far the shipment confirmation of an order has come."""

    NONE = "none"
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    VERIFIED = "verified"
    REJECTED = "rejected"
    IN_DOUBT = "in_doubt"
    HELD = "held"


class PiiState(StrEnum):
    """What is known of the buyer: never sent by the marketplace, kept encrypted, or purged by the clock."""

    WITHHELD = "withheld"
    PRESENT = "present"
    EXPIRED = "expired"


class AcknowledgementOutcome(StrEnum):
    """What a consumer made of an order."""

    OK = "ok"
    ERROR = "error"


class Bar(StrEnum):
    """Why units of an order must not be shipped: a fact of the marketplace's, in one word."""

    ORDER_PENDING = "order_pending"
    """The marketplace has not released the order yet."""
    ORDER_CANCELED = "order_canceled"
    ORDER_REFUSED = "order_refused"
    FULFILLED_BY_MARKETPLACE = "fulfilled_by_marketplace"
    NOT_SHIPPABLE = "not_shippable"
    """The marketplace says that the seller cannot ship it."""
    FULLY_REFUNDED = "fully_refunded"
    REFUNDED = "refunded"
    """As many units as remain were refunded, or are being refunded."""
    INCIDENT_OPEN = "incident_open"
    """The buyer has opened an incident that is not settled."""
    LINE_PENDING = "line_pending"
    """The marketplace has not released the line yet."""
    LINE_CANCELED = "line_canceled"
    LINE_REFUSED = "line_refused"
    CONTRADICTORY = "contradictory"
    """What the marketplace says of units, amounts and states cannot all be true; the order's problems say what."""
    NO_LINE_MAY_SHIP = "no_line_may_ship"
    """Each line of the order that is not done has a bar of its own."""


SEEN_ELSEWHERE = frozenset(
    {Bar.ORDER_PENDING, Bar.ORDER_CANCELED, Bar.ORDER_REFUSED, Bar.FULFILLED_BY_MARKETPLACE, Bar.LINE_CANCELED}
)
"""Bars that quantities, the order's status or its fulfilment show already."""
