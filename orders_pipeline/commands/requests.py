"""`orders requests …`: asking a pipeline that runs elsewhere, and looking at what was asked and what came of it.

Where the pipeline runs on this machine, the commands that do the same at once are simpler: `orders pull`, `orders export run`.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orders_pipeline.commands.output import Exit, fail, notes, print_json, print_rows
from orders_pipeline.commands.recording import record, somebody
from orders_pipeline.installation import opened, opened_to_read
from warehouse.bulk_actions import heading, lines
from warehouse.clock import iso
from warehouse.ledger.bulk import selections
from warehouse.ledger.people import operator_requests as book
from warehouse.ledger.people.request_subjects import subjects
from warehouse.operator_requests import RULES, ArgumentInvalid, RequestKind, RequestProgress, checked_arguments

if TYPE_CHECKING:
    from datetime import datetime

    from orders_pipeline.installation import Installation
    from warehouse.operator_requests import OperatorRequest

requests = typer.Typer(
    name="requests", help="What the pipeline is asked to do.", no_args_is_help=True, rich_markup_mode=None
)

Json = Annotated[bool, typer.Option("--json", help="One JSON line per row.")]
COLUMNS = ("id", "kind", "subject", "state", "asked_by", "asked_at", "finished_at", "result")
LOOK_EVERY_SECONDS = 1.0


@requests.command("list")
def list_requests(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, the newest.")] = 50,
    as_json: Json = False,
) -> None:
    """What was asked in the last 30 days, the newest first.

    Example: orders requests list --limit 10
    """
    with opened_to_read() as installation, installation.ledger.read() as transaction:
        found = book.newest(transaction, limit)
    print_rows("Requests", [_row(each) for each in found], COLUMNS, as_json)


@requests.command()
def show(request: Annotated[str, typer.Argument(help="The request's id.")]) -> None:
    """One request and what came of it, as JSON.

    Example: orders requests show 6f1d3c1e-4f0b-4a55-8d53-0c5c7b1f1f60
    """
    with opened_to_read() as installation:
        print_json(_row(_found(installation, request)))


@requests.command()
def ask(
    kind: Annotated[RequestKind, typer.Argument(help="What is asked.")],
    subject: Annotated[str, typer.Argument(help="Code of the connection, channel, storage or recipient.")],
    folder: Annotated[str | None, typer.Option(help="The folder that is browsed or tested.")] = None,
    since: Annotated[str | None, typer.Option(help="Pull everything since this time (ISO 8601).")] = None,
    order: Annotated[list[str] | None, typer.Option(help="A marketplace order id; repeatable.")] = None,
    wait: Annotated[int, typer.Option(min=0, max=3600, help="Seconds to wait for the end.")] = 0,
) -> None:
    """Ask the pipeline for something; it takes it up within seconds, where it runs.

    Examples:

      orders requests ask test_connection amazon_eu --wait 30

      orders requests ask fetch amazon_eu --order 402-1234567-7654321

      orders requests ask browse erp --folder out --wait 30
    """
    given = {"folder": folder, "since": since, "original_ids": order}
    try:
        arguments = checked_arguments(kind, {name: value for name, value in given.items() if value is not None})
    except ArgumentInvalid as error:
        raise fail(f"{error.argument}: {error.message}", Exit.USAGE) from None
    about = RULES[kind].subject
    with opened() as installation:
        with installation.ledger.write() as transaction:
            if subject not in subjects(transaction, about, None):
                raise fail(f"there is no {about} {subject}", Exit.USAGE)
            asked = book.ask(transaction, kind, subject, arguments, somebody(), installation.clock())
            record(transaction, installation, "request_asked", subject, {"kind": kind.value, **arguments})
            seen = book.pipeline_seen_at(transaction)
        follow(installation, asked, seen, wait)


@requests.command()
def orders(request: Annotated[str, typer.Argument(help="The request's id.")]) -> None:
    """What has become of each order of a request about many, as CSV.

    Example: orders requests orders 6f1d3c1e-4f0b-4a55-8d53-0c5c7b1f1f60 > fates.csv
    """
    with opened_to_read() as installation:
        if _found(installation, request).kind is not RequestKind.BULK:
            raise fail(f"{request} is not about many orders", Exit.USAGE)
        sys.stdout.buffer.write(heading())
        for fates in selections.fates_of(installation.ledger, request):
            sys.stdout.buffer.write(lines(fates))


def follow(installation: Installation, asked: OperatorRequest, seen: datetime | None, wait: int) -> None:
    """Tell what was asked, and wait so many seconds for its end; `seen` is when a pipeline was seen last."""
    _tell_pipeline(seen, installation.clock())
    ended = _awaited(installation, asked, wait)
    print_json(_row(ended))
    if ended.state in {RequestProgress.FAILED, RequestProgress.EXPIRED}:
        raise typer.Exit(Exit.FAILED)


def _awaited(installation: Installation, asked: OperatorRequest, seconds: int) -> OperatorRequest:
    ends_at = time.monotonic() + seconds
    found = asked
    while found.finished_at is None and time.monotonic() < ends_at:
        time.sleep(LOOK_EVERY_SECONDS)
        found = _found(installation, asked.id)
    return found


def _found(installation: Installation, request_id: str) -> OperatorRequest:
    with installation.ledger.read() as transaction:
        found = book.find(transaction, request_id)
    if found is None:
        raise fail(f"there is no request {request_id}", Exit.USAGE)
    return found


def _tell_pipeline(seen: datetime | None, now: datetime) -> None:
    if seen is None or seen < now - book.GONE_AFTER:
        last = "none was ever seen" if seen is None else f"the last was seen {iso(seen)}"
        notes.print(f"no pipeline runs ({last}): the request waits an hour for one")


def _row(request: OperatorRequest) -> dict[str, Any]:
    return {name: getattr(request, name) for name in COLUMNS}
