"""`orders normalize`: how a payload file is read, printed in the API's shape. Touches no ledger."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from orders_pipeline.commands.output import Exit, fail, notes
from orders_pipeline.marketplaces.payloads import NotJson, parse
from orders_pipeline.marketplaces.protocol import ChannelContext, Unreadable
from orders_pipeline.marketplaces.registry import KINDS, MARKETPLACES
from warehouse.clock import utc_now
from warehouse.documents import preview


def normalize(
    files: Annotated[
        list[Path], typer.Argument(help="Payload files: a search page, a single order, a list; - for standard input.")
    ],
    marketplace: Annotated[str, typer.Option(help="Kind of marketplace whose payload it is.")],
    channel: Annotated[
        str | None, typer.Option(help="Code of the channel that the ids are made for; default: the kind.")
    ] = None,
) -> None:
    """Read payload files and print one order per line as JSON, as the API would show it, parties included.

    What cannot be read is told on standard error with its JSON path, and the exit code is 3.

    Examples:

      orders normalize --marketplace amazon page.json

      orders normalize --marketplace mirakl or11.json | jq .status
    """
    chosen = MARKETPLACES.get(marketplace)
    if chosen is None:
        raise fail(f"there is no marketplace {marketplace!r}; there are: {', '.join(MARKETPLACES)}", Exit.USAGE)
    refused = printed = 0
    for file in files:
        try:
            data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
            raws = chosen.documents(data)
        except OSError as error:
            raise fail(f"{file}: {error.strerror}", Exit.FAILED) from None
        except (NotJson, Unreadable) as error:
            notes.print(f"{file}: {error}", style="red", markup=False)
            refused += 1
            continue
        for raw in raws:
            try:
                context = ChannelContext(channel or chosen.kind, KINDS[chosen.kind].name_of(raw.selector))
                orders = chosen.normalise(parse(raw.body), context)
            except (Unreadable, NotJson) as fault:
                notes.print(f"{file}: order {raw.original_id}: {fault}", style="red", markup=False)
                refused += 1
                continue
            for order in orders:
                sys.stdout.buffer.write(preview(order, utc_now()) + b"\n")
                printed += 1
    sys.stdout.buffer.flush()
    if refused:
        raise typer.Exit(Exit.PARTIAL if printed else Exit.FAILED)
