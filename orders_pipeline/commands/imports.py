"""`orders imports …`: the shipment files of channels, run by hand, looked at, and applied again."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from orders_pipeline.commands.files import (
    SHOWN_ROWS,
    At,
    Channel,
    Channels,
    Day,
    Enabled,
    FileId,
    Folder,
    How,
    Json,
    Limit,
    Setting,
    Storage,
    check_channels,
    declare,
    find_file,
    leave_for,
    list_files,
    named,
    print_fates,
    print_file,
    run_jobs,
    waiting,
)
from orders_pipeline.commands.output import Exit, fail, notes
from orders_pipeline.file_jobs import applying, ingest
from orders_pipeline.file_jobs.ingest import import_channel
from orders_pipeline.file_jobs.sheets import FileRefused
from orders_pipeline.installation import opened, opened_to_read
from warehouse.archive import ArchiveError, open_archive
from warehouse.ledger.exchange import file_queries
from warehouse.ledger.exchange.file_records import RowOutcome
from warehouse.ledger.settings import file_jobs
from warehouse.ledger.settings.file_jobs import ImportSettings, JobKind

imports = typer.Typer(
    name="imports", help="Shipment files from other systems.", no_args_is_help=True, rich_markup_mode=None
)


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
    declare(JobKind.IMPORT, channel, given, setting)


@imports.command("run")
def run_imports(channels: Channels = None) -> None:
    """Read now the shipment files that have come. Where rows or files were refused, the exit code is 3.

    Example: orders imports run amazon_fr
    """
    run_jobs(JobKind.IMPORT, channels, import_channel)


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
    list_files("Shipment files", JobKind.IMPORT, channel, limit, columns, as_json=as_json)


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
        record = find_file(installation, file, JobKind.IMPORT)
        with installation.ledger.read() as transaction:
            outcome = None if everything else RowOutcome.REFUSED
            fates = file_queries.rows_of(transaction, record.id, limit=SHOWN_ROWS, outcome=outcome)
    print_file(record)
    print_fates(fates, as_json=as_json)


@imports.command("retry")
def retry_import(file: FileId) -> None:
    """Look again at the refused rows of a file; what was applied stays.

    Example: orders imports retry 12
    """
    with opened() as installation:
        record = find_file(installation, file, JobKind.IMPORT)
        with installation.ledger.read() as transaction:
            state = file_jobs.find_job(transaction, record.channel, JobKind.IMPORT)
        try:
            record = applying.retry(installation, record, state.job if state else None)
        except ArchiveError as error:
            raise fail(error.message) from None
    print_file(record)
    leave_for(record)


@imports.command("give-up")
def give_up_import(file: FileId) -> None:
    """Neither answer a file that was read, nor take it away from its storage any more. What was applied stays.

    A file that still lies at the storage is read again as a new one; rows that were applied are known then.

    Example: orders imports give-up 12
    """
    with opened() as installation:
        record = find_file(installation, file, JobKind.IMPORT)
        with waiting(record):
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
            record = named(transaction, file)
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
        check_channels(installation, [channel])
        with installation.ledger.read() as transaction:
            state = file_jobs.find_job(transaction, channel, JobKind.IMPORT)
        settings = state.job.import_settings if state else ImportSettings()
        try:
            if dry_run:
                trial = applying.try_file(installation, channel, file.read_bytes(), settings)
                if trial.sheet.unknown_columns:
                    notes.print(f"columns not known, left out: {', '.join(trial.sheet.unknown_columns)}", markup=False)
                print_fates(trial.fates, as_json=as_json)
                notes.print("nothing was written (dry run)")
                if any(each.outcome is RowOutcome.REFUSED for each in trial.fates):
                    raise typer.Exit(Exit.PARTIAL)
                return
            record = applying.import_local(installation, channel, file, settings)
        except OSError as error:
            raise fail(f"{file}: {error.strerror}") from None
        except FileRefused as refused:
            raise fail(f"{file}: {refused.code}: {refused.message}") from None
        with installation.ledger.read() as transaction:
            fates = file_queries.rows_of(transaction, record.id, limit=SHOWN_ROWS)
    print_file(record)
    print_fates(fates, as_json=as_json)
    leave_for(record)
