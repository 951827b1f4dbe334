"""`orders audit …`: who did what, and that nobody has changed what is written about it."""

from __future__ import annotations

import typer

from orders_pipeline.commands.output import Exit, answers, fail
from orders_pipeline.installation import opened_to_read
from warehouse.ledger.people import audit as book

audit = typer.Typer(name="audit", help="Who did what, and when.", no_args_is_help=True, rich_markup_mode=None)


@audit.callback()
def _group() -> None:
    """Who did what, and when."""


@audit.command()
def verify() -> None:
    """Check that every entry of the audit log is as it was written, and that none is missing in the middle.

    Keep the hash that is printed elsewhere: a later check from another copy shows whether entries were cut off the end.

    Example: orders audit verify
    """
    with opened_to_read() as installation, installation.ledger.read() as transaction:
        chain = book.verify(transaction)
    if chain.broken_at is not None:
        raise fail(f"entry {chain.broken_at} is not as it was written, or one before it is missing", Exit.CHECK_FAILED)
    answers.print(f"{chain.entries} entries hold together; the last hash is {chain.last_hash}", highlight=False)
