"""What `orders export` and `orders imports` have in common: declaring and running file jobs, and showing their files."""

from __future__ import annotations

from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from orders_pipeline.commands.configuration import pair
from orders_pipeline.commands.output import Exit, fail, notes, print_rows
from orders_pipeline.commands.recording import record_differences
from orders_pipeline.file_jobs import export as exporting
from orders_pipeline.file_jobs import ingest, job_run
from orders_pipeline.installation import opened, opened_to_read
from warehouse.ledger.exchange import file_queries
from warehouse.ledger.exchange.file_queries import FileFilter
from warehouse.ledger.exchange.file_records import FileState
from warehouse.ledger.exchange.numbering import Numbered, number_given
from warehouse.ledger.settings import configuration, file_jobs, storages
from warehouse.ledger.settings.channels import all_channels
from warehouse.ledger.settings.document import read_document
from warehouse.ledger.settings.file_jobs import FileJob, JobKind
from warehouse.ledger.settings.file_schedules import Frequency, Weekday

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection as Transaction

    from orders_pipeline.file_jobs.job_run import JobResult
    from orders_pipeline.installation import Installation
    from warehouse.ledger.exchange.file_records import FileRecord, RowFate

SHOWN_ROWS = 1_000


Channel = Annotated[str, typer.Argument(help="The channel's code.")]
Channels = Annotated[list[str] | None, typer.Argument(help="Codes of channels; default: every one whose job is on.")]
FileId = Annotated[str, typer.Argument(help="The file's number, as the list shows it, or its id in the API.")]
Storage = Annotated[str | None, typer.Option(help="Code of the storage; a new job needs one.")]
Folder = Annotated[str | None, typer.Option(help="Folder at the storage; of a new job: its root.")]
How = Annotated[Frequency | None, typer.Option(help="How often; of a new job: 15m.")]
At = Annotated[str | None, typer.Option(help="Time of day of a daily or weekly job, HH:MM in ORDERS_TIME_ZONE.")]
Day = Annotated[Weekday | None, typer.Option(help="Day of a weekly job.")]
Setting = Annotated[list[str] | None, typer.Option(help="NAME=VALUE, a setting of the job; repeatable.")]
Enabled = Annotated[bool | None, typer.Option("--on/--off", help="Whether it runs by itself; a new job does.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON line per row.")]
Limit = Annotated[int, typer.Option(help="The newest ones, so many at most.")]


# -- what the commands have in common


@contextmanager
def waiting(record: FileRecord) -> Iterator[None]:
    """The words for why nothing can be done about a file now."""
    try:
        yield
    except job_run.Busy:
        raise fail(
            f"a run of the {record.direction} job of {record.channel} is under way: try again after it"
        ) from None
    except exporting.NotPlanned as error:
        raise fail(f"file {record.id} does not wait for its delivery: it is {error.state}", Exit.USAGE) from None
    except ingest.NotWaiting as error:
        raise fail(str(error), Exit.USAGE) from None


def check_storage(installation: Installation, code: str) -> None:
    """End where there is no such storage."""
    with installation.ledger.read() as transaction:
        if storages.find_storage(transaction, code) is None:
            raise fail(f"there is no storage {code!r}", Exit.USAGE)


def declare(kind: JobKind, channel: str, given: Mapping[str, object], settings: Sequence[str] | None) -> None:
    """As if it stood in a file: what is not given stays as it is."""
    entry = {
        name: str(value) if isinstance(value, StrEnum) else value for name, value in given.items() if value is not None
    }
    entry |= {name: yaml.safe_load(value) for name, value in (pair(each) for each in settings or ())}
    with opened() as installation:
        check_channels(installation, [channel])
        with installation.ledger.write() as transaction:
            if given["storage"] is not None and storages.find_storage(transaction, str(given["storage"])) is None:
                raise fail(f"there is no storage {given['storage']!r}", Exit.USAGE)
            connection = next(each.connection for each in all_channels(transaction) if each.code == channel)
            text = yaml.safe_dump({"channels": {channel: {"connection": connection, kind.value: entry}}})
            document = read_document(text)
            found = configuration.apply(transaction, document, installation.clock())
            record_differences(transaction, installation, found)
            state = file_jobs.find_job(transaction, channel, kind)
    switch = "on" if state is not None and state.job.is_on else "off"
    notes.print(f"the {kind} job of {channel} is {'declared' if found else 'as it was'}, and {switch}")


def run_jobs(kind: JobKind, channels: Sequence[str] | None, run: Callable[[Installation, FileJob], JobResult]) -> None:
    """Run the jobs of these channels, or of all that are on; print their files, and leave with what came of them."""
    with opened() as installation:
        results = [run(installation, job) for job in _chosen(installation, kind, channels)]
    for each in results:
        for record in each.files:
            print_file(record)
        if each.error:
            notes.print(f"{each.channel}: {each.error}", style="red", markup=False)
        elif not each.files:
            notes.print(f"{each.channel}: {'another process is at it' if each.outcome == 'busy' else 'nothing to do'}")
    if any(each.outcome == "failed" for each in results):
        raise typer.Exit(Exit.UNAVAILABLE)
    if any(record.refused or record.state is FileState.REFUSED for each in results for record in each.files):
        raise typer.Exit(Exit.PARTIAL)


def _chosen(installation: Installation, kind: JobKind, channels: Sequence[str] | None) -> list[FileJob]:
    if not channels:
        return job_run.switched_on(installation, kind)
    with installation.ledger.read() as transaction:
        states = {code: file_jobs.find_job(transaction, code, kind) for code in channels}
    for code, state in states.items():
        if state is None:
            raise fail(f"{code} has no {kind} job", Exit.USAGE)
    return [state.job for state in states.values() if state is not None]


def check_channels(installation: Installation, codes: Sequence[str]) -> None:
    """End where a channel is not there."""
    with installation.ledger.read() as transaction:
        known = {each.code for each in all_channels(transaction)}
    unknown = sorted(set(codes) - known)
    if unknown:
        raise fail(f"there is no channel {', '.join(unknown)}", Exit.USAGE)


def find_file(installation: Installation, file: str, kind: JobKind) -> FileRecord:
    """A file of this direction, or the end."""
    with installation.ledger.read() as transaction:
        record = named(transaction, file)
    if record is None or record.direction is not kind:
        raise fail(f"there is no {kind} file {file}", Exit.USAGE)
    return record


def named(transaction: Transaction, file: str) -> FileRecord | None:
    """A file by its number or its id in the API."""
    number = number_given(transaction, Numbered.FILE, file)
    return None if number is None else file_queries.find(transaction, number)


def list_files(
    title: str, kind: JobKind, channels: Sequence[str] | None, limit: int, columns: Sequence[str], *, as_json: bool
) -> None:
    """Print the newest files of a direction."""
    wanted = FileFilter(direction=kind, channels=tuple(channels or ()))
    with opened_to_read() as installation, installation.ledger.read() as transaction:
        records = file_queries.listed(transaction, wanted, None, limit)
    rows: list[dict[str, Any]] = [{name: getattr(each, name) for name in columns} for each in records]
    print_rows(title, rows, columns, as_json)


def print_file(record: FileRecord) -> None:
    """One line about a file, and its error."""
    said = f"file {record.id}: {record.name}: {record.state}: {record.rows} rows"
    if record.direction is JobKind.IMPORT:
        said += f", {record.applied} applied, {record.known} known, {record.refused} refused"
    notes.print(said, markup=False)
    if record.error_code:
        notes.print(f"  {record.error_code}: {record.error}", style="red", markup=False)
    if record.details.get("unknown_columns"):
        notes.print(f"  columns not known, left out: {', '.join(record.details['unknown_columns'])}", markup=False)


def print_fates(fates: Sequence[RowFate], *, as_json: bool) -> None:
    """The rows of a file as a table."""
    columns = ("number", "outcome", "code", "column_name", "message", "order_id", "shipment_id")
    rows = [{name: getattr(each, name) for name in columns} for each in fates]
    if rows or not as_json:
        print_rows("Rows", rows, columns, as_json)


def leave_for(record: FileRecord) -> None:
    """Leave with what came of a file."""
    if record.state is FileState.REFUSED:
        raise typer.Exit(Exit.FAILED)
    if record.refused:
        raise typer.Exit(Exit.PARTIAL)
