"""Shipments as the ledger keeps them, for whoever reads them across its borders."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import RowMapping


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredShipment:
    """A package, as far as a marketplace is told of it; each member is a column of `shipments`, which says what it means."""

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
    sent_version: int | None
    fence: int
    marketplace_package_id: str | None
    told_carrier: str | None

    @staticmethod
    def of(row: Mapping[str, Any] | RowMapping) -> StoredShipment:
        """The record of a row that has all columns of `shipments`."""
        return StoredShipment(**{name: row[name] for name in _COLUMNS})


_COLUMNS = tuple(each.name for each in fields(StoredShipment))
