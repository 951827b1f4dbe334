"""Order files: from the order book to a storage, each change of the marketplace's in at least one file.

The engine of the asset `order_exports` and of `orders export`. An export has three steps, and may be killed between or in any:

1. *prepare*: the rows are written into the archive, the members into the ledger, a chunk at a time; nobody sees them yet.
2. *plan*: the files become final and the channel's cursor moves, in one transaction.
3. *upload*: from the archive, byte by byte the same however often it takes, and under the same name.

A file that cannot be delivered stops neither the other files nor the changes after it. It is tried again by every run until a
person redirects it, or gives it up; then the next export tells its orders again.

What the columns are is in `warehouse.templates`, moving files in `orders_pipeline.storages`.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from orders_pipeline.file_jobs.job_run import JobFailed, JobResult, JobRun, attempt, held, run_job
from orders_pipeline.storages.errors import AlreadyThere
from orders_pipeline.storages.open_storages import StoragePlaces
from warehouse.archive import ArchiveError, open_archive
from warehouse.kept_documents import open_parties
from warehouse.ledger.base.database import MARKETPLACE_CHANGES, mark
from warehouse.ledger.book import orders_to_export
from warehouse.ledger.exchange import file_queries, files
from warehouse.ledger.exchange.file_records import FileMember, FileState, NewFile, PlannedFile
from warehouse.ledger.settings import file_jobs
from warehouse.ledger.settings.file_jobs import JobKind
from warehouse.ledger.status.next_export import FilePreview, Group, Preview, group_of
from warehouse.templates import csv_bytes, order_file_name, order_header, order_rows, spreadsheet_safe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy.engine import Connection as Transaction

    from orders_pipeline.file_jobs.job_run import Failure
    from orders_pipeline.installation import Installation
    from orders_pipeline.storages.registry import Storage
    from warehouse.archive import ArchiveWriting
    from warehouse.ledger.book.orders_to_export import OrderToExport
    from warehouse.ledger.exchange.file_records import FileRecord
    from warehouse.ledger.settings.file_jobs import ExportSettings, FileJob, JobState
    from warehouse.privacy import KeyRing
    from warehouse.templates import ExtraColumn

"""The values that a file's orders have in common: fulfilment before country; () when nothing is split."""


def export_channel(installation: Installation, job: FileJob) -> JobResult:
    """Upload what an earlier run has left, then export what the marketplace has changed since the last export."""
    return run_job(installation, job, _export)


def _export(run: JobRun) -> None:
    """The first failure is told at the end."""
    delivery = _Delivery(run)
    delivery.deliver()
    if run.job.storage not in delivery.unreachable and _prepare_and_plan(run):
        delivery.deliver()
    if delivery.failures:
        raise JobFailed(delivery.failures[0])


def preview(installation: Installation, state: JobState) -> list[FilePreview]:
    """The files that an export would write now; writes nothing."""
    with installation.ledger.read() as transaction:
        through = mark(transaction, MARKETPLACE_CHANGES)
    found = Preview(state)
    for chunk in _changed_orders(installation, state.job, state.cursor, through):
        found.take(chunk)
    return found.files(installation.clock())


def resend(installation: Installation, record: FileRecord) -> None:
    """Put a file on its storage once more: the same bytes under the same name.

    Raises:
        StorageError: The storage does not take it.
        ArchiveError: Its bytes are not kept any more.
    """
    archive = open_archive(installation.settings, installation.keys)
    with StoragePlaces(installation) as places, archive.opened(_sha256(record)) as source:
        with installation.ledger.write() as transaction:
            files.begin_upload(transaction, record.id, installation.clock())
        places.at(record.storage).write_again(record.path, source)
    with installation.ledger.write() as transaction:
        files.uploaded(transaction, record.id, installation.clock())


def redirect(installation: Installation, record: FileRecord, storage: str, folder: str) -> None:
    """Have a file that could not be delivered go to another place, with the next run of the job.

    Raises:
        NotPlanned: It was delivered meanwhile, or given up.
        Busy: A run of the job is under way.
    """
    with _undelivered(installation, record) as transaction:
        files.redirect(transaction, record.id, storage, folder, installation.clock())


def give_up(installation: Installation, record: FileRecord) -> None:
    """Never deliver a file; the job's next run tells its orders again in another one. Raises like `redirect`."""
    with _undelivered(installation, record) as transaction:
        files.give_up(transaction, record.id, installation.clock())


@contextmanager
def _undelivered(installation: Installation, record: FileRecord) -> Iterator[Transaction]:
    """A transaction in which no run of the job is at the file."""
    with installation.ledger.write() as transaction, held(installation, transaction, JobKind.EXPORT, record.channel):
        found = _found(transaction, record.id)
        if found.state is not FileState.PLANNED:
            raise NotPlanned(found.state)
        yield transaction


class NotPlanned(Exception):
    """The file does not wait for its delivery (any more); `state` is where it stands."""

    def __init__(self, state: FileState) -> None:
        super().__init__(state.value)
        self.state = state


def order_csv_rows(order: OrderToExport, extra: Sequence[ExtraColumn], keys: KeyRing) -> list[tuple[object, ...]]:
    """The rows of one order, with these columns behind those of every file."""
    parties: dict[str, Any] = {}
    if order.sealed is not None:
        parties = orjson.loads(f"{{{open_parties(keys, order.id, order.sealed)}}}")
    return order_rows(order.status, orjson.loads("{" + order.facts + "}"), parties, extra)


# -- prepare and plan


@dataclass(slots=True)
class _Sheet:
    """A file that is being written."""

    file_id: int
    writing: ArchiveWriting
    rows: int = 0
    orders: int = 0


@dataclass(slots=True)
class _Preparation:
    """The files of one export, opened as their first order comes."""

    run: JobRun
    settings: ExportSettings
    stack: ExitStack
    sheets: dict[Group, _Sheet] = field(default_factory=dict)

    def take(self, chunk: Sequence[OrderToExport]) -> None:
        """Note the membership of a chunk of orders in one transaction, then write their rows."""
        grouped: dict[Group, list[OrderToExport]] = {}
        for order in chunk:
            grouped.setdefault(group_of(order, self.settings), []).append(order)
        with self.run.installation.ledger.write() as transaction:
            self.run.hold(transaction)
            for group, orders in grouped.items():
                if group not in self.sheets:
                    self.sheets[group] = self._sheet(transaction, group)
                members = [FileMember(each.id, each.revision, each.position) for each in orders]
                files.add_members(transaction, self.sheets[group].file_id, members)
        for group, orders in grouped.items():
            self._write(self.sheets[group], orders)

    def planned(self) -> list[PlannedFile]:
        """Put every file into the archive."""
        return [
            PlannedFile(id=each.file_id, kept=each.writing.keep(), rows=each.rows, orders=each.orders)
            for each in self.sheets.values()
        ]

    def _sheet(self, transaction: Transaction, group: Group) -> _Sheet:
        job, now = self.run.job, self.run.installation.clock()
        split = dict(zip(_split_names(self.settings), group, strict=True))
        new = NewFile(
            direction=JobKind.EXPORT,
            channel=job.channel,
            storage=job.storage,
            folder=job.folder,
            name=_free_name(transaction, job.channel, group, now),
            fulfilled_by=split.get("fulfilled_by"),
            country_code=split.get("country_code"),
            details={"split": split, "statuses": list(self.settings.statuses)},
        )
        sheet = _Sheet(files.prepare(transaction, new, now), self.stack.enter_context(self.run.archive.writing()))
        sheet.writing.write(csv_bytes([order_header(self.settings.extra_columns)]))
        return sheet

    def _write(self, sheet: _Sheet, orders: Sequence[OrderToExport]) -> None:
        rows = self._rows(sheet, orders)
        sheet.writing.write(csv_bytes(map(spreadsheet_safe, rows) if self.settings.spreadsheet_safe else rows))
        sheet.orders += len(orders)

    def _rows(self, sheet: _Sheet, orders: Sequence[OrderToExport]) -> Iterator[tuple[object, ...]]:
        """The rows of these orders, counted as they go; one order's documents are in memory at a time."""
        for order in orders:
            rows = order_csv_rows(order, self.settings.extra_columns, self.run.installation.keys)
            sheet.rows += len(rows)
            yield from rows


def _prepare_and_plan(run: JobRun) -> bool:
    """Make the files of what was changed, or was in a file that was given up; False when nothing is to be uploaded."""
    installation = run.installation
    _discard_prepared(installation, run.job.channel)
    with installation.ledger.read() as transaction:
        state = file_jobs.find_job(transaction, run.job.channel, JobKind.EXPORT)
        through = mark(transaction, MARKETPLACE_CHANGES)
        given_up = file_queries.to_tell_again(transaction, run.job.channel)
    if state is None or (through == state.cursor and not given_up):
        return False
    with ExitStack() as stack:
        preparation = _Preparation(run, run.job.export_settings, stack)
        for chunk in _orders_of_files(installation, run.job, given_up, state.cursor):
            preparation.take(chunk)
        for chunk in _changed_orders(installation, run.job, state.cursor, through):
            preparation.take(chunk)
        planned = preparation.planned()
    with installation.ledger.write() as transaction:
        run.hold(transaction)
        files.plan(transaction, run.job.channel, planned, given_up, through, installation.clock())
    return bool(planned)


def _changed_orders(
    installation: Installation, job: FileJob, after: int, through: int
) -> Iterator[list[OrderToExport]]:
    """What the marketplace has changed, a chunk at a time.

    An order that changes again meanwhile gets a number beyond `through` and comes with the next export.
    """
    statuses = job.export_settings.statuses
    while True:
        with installation.ledger.read() as transaction:
            chunk = orders_to_export.changed_orders(
                transaction, job.channel, statuses, after, through, installation.clock()
            )
        if not chunk:
            return
        yield chunk
        after = chunk[-1].change


def _orders_of_files(
    installation: Installation, job: FileJob, given_up: Sequence[int], cursor: int
) -> Iterator[list[OrderToExport]]:
    """The orders of files that were given up, as they are now, a chunk at a time."""
    statuses, after = job.export_settings.statuses, ""
    while given_up:
        with installation.ledger.read() as transaction:
            chunk = orders_to_export.orders_of_files(
                transaction, job.channel, statuses, given_up, cursor, after, installation.clock()
            )
        if not chunk:
            return
        yield chunk
        after = chunk[-1].id


def _discard_prepared(installation: Installation, channel: str) -> None:
    """Let go of what a killed run had begun; the lease says that no other one is at it."""
    while True:
        with installation.ledger.write() as transaction:
            if not files.discard_prepared(transaction, channel):
                return


def _split_names(settings: ExportSettings) -> tuple[str, ...]:
    names = ((settings.split_by_fulfilment, "fulfilled_by"), (settings.split_by_country, "country_code"))
    return tuple(name for is_split, name in names if is_split)


def _free_name(transaction: Transaction, channel: str, group: Group, now: datetime) -> str:
    """A name that no export ever had: where this millisecond's is taken, one of the next ones."""
    while True:
        name = order_file_name(channel, group, now)
        if not file_queries.taken_names(transaction, [name]):
            return name
        now += timedelta(milliseconds=1)


# -- upload


@dataclass(slots=True)
class _Delivery:
    """What a run does about the files that wait: each is tried once, and no storage any more that cannot be reached."""

    run: JobRun
    tried: set[int] = field(default_factory=set)
    unreachable: set[str] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)

    def deliver(self) -> None:
        """Upload what is planned and was not tried yet, the oldest first."""
        with self.run.installation.ledger.read() as transaction:
            planned = file_queries.unfinished(transaction, self.run.job.channel, JobKind.EXPORT)
        for record in planned:
            if record.id in self.tried or record.storage in self.unreachable:
                continue
            self.tried.add(record.id)
            failure = attempt(partial(_upload, self.run, record))
            if failure is not None:
                self._note(record, failure)

    def _note(self, record: FileRecord, failure: Failure) -> None:
        self.run.note_failure(record, failure)
        if failure.is_of_storage:
            self.unreachable.add(record.storage)
        hint = f"{failure.hint}; or `orders export redirect {record.id}`, or `orders export give-up {record.id}`"
        message = f"the file {record.name}: {failure.message}"
        self.failures.append(replace(failure, message=message, hint=hint.removeprefix("; or "), storage=record.storage))


def _upload(run: JobRun, record: FileRecord) -> None:
    """Bring a planned file to its storage.

    A first upload never replaces a file, and that it was begun is noted before. So a file of this name that is there at a
    later attempt is our own and is replaced by the same bytes.
    """
    storage, ledger = run.storage_of(record), run.installation.ledger
    if not record.attempts and storage.exists(record.path) is not None:
        record = _renamed(run, record)
    with run.archive.opened(_sha256(record)) as source:
        with ledger.write() as transaction:
            run.hold(transaction)
            files.begin_upload(transaction, record.id, run.installation.clock())
        if record.attempts:
            storage.write_again(record.path, source)
        else:
            record = _write_first(run, storage, record, source)
    with ledger.write() as transaction:
        files.uploaded(transaction, record.id, run.installation.clock())
        run.done.append(_found(transaction, record.id))


def _write_first(run: JobRun, storage: Storage, record: FileRecord, source: Path) -> FileRecord:
    try:
        storage.write(record.path, source)
    except AlreadyThere:  # another one's, which came this very moment
        record = _renamed(run, record)
        storage.write(record.path, source)
    return record


def _renamed(run: JobRun, record: FileRecord) -> FileRecord:
    """Another name for a file whose own is taken at the storage, as it may be after the ledger was restored from a backup."""
    now = run.installation.clock()
    group = tuple(record.details["split"].values())
    with run.installation.ledger.write() as transaction:
        name = _free_name(transaction, record.channel, group, now)
        files.rename(transaction, record.id, name, now)
        return _found(transaction, record.id)


def _found(transaction: Transaction, file_id: int) -> FileRecord:
    record = file_queries.find(transaction, file_id)
    assert record is not None
    return record


def _sha256(record: FileRecord) -> str:
    if record.sha256 is None:
        raise ArchiveError(f"the bytes of file {record.id} were never kept")
    return record.sha256
