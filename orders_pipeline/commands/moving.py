"""`orders move`: ledger and order tables to another database and another place."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Annotated

import typer

from orders_pipeline.commands.output import answers, fail, notes, print_json, print_table, progress
from orders_pipeline.upkeep.doctor import examine
from orders_pipeline.upkeep.findings import DoctorVerdict
from warehouse import moves
from warehouse.clock import utc_now
from warehouse.ledger.base.transfer import TransferError
from warehouse.logs import Event
from warehouse.settings import Settings

MOVED = ("ledger", "key ring", "order tables")
"""What the doctor looks at in the new home while no process runs there yet."""

logger = logging.getLogger("orders_pipeline.moves")


def move(
    to_database: Annotated[
        str | None,
        typer.Option(
            "--to-database",
            help="Where the ledger goes: a PostgreSQL URL, env:NAME or file:PATH that hold one, or sqlite. Default: it stays.",
        ),
    ] = None,
    to_lake: Annotated[
        str | None,
        typer.Option(
            "--to-lake", help="Where the order tables' files go: a folder or s3://bucket/prefix. Default: they stay."
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be moved, and change nothing.")] = False,
    give_up: Annotated[
        bool, typer.Option("--give-up", help="Let the old home go on where a move was begun and has not ended.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The plan as one JSON line.")] = False,
) -> None:
    """Move ledger and order tables to another database, or the order tables' files alone. From its first moment on nothing is
    written in the old home.

    Broken off, the same command begins again. At its end it says what to set; then start the processes with that.

    Examples:

      orders move --to-database env:NEW_DATABASE --to-lake s3://my-bucket/orders --dry-run

      orders move --to-database env:NEW_DATABASE --to-lake s3://my-bucket/orders

      orders move --to-database sqlite --to-lake data/lake/data

      orders move --to-lake s3://my-bucket/orders
    """
    old = Settings()
    try:
        if give_up:
            moves.give_up(old)
            notes.print("the move is given up: the old home goes on; empty the new one before another try")
            return
        new = moves.new_home(old, None if to_database is None else _resolved(to_database), to_lake)
        plan = moves.plan(old, new)
        _print_plan(plan, as_json=as_json)
        if dry_run:
            return
        total = sum(plan.rows.values()) + (0 if plan.lake is None else plan.lake.rows)
        with progress("moving", total) as (bar, task):
            moves.move(
                old, new, utc_now(), lambda table, rows: bar.update(task, advance=rows, description=f"moving {table}")
            )
    except (moves.MoveError, TransferError) as error:
        raise fail(str(error)) from None
    logger.info(Event.LEDGER_MOVED, extra={"source": plan.source, "target": plan.target})
    notes.print("moved, every table compared; now set this and start the processes:")
    for name, value in plan.settings.items():
        answers.print(f"unset {name}" if value is None else f"{name}={value}", markup=False)
    if new.is_postgresql:
        notes.print("the password belongs into ORDERS_DATABASE_URL too; the key ring is the same")
    for each in examine(new.model_copy(update={"keys_file": _key_file(plan, old)}), utc_now):
        if each.part in MOVED and each.verdict is DoctorVerdict.FAIL:
            notes.print(f"doctor, in the new home: {each.part}: {each.seen}", markup=False)


def _key_file(plan: moves.MovePlan, old: Settings) -> Path | None:
    named = plan.settings.get("ORDERS_KEYS_FILE")
    return old.keys_file if named is None else Path(named)


def _print_plan(plan: moves.MovePlan, *, as_json: bool) -> None:
    if as_json:
        lake = None if plan.lake is None else plan.lake._asdict()
        print_json(
            {
                "source": plan.source,
                "target": plan.target,
                "rows": dict(plan.rows),
                "lake": lake,
                "lake_target": plan.lake_target,
                "settings": dict(plan.settings),
            }
        )
        return
    tables = "nothing published yet" if plan.lake is None else f"{plan.lake.rows} rows, {plan.lake.bytes / 1e6:.1f} MB"
    filled = {name: rows for name, rows in plan.rows.items() if rows}
    largest = sorted(filled.items(), key=lambda each: -each[1])
    rows = [
        ("ledger", plan.source, plan.target, f"{sum(filled.values())} rows in {len(filled)} tables"),
        *((f"  {name}", "", "", f"{count} rows") for name, count in largest),
        ("order tables", "", plan.lake_target, f"{tables}; not their snapshots"),
        ("archive, key ring", "", "", "stay where they are"),
        ("Dagster's runs", "", "", "stay behind"),
    ]
    print_table("Move", ("what", "from", "to", "how much"), rows)


def _resolved(database: str) -> str:
    """The URL itself, of which a password on the command line is seen by every user of the machine."""
    form, _, rest = database.partition(":")
    if form == "env" and rest not in os.environ:
        raise moves.MoveError(f"the variable {rest} is not set")
    if form == "file" and not Path(rest).is_file():
        raise moves.MoveError(f"there is no file {rest}")
    match form:
        case "env":
            return os.environ[rest].strip()
        case "file":
            return Path(rest).read_text().strip()
        case _:
            return database
