"""`orders shipments …`: what was reported, how far telling the marketplaces has come, and deciding what waits for a person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import typer
from sqlalchemy.engine import Connection as Transaction

from orders_pipeline.commands.imports import import_file
from orders_pipeline.commands.names import ORDER_HELP, SHIPMENT_HELP, the_order, the_shipment
from orders_pipeline.commands.output import Exit, answers, fail, notes, print_json, print_rows, print_table
from orders_pipeline.installation import Installation, opened, opened_to_read
from warehouse.ledger.settings import channels
from warehouse.ledger.shipping import confirmations, held_shipments, shipment_queries
from warehouse.ledger.shipping.shipment_queries import ShipmentRecord
from warehouse.order_states import ConfirmationStatus

shipments = typer.Typer(
    name="shipments", help="Packages, and telling the marketplaces.", no_args_is_help=True, rich_markup_mode=None
)
shipments.command("import")(import_file)

Json = Annotated[bool, typer.Option("--json", help="One JSON line per row.")]
ShipmentId = Annotated[str, typer.Argument(help=SHIPMENT_HELP)]
ChannelCode = Annotated[str, typer.Argument(help="The channel's code.")]

COLUMNS = (
    *("id", "channel", "original_id", "package_id", "tracking_number", "carrier_code", "status", "reported_at"),
    *("due_at", "code", "message"),
)
ATTEMPT_COLUMNS = (
    *("id", "version", "operation", "outcome", "started_at", "finished_at", "http_status", "request_id"),
    *("code", "message", "hint"),
)


@shipments.command("list")
def list_shipments(
    status: Annotated[list[ConfirmationStatus] | None, typer.Option(help="Any of these; repeatable.")] = None,
    channel: Annotated[list[str] | None, typer.Option(help="Any of these channels; repeatable.")] = None,
    order: Annotated[str | None, typer.Option(help=ORDER_HELP)] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    as_json: Json = False,
) -> None:
    """Shipments, the last reported first.

    Example: orders shipments list --status rejected --status in_doubt
    """
    wanted = shipment_queries.ShipmentFilter(
        statuses=tuple(each.value for each in status or ()), channels=tuple(channel or ())
    )
    with opened_to_read() as installation, installation.ledger.read() as transaction:
        if order is not None:
            wanted = replace(wanted, order_id=the_order(transaction, order))
        rows = [_members(each) for each in shipment_queries.page(transaction, wanted, None, limit).rows]
    print_rows("Shipments", rows, COLUMNS, as_json)


@shipments.command()
def show(shipment: ShipmentId, as_json: Json = False) -> None:
    """One shipment: what was told, what is in it, and every attempt to tell the marketplace.

    Example: orders shipments show 6A12345678901
    """
    with opened_to_read() as installation, installation.ledger.read() as transaction:
        row = shipment_queries.by_id(transaction, the_shipment(transaction, shipment), None)
    assert row is not None
    if as_json:
        print_json({**_members(row), "made": [each._asdict() for each in row.attempts]})
        return
    whole = {**row.shipment._asdict(), "original_id": row.original_id, "difference": None}
    print_table("Shipment", ("member", "value"), [each for each in whole.items() if each[1] is not None])
    print_table("Items", ("line", "sku", "units"), [(each.original_id, each.sku, each.quantity) for each in row.items])
    print_rows("Attempts", row.attempts, ATTEMPT_COLUMNS, as_json=False)
    if row.shipment.difference:
        differing = [(member, ours, theirs) for member, (ours, theirs) in row.shipment.difference.items()]
        print_table("The marketplace shows something else", ("member", "ours", "theirs"), differing)


def _members(row: ShipmentRecord) -> dict[str, Any]:
    return {
        **row.shipment._asdict(),
        "original_id": row.original_id,
        "items": [each._asdict() for each in row.items],
    }


@shipments.command()
def retry(shipment: ShipmentId) -> None:
    """Try a shipment again now: one that was rejected or waits. One in doubt is read back first.

    Example: orders shipments retry 3f6a5b1e-2c0d-5f7a-8b9c-1d2e3f4a5b6c
    """
    with opened() as installation, installation.ledger.write() as transaction:
        own_id = the_shipment(transaction, shipment)
        try:
            status = confirmations.retry(transaction, own_id, installation.clock())
        except confirmations.NotRetryable as error:
            raise fail(error.message, Exit.FAILED) from None
    answers.print(f"{own_id}: {status}", markup=False, highlight=False)


@shipments.command()
def release(channel: ChannelCode) -> None:
    """Send the held shipments of a channel, once its confirmation is on.

    Example: orders shipments release amazon_fr
    """
    with opened() as installation:
        if not _channel(installation, channel).confirmation:
            raise fail(f"{channel} does not confirm: first `orders channels set {channel} --confirmation`", Exit.USAGE)
        released = _decide_held(installation, channel, held_shipments.release_held)
    notes.print(f"{channel}: {released} held shipments are queued" if released else f"{channel}: nothing is held")


@shipments.command()
def skip(channel: ChannelCode) -> None:
    """Never send the held shipments of a channel: the marketplace was told in another way. This cannot be undone.

    Example: orders shipments skip amazon_fr
    """
    with opened() as installation:
        _channel(installation, channel)
        skipped = _decide_held(installation, channel, held_shipments.skip_held)
    notes.print(f"{channel}: {skipped} held shipments are skipped" if skipped else f"{channel}: nothing is held")


def _channel(installation: Installation, code: str) -> channels.ConfiguredChannel:
    with installation.ledger.read() as transaction:
        found = next((each for each in channels.all_channels(transaction) if each.code == code), None)
    if found is None:
        raise fail(f"there is no channel {code!r}", Exit.USAGE)
    return found


def _decide_held(installation: Installation, channel: str, decide: Callable[[Transaction, str, datetime], int]) -> int:
    """Decide a channel's held shipments, some at a time: others write in between."""
    total = 0
    while True:
        with installation.ledger.write() as transaction:
            decided = decide(transaction, channel, installation.clock())
        if decided == 0:
            return total
        total += decided
