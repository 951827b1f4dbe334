"""Storages in the ledger (a stand-in until the real module is merged)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from warehouse.ledger.database import upsert
from warehouse.ledger.schema import storages

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.engine import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageEntry:
    """One storage."""

    code: str
    kind: str
    label: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)


def find_storage(connection: Connection, code: str) -> StorageEntry | None:
    """One storage, None when there is none of that code."""
    row = connection.execute(sa.select(storages).where(storages.c.code == code)).mappings().one_or_none()
    return StorageEntry(**{name: row[name] for name in StorageEntry.__slots__}) if row else None


def save_storage(connection: Connection, entry: StorageEntry, now: datetime) -> None:
    """Create or change."""
    row = {name: getattr(entry, name) for name in StorageEntry.__slots__} | {"created_at": now, "updated_at": now}
    connection.execute(upsert(connection, storages, ("code",)), [row])
