"""What an ERP reports of a shipment, and what it is answered. Frozen types only.

Whether a report is taken is decided in `warehouse.ledger.shipping.intake`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime


class ReportResult(StrEnum):
    """What became of one reported shipment."""

    ACCEPTED = "accepted"
    UPDATED = "updated"
    ALREADY_KNOWN = "already_known"
    REFUSED = "refused"


class Source(StrEnum):
    """By which way a shipment was reported."""

    API = "api"
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Units of one line, named by our id or the marketplace's, or of a SKU's lines; without a quantity all that remains."""

    item_id: str | None = None
    item_original_id: str | None = None
    item_sku: str | None = None
    item_quantity_shipped: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentReport:
    """One package as the ERP reports it; names are those of the CSV template.

    Attributes:
        id: Internal order id.
        original_id: The marketplace's order id; with `channel` where two channels have an order of that id.
        package_id: The ERP's name of the package; without one it is the order's only package.
        shipping_date: When it left; None: when it was reported.
        items: What is in it; () for all that remains to be shipped.
    """

    id: str | None = None
    channel: str | None = None
    original_id: str | None = None
    package_id: str | None = None
    tracking_number: str | None = None
    shipping_date: datetime | None = None
    carrier_code: str | None = None
    carrier_name: str | None = None
    tracking_url: str | None = None
    shipping_method: str | None = None
    ship_from: str | None = None
    return_tracking_number: str | None = None
    return_carrier: str | None = None
    items: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFault:
    """Why a report is refused, or pointed out: a stable code, the field ("items/0/item_id"), and a plain sentence."""

    code: str
    field: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentAnswer:
    """What became of one report.

    Attributes:
        result: In one word.
        shipment_id: The shipment; None when refused.
        order_id: The order, when one was found.
        status: How far confirming the shipment has come; None when refused.
        held_reason: Why it waits for somebody, in one stable word; None when it does not.
        faults: Why it is refused; () otherwise.
        notices: What the sender should know of one that is not refused.
    """

    result: ReportResult
    shipment_id: str | None = None
    order_id: str | None = None
    status: str | None = None
    held_reason: str | None = None
    faults: tuple[ReportFault, ...] = ()
    notices: tuple[ReportFault, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who reports.

    Attributes:
        consumer: Name of the token's consumer, or of the import job.
        source: The way.
        report_id: The request or file, by which its shipments are found again.
        visible_channels: What the sender may see; None for everything. Any other order is unknown to it.
    """

    consumer: str
    source: Source
    report_id: str
    visible_channels: tuple[str, ...] | None = None


class ReportRefused(Exception):
    """A report that is not taken: why, and of which order where it is known."""

    def __init__(self, faults: Iterable[ReportFault], order_id: str | None = None) -> None:
        super().__init__("refused")
        self.faults = list(faults)
        self.order_id = order_id


def refusal(code: str, field: str, message: str, order_id: str | None = None) -> ReportRefused:
    """The exception for one fault."""
    return ReportRefused([ReportFault(code=code, field=field, message=message)], order_id)
