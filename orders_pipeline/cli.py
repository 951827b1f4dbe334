"""The `orders` command: which command is in which module of `commands`, each loaded when it is called.

Starting a process costs the modules it loads, and most of them matter to one command only: what stands at the top here is
what `orders --version` pays. What a failure says and how it exits is in `commands.failures`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup

from orders_pipeline.commands.encoding import write_utf8
from warehouse.processes import write_privately

if TYPE_CHECKING:
    from typer._click import Command, Context, HelpFormatter

HELP = """Orders in from marketplaces, one uniform order book out.

Examples:

  orders apply -f orders.yaml        connect to marketplaces

  orders pull                        pull, normalise and publish once

  orders confirm                     tell the marketplaces what was shipped

  orders status                      what is in the book

  orders sql "select * from orders_to_ship"

Exit codes: 0 done, 1 failed, 2 usage, 3 done in part (some orders or rows were refused), 4 configuration invalid,
5 credential refused, 6 marketplace unavailable, 7 a data check failed.
"""


class CommandPlace(NamedTuple):
    """Where a command, or a group of them, is, and what the list of commands says of it."""

    module: str
    attribute: str
    about: str


COMMANDS = {
    "apply": CommandPlace("commands.configuration", "apply", "Bring connections and channels to what a file says."),
    "connections": CommandPlace("commands.configuration", "connections", "Seller accounts at marketplaces."),
    "channels": CommandPlace("commands.configuration", "channels", "What is retrieved and confirmed, per channel."),
    "storages": CommandPlace("commands.storages", "storages", "Where files are exchanged: servers and folders."),
    "pull": CommandPlace("commands.intake", "pull", "Pull new and changed orders now."),
    "add": CommandPlace("commands.add", "add", "Give orders to channels without a marketplace."),
    "sweep": CommandPlace("commands.intake", "sweep", "Read the last days and every open order again."),
    "confirm": CommandPlace("commands.intake", "confirm", "Tell the marketplaces what was shipped."),
    "replay": CommandPlace("commands.intake", "replay", "Normalise raw orders again after a mapping changed."),
    "quarantine": CommandPlace("commands.intake", "quarantine", "Orders that could not be read."),
    "normalize": CommandPlace("commands.normalize", "normalize", "Read payload files and print one order per line."),
    "status": CommandPlace("commands.status", "status", "How each channel stands."),
    "list": CommandPlace("commands.book", "list_orders", "Orders of the book, without personal data."),
    "show": CommandPlace("commands.book", "show_order", "One order, and what happened to it."),
    "explain": CommandPlace("commands.book", "explain_order", "Why an order is as it is."),
    "cancellations": CommandPlace("commands.book", "cancellations", "Requests to cancel orders."),
    "acceptances": CommandPlace("commands.acceptances", "acceptances", "Orders to accept or refuse."),
    "doctor": CommandPlace("commands.doctor", "doctor", "Look at everything that is usually wrong."),
    "sql": CommandPlace("commands.tables", "sql", "Ask the order tables with DuckDB's SQL."),
    "tables": CommandPlace("commands.tables", "tables", "The order tables for analysts."),
    "shipments": CommandPlace("commands.shipments", "shipments", "Packages, and telling the marketplaces."),
    "carriers": CommandPlace("commands.carriers", "carriers", "Carriers, per channel."),
    "products": CommandPlace("commands.products", "products", "The merchant's catalogue."),
    "export": CommandPlace("commands.exports", "export", "Order files for other systems."),
    "imports": CommandPlace("commands.imports", "imports", "Shipment files from other systems."),
    "tokens": CommandPlace("commands.tokens", "tokens", "Access to the Orders API."),
    "users": CommandPlace("commands.users", "users", "People who use the console."),
    "views": CommandPlace("commands.views", "views", "Views of the list of orders that people keep."),
    "audit": CommandPlace("commands.audit", "audit", "Who did what, and when."),
    "incidents": CommandPlace("commands.incidents", "incidents", "Problems, one row each."),
    "logs": CommandPlace("commands.incidents", "logs", "What happened in the order flow, newest first."),
    "bulk": CommandPlace("commands.bulk", "bulk", "Do one thing to many orders."),
    "requests": CommandPlace("commands.requests", "requests", "What the pipeline is asked to do."),
    "alerts": CommandPlace("commands.alerts", "alerts", "Who is told of problems."),
    "up": CommandPlace("commands.up", "up", "Run the whole installation on this machine."),
    "api": CommandPlace("commands.processes", "api", "Serve the Orders API and the console."),
    "purge": CommandPlace("commands.personal_data", "purge", "Take out the personal data of orders closed long ago."),
    "backup": CommandPlace("commands.backups", "backup", "Copy everything while everything goes on."),
    "verify": CommandPlace("commands.backups", "verify", "Check a backup."),
    "restore": CommandPlace("commands.backups", "restore", "Put a backup into an empty installation."),
    "move": CommandPlace("commands.moving", "move", "Move ledger and order tables to another database."),
    "migrate": CommandPlace("commands.processes", "migrate", "Bring the ledger's schema up to date."),
    "keys": CommandPlace("commands.processes", "keys", "The key ring that encrypts personal data."),
    "demo": CommandPlace("commands.demo", "demo", "Show the product at work with made-up orders."),
    "sandbox": CommandPlace("sandbox.commands", "sandbox", "Local stand-ins of the marketplaces."),
}


class OnDemand(Mapping[str, "Command"]):
    """The commands by name; asking for one imports its module."""

    def __getitem__(self, name: str) -> Command:
        return _load(name)

    def __contains__(self, name: object) -> bool:
        return name in COMMANDS

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class Orders(TyperGroup):
    """The command `orders`, whose list of commands needs none of them."""

    def __init__(self, **attributes: Any) -> None:  # noqa: ANN401 - whatever typer gives a group
        super().__init__(**attributes)
        self.commands = OnDemand()  # type: ignore[assignment]

    def get_command(self, _ctx: Context, cmd_name: str) -> Command | None:
        """The command of this name, or None."""
        return _load(cmd_name) if cmd_name in COMMANDS else None

    def list_commands(self, _ctx: Context) -> list[str]:
        """The names, in the order of the table."""
        return list(COMMANDS)

    def format_commands(self, _ctx: Context, formatter: HelpFormatter) -> None:
        """The list of commands in `--help`."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, place.about) for name, place in COMMANDS.items()])


@cache
def _load(name: str) -> Command:
    place = COMMANDS[name]
    made = getattr(import_module(f"orders_pipeline.{place.module}"), place.attribute)
    host = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)
    if isinstance(made, typer.Typer):
        host.add_typer(made)
    else:
        host.command(name)(made)
    return typer.main.get_group(host).commands[name]


app = typer.Typer(
    name="orders",
    cls=Orders,
    help=HELP,
    invoke_without_command=True,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(installed("orders-syndication"))
        raise typer.Exit
    from warehouse.logs import LogLevel, configure
    from warehouse.settings import Settings

    settings = Settings()
    configure(settings.log_format, settings.log_level or LogLevel.WARNING)


def main() -> None:
    """Run the command line; known failures end in one plain line and their exit code, never in a traceback."""
    write_privately()
    write_utf8()
    try:
        app()
    except Exception as error:  # noqa: BLE001 - the outermost place: a failure that nobody knows is logged there
        from orders_pipeline.commands.failures import report

        sys.exit(report(error))
