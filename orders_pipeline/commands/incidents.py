"""`orders incidents …`: what is wrong now, and closing by hand what a success will not close."""

from __future__ import annotations

from typing import Annotated

import typer

from orders_pipeline.commands.output import Exit, fail, notes, print_rows
from orders_pipeline.installation import opened
from warehouse.ledger import incidents as book

incidents = typer.Typer(name="incidents", help="Problems, one row each.", no_args_is_help=True, rich_markup_mode=None)


@incidents.command("list")
def list_incidents(
    everything: Annotated[bool, typer.Option("--all", help="Resolved ones too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line per row.")] = False,
) -> None:
    """Open incidents, newest first.

    Example: orders incidents list --all
    """
    with opened() as installation, installation.ledger.read() as transaction:
        rows = book.listed(transaction, is_open=None if everything else True, limit=500)
    columns = ("id", "subject", "stage", "code", "occurrences", "last_seen_at", "message", "hint", "resolved_at")
    print_rows("Incidents", rows, columns, as_json)


@incidents.command()
def resolve(
    incident: Annotated[int, typer.Argument(help="The incident's id.")],
    reason: Annotated[str, typer.Option(help="Why it is no problem any more.")],
) -> None:
    """Close one incident by hand.

    Example: orders incidents resolve 12 --reason "marketplace confirmed by phone"
    """
    with opened() as installation, installation.ledger.write() as transaction:
        if not book.resolve_by_hand(transaction, incident, reason, installation.clock()):
            raise fail(f"there is no open incident {incident}", Exit.USAGE)
    notes.print(f"incident {incident} is resolved")
