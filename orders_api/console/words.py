"""What the ledger's words are called on pages, and with which sign and tone: no colour says anything alone."""

from __future__ import annotations

from orders_api.console.kit.texts import Later, _, gettext
from orders_api.console.views.frame import Badge
from warehouse.bulk_actions import BulkAction
from warehouse.date_presets import DatePreset
from warehouse.order_states import ConfirmationStatus, Status

STATUSES = {
    Status.PENDING: Badge(Later("Pending"), "waiting"),
    Status.WAITING_FOR_SHIPMENT: Badge(Later("Waiting for shipment"), "todo"),
    Status.PARTIALLY_SHIPPED: Badge(Later("Partially shipped"), "todo"),
    Status.SHIPPED: Badge(Later("Shipped"), "done"),
    Status.REFUSED: Badge(Later("Refused"), "over"),
    Status.CANCELED: Badge(Later("Canceled"), "over"),
    Status.UNKNOWN: Badge(Later("Unknown"), "unknown"),
}

CONFIRMATIONS = {
    ConfirmationStatus.QUEUED: Badge(Later("To be told"), "waiting"),
    ConfirmationStatus.SENDING: Badge(Later("Being told"), "waiting"),
    ConfirmationStatus.SENT: Badge(Later("Told"), "waiting", Later("The marketplace took it; not read back yet.")),
    ConfirmationStatus.VERIFIED: Badge(
        Later("Verified"), "done", Later("Read back: the marketplace shows the shipment.")
    ),
    ConfirmationStatus.REJECTED: Badge(Later("Rejected"), "failed"),
    ConfirmationStatus.IN_DOUBT: Badge(Later("In doubt"), "warning", Later("Nobody knows yet whether it arrived.")),
    ConfirmationStatus.HELD: Badge(Later("Held"), "warning"),
}
"""Of orders of which something was reported."""

ATTEMPTS = {
    "running": Badge(Later("Under way"), "waiting"),
    "sent": Badge(Later("Taken"), "done"),
    "rejected": Badge(Later("Rejected"), "failed"),
    "in_doubt": Badge(Later("No answer"), "warning"),
    "retry": Badge(Later("To be tried again"), "waiting"),
    "refuted": Badge(Later("Had not arrived"), "warning"),
}
"""How attempts to tell a marketplace of a shipment ended."""

LEVELS = {
    "error": Badge(Later("Error"), "failed"),
    "warning": Badge(Later("Warning"), "warning"),
    "info": Badge(Later("Info"), "over"),
}
"""Of the log."""

PRESETS = {
    DatePreset.TODAY: Later("Today"),
    DatePreset.YESTERDAY: Later("Yesterday"),
    DatePreset.THIS_WEEK: Later("This week"),
    DatePreset.LAST_WEEK: Later("Last week"),
    DatePreset.THIS_MONTH: Later("This month"),
    DatePreset.LAST_MONTH: Later("Last month"),
}

FULFILLED_BY = {"merchant": Later("Merchant"), "marketplace": Later("Marketplace"), "none": Later("Not told")}


def status_badge(status: str, marketplace_status: str | None) -> Badge:
    """An order's status, with the marketplace's own word."""
    badge = STATUSES[Status(status)]
    about = _("The marketplace tells no word of its own.") if marketplace_status is None else marketplace_status
    return Badge(badge.word, badge.tone, about)


def confirmation_badge(status: str) -> Badge | None:
    """How far telling the marketplace has come; None when there is nothing to tell."""
    return CONFIRMATIONS.get(ConfirmationStatus(status))


def in_words(name: str) -> str:
    """A word of ours, for people.

    >>> in_words("shipping_address"), in_words("IN_DOUBT")
    ('Shipping address', 'In doubt')
    """
    return gettext(name.replace("_", " ").capitalize())


ACTIONS: dict[str, str] = {
    "export": Later("Export the selection"),
    BulkAction.RETRY: Later("Retry the confirmation"),
    BulkAction.ACKNOWLEDGE: Later("Acknowledge"),
    BulkAction.FETCH: Later("Read again at the marketplace"),
    BulkAction.RESOLVE: Later("Mark errors handled"),
    BulkAction.ACCEPT: Later("Accept"),
    BulkAction.REFUSE: Later("Refuse"),
    BulkAction.NEXT_FILE: Later("Put into the next file"),
}
"""What may be done to many orders at once (`bulk`)."""
