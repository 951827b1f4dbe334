"""`orders status`: what is in the book, how far retrieval has come, and what is wrong, on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import sqlalchemy as sa
import typer

from orders_pipeline.commands.output import print_json, print_table
from orders_pipeline.installation import opened
from warehouse.ledger import incidents, raw_orders
from warehouse.ledger.channels import all_channels
from warehouse.ledger.schema import orders
from warehouse.orders import Status

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection


def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line per channel.")] = False,
) -> None:
    """Orders per channel and status, how far each channel is covered, and open incidents.

    Example: orders status
    """
    with opened() as installation, installation.ledger.read() as transaction:
        counts = counts_by_channel(transaction)
        codes = [each.code for each in all_channels(transaction)]
        covered = raw_orders.covered(transaction, codes)
        open_incidents = len(incidents.listed(transaction, limit=1000))
        aside = len(raw_orders.quarantined(transaction))
    if as_json:
        for code in codes:
            through = covered[code][1] if code in covered else None
            print_json({"channel": code, "orders": counts.get(code, {}), "complete_through": through})
        return
    print_counts(counts, codes, {code: pair[1] for code, pair in covered.items()})
    print_table("Problems", ("what", "how many"), [("open incidents", open_incidents), ("orders in quarantine", aside)])


def counts_by_channel(transaction: Connection) -> dict[str, dict[str, int]]:
    """How many orders each channel has in each status."""
    query = sa.select(orders.c.channel, orders.c.status, sa.func.count()).group_by(orders.c.channel, orders.c.status)
    found: dict[str, dict[str, int]] = {}
    for channel, state, count in transaction.execute(query):
        found.setdefault(channel, {})[state] = count
    return found


def print_counts(counts: dict[str, dict[str, int]], codes: list[str], through: dict[str, object]) -> None:
    """The table of orders per channel and status."""
    rows = []
    for code in sorted({*codes, *counts}):
        own = counts.get(code, {})
        rows.append([code, *(own.get(each, 0) or "" for each in Status), sum(own.values()), through.get(code)])
    print_table(
        "Orders",
        ("channel", *(each.value.replace("_", " ").lower() for each in Status), "all", "complete through (UTC)"),
        rows,
    )
