"""Shipment files: from a storage through the one intake into the ledger, answered, and only then taken away from the storage.

The engine of the asset `shipment_imports` and of `orders imports`. Each step may be killed, and is done again by the next run:

1. *fetch*: the bytes into the archive, then the file into the ledger. A file that cannot be whole yet waits for some minutes.
2. *apply*: packages through `warehouse.ledger.shipping.shipments`, some at a time, with the fates of their rows in the same
   transaction.
3. *answer*: a result file, where rows were refused.
4. *clear*: the file is deleted at the storage, or moved to `rejected` when it was refused as a whole.

So the bytes are always in at least one place. How a file is read is in `shipment_file`.
"""

from __future__ import annotations

import hashlib
import io
import logging
import tempfile
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from orders_pipeline.file_jobs import refusals
from orders_pipeline.file_jobs.applying import (
    NO_STORAGE,
    ROWS_PER_TRANSACTION,
    apply_file,
    batches,
    bytes_of,
    record_of,
    refuse,
)
from orders_pipeline.file_jobs.job_run import Failure, JobFailed, JobResult, JobRun, attempt, held, run_job
from orders_pipeline.file_jobs.sheets import FileFault, cannot_be_whole, read_sheet
from orders_pipeline.storages.errors import AlreadyThere, FileMissing, FolderMissing, TooLarge
from warehouse.archive import open_archive
from warehouse.ledger.exchange import file_queries, file_records, files
from warehouse.ledger.exchange.file_records import FileState, NewFile, RowOutcome
from warehouse.ledger.settings import file_jobs, storages
from warehouse.ledger.settings.file_jobs import ImportSettings, JobKind
from warehouse.logs import Event
from warehouse.templates import ResultColumn, csv_bytes, file_date

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from orders_pipeline.installation import Installation
    from orders_pipeline.storages.registry import RemoteFile, Storage
    from warehouse.ledger.exchange.file_records import FileRecord, RowFate
    from warehouse.ledger.settings.file_jobs import FileJob

logger = logging.getLogger("orders_pipeline.file_jobs.ingest")

WAIT = timedelta(minutes=10)
"""How long a file that cannot be whole must stay as it is before it is taken for what it is."""

WATCHED = timedelta(days=7)
"""How long refused files are watched for growing."""

IDS_PER_QUERY = 500
REJECTED, PROCESSED, RESULTS = "rejected", "processed", "results"
RESULT_SUFFIX = ".result.csv"


def import_channel(installation: Installation, job: FileJob) -> JobResult:
    """Finish what an earlier run has left, then read every shipment file that has come."""
    return run_job(installation, job, _import)


def _import(run: JobRun) -> None:
    """One file's failure stops no other; the first one is told at the end."""
    failures: list[Failure] = []
    with run.installation.ledger.read() as transaction:
        known = [each.job for each in file_jobs.all_jobs(transaction)]
        fault = file_jobs.reader_fault(known, storages.all_storages(transaction), run.job)
        left = file_queries.unfinished(transaction, run.job.channel, JobKind.IMPORT)
    for record in left:
        _try(failures, run, record, partial(_finish, run, record))
    if fault is not None:
        raise JobFailed(
            Failure("folder_has_two_readers", fault, "change one of the two jobs: nothing is read until then")
        )
    stuck = _unfinished_places(run)
    settled = [each for each in _settled(run) if _place(each) not in stuck]
    since = _waited_since(run, settled)
    for remote in settled:
        _try(failures, run, None, partial(_take, run, remote, since.get(_place(remote))))
    _try(failures, run, None, partial(_watch_rejected, run))
    _try(failures, run, None, partial(_close_settled, run))
    if failures:
        raise JobFailed(failures[0])


def _try(failures: list[Failure], run: JobRun, record: FileRecord | None, step: Callable[[], None]) -> None:
    failure = attempt(step)
    if failure is None:
        return
    failures.append(failure)
    if record is not None:
        run.note_failure(record, failure)


def _close_settled(run: JobRun) -> None:
    with run.installation.ledger.read() as transaction:
        if not refusals.any_open(transaction, run.job.channel):
            return
    with run.installation.ledger.write() as transaction:
        run.hold(transaction)
        refusals.close_settled(transaction, run.job.channel, run.installation.clock())


# -- fetch


def _take(run: JobRun, remote: RemoteFile, since: datetime | None) -> None:
    """Read a file, unless it has waited for the rest of it, unchanged, for less than its time."""
    has_waited = since is not None and run.installation.clock() - since >= WAIT
    if since is not None and not has_waited:
        return
    record = _fetch(run, remote, may_wait=not has_waited)
    if record is not None:
        _finish(run, record)


def _waited_since(run: JobRun, settled: Sequence[RemoteFile]) -> dict[tuple[object, ...], datetime]:
    """Since when files have been waited for that are still as they were; the others are forgotten."""
    with run.installation.ledger.write() as transaction:
        run.hold(transaction)
        places, now = {_place(each) for each in settled}, run.installation.clock()
        found = {
            (each.storage, each.folder, *_known_place(each)): each
            for each in file_queries.waiting(transaction, run.job.channel)
        }
        here = {(run.job.storage, run.job.folder, *place) for place in places}
        # A time beyond the present was written by a clock that ran ahead.
        gone = [each.name for key, each in found.items() if key not in here or each.created_at > now]
        files.stop_waiting(transaction, run.job.channel, gone)
    return {_known_place(each): each.created_at for each in found.values() if each.name not in gone}


def _settled(run: JobRun) -> list[RemoteFile]:
    """The shipment files of the folder that nobody is writing any more: of the same size and time at two looks."""
    storage = run.places.at(run.job.storage)
    seen = {each.name: each for each in storage.list(run.job.folder) if is_shipment_file(each.name)}
    with run.installation.ledger.read() as transaction:  # both jobs may use one folder
        for name in file_queries.taken_names(transaction, list(seen)):
            del seen[name]
    if not seen:
        return []
    run.installation.sleep(run.installation.settings.import_look_seconds)
    again = {each.name: each for each in storage.list(run.job.folder)}
    return [each for name, each in seen.items() if again.get(name) == each]


def is_shipment_file(name: str) -> bool:
    """Whether a file is picked up: CSV, not hidden, not one of our answers; what is being written has another ending.

    >>> [is_shipment_file(name) for name in ("a.csv", "B.CSV", ".a.csv", "a.csv.part", "a.tmp", "a.result.csv")]
    [True, True, False, False, False, False]
    """
    lower = name.lower()
    return lower.endswith(".csv") and not name.startswith(".") and not lower.endswith(RESULT_SUFFIX)


def _fetch(run: JobRun, remote: RemoteFile, *, may_wait: bool) -> FileRecord | None:
    """The bytes into the archive, then the file into the ledger; None when the rest of it is waited for."""
    storage, limit = run.places.at(run.job.storage), run.installation.settings.import_max_bytes
    new = NewFile(
        direction=JobKind.IMPORT,
        channel=run.job.channel,
        storage=run.job.storage,
        folder=run.job.folder,
        name=remote.name,
        details={
            "remote_size": remote.size,
            "remote_modified_at": remote.modified_at.isoformat() if remote.modified_at else None,
        },
    )
    now, taken = run.installation.clock, io.BytesIO()
    with run.archive.writing() as writing:
        try:
            storage.read(file_records.join(run.job.folder, remote.name), taken, limit)
        except TooLarge:
            return _receive_too_large(run, new, limit)
        if may_wait and cannot_be_whole(taken.getvalue(), run.job.import_settings):
            logger.info(Event.FILE_NOT_WHOLE, extra={"channel": run.job.channel, "stage": run.job.kind})
            with run.installation.ledger.write() as transaction:
                run.hold(transaction)
                files.wait(transaction, new, now())
            return None
        writing.write(taken.getbuffer())
        kept = writing.keep()
    with run.installation.ledger.write() as transaction:
        run.hold(transaction)
        files.stop_waiting(transaction, new.channel, [new.name])
        return record_of(transaction, files.receive(transaction, new, kept, now()))


def _receive_too_large(run: JobRun, new: NewFile, limit: int) -> FileRecord:
    """It is not even fetched: its bytes stay at the storage, in `rejected`."""
    now = run.installation.clock()
    message = f"The file has more than {limit:,} bytes: split it, or raise ORDERS_IMPORT_MAX_BYTES."
    with run.installation.ledger.write() as transaction:
        run.hold(transaction)
        own_id = files.receive(transaction, new, None, now)
        refuse(transaction, own_id, FileFault.FILE_TOO_LARGE, message, now)
        return record_of(transaction, own_id)


def _unfinished_places(run: JobRun) -> set[tuple[object, ...]]:
    """The files that are known and still at the storage, because something there keeps them from being cleared away."""
    with run.installation.ledger.read() as transaction:
        left = file_queries.unfinished(transaction, run.job.channel, JobKind.IMPORT)
    return {_known_place(each) for each in left}


def _known_place(record: FileRecord) -> tuple[object, ...]:
    return (record.name, record.details.get("remote_size"), record.details.get("remote_modified_at"))


def _place(remote: RemoteFile) -> tuple[object, ...]:
    return (remote.name, remote.size, remote.modified_at.isoformat() if remote.modified_at else None)


# -- apply


def _finish(run: JobRun, record: FileRecord) -> None:
    """Do what remains to be done with a file."""
    if record.state is FileState.RECEIVED:
        record = apply_file(run.installation, record, run.job.import_settings, run.hold)
    if record.storage != NO_STORAGE:
        _answer(run, record)
        _clear(run, record)
    with run.installation.ledger.write() as transaction:
        files.finished(transaction, record.id, run.installation.clock())
        run.done.append(record_of(transaction, record.id))


class NotWaiting(Exception):
    """Nothing that could be left undone remains about the file; the message says why."""


def give_up(installation: Installation, record: FileRecord) -> None:
    """Do nothing more at the storage about a file that was read: no answer, and it stays where it is.

    Raises:
        NotWaiting: It is finished, or its rows have no fates yet.
        Busy: A run of the job is under way.
    """
    with installation.ledger.write() as transaction, held(installation, transaction, JobKind.IMPORT, record.channel):
        found = record_of(transaction, record.id)
        if found.finished_at is not None:
            raise NotWaiting(f"file {record.id} is finished")
        if found.state is FileState.RECEIVED:
            raise NotWaiting(f"the rows of file {record.id} are not applied yet: see `orders imports run`")
        files.leave_alone(transaction, record.id, installation.clock())


# -- answer and clear


def _answer(run: JobRun, record: FileRecord) -> None:
    """Put the result file where the sender finds it; again after a crash, with the same bytes in the same place."""
    settings = run.job.import_settings
    if not (settings.always_result or record.refused or record.state is FileState.REFUSED):
        return
    folder = file_records.join(record.folder, RESULTS) if settings.result_folder is None else settings.result_folder
    storage = run.storage_of(record)
    storage.make_folder(folder)
    with tempfile.TemporaryFile(dir=run.archive.folder) as plain:
        for part in result_file(run.installation, record, settings):
            plain.write(part)
        plain.flush()
        storage.write_again(
            file_records.join(folder, Path(record.name).stem + RESULT_SUFFIX), Path(f"/proc/self/fd/{plain.fileno()}")
        )


def result_file(installation: Installation, record: FileRecord, settings: ImportSettings) -> Iterable[bytes]:
    """The rows of a file as they came, each with what became of it; of a file refused as a whole only the reason."""
    added = [column.value for column in ResultColumn]
    if record.state is FileState.REFUSED:
        yield csv_bytes([added, ["", RowOutcome.REFUSED.value, record.error_code, "", record.error]])
        return
    archive = open_archive(installation.settings, installation.keys)
    sheet = read_sheet(bytes_of(archive, record), settings)
    yield csv_bytes([[*sheet.header, *added]], sheet.delimiter)
    with installation.ledger.read() as transaction:
        fates = {each.number: each for each in file_queries.rows_of(transaction, record.id)}
    for rows in batches(sheet.rows, ROWS_PER_TRANSACTION):
        yield csv_bytes(
            [
                [*_squared(row.cells, len(sheet.header)), row.number, *_fate_cells(fates.get(row.number))]
                for row in rows
            ],
            sheet.delimiter,
        )


def _squared(cells: Sequence[str], width: int) -> list[str]:
    """As many cells as the header has, so that what is added stands under its own columns."""
    return [*cells[:width], *[""] * (width - len(cells))]


def _fate_cells(fate: RowFate | None) -> list[str | None]:
    if fate is None:  # the file's bytes were read before, and every row of them counts
        return [RowOutcome.KNOWN.value, None, None, None]
    return [fate.outcome.value, fate.code, fate.column_name, fate.message]


def _clear(run: JobRun, record: FileRecord) -> None:
    """Take a file that is done with away from its storage; nothing is done when another one has taken its place."""
    storage = run.storage_of(record)
    if not _is_same(storage, record):
        return
    if record.state is FileState.REFUSED:
        name = _move(run, storage, record, REJECTED)
        with run.installation.ledger.write() as transaction:
            files.describe(transaction, record, {"rejected_as": name}, run.installation.clock())
    elif run.job.import_settings.keep_remote:
        _move(run, storage, record, PROCESSED)
    else:
        try:
            storage.remove(record.path)
        except FileMissing:
            return


def _move(run: JobRun, storage: Storage, record: FileRecord, folder: str) -> str:
    """Move a file to a folder beside it; under its own name, or another one that is returned."""
    place, name = file_records.join(record.folder, folder), record.name
    try:
        storage.move(record.path, file_records.join(place, name))
    except AlreadyThere:
        name = f"{Path(record.name).stem}.{file_date(run.installation.clock())}.csv"
        storage.move(record.path, file_records.join(place, name))
    return name


def _watch_rejected(run: JobRun) -> None:
    """Tell when a file grows that was refused and moved away: its sender was still writing, and nobody reads it there."""
    now = run.installation.clock()
    with run.installation.ledger.read() as transaction:
        refused = [
            each
            for each in file_queries.refused_since(transaction, run.job.channel, now - WATCHED)
            if each.storage == run.job.storage and each.folder == run.job.folder and "rejected_as" in each.details
        ]
    if not refused:
        return
    try:
        sizes = {
            each.name: each.size
            for each in run.places.at(run.job.storage).list(file_records.join(run.job.folder, REJECTED))
        }
    except FolderMissing:
        return
    for record in refused:
        size = sizes.get(record.details["rejected_as"])
        if size is not None and size != record.details.get("rejected_size", record.details["remote_size"]):
            with run.installation.ledger.write() as transaction:
                run.hold(transaction)
                files.describe(transaction, record, {"rejected_size": size}, now)
                refusals.tell_grown(transaction, record, f"{REJECTED}/{record.details['rejected_as']}", now)


def _is_same(storage: Storage, record: FileRecord) -> bool:
    """Whether the file at the storage is still the one that was read.

    Where the server does not tell when a file was changed, its bytes are compared.
    """
    present = storage.look(record.path)
    if present is None or present.size != record.details["remote_size"]:
        return False
    if present.modified_at is not None or record.sha256 is None:
        return bool(_place(present)[2] == record.details["remote_modified_at"])
    digest = _Digest()
    storage.read(record.path, cast("BinaryIO", digest), present.size)
    return digest.sha256.hexdigest() == record.sha256


class _Digest:
    """A sink that only computes."""

    def __init__(self) -> None:
        self.sha256 = hashlib.sha256()

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        self.sha256.update(data)
        return len(data)
