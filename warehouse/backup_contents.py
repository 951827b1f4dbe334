"""What a backup is made of: the names in its folder, its manifest, and what the manifest tells of a ledger."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import sqlalchemy as sa

from warehouse.ledger.base.schema import metadata, sealing_keys
from warehouse.ledger.status.keys import check_values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection as Transaction


LEDGER, CATALOG, DATA, ARCHIVE, DUMP, KEYS = (
    "ledger.sqlite",
    "lake/catalog.sqlite",
    "lake/data",
    "archive",
    "database.dump",
    "keys",
)


FORMAT = 2


FORMATS_READ = frozenset({1, 2})
"""The first one has no check values."""


MANIFEST = "manifest.json"


class BackupError(Exception):
    """A backup cannot be made or put back as asked; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredFile:
    """One file of a backup; `path` is relative to it, with forward slashes."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup holds.

    Attributes:
        format: Of the backup itself.
        made_at: ISO 8601; the ledger is as it was then.
        schema: The ledger's migration.
        database: `sqlite` or `postgresql`.
        lake_data: `here`, or where the lake's files are that are not in the backup.
        has_keys: Whether the key ring is in it.
        check_values: Of the keys that it was sealed with, as in `ledger.keys`.
        rows: Rows of each table of the ledger.
        files: Every file but the manifest.
    """

    format: int
    made_at: str
    schema: str
    database: str
    lake_data: str
    has_keys: bool
    rows: Mapping[str, int]
    files: Sequence[StoredFile]
    check_values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BackupFinding:
    """One thing that was checked."""

    part: str
    is_ok: bool
    message: str


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a backup.

    Raises:
        BackupError: There is none, or it is another release's.
    """
    try:
        document = orjson.loads((folder / MANIFEST).read_bytes())
        files = tuple(StoredFile(**each) for each in document.pop("files"))
        manifest = Manifest(files=files, **document)
    except FileNotFoundError:
        raise BackupError(f"{folder} is no backup: it has no {MANIFEST}") from None
    except (orjson.JSONDecodeError, TypeError, KeyError, AttributeError):
        raise BackupError(f"{folder / MANIFEST} cannot be read") from None
    if manifest.format not in FORMATS_READ:
        raise BackupError(f"{folder} has format {manifest.format}, this release reads {FORMAT}")
    return manifest


def sync(path: Path) -> None:
    """Make sure that a file is on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Make sure that a folder's entries are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def table_counts(transaction: Transaction) -> dict[str, int]:
    """Rows of each table of a ledger that there is."""
    present = set(sa.inspect(transaction).get_table_names())
    return {
        str(table.name): int(transaction.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
        for table in metadata.sorted_tables
        if table.name in present
    }


def check_values_in(transaction: Transaction) -> Mapping[str, str]:
    """Those of a ledger; one of an older release has none."""
    return check_values(transaction) if sa.inspect(transaction).has_table(sealing_keys.name) else {}


def schema_in(transaction: Transaction) -> str:
    """A ledger's migration."""
    return str(transaction.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one())
