"""Storages in the ledger: where files are exchanged with other systems. Credentials are references or sealed.

Which kinds there are and what can be set is in `warehouse.storages`; moving files is in `orders_pipeline.storages`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base.credentials import resolve_credentials
from warehouse.ledger.base.database import upsert
from warehouse.ledger.base.rows import Json
from warehouse.ledger.base.schema import storages

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction
    from sqlalchemy.engine import RowMapping

    from warehouse.privacy import KeyRing


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageEntry:
    """One storage. `credentials` maps names to `env:NAME`, `file:PATH` or `sealed:BASE64`."""

    code: str
    kind: str
    label: str
    settings: Json = field(default_factory=dict)
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)


def all_storages(transaction: Transaction) -> list[StorageEntry]:
    """Every storage, by code."""
    return [_entry(row) for row in transaction.execute(sa.select(storages).order_by(storages.c.code)).mappings()]


def find_storage(transaction: Transaction, code: str) -> StorageEntry | None:
    """One storage, None when there is none of that code."""
    row = transaction.execute(sa.select(storages).where(storages.c.code == code)).mappings().one_or_none()
    return _entry(row) if row else None


def save_storage(transaction: Transaction, entry: StorageEntry, now: datetime) -> None:
    """Create a storage, or change one."""
    row = {name: getattr(entry, name) for name in StorageEntry.__slots__}
    row |= {
        "settings": dict(entry.settings),
        "credentials": dict(entry.credentials),
        "created_at": now,
        "updated_at": now,
    }
    changing = ("kind", "label", "settings", "credentials", "updated_at")
    transaction.execute(upsert(transaction, storages, ("code",), changing), [row])


def remove_storage(transaction: Transaction, code: str) -> bool:
    """Forget a storage and its credentials; whether there was one. Who still needs it is asked before: `files.waiting_at`."""
    return transaction.execute(sa.delete(storages).where(storages.c.code == code)).rowcount > 0


def owner(code: str) -> str:
    """What a storage's sealed secrets are bound to, so that none opens anywhere else."""
    return f"storage:{code}"


def secrets_of(entry: StorageEntry, keys: KeyRing) -> dict[str, str]:
    """The secrets themselves; raises like `resolve_credentials`."""
    return resolve_credentials(owner(entry.code), entry.credentials, keys)


def _entry(row: RowMapping) -> StorageEntry:
    return StorageEntry(**{name: row[name] for name in StorageEntry.__slots__})
