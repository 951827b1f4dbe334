"""Files as records: what is known of each, in which state it is, and the fate of its rows. Types only."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from warehouse.ledger.base.rows import Json
from warehouse.ledger.settings.file_jobs import JobKind

if TYPE_CHECKING:
    from datetime import datetime

    from warehouse.archive import Kept


ROWS_PER_TRANSACTION = 1_000


class FileState(StrEnum):
    """Where a file stands."""

    PREPARING = "preparing"
    PLANNED = "planned"
    UPLOADED = "uploaded"
    GIVEN_UP = "given_up"
    WAITING = "waiting"
    RECEIVED = "received"
    APPLIED = "applied"
    REFUSED = "refused"
    REPEATED = "repeated"


class RowOutcome(StrEnum):
    """What became of a row of a shipment file."""

    APPLIED = "applied"
    KNOWN = "known"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """One file. `name` and `folder` are the storage's; `rows` counts those below the header."""

    id: int
    direction: JobKind
    channel: str
    storage: str
    folder: str
    name: str
    state: FileState
    size: int
    sha256: str | None
    rows: int
    orders: int
    fulfilled_by: str | None
    country_code: str | None
    applied: int
    known: int
    refused: int
    details: Json
    error_code: str | None
    error: str | None
    attempts: int
    created_at: datetime
    finished_at: datetime | None
    updated_at: datetime

    @property
    def path(self) -> str:
        """Where it is on its storage."""
        return join(self.folder, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file as it is first recorded."""

    direction: JobKind
    channel: str
    storage: str
    folder: str
    name: str
    fulfilled_by: str | None = None
    country_code: str | None = None
    details: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FileMember:
    """An order in an exported file: which revision of it, and where that stood in the change feed."""

    order_id: str
    revision: int
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFile:
    """A prepared file with what is known once its last row is written."""

    id: int
    kept: Kept
    rows: int
    orders: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFate:
    """What became of one row. `message` names no person and quotes no cell."""

    number: int
    outcome: RowOutcome
    order_id: str | None = None
    shipment_id: str | None = None
    code: str | None = None
    column_name: str | None = None
    message: str | None = None


def join(folder: str, name: str) -> str:
    """The path of a file in a folder.

    >>> join("/out/", "a.csv"), join("", "a.csv")
    ('/out/a.csv', 'a.csv')
    """
    return f"{folder.rstrip('/')}/{name}" if folder.strip("/") else name
