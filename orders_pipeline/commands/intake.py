"""`orders pull`, `sweep`, `confirm`, `replay`, `quarantine`: the stages by hand, with the same engines as the schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orders_pipeline.commands.failures import exit_code
from orders_pipeline.commands.output import (
    Exit,
    answers,
    fail,
    instant,
    notes,
    print_json,
    print_rows,
    print_table,
    progress,
)
from orders_pipeline.installation import Installation, opened, opened_to_read
from orders_pipeline.lake_access import publishing
from orders_pipeline.stages import confirm as confirming
from orders_pipeline.stages import normalise, pull_result
from orders_pipeline.stages import pull as pulling
from orders_pipeline.stages import sweep as sweeping
from warehouse.lake.publishing import publish
from warehouse.ledger.book import quarantine_queries
from warehouse.ledger.settings import channels
from warehouse.ledger.shipping import shipment_queries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orders_pipeline.marketplaces.errors import MarketplaceError

Json = Annotated[bool, typer.Option("--json", help="One JSON line per row.")]
Connections = Annotated[
    list[str] | None, typer.Argument(help="Connection codes; none: all that have a channel to retrieve.")
]


def pull(
    connections: Connections = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="Read from this time on (ISO 8601): covered time again, and what lies before it as historical orders."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Pull new and changed orders now, bring the order book up to date, and publish the order tables.

    Examples:

      orders pull

      orders pull amazon_eu --since 2026-01-01
    """
    moment = None if since is None else instant(since)
    with opened() as installation:
        codes = _chosen(installation, connections)
        results = []
        with progress("pulling", len(codes)) as (bar, task):
            if moment is None:
                results = pulling.pull_all(installation, codes)
                bar.update(task, completed=len(codes))
            else:
                for code in codes:
                    results.append(pulling.pull_since(installation, code, moment))
                    bar.advance(task)
        _print_results(results, as_json)
        bring_in(installation)
    _exit_by([each.error for each in results])


def confirm(connections: Connections = None, as_json: Json = False) -> None:
    """Tell the marketplaces of the shipments that are due, end doubts, and read back what was told.

    The schedule does this every 15 minutes; what is held is not sent (see `orders shipments release`).

    Examples:

      orders confirm

      orders confirm amazon_eu --json
    """
    with opened() as installation:
        codes = _chosen(installation, connections)
        results = confirming.confirm_all(installation, codes)
        with installation.ledger.read() as transaction:
            held = shipment_queries.held_by_channel(transaction)
    names = ("sent", "verified", "rejected", "in_doubt", "retry", "refuted")
    rows = [
        {"connection": each.connection, **{name: each.counts[name] for name in names}, "error": each.error}
        for each in results
    ]
    print_rows("Confirmations", rows, ("connection", *names, "error"), as_json)
    if held:
        notes.print(f"held: {', '.join(f'{count} of {code}' for code, count in held.items())}", markup=False)
    _exit_by([each.error for each in results])


def sweep(connections: Connections = None, as_json: Json = False) -> None:
    """Read the last days again and every open order by id, and tell what the listings had missed.

    Example: orders sweep
    """
    with opened() as installation:
        codes = _chosen(installation, connections)
        results = [pulling.sweep(installation, code, sweeping.open_original_ids(installation, code)) for code in codes]
        _print_results(results, as_json)
        for result in results:
            if result.missed:
                answers.print(
                    f"{result.connection}: the listing had missed {len(result.missed)}: {', '.join(result.missed[:20])}",
                    markup=False,
                )
        bring_in(installation)
    _exit_by([each.error for each in results])


def replay(
    original_ids: Annotated[list[str] | None, typer.Argument(help="Marketplace order ids; none: every order.")] = None,
    connection: Annotated[str | None, typer.Option(help="Only orders of this connection.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Normalise raw orders again after a mapping changed, and show each order that differs.

    Examples:

      orders replay --dry-run

      orders replay 402-2654339-9122716
    """

    def show(difference: normalise.ReadingDifference) -> None:
        if as_json:
            print_json({name: getattr(difference, name) for name in difference.__slots__})
        else:
            changed = ", ".join(difference.changed)
            answers.print(f"{difference.outcome} {difference.channel} {difference.original_id} {changed}", markup=False)

    run: Callable[..., normalise.Tally] = normalise.preview_replay if dry_run else normalise.replay
    with opened() as installation:
        tally = run(installation, connection, original_ids or None, show)
        if not dry_run:
            publish_tables(installation)
    said = ", ".join(f"{count} {outcome}" for outcome, count in sorted(tally.counts.items())) or "no orders"
    notes.print(f"{said}{' (dry run: nothing was written)' if dry_run else ''}")
    if tally["quarantined"]:
        raise typer.Exit(Exit.PARTIAL)


def quarantine(as_json: Json = False) -> None:
    """Orders that could not be read, with the JSON path and the reason.

    Example: orders quarantine
    """
    with opened_to_read() as installation, installation.ledger.read() as transaction:
        rows = quarantine_queries.quarantined(transaction)
    print_rows("Quarantine", rows, ("channel", "original_id", "code", "path", "reason", "since"), as_json)


def bring_in(installation: Installation) -> None:
    """Normalise and publish what was pulled, with progress."""
    with installation.ledger.read() as transaction:
        waiting = normalise.backlog(transaction)
    with progress("normalising", waiting) as (bar, task):
        tally = normalise.normalise_pending(installation, lambda count: bar.advance(task, count))
    notes.print(", ".join(f"{count} {outcome}" for outcome, count in sorted(tally.counts.items())) or "nothing new")
    publish_tables(installation)


def publish_tables(installation: Installation) -> None:
    """Publish what changed to the order tables."""
    with publishing(installation) as lake:
        publish(installation.ledger, lake, installation.clock())


def _chosen(installation: Installation, connections: Sequence[str] | None) -> list[str]:
    with installation.ledger.read() as transaction:
        known = [each.code for each in channels.all_connections(transaction)]
    unknown = set(connections or ()) - set(known)
    if unknown:
        raise fail(f"there is no connection {', '.join(sorted(unknown))}", Exit.USAGE)
    if not known:
        raise fail("there are no connections yet: see `orders apply --help`", Exit.CONFIGURATION)
    return list(connections or known)


def _print_results(results: Sequence[pull_result.PullResult], as_json: bool) -> None:  # noqa: FBT001 - the user's --json
    columns = ("connection", "outcome", "windows", "pages", "seen", "new", "skipped", "error")
    rows = [{name: getattr(each, name) for name in columns} for each in results]
    if as_json:
        for row in rows:
            print_json(row)
    else:
        print_table("Pulls", columns, [list(row.values()) for row in rows])


def _exit_by(outcomes: Sequence[MarketplaceError | None]) -> None:
    errors = [each for each in outcomes if each is not None]
    if errors and len(errors) < len(outcomes):
        raise typer.Exit(Exit.PARTIAL)
    if errors:
        raise typer.Exit(exit_code(errors[0]))
