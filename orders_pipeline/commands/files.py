"""`orders export …`, `orders imports …`: the file jobs of channels, run by hand, looked at, and repeated."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from orders_pipeline.commands.configuration import pair
from orders_pipeline.commands.output import Exit, fail, notes, print_rows
from orders_pipeline.file_jobs import export as exporting
from orders_pipeline.file_jobs import ingest, job_run
from orders_pipeline.file_jobs.export import export_channel
from orders_pipeline.file_jobs.ingest import import_channel
from orders_pipeline.file_jobs.shipment_file import FileRefused
from orders_pipeline.installation import opened, opened_to_read
from orders_pipeline.storages.errors import StorageError
from warehouse.archive import ArchiveError, open_archive
from warehouse.ledger.exchange import files as book
from warehouse.ledger.exchange.files import FileFilter, FileState, RowOutcome
from warehouse.ledger.exchange.numbering import Numbered, number_given
from warehouse.ledger.settings import configuration, file_jobs, storages
from warehouse.ledger.settings.channels import all_channels
from warehouse.ledger.settings.file_jobs import FileJob, ImportSettings, JobKind
from warehouse.ledger.settings.file_schedules import Frequency, Weekday

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection as Transaction

    from orders_pipeline.file_jobs.job_run import JobResult
    from orders_pipeline.installation import Installation
    from warehouse.ledger.exchange.files import FileRecord, RowFate

SHOWN_ROWS = 1_000

export = typer.Typer(name="export", help="Order files for other systems.", no_args_is_help=True, rich_markup_mode=None)
imports = typer.Typer(
    name="imports", help="Shipment files from other systems.", no_args_is_help=True, rich_markup_mode=None
)

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


@export.command("set")
def set_export(
    channel: Channel,
    storage: Storage = None,
    folder: Folder = None,
    frequency: How = None,
    at: At = None,
    weekday: Day = None,
    setting: Setting = None,
    enabled: Enabled = None,
) -> None:
    """Declare a channel's order export, or change what is given of it; what it has exported so far is kept.

    Settings: statuses, split_by_fulfilment, split_by_country, spreadsheet_safe, extra_columns.

    Examples:

      orders export set amazon_fr --storage erp --folder out --setting statuses=[WAITING_FOR_SHIPMENT]

      orders export set amazon_fr --off
    """
    given = {
        "storage": storage,
        "folder": folder,
        "frequency": frequency,
        "at": at,
        "weekday": weekday,
        "enabled": enabled,
    }
    _declare(JobKind.EXPORT, channel, given, setting)


@export.command("run")
def run_export(
    channels: Channels = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Every order once more, not only the changed ones.")
    ] = False,
) -> None:
    """Export now what the marketplaces have changed since the last export.

    Examples:

      orders export run amazon_fr

      orders export run amazon_fr --all
    """
    if everything:
        with opened() as installation:
            chosen = _chosen(installation, JobKind.EXPORT, channels)
            with installation.ledger.write() as transaction:
                for job in chosen:
                    file_jobs.begin_anew(transaction, job.channel)
    _run(JobKind.EXPORT, channels, export_channel)


@export.command("preview")
def preview_export(channel: Channel, as_json: Json = False) -> None:
    """Show the files that an export would write now, and write nothing.

    Example: orders export preview amazon_fr
    """
    with opened_to_read() as installation:
        with installation.ledger.read() as transaction:
            state = file_jobs.find_job(transaction, channel, JobKind.EXPORT)
        if state is None:
            raise fail(f"{channel} has no export job: see `orders export set`", Exit.USAGE)
        found = exporting.preview(installation, state)
    rows = [{"name": each.name, "orders": each.orders, "rows": each.rows} for each in found]
    print_rows(f"Next export of {channel}", rows, ("name", "orders", "rows"), as_json)


@export.command("list")
def list_exports(
    channel: Annotated[list[str] | None, typer.Option(help="Only of this channel; repeatable.")] = None,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """The files that were exported, the newest first.

    Example: orders export list --channel amazon_fr
    """
    columns = ("id", "channel", "storage", "folder", "name", "state", "orders", "rows", "size", "finished_at", "error")
    _list("Order files", JobKind.EXPORT, channel, limit, columns, as_json=as_json)


@export.command("resend")
def resend_export(file: FileId) -> None:
    """Put a file on its storage once more: the same bytes under the same name, in place of what is there.

    Example: orders export resend 12
    """
    with opened() as installation:
        record = _find(installation, file, JobKind.EXPORT)
        try:
            exporting.resend(installation, record)
        except StorageError as error:
            raise fail(f"{error.code}: {error.message}{f' ({error.hint})' if error.hint else ''}") from None
        except ArchiveError as error:
            raise fail(error.message) from None
    notes.print(f"{record.name} is at {record.storage} again", markup=False)


@export.command("redirect")
def redirect_export(
    file: FileId,
    storage: Annotated[str, typer.Option(help="Code of the storage.")],
    folder: Annotated[str, typer.Option(help="Folder at the storage; default: its root.")] = "",
) -> None:
    """Send a file that could not be delivered to another place; it goes there with the next run of the job.

    Example: orders export redirect 12 --storage other --folder out
    """
    with opened() as installation:
        record = _find(installation, file, JobKind.EXPORT)
        _check_storage(installation, storage)
        with _waiting(record):
            exporting.redirect(installation, record, storage, folder)
    notes.print(
        f"{record.name} goes to {storage} with the next run of `orders export run {record.channel}`", markup=False
    )


@export.command("give-up")
def give_up_export(file: FileId) -> None:
    """Never deliver a file; the next export of its channel tells its orders again.

    Example: orders export give-up 12
    """
    with opened() as installation:
        record = _find(installation, file, JobKind.EXPORT)
        with _waiting(record):
            exporting.give_up(installation, record)
    notes.print(f"{record.name} is given up; the next export of {record.channel} tells its orders again", markup=False)


@imports.command("set")
def set_import(
    channel: Channel,
    storage: Storage = None,
    folder: Folder = None,
    frequency: How = None,
    at: At = None,
    weekday: Day = None,
    setting: Setting = None,
    enabled: Enabled = None,
) -> None:
    """Declare a channel's shipment import, or change what is given of it.

    Settings: result_folder, always_result, delimiter, encoding, keep_remote.

    Examples:

      orders imports set amazon_fr --storage erp --folder in --setting always_result=true

      orders imports set amazon_fr --frequency hourly
    """
    given = {
        "storage": storage,
        "folder": folder,
        "frequency": frequency,
        "at": at,
        "weekday": weekday,
        "enabled": enabled,
    }
    _declare(JobKind.IMPORT, channel, given, setting)


@imports.command("run")
def run_imports(channels: Channels = None) -> None:
    """Read now the shipment files that have come. Where rows or files were refused, the exit code is 3.

    Example: orders imports run amazon_fr
    """
    _run(JobKind.IMPORT, channels, import_channel)


@imports.command("list")
def list_imports(
    channel: Annotated[list[str] | None, typer.Option(help="Only of this channel; repeatable.")] = None,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """The shipment files that were read, the newest first.

    Example: orders imports list
    """
    columns = (
        "id",
        "channel",
        "storage",
        "name",
        "state",
        "rows",
        "applied",
        "known",
        "refused",
        "created_at",
        "error_code",
        "error",
    )
    _list("Shipment files", JobKind.IMPORT, channel, limit, columns, as_json=as_json)


@imports.command("show")
def show_import(
    file: FileId,
    everything: Annotated[bool, typer.Option("--all", help="Every row, not only the refused ones.")] = False,
    as_json: Json = False,
) -> None:
    """One shipment file: how it was read, and why rows were refused.

    Example: orders imports show 12
    """
    with opened_to_read() as installation:
        record = _find(installation, file, JobKind.IMPORT)
        with installation.ledger.read() as transaction:
            outcome = None if everything else RowOutcome.REFUSED
            fates = book.rows_of(transaction, record.id, limit=SHOWN_ROWS, outcome=outcome)
    _print_file(record)
    _print_fates(fates, as_json=as_json)


@imports.command("retry")
def retry_import(file: FileId) -> None:
    """Look again at the refused rows of a file; what was applied stays.

    Example: orders imports retry 12
    """
    with opened() as installation:
        record = _find(installation, file, JobKind.IMPORT)
        with installation.ledger.read() as transaction:
            state = file_jobs.find_job(transaction, record.channel, JobKind.IMPORT)
        try:
            record = ingest.retry(installation, record, state.job if state else None)
        except ArchiveError as error:
            raise fail(error.message) from None
    _print_file(record)
    _leave_for(record)


@imports.command("give-up")
def give_up_import(file: FileId) -> None:
    """Neither answer a file that was read, nor take it away from its storage any more. What was applied stays.

    A file that still lies at the storage is read again as a new one; rows that were applied are known then.

    Example: orders imports give-up 12
    """
    with opened() as installation:
        record = _find(installation, file, JobKind.IMPORT)
        with _waiting(record):
            ingest.give_up(installation, record)
    notes.print(f"{record.name} is left alone", markup=False)


@imports.command("download")
def download_import(
    file: FileId,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Where to; default: standard output.")] = None,
) -> None:
    """The bytes of a shipment file as they came, or of an order file as it went, from the archive.

    Example: orders imports download 12 -o march.csv
    """
    with opened_to_read() as installation:
        with installation.ledger.read() as transaction:
            record = _named(transaction, file)
        if record is None or record.sha256 is None:
            raise fail(f"there is no file {file} whose bytes are kept", Exit.USAGE)
        archive = open_archive(installation.settings, installation.keys)
        try:
            pieces = list(archive.read(record.sha256))
        except ArchiveError as error:
            raise fail(error.message) from None
    if output is not None:
        output.write_bytes(b"".join(pieces))
        return
    for piece in pieces:
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def import_file(
    file: Annotated[Path, typer.Argument(help="A CSV file with the columns of the shipment template.")],
    channel: Annotated[str, typer.Option(help="Code of the channel whose orders were shipped.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would become of each row; write nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Read a shipment file of this machine, as if it had come over a storage. Where rows are refused, the exit code is 3.

    Examples:

      orders shipments import march.csv --channel amazon_fr --dry-run

      orders shipments import march.csv --channel amazon_fr
    """
    with opened() as installation:
        _check_channels(installation, [channel])
        with installation.ledger.read() as transaction:
            state = file_jobs.find_job(transaction, channel, JobKind.IMPORT)
        settings = state.job.import_settings if state else ImportSettings()
        try:
            if dry_run:
                trial = ingest.try_file(installation, channel, file.read_bytes(), settings)
                if trial.sheet.unknown_columns:
                    notes.print(f"columns not known, left out: {', '.join(trial.sheet.unknown_columns)}", markup=False)
                _print_fates(trial.fates, as_json=as_json)
                notes.print("nothing was written (dry run)")
                if any(each.outcome is RowOutcome.REFUSED for each in trial.fates):
                    raise typer.Exit(Exit.PARTIAL)
                return
            record = ingest.import_local(installation, channel, file, settings)
        except OSError as error:
            raise fail(f"{file}: {error.strerror}") from None
        except FileRefused as refused:
            raise fail(f"{file}: {refused.code}: {refused.message}") from None
        with installation.ledger.read() as transaction:
            fates = book.rows_of(transaction, record.id, limit=SHOWN_ROWS)
    _print_file(record)
    _print_fates(fates, as_json=as_json)
    _leave_for(record)


# -- what the commands have in common


@contextmanager
def _waiting(record: FileRecord) -> Iterator[None]:
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


def _check_storage(installation: Installation, code: str) -> None:
    with installation.ledger.read() as transaction:
        if storages.find_storage(transaction, code) is None:
            raise fail(f"there is no storage {code!r}", Exit.USAGE)


def _declare(kind: JobKind, channel: str, given: Mapping[str, object], settings: Sequence[str] | None) -> None:
    """As if it stood in a file: what is not given stays as it is."""
    entry = {
        name: str(value) if isinstance(value, StrEnum) else value for name, value in given.items() if value is not None
    }
    entry |= {name: yaml.safe_load(value) for name, value in (pair(each) for each in settings or ())}
    with opened() as installation:
        _check_channels(installation, [channel])
        with installation.ledger.write() as transaction:
            if given["storage"] is not None and storages.find_storage(transaction, str(given["storage"])) is None:
                raise fail(f"there is no storage {given['storage']!r}", Exit.USAGE)
            connection = next(each.connection for each in all_channels(transaction) if each.code == channel)
            text = yaml.safe_dump({"channels": {channel: {"connection": connection, kind.value: entry}}})
            document = configuration.read_document(text)
            found = configuration.apply(transaction, document, installation.clock())
            state = file_jobs.find_job(transaction, channel, kind)
    switch = "on" if state is not None and state.job.is_on else "off"
    notes.print(f"the {kind} job of {channel} is {'declared' if found else 'as it was'}, and {switch}")


def _run(kind: JobKind, channels: Sequence[str] | None, run: Callable[[Installation, FileJob], JobResult]) -> None:
    with opened() as installation:
        results = [run(installation, job) for job in _chosen(installation, kind, channels)]
    for each in results:
        for record in each.files:
            _print_file(record)
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


def _check_channels(installation: Installation, codes: Sequence[str]) -> None:
    with installation.ledger.read() as transaction:
        known = {each.code for each in all_channels(transaction)}
    unknown = sorted(set(codes) - known)
    if unknown:
        raise fail(f"there is no channel {', '.join(unknown)}", Exit.USAGE)


def _find(installation: Installation, file: str, kind: JobKind) -> FileRecord:
    with installation.ledger.read() as transaction:
        record = _named(transaction, file)
    if record is None or record.direction is not kind:
        raise fail(f"there is no {kind} file {file}", Exit.USAGE)
    return record


def _named(transaction: Transaction, file: str) -> FileRecord | None:
    number = number_given(transaction, Numbered.FILE, file)
    return None if number is None else book.find(transaction, number)


def _list(
    title: str, kind: JobKind, channels: Sequence[str] | None, limit: int, columns: Sequence[str], *, as_json: bool
) -> None:
    wanted = FileFilter(direction=kind, channels=tuple(channels or ()))
    with opened_to_read() as installation, installation.ledger.read() as transaction:
        records = book.listed(transaction, wanted, None, limit)
    rows: list[dict[str, Any]] = [{name: getattr(each, name) for name in columns} for each in records]
    print_rows(title, rows, columns, as_json)


def _print_file(record: FileRecord) -> None:
    said = f"file {record.id}: {record.name}: {record.state}: {record.rows} rows"
    if record.direction is JobKind.IMPORT:
        said += f", {record.applied} applied, {record.known} known, {record.refused} refused"
    notes.print(said, markup=False)
    if record.error_code:
        notes.print(f"  {record.error_code}: {record.error}", style="red", markup=False)
    if record.details.get("unknown_columns"):
        notes.print(f"  columns not known, left out: {', '.join(record.details['unknown_columns'])}", markup=False)


def _print_fates(fates: Sequence[RowFate], *, as_json: bool) -> None:
    columns = ("number", "outcome", "code", "column_name", "message", "order_id", "shipment_id")
    rows = [{name: getattr(each, name) for name in columns} for each in fates]
    if rows or not as_json:
        print_rows("Rows", rows, columns, as_json)


def _leave_for(record: FileRecord) -> None:
    if record.state is FileState.REFUSED:
        raise typer.Exit(Exit.FAILED)
    if record.refused:
        raise typer.Exit(Exit.PARTIAL)
