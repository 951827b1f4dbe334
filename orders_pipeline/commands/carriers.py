"""`orders carriers …`: what an ERP calls a carrier, and what a channel's marketplace is told."""

from __future__ import annotations

from typing import Annotated

import typer

from orders_pipeline.commands.output import Exit, fail, notes, print_rows
from orders_pipeline.commands.recording import record
from orders_pipeline.installation import opened, opened_to_read
from warehouse.ledger.settings import carriers as book
from warehouse.ledger.settings import configuration
from warehouse.ledger.settings.channels import all_channels
from warehouse.shipments import CarrierRule

carriers = typer.Typer(name="carriers", help="Carriers, per channel.", no_args_is_help=True, rich_markup_mode=None)

Json = Annotated[bool, typer.Option("--json", help="One JSON line per row.")]
ChannelCode = Annotated[str, typer.Argument(help="The channel's code.")]
Word = Annotated[str, typer.Argument(help="The ERP's word; upper and lower case are the same.")]

COLUMNS = ("channel", "code", "carrier_code", "carrier_name", "tracking_url")


@carriers.command("list")
def list_carriers(
    channel: Annotated[list[str] | None, typer.Option(help="Any of these channels; repeatable.")] = None,
    as_json: Json = False,
) -> None:
    """Your own mapping. What a marketplace knows by itself is not in it: see `orders carriers resolve`.

    Example: orders carriers list --channel amazon_fr
    """
    with opened_to_read() as installation, installation.ledger.read() as transaction:
        entries = book.mapped(transaction, channel or None)
    print_rows("Carriers", [{name: getattr(each, name) for name in COLUMNS} for each in entries], COLUMNS, as_json)


@carriers.command("set")
def set_carrier(
    channel: ChannelCode,
    code: Word,
    carrier_code: Annotated[str | None, typer.Option(help="The marketplace's code.")] = None,
    carrier_name: Annotated[str | None, typer.Option(help="Its name, for a carrier without a code.")] = None,
    tracking_url: Annotated[
        str | None, typer.Option(help="Address of its tracking page, with {tracking_number} where the number goes.")
    ] = None,
) -> None:
    """Say what a word of your ERP means at a channel; replaces what was said of it before.

    Examples:

      orders carriers set amazon_fr DPD01 --carrier-code DPD

      orders carriers set operator_fr BIKE --carrier-name "Coursier à vélo" --tracking-url "https://bike.example/{tracking_number}"
    """
    mapping = {"carrier_code": carrier_code, "carrier_name": carrier_name, "tracking_url": tracking_url}
    entry = configuration.read_carrier(channel, code, mapping)
    with opened() as installation, installation.ledger.write() as transaction:
        if all(each.code != channel for each in all_channels(transaction)):
            raise fail(f"there is no channel {channel!r}", Exit.USAGE)
        book.save_carrier(transaction, entry, installation.clock())
        details = {name: value for name, value in mapping.items() if value is not None}
        record(transaction, installation, "carrier_saved", f"{channel} {entry.code}", details)
    notes.print(f"{channel}: {entry.code} is {carrier_code or carrier_name}", markup=False)


@carriers.command()
def remove(channel: ChannelCode, code: Word) -> None:
    """Take a word out of your mapping.

    Example: orders carriers remove amazon_fr DPD01
    """
    with opened() as installation, installation.ledger.write() as transaction:
        if not book.remove_carrier(transaction, channel, code):
            raise fail(f"{channel} has no carrier {code!r}", Exit.USAGE)
        record(transaction, installation, "carrier_removed", f"{channel} {code.upper()}")
    notes.print(f"{channel}: {code.upper()} is removed", markup=False)


@carriers.command()
def resolve(channel: ChannelCode, code: Word, as_json: Json = False) -> None:
    """What a channel's marketplace is told when a shipment has this carrier code. Exit code 7: it would be refused.

    Example: orders carriers resolve amazon_fr "La Poste"
    """
    with opened_to_read() as installation, installation.ledger.read() as transaction:
        if all(each.code != channel for each in all_channels(transaction)):
            raise fail(f"there is no channel {channel!r}", Exit.USAGE)
        known = book.Carriers.of(transaction, [channel])
    words = known.translated(channel, code, None)
    needs = known.requirements(channel)
    is_refused = needs is not None and needs.carrier_rule is CarrierRule.LISTED and words.code is None
    row = {
        "channel": channel,
        "code": code,
        "told_code": words.code,
        "told_name": words.name,
        "is_taken": not is_refused,
        "carrier_rule": "not known yet" if needs is None else needs.carrier_rule.value,
    }
    print_rows("Carrier", [row], tuple(row), as_json)
    if is_refused:
        raise fail("the marketplace takes only carriers of its list: map the word to one of them", Exit.CHECK_FAILED)
