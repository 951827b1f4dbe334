"""One order as a row of the list, and the columns that a row may have."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from orders_api.console.kit.rendering import moment
from orders_api.console.kit.texts import Later, _
from orders_api.console.views.frame import Badge
from orders_api.console.views.orders import OrderRow
from orders_api.console.words import FULFILLED_BY, confirmation_badge, status_badge
from orders_api.v1.export_tables import SummaryColumn
from warehouse import display

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


LABELS = {
    SummaryColumn.CHANNEL: Later("Channel"),
    SummaryColumn.MARKETPLACE: Later("Marketplace"),
    SummaryColumn.STATUS: Later("Status"),
    SummaryColumn.CONFIRMATION: Later("Confirmation"),
    SummaryColumn.PURCHASED: Later("Purchased"),
    SummaryColumn.RECEIVED: Later("Received"),
    SummaryColumn.CHANGED: Later("Changed"),
    SummaryColumn.SHIP_BY: Later("Ship by"),
    SummaryColumn.UNITS: Later("Lines × units"),
    SummaryColumn.TOTAL: Later("Total"),
    SummaryColumn.COUNTRY: Later("To"),
    SummaryColumn.FULFILLED_BY: Later("Fulfilled by"),
    SummaryColumn.REFERENCES: Later("Taken over as"),
    SummaryColumn.ERRORS: Later("Errors"),
    SummaryColumn.CANCELLATION: Later("Cancellation"),
}
SHOWN = (
    *(
        SummaryColumn.CHANNEL,
        SummaryColumn.STATUS,
        SummaryColumn.CONFIRMATION,
        SummaryColumn.PURCHASED,
        SummaryColumn.SHIP_BY,
        SummaryColumn.UNITS,
    ),
    *(SummaryColumn.TOTAL, SummaryColumn.COUNTRY, SummaryColumn.ERRORS),
)
"""Columns of a list that is told of no others; what is known of a cancellation stands below the id, where it has no column."""
NUMBERS = frozenset({SummaryColumn.UNITS, SummaryColumn.TOTAL, SummaryColumn.ERRORS})


def order_row(
    document: Mapping[str, Any],
    incidents: Mapping[str, Sequence[int]],
    channels: Mapping[str, str],
    now: datetime,
    zone: str,
) -> OrderRow:
    """An order in the list.

    Args:
        document: As the API tells it, without personal data.
        incidents: Order id → those that are open about it.
        channels: Code → label.
        now: The present instant.
        zone: Whose clocks are shown.
    """
    lines = document["lines"]
    units = [each["quantity_ordered"] for each in lines]
    total, currency = document["total"], document["currency"]
    return OrderRow(
        id=document["id"],
        original_id=document["original_id"],
        channel=channels.get(document["channel"], document["channel"]),
        status=status_badge(document["status"], document["marketplace_status"]),
        confirmation=confirmation_badge(document["confirmation_status"]),
        purchased=moment(document["purchased_at"], now, zone),
        received=moment(document["received_at"], now, zone),
        changed=moment(document["marketplace_updated_at"], now, zone),
        ship_by=moment(document["ship_by"], now, zone),
        due=_due(document, now),
        lines=len(lines),
        units=None if None in units else sum(units),
        total=None if total is None else display.money(Decimal(total), currency),
        country=document["shipping_country_code"],
        fulfilled_by=FULFILLED_BY[document["fulfilled_by"] or "none"],
        marketplace=document["marketplace"],
        references=", ".join(each["order_number"] for each in document["acknowledgements"] if each["order_number"]),
        errors=len(document["problems"]) + len(incidents.get(document["id"], ())),
        cancellation=cancellation_label(document),
        is_split=document["split_of"] is not None,
        record={name: document[name] for name in _RECORDED} | {"lines": len(lines)},
    )


_RECORDED = (
    *("id", "original_id", "channel", "marketplace", "status", "marketplace_status", "fulfilled_by", "purchased_at"),
    *("received_at", "marketplace_updated_at", "ship_by", "confirmation_status", "has_errors"),
    *("has_cancellation_request", "total", "currency", "shipping_country_code", "revision"),
)
"""Members of an order that a list for programs has."""


def cancellation_label(document: Mapping[str, Any]) -> Badge | None:
    """Whether the order or a part of it was cancelled, or somebody asked for that."""
    if document["status"] == "CANCELED":
        return None  # the status says so
    if document["has_cancellation_request"]:
        return Badge(_("Cancellation requested"), "warning")
    if any(each["quantity_cancelled"] for each in document["lines"]):
        return Badge(_("Item canceled"), "over")
    return None


def _due(document: Mapping[str, Any], now: datetime) -> Badge | None:
    """How long there is to ship what is to be shipped."""
    if document["ship_by"] is None or document["status"] not in {"WAITING_FOR_SHIPMENT", "PARTIALLY_SHIPPED"}:
        return None
    left = datetime.fromisoformat(document["ship_by"]) - now
    if left < timedelta():
        return Badge(_("overdue %(time)s", time=_length(-left)), "failed")
    return Badge(_("in %(time)s", time=_length(left)), "warning" if left < timedelta(days=1) else "waiting")


def _length(time: timedelta) -> str:
    hours = int(time.total_seconds() // 3600)
    if hours >= 48:  # noqa: PLR2004 - two days
        return _("%(count)s d", count=hours // 24)
    return _("%(count)s h", count=hours) if hours else _("%(count)s min", count=int(time.total_seconds() // 60))
