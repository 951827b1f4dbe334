"""`orders api`, `orders migrate`, `orders keys …`: running the processes and preparing the stores."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import Annotated

import typer

from orders_pipeline.commands.output import answers, notes
from warehouse.ledger.base.database import open_ledger, schema_version
from warehouse.privacy import new_key
from warehouse.settings import MOST_WORKERS, MigrationPolicy, Settings

keys = typer.Typer(
    name="keys", help="The key ring that encrypts personal data.", no_args_is_help=True, rich_markup_mode=None
)


class ServedPart(StrEnum):
    """What the process serves."""

    API = "api"
    CONSOLE = "console"


def api(
    host: Annotated[str | None, typer.Option(help="Address to listen on; default: ORDERS_API_HOST.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; default: ORDERS_API_PORT.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=MOST_WORKERS, help="Processes of the API; default: ORDERS_API_WORKERS.")
    ] = None,
    only: Annotated[ServedPart | None, typer.Option(help="Serve the one and not the other; default: both.")] = None,
) -> None:
    """Serve the Orders API and the console in this process, or by several workers at one address and the console in one more.

    Examples:

      orders api --port 8080

      orders api --workers 4

      orders api --only console --port 8081
    """
    chosen = {"ORDERS_API_HOST": host, "ORDERS_API_PORT": port, "ORDERS_API_WORKERS": workers}
    if only is not None:
        chosen |= {f"ORDERS_{each.upper()}": "on" if each is only else "off" for each in ServedPart}
    environment = os.environ | {name: str(value) for name, value in chosen.items() if value is not None}
    # The API takes this process's place: it needs none of what the command line has loaded.
    os.execve(sys.executable, [sys.executable, "-m", "orders_api"], environment)  # noqa: S606 - our own module


def migrate() -> None:
    """Bring the ledger's schema up to date. Every command does so by itself, unless ORDERS_MIGRATE=never leaves it to this one.

    It may run again and at several places at once: one does the work, the others find it done.

    Example: orders migrate
    """
    ledger = open_ledger(Settings().model_copy(update={"migrate": MigrationPolicy.AUTO}))
    notes.print(f"the ledger is at migration {schema_version(ledger)}")
    ledger.close()


@keys.command()
def new() -> None:
    """Print a fresh key for ORDERS_KEYS. Put it first to encrypt with it; keep the old ones behind it to decrypt.

    Its id is its fingerprint, so that no two keys share one.

    Example: orders keys new
    """
    answers.print(new_key(), markup=False, highlight=False)
