"""What the ledger's words are called on pages, and with which sign and tone: no colour says anything alone."""

from __future__ import annotations

from orders_api.console.views.frame import Badge
from warehouse.bulk_actions import BulkAction
from warehouse.date_presets import DatePreset
from warehouse.order_states import ConfirmationStatus, Status

STATUSES = {
    Status.PENDING: Badge("Pending", "waiting"),
    Status.WAITING_FOR_SHIPMENT: Badge("Waiting for shipment", "todo"),
    Status.PARTIALLY_SHIPPED: Badge("Partially shipped", "todo"),
    Status.SHIPPED: Badge("Shipped", "done"),
    Status.REFUSED: Badge("Refused", "over"),
    Status.CANCELED: Badge("Canceled", "over"),
    Status.UNKNOWN: Badge("Unknown", "unknown"),
}

CONFIRMATIONS = {
    ConfirmationStatus.QUEUED: Badge("To be told", "waiting"),
    ConfirmationStatus.SENDING: Badge("Being told", "waiting"),
    ConfirmationStatus.SENT: Badge("Told", "waiting", "The marketplace took it; not read back yet."),
    ConfirmationStatus.VERIFIED: Badge("Verified", "done", "Read back: the marketplace shows the shipment."),
    ConfirmationStatus.REJECTED: Badge("Rejected", "failed"),
    ConfirmationStatus.IN_DOUBT: Badge("In doubt", "warning", "Nobody knows yet whether it arrived."),
    ConfirmationStatus.HELD: Badge("Held", "warning"),
}
"""Of orders of which something was reported."""

ATTEMPTS = {
    "running": Badge("Under way", "waiting"),
    "sent": Badge("Taken", "done"),
    "rejected": Badge("Rejected", "failed"),
    "in_doubt": Badge("No answer", "warning"),
    "retry": Badge("To be tried again", "waiting"),
    "refuted": Badge("Had not arrived", "warning"),
}
"""How attempts to tell a marketplace of a shipment ended."""

LEVELS = {"error": Badge("Error", "failed"), "warning": Badge("Warning", "warning"), "info": Badge("Info", "over")}
"""Of the log."""

PRESETS = {
    DatePreset.TODAY: "Today",
    DatePreset.YESTERDAY: "Yesterday",
    DatePreset.THIS_WEEK: "This week",
    DatePreset.LAST_WEEK: "Last week",
    DatePreset.THIS_MONTH: "This month",
    DatePreset.LAST_MONTH: "Last month",
}

FULFILLED_BY = {"merchant": "Merchant", "marketplace": "Marketplace", "none": "Not told"}


def status_badge(status: str, marketplace_status: str | None) -> Badge:
    """An order's status, with the marketplace's own word."""
    badge = STATUSES[Status(status)]
    about = "The marketplace tells no word of its own." if marketplace_status is None else marketplace_status
    return Badge(badge.word, badge.tone, about)


def confirmation_badge(status: str) -> Badge | None:
    """How far telling the marketplace has come; None when there is nothing to tell."""
    return CONFIRMATIONS.get(ConfirmationStatus(status))


def in_words(name: str) -> str:
    """A word of ours, for people.

    >>> in_words("shipping_address"), in_words("IN_DOUBT")
    ('Shipping address', 'In doubt')
    """
    return name.replace("_", " ").capitalize()


ACTIONS: dict[str, str] = {
    "export": "Export the selection",
    BulkAction.RETRY: "Retry the confirmation",
    BulkAction.ACKNOWLEDGE: "Acknowledge",
    BulkAction.FETCH: "Read again at the marketplace",
    BulkAction.RESOLVE: "Mark errors handled",
    BulkAction.ACCEPT: "Accept",
    BulkAction.REFUSE: "Refuse",
    BulkAction.NEXT_FILE: "Put into the next file",
}
"""What may be done to many orders at once (`bulk`)."""
