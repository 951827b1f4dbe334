"""`orders sql`, `orders tables …`: asking the order tables, and keeping them."""

from __future__ import annotations

import csv
import sys
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import duckdb
import typer

from orders_pipeline.commands.encoding import as_typed
from orders_pipeline.commands.output import (
    Exit,
    answers,
    notes,
    print_json,
    print_rows,
    print_table,
    progress,
)
from orders_pipeline.installation import opened
from orders_pipeline.lake_access import publishing
from warehouse import connect
from warehouse.clock import utc_now
from warehouse.lake.definitions import dictionary
from warehouse.lake.lake import open_lake
from warehouse.lake.maintenance import maintain as maintain_lake
from warehouse.lake.mirror import MIRRORED, MirrorFormat, write_mirror
from warehouse.lake.outages import unreachable
from warehouse.lake.publishing import publish as publish_orders
from warehouse.lake.publishing import published_through
from warehouse.lake.publishing import rebuild as rebuild_lake
from warehouse.lake.queries import QueryRefused, ask
from warehouse.lake.retirement import retire as retire_orders
from warehouse.ledger.base.database import require_fitting_ledger
from warehouse.ledger.book.retirement import Ripeness, count_due
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from duckdb import DuckDBPyConnection, DuckDBPyRelation

tables = typer.Typer(name="tables", help="The order tables for analysts.", no_args_is_help=True, rich_markup_mode=None)

ROWS_SHOWN = 1000


class Form(StrEnum):
    """How the answer of a query is printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def sql(
    query: Annotated[str | None, typer.Argument(help="A query; none: type queries, each ended by a semicolon.")] = None,
    form: Annotated[Form, typer.Option("--format", help="How the answer is printed.")] = Form.TABLE,
) -> None:
    """Ask the order tables with DuckDB's SQL: one SELECT at a time, over the tables and views and nothing else.

    Examples:

      orders sql "select * from orders_to_ship"

      orders sql --format csv "from order_flow" > flow.csv

      orders sql
    """
    require_fitting_ledger(Settings())
    with connect() as lake:
        if query is not None:
            if not _answer(lake, as_typed(query), form):
                raise typer.Exit(Exit.FAILED)
            return
        notes.print("order tables, read-only; `orders tables list` names them; Ctrl-D ends")
        for typed in _typed():
            _answer(lake, typed, form)


@tables.command("list")
def list_tables(as_json: Annotated[bool, typer.Option("--json", help="One JSON line per column.")] = False) -> None:
    """Every table and view with its columns, their types and what they mean.

    Example: orders tables list
    """
    columns = ("table", "column", "type", "comment")
    rows = [{name: getattr(each, name) for name in columns} for each in dictionary()]
    print_rows("Order tables", rows, columns, as_json)


@tables.command()
def publish() -> None:
    """Publish what changed since the last time; the schedule does this after every pull.

    Example: orders tables publish
    """
    with opened() as installation, publishing(installation) as lake:
        _print_counts(publish_orders(installation.ledger, lake, installation.clock()).counts)


@tables.command()
def rebuild() -> None:
    """Empty the order tables and publish everything again from the ledger.

    Example: orders tables rebuild
    """
    with opened() as installation, publishing(installation) as lake, progress("publishing"):
        _print_counts(rebuild_lake(installation.ledger, lake, installation.clock()).counts)


@tables.command()
def maintain() -> None:
    """Compact files and expire old snapshots; the schedule does this daily.

    Example: orders tables maintain
    """
    with opened() as installation, open_lake(installation.settings) as lake:
        done = maintain_lake(lake, installation.clock(), installation.settings.snapshot_retention_days)
    notes.print(str(done), markup=False)


@tables.command()
def mirror(
    folder: Annotated[str, typer.Argument(help="An empty folder, or one with a mirror; or s3://bucket/prefix.")],
    form: Annotated[MirrorFormat, typer.Option("--format", help="What it is to be read as.")] = MirrorFormat.PARQUET,
) -> None:
    """Write the order tables as plain Parquet or as Iceberg tables, for engines that do not read DuckLake.

    `mirror.json` in the folder names the files, or the metadata file, of each table. Nothing is written when nothing is new.

    Examples:

      orders tables mirror /srv/mirror

      orders tables mirror s3://analysts/orders --format iceberg
    """
    settings = Settings()
    require_fitting_ledger(settings)
    with connect(settings) as lake, progress("mirroring", len(MIRRORED)) as (bar, task):
        made = write_mirror(lake, folder, form, utc_now(), lambda name: bar.update(task, description=name, advance=1))
    rows = sum(each.rows for each in made.tables.values())
    said = f"{folder} holds snapshot {made.snapshot}, mirrored at {made.mirrored_at}"
    answers.print(f"{said}: {rows} rows in {len(made.tables)} tables", markup=False)


@tables.command()
def retire(
    days: Annotated[
        int | None,
        typer.Option(min=30, help="Closed for at least so many days. Default: ORDERS_RETIRE_AFTER_DAYS."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count the orders that are due.")] = False,
) -> None:
    """Move the documents and payloads of orders that were closed long ago from the ledger to the lake for good.

    The schedule does this daily where ORDERS_RETIRE_AFTER_DAYS is set. Orders with personal data, shipments on their way
    or open requests to cancel stay whole.

    Examples:

      orders tables retire --days 90 --dry-run

      orders tables retire
    """
    with opened() as installation, open_lake(installation.settings) as lake:
        chosen = days or installation.settings.retire_after_days
        if chosen is None:
            raise typer.BadParameter("say for how long orders must have been closed, or set ORDERS_RETIRE_AFTER_DAYS")
        now = installation.clock()
        ripe = Ripeness.of(now - timedelta(days=chosen), published_through(lake))
        if dry_run:
            with installation.ledger.read() as transaction:
                answers.print(f"{count_due(transaction, ripe)} orders are due")
            return
        with progress("retiring") as (bar, task):
            gone = retire_orders(
                installation.ledger, lake, ripe, now, lambda so_far: bar.update(task, completed=so_far)
            )
    answers.print(f"{gone} orders were retired")


def _answer(lake: DuckDBPyConnection, query: str, form: Form) -> bool:
    """Run one query and print its answer; False, with the reason on standard error, when it fails."""
    try:
        relation = ask(lake, query)
        if relation is not None:
            _print(relation, form)
    except (QueryRefused, duckdb.Error) as error:
        said = unreachable(error) if isinstance(error, duckdb.IOException) else error
        notes.print(str(said), style="red", markup=False)
        return False
    return True


def _print(relation: DuckDBPyRelation, form: Form) -> None:
    match form:
        case Form.TABLE:
            rows = relation.fetchmany(ROWS_SHOWN + 1)
            print_table("", relation.columns, rows[:ROWS_SHOWN])
            if len(rows) > ROWS_SHOWN:
                notes.print(f"only the first {ROWS_SHOWN} rows are shown; use --format csv or json for all")
        case Form.CSV:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(relation.columns)
            while rows := relation.fetchmany(ROWS_SHOWN):
                writer.writerows(rows)
        case Form.JSON:
            names = relation.columns
            while rows := relation.fetchmany(ROWS_SHOWN):
                for row in rows:
                    print_json(dict(zip(names, row, strict=True)))


def _print_counts(counts: Mapping[str, int]) -> None:
    said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    answers.print(said or "nothing had changed", markup=False)


def _typed() -> Iterator[str]:
    """Queries from standard input, each up to a semicolon or the end."""
    pending = ""
    for line in _lines():
        pending += line
        if pending.rstrip().endswith(";"):
            yield pending
            pending = ""
    if pending.strip():
        yield pending


def _lines() -> Iterator[str]:
    if not sys.stdin.isatty():
        yield from sys.stdin
        return
    while True:
        try:
            yield input("orders> ") + "\n"
        except EOFError:
            return
