"""States of Mirakl's orders, lines and shipments, and what they mean here."""

from __future__ import annotations

from warehouse.order_states import Status

STATUSES: dict[str, Status] = {
    "STAGING": Status.PENDING,
    "WAITING_ACCEPTANCE": Status.PENDING,
    "WAITING_DEBIT": Status.PENDING,
    "WAITING_DEBIT_PAYMENT": Status.PENDING,
    "SHIPPING": Status.WAITING_FOR_SHIPMENT,
    "SHIPPED": Status.SHIPPED,
    "TO_COLLECT": Status.SHIPPED,
    "RECEIVED": Status.SHIPPED,
    "CLOSED": Status.SHIPPED,
    "REFUSED": Status.REFUSED,
    "CANCELED": Status.CANCELED,
    "WAITING_REFUND": Status.CANCELED,
    "WAITING_REFUND_PAYMENT": Status.CANCELED,
}
"""Order states. SHIPPING is raised by what was shipped; the WAITING_REFUND states, which only old instances send, are
SHIPPED once a line has a shipping date."""
REFUND_STATES = frozenset({"WAITING_REFUND", "WAITING_REFUND_PAYMENT"})
SHIPPED_LINE_STATES = frozenset({"SHIPPED", "TO_COLLECT", "RECEIVED", "CLOSED"})
CANCELLED_LINE_STATES = frozenset({"CANCELED", "REFUSED"})
REFUNDED_LINE_STATES = frozenset({"REFUNDED", *REFUND_STATES})
INCIDENT_STATE = "INCIDENT_OPEN"
UNSHIPPED_LINE_STATES = frozenset(
    {"STAGING", "WAITING_ACCEPTANCE", "WAITING_DEBIT", "WAITING_DEBIT_PAYMENT", "SHIPPING", *CANCELLED_LINE_STATES}
)
SHIPPING_STATE = "SHIPPING"
ACCEPTANCE_STATE = "WAITING_ACCEPTANCE"
UNSHIPPED_SHIPMENT_STATES = frozenset({"SHIPPING", "READY_FOR_PICK_UP", "SHIPMENT_PREPARED", "CANCELED"})
