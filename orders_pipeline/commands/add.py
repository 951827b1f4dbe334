"""`orders add`: giving orders to channels without a marketplace from files, by the door that the API has."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orders_pipeline.commands.output import Exit, fail, notes, print_rows
from orders_pipeline.installation import opened, opened_to_read
from orders_pipeline.marketplaces.given_orders import documents
from orders_pipeline.marketplaces.payloads import NotJson, parse
from warehouse.given_orders import UnfitDocument
from warehouse.identifiers import MAX_LENGTH
from warehouse.ledger.book.order_intake import IntakeRefusal, OrderNotTaken, take

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orders_pipeline.installation import Installation

COLUMNS = ("file", "place", "channel", "original_id", "result", "id", "problem")
REFUSED = "refused"
LONGEST_NAME = MAX_LENGTH["original_id"]

MESSAGES = {
    IntakeRefusal.UNKNOWN_CHANNEL: "there is no such channel",
    IntakeRefusal.HAS_MARKETPLACE: "the orders of this channel come from its marketplace",
    IntakeRefusal.IS_KNOWN: "the channel has another order of this original_id: --change changes it",
    IntakeRefusal.HAS_CHANGED: "the order has changed meanwhile",
    IntakeRefusal.IS_UNKNOWN: "the channel has no order of this original_id that could be changed: leave out --change",
}


def add(
    files: Annotated[
        list[Path], typer.Argument(help="JSON: one order, a list of orders, or one order a line; - for standard input.")
    ],
    channel: Annotated[str | None, typer.Option(help="Channel of the orders that do not name one.")] = None,
    change: Annotated[bool, typer.Option("--change", help="The orders are known, and are to be changed.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would become of them.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line per row.")] = False,
) -> None:
    """Give orders to channels without a marketplace (kind manual), each on its own; one that is refused stops no other.

    What an order holds is on the page about the API, with manual orders. The same document again changes nothing. The exit
    code is 3 where some orders were refused, 1 where all were.

    Examples:

      orders add order.json --channel telephone

      orders add fair.ndjson --dry-run

      jq -c '.[]' shop.json | orders add - --channel shop

      orders add order.json --channel telephone --change
    """
    with (opened_to_read if dry_run else opened)() as installation:
        rows = [row for file in files for row in _added(installation, file, channel, change=change, dry_run=dry_run)]
    print_rows("Orders", rows, COLUMNS, as_json)
    refused = sum(row["result"] == REFUSED for row in rows)
    if dry_run:
        notes.print("nothing was recorded (dry run)")
    if refused:
        raise typer.Exit(Exit.FAILED if refused == len(rows) else Exit.PARTIAL)


def _added(
    installation: Installation, file: Path, channel: str | None, *, change: bool, dry_run: bool
) -> Iterator[dict[str, Any]]:
    try:
        found = documents(sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes())
    except OSError as error:
        raise fail(f"{file}: {error.strerror}", Exit.FAILED) from None
    except NotJson as error:
        yield dict.fromkeys(COLUMNS) | {"file": str(file), "result": REFUSED, "problem": str(error)}
        return
    for place, raw in enumerate(found, 1):
        document = parse(raw.body)
        if isinstance(document, dict) and channel is not None:
            document = {"channel": channel, **document}
        about = {name: _name_of(document, name) for name in ("channel", "original_id")}
        yield (
            dict.fromkeys(COLUMNS)
            | {"file": str(file), "place": place}
            | about
            | _taken(installation, document, change=change, dry_run=dry_run)
        )


def _name_of(document: Any, member: str) -> str | None:  # noqa: ANN401 - any JSON value
    """What a document calls its channel or itself, as far as a row can show it."""
    value = document.get(member) if isinstance(document, dict) else None
    return value[:LONGEST_NAME] if isinstance(value, str) else None


def _taken(installation: Installation, document: Any, *, change: bool, dry_run: bool) -> dict[str, Any]:  # noqa: ANN401 - any JSON
    may_change = (lambda _: True) if change else None
    try:
        with installation.ledger.write() as transaction, transaction.begin_nested() as attempt:
            taken = take(transaction, installation.keys, document, installation.clock(), may_change=may_change)
            if dry_run:
                attempt.rollback()
    except UnfitDocument as unfit:
        problem = "; ".join(f"{each.place}: {each.message}" if each.place else each.message for each in unfit.faults)
        return {"result": REFUSED, "problem": problem}
    except OrderNotTaken as error:
        return {"result": REFUSED, "problem": MESSAGES[error.refusal]}
    return {"result": taken.result.value, "id": taken.order_id}
