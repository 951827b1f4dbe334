"""File jobs: which channel's orders are written to which storage and how often, and from where its shipment files are read.

When a job is due is computed in `file_schedules`; the files themselves are in `files`; the work is done in
`orders_pipeline.file_jobs.export` and `orders_pipeline.file_jobs.ingest`.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from datetime import time
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Literal

import sqlalchemy as sa
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from warehouse.ledger.base.database import upsert
from warehouse.ledger.base.rows import Json
from warehouse.ledger.base.schema import file_jobs
from warehouse.ledger.settings.file_schedules import EPOCH, INTERVALS, Frequency, Schedule, Weekday, next_due
from warehouse.order_states import Status
from warehouse.storages import StorageKind
from warehouse.templates import ExtraColumn

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from sqlalchemy.engine import Connection as Transaction
    from sqlalchemy.engine import RowMapping

    from warehouse.ledger.settings.storages import StorageEntry


class JobKind(StrEnum):
    """Orders out, or shipments in."""

    EXPORT = "export"
    IMPORT = "import"


class ExportSettings(BaseModel):
    """What an order export writes."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    statuses: tuple[Status, ...] = Field((), description="Only orders in one of these statuses; empty: all orders.")
    split_by_fulfilment: bool = Field(False, description="A file for each of merchant and marketplace.")
    split_by_country: bool = Field(False, description="A file for each shipping country.")
    spreadsheet_safe: bool = Field(
        False,
        description="An apostrophe before texts that a spreadsheet would compute. Off: the cells are exactly the data.",
    )
    extra_columns: tuple[ExtraColumn, ...] = Field(
        (), description="Columns behind the eighteen of every order file, in this order; a repeated one counts once."
    )

    @field_validator("extra_columns")
    @classmethod
    def _each_once(cls, value: tuple[ExtraColumn, ...]) -> tuple[ExtraColumn, ...]:
        return tuple(dict.fromkeys(value))


def inside(folder: str) -> str:
    """A folder that does not lead out of its storage.

    Raises:
        ValueError: It holds `..`.
    """
    if ".." in folder.replace("\\", "/").split("/"):
        raise ValueError("must not hold ..: it would lead out of the storage")
    return folder


Inside = Annotated[str, AfterValidator(inside)]


class CodePage(StrEnum):
    """The code pages of Windows that a text file may be written in."""

    THAI = "cp874"
    JAPANESE = "cp932"
    CHINESE = "cp936"
    KOREAN = "cp949"
    CHINESE_TRADITIONAL = "cp950"
    CENTRAL_EUROPEAN = "cp1250"
    CYRILLIC = "cp1251"
    WESTERN = "cp1252"
    GREEK = "cp1253"
    TURKISH = "cp1254"
    HEBREW = "cp1255"
    ARABIC = "cp1256"
    BALTIC = "cp1257"
    VIETNAMESE = "cp1258"


class ImportSettings(BaseModel):
    """How shipment files are read and answered."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    result_folder: Inside | None = Field(
        None, description="Folder of the answers, `<name>.result.csv`; default: `results` below the folder."
    )
    always_result: bool = Field(False, description="An answer to every file, not only where rows were refused.")
    delimiter: Literal[",", ";", "\t", "|"] | None = Field(
        None, description="What separates the cells; default: recognised by the header."
    )
    encoding: Literal["utf-8", "utf-16", "latin-1"] | None = Field(
        None,
        description="How the text is encoded; default: recognised. `latin-1`: in `code_page`, of which Latin-1 is a part.",
    )
    code_page: CodePage = Field(
        CodePage.WESTERN, description="The Windows code page of files that are neither UTF-8 nor UTF-16."
    )
    keep_remote: bool = Field(
        False, description="Move a file that was read to `processed` below the folder instead of deleting it."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FileJob:
    """One job of a channel, as it is declared. `settings` are those of its kind, as JSON."""

    channel: str
    kind: JobKind
    storage: str
    folder: str
    is_on: bool = True
    frequency: Frequency = Frequency.EVERY_15_MINUTES
    at: str = "00:00"
    weekday: Weekday = Weekday.MONDAY
    settings: Json = field(default_factory=dict)

    @property
    def schedule(self) -> Schedule:
        """When it runs."""
        return Schedule(frequency=self.frequency, at=time.fromisoformat(self.at), weekday=self.weekday)

    @property
    def export_settings(self) -> ExportSettings:
        """The settings of an export."""
        return ExportSettings.model_validate(self.settings)

    @property
    def import_settings(self) -> ImportSettings:
        """The settings of an import."""
        return ImportSettings.model_validate(self.settings)


DECLARED = FileJob.__slots__
RETRY_INTERVAL = INTERVALS[Frequency.EVERY_15_MINUTES]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """A job with what is known of its runs.

    Attributes:
        job: As it is declared.
        cursor: Of an export: the marketplace change up to which orders were exported.
        due_after: Where its times are counted from: when it last began, or was declared.
        retry_at: When it is tried again after a failure.
        last_started_at: When it last began.
        last_finished_at: When it last came to its end without a failure; with `retry_at` it tells whether a run ended at all.
    """

    job: FileJob
    cursor: int
    due_after: datetime
    retry_at: datetime | None
    last_started_at: datetime | None
    last_finished_at: datetime | None

    @property
    def is_unended(self) -> bool:
        """Whether it began and came to no end: it is at work, or its process was killed."""
        if self.last_started_at is None or self.retry_at is not None:
            return False
        return self.last_finished_at is None or self.last_finished_at < self.last_started_at

    def next_due(self, zone: ZoneInfo, now: datetime) -> datetime:
        """When it runs next, if it is on. Times that were missed are made up for by one run.

        What began and did not end is due at once. So is a job whose remembered times lie beyond the present: a clock that ran
        ahead wrote them, and they are not believed.
        """
        retry_at = self.retry_at or now
        if self.is_unended or self.due_after > now or retry_at > now + RETRY_INTERVAL:
            return min(self.due_after, now)
        own = next_due(self.job.schedule, self.due_after, zone)
        return own if self.retry_at is None else min(own, self.retry_at)


def all_jobs(transaction: Transaction) -> list[JobState]:
    """Every job, by channel and kind."""
    rows = transaction.execute(sa.select(file_jobs).order_by(file_jobs.c.channel, file_jobs.c.kind)).mappings()
    return [_state(row) for row in rows]


def find_job(transaction: Transaction, channel: str, kind: JobKind) -> JobState | None:
    """One job, None when the channel has none of this kind."""
    row = transaction.execute(sa.select(file_jobs).where(*_is(channel, kind))).mappings().one_or_none()
    return _state(row) if row else None


_ON = sa.select(file_jobs).where(file_jobs.c.is_on.is_(True))


def due_jobs(transaction: Transaction, now: datetime, zone: ZoneInfo) -> list[JobState]:
    """The jobs that are on and due, the longest due first."""
    rows = transaction.execute(_ON).mappings()
    due = [state for state in map(_state, rows) if state.next_due(zone, now) <= now]
    return sorted(due, key=lambda state: (state.next_due(zone, now), state.job.channel, state.job.kind))


def switched_on(transaction: Transaction) -> list[JobState]:
    """The jobs that are on, due or not, by channel and kind."""
    return [each for each in all_jobs(transaction) if each.job.is_on]


def using_storage(transaction: Transaction, storage: str) -> list[FileJob]:
    """The jobs that write to or read from a storage: as long as there are any, it stays."""
    rows = transaction.execute(sa.select(file_jobs).where(file_jobs.c.storage == storage)).mappings()
    return [_state(row).job for row in rows]


def save_job(transaction: Transaction, job: FileJob, now: datetime) -> None:
    """Create a job, or change one. What it has exported is kept; with other times, or switched on, it is counted from now.

    That nobody else reads its folder is seen to before: `reader_fault`.
    """
    before = find_job(transaction, job.channel, job.kind)
    is_timed_alike = before is not None and (before.job.schedule, before.job.is_on) == (job.schedule, job.is_on)
    row = {
        **{name: getattr(job, name) for name in DECLARED},
        "settings": dict(job.settings),
        "cursor": 0,
        "due_after": before.due_after if before and is_timed_alike else now,
        "created_at": now,
        "updated_at": now,
    }
    changing = tuple(name for name in row if name not in {"channel", "kind", "cursor", "created_at"})
    transaction.execute(upsert(transaction, file_jobs, ("channel", "kind"), changing), [row])


def reader_fault(jobs: Iterable[FileJob], storages: Iterable[StorageEntry], job: FileJob) -> str | None:
    """What is wrong with the folder that an import reads: it has one reader, or each takes away what is meant for the other.

    Args:
        jobs: Every job there is, or will be.
        storages: Every storage there is, or will be.
        job: The job that is judged.
    """
    places = {each.code: each for each in storages}
    place = folder_at(places.get(job.storage), job)
    for other in jobs:
        if other.kind is not JobKind.IMPORT or job.kind is not JobKind.IMPORT or other.channel == job.channel:
            continue
        if folder_at(places.get(other.storage), other) == place:
            return (
                f"the folder {job.folder!r} of {job.storage} is read by the import job of {other.channel} already: "
                "give each channel a folder of its own"
            )
    return None


def folder_at(storage: StorageEntry | None, job: FileJob) -> tuple[str, ...]:
    """Where a job's folder is in the world: the same for two storages that lead to the same place.

    >>> from dataclasses import replace
    >>> from warehouse.ledger.settings.storages import StorageEntry
    >>> one, two = (StorageEntry(code=code, kind="folder", label="", settings={"path": path})
    ...             for code, path in (("a", "/srv"), ("b", "/srv/in/")))
    >>> job = FileJob(channel="shop", kind=JobKind.IMPORT, storage="a", folder="in")
    >>> folder_at(one, job) == folder_at(two, replace(job, storage="b", folder="/"))
    True
    """
    if storage is None:
        return (job.storage, _joined("/", job.folder))
    given = storage.settings
    if storage.kind == StorageKind.FOLDER:
        return (storage.kind, _joined(str(given.get("path", "")), job.folder))
    root = str(given.get("root") or "")
    owner = "" if root.startswith("/") else str(given.get("user", ""))
    protocol = "sftp" if storage.kind == StorageKind.SFTP else "ftp"
    return (protocol, str(given.get("host", "")).lower().rstrip("."), owner, _joined(root, job.folder))


def _joined(root: str, folder: str) -> str:
    return posixpath.normpath(posixpath.join("/", root, folder.strip("/"))).replace("//", "/")


def begin(transaction: Transaction, job: FileJob, now: datetime) -> None:
    """Note that a job begins: its next time is counted from now."""
    values = {"last_started_at": now, "due_after": now, "retry_at": None}
    transaction.execute(sa.update(file_jobs).where(*_is(job.channel, job.kind)).values(values))


def finish(transaction: Transaction, job: FileJob, now: datetime) -> None:
    """Note that a job came to its end without a failure."""
    transaction.execute(sa.update(file_jobs).where(*_is(job.channel, job.kind)).values(last_finished_at=now))


def retry_soon(transaction: Transaction, job: FileJob, now: datetime) -> None:
    """A job that failed is due again at the next quarter of an hour, or at its own next time if that is sooner."""
    soon = (now - EPOCH) // RETRY_INTERVAL * RETRY_INTERVAL + RETRY_INTERVAL + EPOCH
    transaction.execute(sa.update(file_jobs).where(*_is(job.channel, job.kind)).values(retry_at=soon))


def move_cursor(transaction: Transaction, channel: str, cursor: int) -> None:
    """Note how far an export has come; in the transaction of its files."""
    transaction.execute(sa.update(file_jobs).where(*_is(channel, JobKind.EXPORT)).values(cursor=cursor))


def begin_anew(transaction: Transaction, channel: str) -> None:
    """Let the next export of a channel tell of every order again."""
    move_cursor(transaction, channel, 0)


def kept_settings(kind: JobKind, given: Json) -> Json:
    """Settings checked and complete, as JSON values.

    Raises:
        pydantic.ValidationError: A setting is unknown or wrong.
    """
    model = ExportSettings if kind is JobKind.EXPORT else ImportSettings
    return model.model_validate(given).model_dump(mode="json")


def _is(channel: str, kind: JobKind) -> Sequence[sa.ColumnElement[bool]]:
    return (file_jobs.c.channel == channel, file_jobs.c.kind == kind)


def _state(row: RowMapping) -> JobState:
    declared = {name: row[name] for name in DECLARED}
    declared |= {"kind": JobKind(row["kind"]), "frequency": Frequency(row["frequency"])}
    return JobState(
        job=FileJob(**declared | {"weekday": Weekday(row["weekday"])}),
        cursor=row["cursor"],
        due_after=row["due_after"],
        retry_at=row["retry_at"],
        last_started_at=row["last_started_at"],
        last_finished_at=row["last_finished_at"],
    )
