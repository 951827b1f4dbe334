"""`orders products …`: the merchant's catalogue, so that order lines link to it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orders_pipeline import ordering
from orders_pipeline.commands.intake import publish_tables
from orders_pipeline.commands.output import Exit, fail, notes
from orders_pipeline.installation import opened
from warehouse.ledger import products as book
from warehouse.ledger.channels import all_channels

products = typer.Typer(name="products", help="The merchant's catalogue.", no_args_is_help=True, rich_markup_mode=None)


@products.callback()
def _group() -> None:
    """The merchant's catalogue."""


@products.command()
def load(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet with the columns sku, gtin, title, url.")],
    channel: Annotated[list[str] | None, typer.Option(help="Channel it belongs to; repeatable. Default: every channel.")] = None,
) -> None:
    """Load products, and link the order lines that they match by SKU, then by GTIN.

    Refused rows are told with their number; the rest goes on and the exit code is 3.

    Example: orders products load catalogue.csv --channel amazon_fr
    """
    with opened() as installation:
        with installation.ledger.read() as transaction:
            known = [each.code for each in all_channels(transaction)]
        unknown = set(channel or ()) - set(known)
        if unknown:
            raise fail(f"there is no channel {', '.join(sorted(unknown))}", Exit.USAGE)
        refused = 0
        for code in channel or known:
            loaded = book.load(installation.ledger, code, file, installation.clock())
            notes.print(f"{code}: {loaded.new} new, {loaded.changed} changed, {loaded.unchanged} unchanged")
            for problem in loaded.refused:
                notes.print(f"  {problem}", style="red", markup=False)
            refused += len(loaded.refused)
            touched = book.touched_orders(installation.ledger, code, loaded)
            if touched:
                tally = ordering.replay(installation, original_ids=touched)
                notes.print(f"{code}: {tally['changed']} orders linked")
        publish_tables(installation)
    if refused:
        raise typer.Exit(Exit.PARTIAL)
