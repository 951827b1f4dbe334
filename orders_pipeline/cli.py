"""The `orders` command: puts the command groups together and turns failures into exit codes. Commands are in `commands`."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer
from rich.markup import escape
from sqlalchemy.exc import DBAPIError

from orders_pipeline.commands import (
    alerts,
    backups,
    book,
    carriers,
    configuration,
    demo,
    doctor,
    files,
    incidents,
    intake,
    normalize,
    personal_data,
    processes,
    products,
    shipments,
    status,
    storages,
    tables,
    tokens,
)
from orders_pipeline.commands.output import Exit, notes, write_utf8
from orders_pipeline.sandbox.commands import sandbox
from warehouse.lake.attachment import LakeError
from warehouse.ledger.base.database import UnfitLedgerError, WrongEncoding
from warehouse.ledger.settings.configuration import ConfigurationError
from warehouse.logs import Event, LogLevel, configure
from warehouse.privacy import KeyRingError
from warehouse.processes import write_privately
from warehouse.restore_mark import RestoreUnfinishedError
from warehouse.settings import Settings

logger = logging.getLogger("orders_pipeline.commands")

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

app = typer.Typer(
    name="orders",
    help=HELP,
    invoke_without_command=True,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("apply")(configuration.apply)
app.add_typer(configuration.connections)
app.add_typer(configuration.channels)
app.add_typer(storages.storages)
app.command("pull")(intake.pull)
app.command("sweep")(intake.sweep)
app.command("confirm")(intake.confirm)
app.command("replay")(intake.replay)
app.command("quarantine")(intake.quarantine)
app.command("normalize")(normalize.normalize)
app.command("status")(status.status)
app.command("list")(book.list_orders)
app.command("show")(book.show_order)
app.add_typer(book.cancellations)
app.command("doctor")(doctor.doctor)
app.command("sql")(tables.sql)
app.add_typer(tables.tables)
app.add_typer(shipments.shipments)
app.add_typer(carriers.carriers)
app.add_typer(products.products)
shipments.shipments.command("import")(files.import_file)
app.add_typer(files.export)
app.add_typer(files.imports)
app.add_typer(tokens.tokens)
app.add_typer(incidents.incidents)
app.command("logs")(incidents.logs)
app.add_typer(alerts.alerts)
app.command("api")(processes.api)
app.command("purge")(personal_data.purge)
app.command("backup")(backups.backup)
app.command("verify")(backups.verify)
app.command("restore")(backups.restore)
app.command("migrate")(processes.migrate)
app.add_typer(processes.keys)
app.command("demo")(demo.demo)
app.add_typer(sandbox)


@app.callback()
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed  # noqa: PLC0415 - scans the environment, only for this

        typer.echo(installed("orders-syndication"))
        raise typer.Exit
    settings = Settings()
    configure(settings.log_format, settings.log_level or LogLevel.WARNING)


def main() -> None:
    """Run the command line; known failures end in one plain line and their exit code, never in a traceback."""
    write_privately()
    write_utf8()
    try:
        app()
    except ConfigurationError as error:
        for problem in error.problems:
            notes.print(f"[red]configuration:[/red] {escape(problem)}")
        sys.exit(Exit.CONFIGURATION)
    except KeyRingError as error:
        notes.print(f"[red]key ring:[/red] {escape(str(error))}")
        sys.exit(Exit.CONFIGURATION)
    except WrongEncoding as error:
        notes.print(f"[red]storage:[/red] {escape(str(error))}")
        sys.exit(Exit.CONFIGURATION)
    except (UnfitLedgerError, RestoreUnfinishedError) as error:
        notes.print(f"[red]ledger:[/red] {escape(str(error))}")
        sys.exit(Exit.FAILED)
    except LakeError as error:
        notes.print(f"[red]order tables:[/red] {escape(str(error))}")
        sys.exit(Exit.FAILED)
    except DBAPIError as error:
        notes.print(f"[red]storage:[/red] {escape(str(error.orig))}")
        sys.exit(Exit.FAILED)
    except BrokenPipeError:
        sys.exit(Exit.FAILED)
    except Exception:
        # Python's own traceback ends in the error's message, which may quote an order.
        logger.exception(Event.UNEXPECTED_ERROR)
        sys.exit(Exit.FAILED)
