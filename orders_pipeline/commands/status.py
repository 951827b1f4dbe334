"""`orders status`: what is in the book, how far retrieval has come, and what is wrong, on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orders_pipeline.commands.output import print_json, print_table
from orders_pipeline.installation import opened_to_read
from warehouse.ledger.book import raw_orders
from warehouse.ledger.status import channel_status
from warehouse.ledger.watch.incident_queries import count_open
from warehouse.order_states import Status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


COLUMNS = (
    "channel",
    "state",
    "last_success_at",
    "complete_through",
    "lag_seconds",
    "next_run_at",
    "backlog",
    "quarantined",
    "confirmation",
    "held",
)


def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line per channel.")] = False,
) -> None:
    """How each channel stands, orders per channel and status, and open incidents.

    A channel is ok, off, new (never complete yet), throttled, late (more than three intervals behind) or failing (see
    `orders incidents list`).

    Example: orders status
    """
    with opened_to_read() as installation, installation.ledger.read() as transaction:
        counts = channel_status.counts_by_status(transaction)
        found = channel_status.standings(transaction, None, installation.clock())
        open_incidents = count_open(transaction)
        aside = raw_orders.count_quarantined(transaction)
    if as_json:
        for each in found:
            rest = {name: getattr(each, name) for name in COLUMNS}
            print_json({**rest, "connection": each.connection, "orders": counts.get(each.channel, {})})
        return
    print_table(
        "Channels (times in UTC)",
        [name.removesuffix("_at").replace("_", " ") for name in COLUMNS],
        [[getattr(each, name) for name in COLUMNS] for each in found],
    )
    print_counts(counts, [each.channel for each in found], {each.channel: each.complete_through for each in found})
    held = sum(each.held for each in found)
    problems = [("open incidents", open_incidents), ("orders in quarantine", aside), ("shipments held", held)]
    print_table("Problems", ("what", "how many"), problems)


def print_counts(counts: dict[str, dict[str, int]], codes: Sequence[str], through: Mapping[str, object]) -> None:
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
