"""`orders bulk`: one action on many orders, carried out by the pipeline; `orders requests orders` tells what became of each."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orders_pipeline.commands.names import the_order
from orders_pipeline.commands.output import Exit, fail, print_json
from orders_pipeline.commands.recording import record, somebody
from orders_pipeline.commands.requests import follow
from orders_pipeline.installation import opened
from warehouse.bulk_actions import MOST_CHOSEN, BulkAction, BulkTask, checked_task
from warehouse.ledger.book import order_queries
from warehouse.ledger.book.consumers import consumers_of
from warehouse.ledger.book.order_filter import OrderFilter
from warehouse.ledger.bulk import actions, requests, selections
from warehouse.ledger.people import operator_requests
from warehouse.operator_requests import ArgumentInvalid
from warehouse.order_states import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection as Transaction

    from orders_pipeline.installation import Installation


def bulk(  # noqa: PLR0913, PLR0917 - a command's options
    action: Annotated[BulkAction, typer.Argument(help="What is done to each.")],
    order: Annotated[list[str] | None, typer.Option(help="An order, by any id of it; repeatable.")] = None,
    orders_file: Annotated[
        Path | None,
        typer.Option("--orders", help="A file with an order in each line; - for standard input.", allow_dash=True),
    ] = None,
    status: Annotated[list[Status] | None, typer.Option(help="Any of these; repeatable.")] = None,
    channel: Annotated[list[str] | None, typer.Option(help="Any of these channels; repeatable.")] = None,
    errors: Annotated[
        bool | None, typer.Option("--errors/--no-errors", help="Only with, or only without, errors.")
    ] = None,
    consumer: Annotated[str, typer.Option("--as", help="Of acknowledge: who took them over.")] = "",
    prefix: Annotated[str, typer.Option(help="Of acknowledge: order numbers are this and the marketplace's ids.")] = "",
    reason: Annotated[str, typer.Option(help="Of resolve: why they are handled.")] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would become of them, and change nothing.")
    ] = False,
    wait: Annotated[int, typer.Option(min=0, max=86_400, help="Seconds to wait for the end.")] = 0,
) -> None:
    """Do one thing to many orders: those that are named, or that the filters find now. The pipeline does it where it runs.

    Examples:

      orders bulk acknowledge --status SHIPPED --channel amazon_fr --as erp --prefix SO- --dry-run

      orders bulk retry --errors --wait 60

      orders bulk next_file --orders ids.txt
    """
    task = _task(action, consumer, prefix, reason)
    with opened() as installation:
        now = installation.clock()
        with installation.ledger.read() as transaction:
            if consumer and consumer not in consumers_of(transaction, None):
                raise fail(f"there is no consumer {consumer}", Exit.USAGE)
            named = _named(transaction, order, orders_file)
            wanted = OrderFilter(
                statuses=tuple(each.value for each in status or ()),
                channels=tuple(channel or ()),
                has_errors=errors,
                ids=named,
            )
            if wanted == OrderFilter():
                raise fail("say which orders: --order, --orders, --status, --channel or --errors", Exit.USAGE)
            ids = order_queries.ids_of(transaction, wanted, MOST_CHOSEN + 1)
        if not ids or len(ids) > MOST_CHOSEN:
            raise fail("no order is found" if not ids else f"at most {MOST_CHOSEN} orders at once", Exit.USAGE)
        if dry_run:
            _preview(installation, task, ids)
            return
        with installation.ledger.write() as transaction:
            asked = requests.ask(transaction, task, selections.keep(transaction, ids, now), now)
            assert asked is not None
            record(transaction, installation, f"bulk_{action}", asked.id, {"orders": len(ids)})
            seen = operator_requests.pipeline_seen_at(transaction)
        follow(installation, asked, seen, wait)


def _task(action: BulkAction, consumer: str, prefix: str, reason: str) -> BulkTask:
    task = BulkTask(action=action, asked_by=somebody(), consumer=consumer, prefix=prefix.strip(), reason=reason.strip())
    try:
        return checked_task(task)
    except ArgumentInvalid as error:
        raise fail(f"{error.argument}: {error.message}", Exit.USAGE) from None


def _named(transaction: Transaction, names: Sequence[str] | None, file: Path | None) -> tuple[str, ...] | None:
    """Internal ids of the orders that are named; None when none is."""
    if names is None and file is None:
        return None
    in_file = [] if file is None else _read(file).splitlines()
    return tuple(the_order(transaction, each.strip()) for each in [*(names or ()), *in_file] if each.strip())


def _read(file: Path) -> str:
    return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")


def _preview(installation: Installation, task: BulkTask, ids: Sequence[str]) -> None:
    with installation.ledger.read() as transaction:
        left = actions.count_left_out(transaction, task, ids, installation.clock())
    reasons = {str(said): count for (_, said), count in left.most_common()}
    print_json({"orders": len(ids), "would_be_done": len(ids) - left.total(), "left_out": reasons})
