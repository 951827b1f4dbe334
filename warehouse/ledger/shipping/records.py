"""Shipments as the ledger keeps them, for whoever reads them across its borders. Each member is a column, which says what it
means.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from warehouse.ledger.base.rows import Json, columns_of
from warehouse.ledger.base.schema import confirmation_attempts, shipments


class StoredShipment(NamedTuple):
    """A package that was reported; one that is new has no more than the members without a default."""

    id: str
    order_id: str
    channel: str
    package_id: str
    reference: int
    tracking_number: str | None
    carrier_code: str | None
    carrier_name: str | None
    tracking_url: str | None
    shipping_method: str | None
    ship_from: str | None
    return_tracking_number: str | None
    return_carrier: str | None
    shipped_at: datetime
    version: int
    status: str
    held_reason: str | None
    source: str
    consumer: str
    report_id: str
    reported_at: datetime
    updated_at: datetime
    due_at: datetime | None
    sent_version: int | None = None
    attempts: int = 0
    fence: int = 0
    claimed_by: str | None = None
    claimed_until: datetime | None = None
    sent_at: datetime | None = None
    verified_at: datetime | None = None
    marketplace_package_id: str | None = None
    told_carrier: str | None = None
    code: str | None = None
    message: str | None = None
    hint: str | None = None
    difference: Json | None = None


class StoredAttempt(NamedTuple):
    """An attempt to tell the marketplace of a package."""

    id: int
    shipment_id: str
    version: int
    fence: int
    operation: str | None
    started_at: datetime
    finished_at: datetime | None
    outcome: str
    http_status: int | None
    request_id: str | None
    code: str | None
    message: str | None
    hint: str | None
    content: Json | None


SHIPMENT_COLUMNS = columns_of(StoredShipment, shipments)
ATTEMPT_COLUMNS = columns_of(StoredAttempt, confirmation_attempts)
