"""One run of a file job of either kind: nobody else at it, its storages opened, its failure an incident and tried again soon.

What is done in between is in `export` and `ingest`.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from orders_pipeline.storages.errors import StorageError
from orders_pipeline.storages.open_storages import StoragePlaces
from warehouse.archive import Archive, ArchiveError, open_archive
from warehouse.clock import iso
from warehouse.ledger.base import heartbeat, leases
from warehouse.ledger.base.leases import LeaseLost
from warehouse.ledger.exchange import files
from warehouse.ledger.settings import file_jobs
from warehouse.ledger.watch import incidents
from warehouse.logs import Event, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from orders_pipeline.installation import Installation
    from orders_pipeline.storages.registry import Storage
    from warehouse.ledger.base.leases import Lease
    from warehouse.ledger.exchange.file_records import FileRecord
    from warehouse.ledger.settings.file_jobs import FileJob, JobKind, JobState

logger = logging.getLogger("orders_pipeline.file_jobs.job_run")


def due(installation: Installation, kind: JobKind) -> list[FileJob]:
    """The jobs of a kind whose time has come, and at which nobody is."""
    zone, now = ZoneInfo(installation.settings.time_zone), installation.clock()
    with installation.ledger.read() as transaction:
        found = [each.job for each in file_jobs.due_jobs(transaction, now, zone) if each.job.kind is kind]
        is_taken = leases.states(transaction, [_lease_name(kind, job.channel) for job in found], now)
    return [job for job in found if not is_taken.get(_lease_name(kind, job.channel))]


def switched_on(installation: Installation, kind: JobKind) -> list[FileJob]:
    """Every job of a kind that is on."""
    with installation.ledger.read() as transaction:
        states = file_jobs.switched_on(transaction)
    return [each.job for each in states if each.job.kind is kind]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """What a run came to.

    Attributes:
        channel: Code of the channel.
        kind: Which job of it.
        outcome: `done`, `failed` (what is left is done by the next run) or `busy` (another process is at it).
        files: The files that were uploaded, or read.
        error: What stood in the way, with its code.
    """

    channel: str
    kind: JobKind
    outcome: str
    files: tuple[FileRecord, ...] = ()
    error: str | None = None


@dataclass(slots=True)
class JobRun:
    """A run under way: what its steps need."""

    installation: Installation
    job: FileJob
    lease: Lease
    places: StoragePlaces
    archive: Archive
    done: list[FileRecord] = field(default_factory=list)

    def hold(self, transaction: Transaction) -> None:
        """See in a writing transaction that this run may still write; raises `LeaseLost`."""
        leases.hold(transaction, self.lease, self.installation.clock())

    def storage_of(self, record: FileRecord) -> Storage:
        """The storage that a file belongs to: the job's own, or the one it had when the file was planned."""
        return self.places.at(record.storage)

    def note_failure(self, record: FileRecord, failure: Failure) -> None:
        """Say at a file what stands in its way."""
        with self.installation.ledger.write() as transaction:
            self.hold(transaction)
            files.failed(transaction, record.id, failure.code, failure.message, self.installation.clock())


@dataclass(frozen=True, slots=True)
class Failure:
    """What stood in the way, as an incident tells it.

    Attributes:
        code: Stable snake_case word.
        message: Plain sentence.
        hint: What a person should do.
        is_of_storage: Whether no other file would fare better at the same storage.
        storage: The storage, where it is not the job's own.
    """

    code: str
    message: str
    hint: str
    is_of_storage: bool = False
    storage: str | None = None


class JobFailed(Exception):
    """The work ends here, with this failure."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.code)
        self.failure = failure


def attempt(step: Callable[[], None]) -> Failure | None:
    """Do a step, and put what goes wrong into words; only a lost lease is raised."""
    try:
        step()
    except LeaseLost:
        raise
    except JobFailed as error:
        return error.failure
    except StorageError as error:
        return Failure(error.code, error.message, error.hint, is_of_storage=error.is_of_storage)
    except ArchiveError as error:
        return Failure("archive_lost", error.message, "restore ORDERS_HOME/archive from a backup")
    except OSError as error:
        return Failure(
            "archive_failed", str(error.strerror), "see that the disk of ORDERS_HOME has room and is writable"
        )
    except Exception as error:  # noqa: BLE001 - a defect must not stop the other files and jobs
        # Its place goes to the log, its kind to the incident: the message may quote a file.
        logger.error(Event.UNEXPECTED_ERROR, extra={"exception": place_of(error)})  # noqa: TRY400 - as above
        return Failure("internal_error", f"unexpected {type(error).__name__}", "see the log, and report it")
    return None


def run_job(installation: Installation, job: FileJob, work: Callable[[JobRun], None]) -> JobResult:
    """Do a job's work, unless another process is at it; never raises for what a storage or a file does."""
    lease = _begin(installation, job)
    if lease is None:
        return JobResult(channel=job.channel, kind=job.kind, outcome="busy")
    with heartbeat.renewing(installation.ledger, lease, installation.clock), StoragePlaces(installation) as places:
        run = JobRun(installation, job, lease, places, open_archive(installation.settings, installation.keys))
        run.archive.sweep()
        try:
            failure = attempt(lambda: work(run))
            _end(run, failure)
        except LeaseLost:
            return JobResult(channel=job.channel, kind=job.kind, outcome="busy", files=tuple(run.done))
    outcome, error = ("failed", f"{failure.code}: {failure.message}") if failure else ("done", None)
    return JobResult(channel=job.channel, kind=job.kind, outcome=outcome, files=tuple(run.done), error=error)


def _begin(installation: Installation, job: FileJob) -> Lease | None:
    now = installation.clock()
    with installation.ledger.write() as transaction:
        lease = leases.acquire(transaction, _lease_name(job.kind, job.channel), now)
        if lease is None:
            return None
        before = file_jobs.find_job(transaction, job.channel, job.kind)
        if before is not None and before.is_unended:
            _tell_unended(transaction, before, now)
        file_jobs.begin(transaction, job, now)
    return lease


def _lease_name(kind: JobKind, channel: str) -> str:
    return f"{kind}:{channel}"


class Busy(Exception):
    """A run of the job is under way."""


@contextmanager
def held(installation: Installation, transaction: Transaction, kind: JobKind, channel: str) -> Iterator[None]:
    """Keep a job's runs away for as long as a transaction takes.

    Raises:
        Busy: One is under way.
    """
    now = installation.clock()
    lease = leases.acquire(transaction, _lease_name(kind, channel), now)
    if lease is None:
        raise Busy
    yield
    leases.release(transaction, lease, now)


def _tell_unended(transaction: Transaction, before: JobState, now: datetime) -> None:
    job = before.job
    assert before.last_started_at is not None
    logger.warning(Event.FILE_JOB_INTERRUPTED, extra={"channel": job.channel, "stage": job.kind})
    incidents.report(
        transaction,
        incidents.IncidentReport(
            scope="channel",
            subject=job.channel,
            stage=job.kind.value,
            code="job_interrupted",
            message=f"the {job.kind} job began at {iso(before.last_started_at)} and came to no end: its process was killed",
            hint="it is done again at once; if this comes back, see the machine's memory and the log",
            details={"storage": job.storage, "folder": job.folder},
        ),
        now,
    )


def _end(run: JobRun, failure: Failure | None) -> None:
    """Record how it ended; after a failure the job is due again soon."""
    job, now = run.job, run.installation.clock()
    with run.installation.ledger.write() as transaction:
        run.hold(transaction)
        if failure is None:
            incidents.resolve(transaction, "channel", [job.channel], [job.kind], now)
            file_jobs.finish(transaction, job, now)
        else:
            logger.warning(
                Event.FILE_JOB_FAILED, extra={"channel": job.channel, "stage": job.kind, "code": failure.code}
            )
            storage = failure.storage or job.storage
            incidents.report(
                transaction,
                incidents.IncidentReport(
                    scope="channel",
                    subject=job.channel,
                    stage=job.kind.value,
                    code=failure.code,
                    message=f"the {job.kind} job cannot use its storage {storage}: {failure.message}",
                    hint=failure.hint,
                    details={"storage": storage, "folder": job.folder},
                ),
                now,
            )
            file_jobs.retry_soon(transaction, job, now)
        leases.release(transaction, run.lease, now)
