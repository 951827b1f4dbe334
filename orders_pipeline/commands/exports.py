"""`orders export …`: the order files of channels, run by hand, looked at, and repeated."""

from __future__ import annotations

from typing import Annotated

import typer

from orders_pipeline.commands.files import (
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
    _chosen,
    check_storage,
    declare,
    find_file,
    list_files,
    run_jobs,
    waiting,
)
from orders_pipeline.commands.names import the_order
from orders_pipeline.commands.output import Exit, fail, notes, print_rows
from orders_pipeline.commands.recording import record
from orders_pipeline.file_jobs import export as exporting
from orders_pipeline.file_jobs.export import export_channel
from orders_pipeline.installation import opened, opened_to_read
from orders_pipeline.storages.errors import StorageError
from warehouse.archive import ArchiveError
from warehouse.ledger.book.orders import lock_book
from warehouse.ledger.book.orders_to_export import export_again
from warehouse.ledger.settings import file_jobs
from warehouse.ledger.settings.file_jobs import JobKind

export = typer.Typer(name="export", help="Order files for other systems.", no_args_is_help=True, rich_markup_mode=None)


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
    declare(JobKind.EXPORT, channel, given, setting)


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
    run_jobs(JobKind.EXPORT, channels, export_channel)


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
    list_files("Order files", JobKind.EXPORT, channel, limit, columns, as_json=as_json)


@export.command("resend")
def resend_export(file: FileId) -> None:
    """Put a file on its storage once more: the same bytes under the same name, in place of what is there.

    Example: orders export resend 12
    """
    with opened() as installation:
        record = find_file(installation, file, JobKind.EXPORT)
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
        record = find_file(installation, file, JobKind.EXPORT)
        check_storage(installation, storage)
        with waiting(record):
            exporting.redirect(installation, record, storage, folder)
    notes.print(
        f"{record.name} goes to {storage} with the next run of `orders export run {record.channel}`", markup=False
    )


@export.command("again")
def export_orders_again(
    order: Annotated[list[str], typer.Argument(help="Orders: our ids, or the marketplace's.")],
) -> None:
    """Put orders into the next file of their channels, whether one held them before or not.

    Example: orders export again 402-1234567-7654321
    """
    with opened() as installation, installation.ledger.write() as transaction:
        lock_book(transaction)
        ids = [the_order(transaction, each) for each in order]
        export_again(transaction, ids)
        record(transaction, installation, "orders_put_into_next_file", "", {"orders": ids})
    notes.print(f"{len(ids)} orders will be in the next file of their channels", markup=False)


@export.command("give-up")
def give_up_export(file: FileId) -> None:
    """Never deliver a file; the next export of its channel tells its orders again.

    Example: orders export give-up 12
    """
    with opened() as installation:
        record = find_file(installation, file, JobKind.EXPORT)
        with waiting(record):
            exporting.give_up(installation, record)
    notes.print(f"{record.name} is given up; the next export of {record.channel} tells its orders again", markup=False)
