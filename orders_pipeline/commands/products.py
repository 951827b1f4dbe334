"""`orders products …`: the merchant's catalogue, so that order lines link to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orders_pipeline.commands.intake import publish_tables
from orders_pipeline.commands.output import Exit, fail, notes
from orders_pipeline.installation import opened
from orders_pipeline.stages import normalise
from warehouse.ledger.book import products as book
from warehouse.ledger.settings.channels import all_channels

if TYPE_CHECKING:
    from orders_pipeline.installation import Installation

IDS_AT_A_TIME = 500

products = typer.Typer(name="products", help="The merchant's catalogue.", no_args_is_help=True, rich_markup_mode=None)


@products.callback()
def _group() -> None:
    """The merchant's catalogue."""


@products.command()
def load(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet with the columns sku, gtin, title, url.")],
    channel: Annotated[
        list[str] | None, typer.Option(help="Channel it belongs to; repeatable. Default: every channel.")
    ] = None,
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
            try:
                loaded = book.load(installation.ledger, code, file, installation.clock())
            except book.ProductFileError as error:
                raise fail(str(error)) from None
            notes.print(f"{code}: {loaded.new} new, {loaded.changed} changed, {loaded.unchanged} unchanged")
            if loaded.unknown_columns:
                notes.print(f"  columns not known, left out: {', '.join(loaded.unknown_columns)}", markup=False)
            for remark in (*loaded.refused, *loaded.flagged):
                notes.print(f"  row {remark.row}: {remark.code}: {remark.message}", style="red", markup=False)
            refused += len(loaded.refused)
            notes.print(f"{code}: {link_lines(installation, code, loaded)} orders linked")
        publish_tables(installation)
    if refused:
        raise typer.Exit(Exit.PARTIAL)


def link_lines(installation: Installation, channel: str, loaded: book.LoadedProducts) -> int:
    """Read again the orders whose lines match what was loaded; returns how many changed."""
    with installation.ledger.read() as transaction:
        touched = book.orders_with_products(transaction, channel, loaded.skus_touched, loaded.gtins_touched)
    changed = 0
    for owner in sorted({connection for connection, _ in touched}):
        ids = [original_id for connection, original_id in touched if connection == owner]
        for start in range(0, len(ids), IDS_AT_A_TIME):
            changed += normalise.replay(installation, owner, ids[start : start + IDS_AT_A_TIME])["changed"]
    return changed
