"""`orders purge`: taking out personal data whose time is over, by hand; the schedule does so daily."""

from __future__ import annotations

from typing import Annotated

import typer

from orders_pipeline.commands.output import fail, notes, print_json, print_table
from orders_pipeline.installation import opened, opened_to_read
from orders_pipeline.upkeep import personal_data
from warehouse.ledger.book.personal_data import TracesRemain


def purge(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show how much is due, and change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; it cannot be undone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line.")] = False,
) -> None:
    """Take out the personal data of orders that were closed more than ORDERS_PII_RETENTION_DAYS ago.

    Their parties, the encrypted bytes of their payloads and archived files go, and what they leave on the disk is
    overwritten. Without --yes it only shows how much is due.

    Examples:

      orders purge --dry-run

      orders purge --yes
    """
    is_real = yes and not dry_run
    with (opened if is_real else opened_to_read)() as installation:
        try:
            counts = personal_data.purge(installation) if is_real else personal_data.due(installation)
        except TracesRemain as error:
            raise fail(f"deleted, but not overwritten on the disk: {error}") from None
    rows = {name: getattr(counts, name) for name in counts.__slots__}
    if as_json:
        print_json(rows)
    else:
        print_table("Personal data", ("what", "purged" if is_real else "due"), list(rows.items()))
    if not is_real:
        notes.print("nothing was changed; `orders purge --yes` takes it out")
