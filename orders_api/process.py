"""One process that serves: the whole of the API, or its part of what several serve. Which part is its own is said in `start`.

How its server listens is in `serving`, what it serves in `app`.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import uvicorn

from orders_api.app import create_app
from orders_api.handover import Shared, Side, serve_side
from orders_api.serving import server_config
from warehouse.ledger.base.database import SchemaBehindError, UnfitLedgerError
from warehouse.privacy import KeyRingError
from warehouse.restore_mark import RestoreUnfinishedError

if TYPE_CHECKING:
    import socket

    from warehouse.settings import Settings


def serve_here(settings: Settings, partner: socket.socket | None, listeners: list[socket.socket] | None) -> None:
    """Serve until stopped.

    Args:
        settings: Say what is served.
        partner: Leads to the process of the other side, where there is one.
        listeners: What is listened on; None: the address of the settings.
    """
    try:
        app = create_app(settings)
    except SchemaBehindError as error:
        sys.stderr.write(f"the API does not start yet: {error}\n")
        sys.exit(os.EX_TEMPFAIL)
    except (KeyRingError, RestoreUnfinishedError, UnfitLedgerError) as error:
        sys.stderr.write(f"the API does not start: {error}\n")
        sys.exit(os.EX_CONFIG)
    if partner is None:
        uvicorn.Server(server_config(app, settings)).run(listeners)
    else:
        serve_side(app, settings, Shared(Side.API if settings.api else Side.CONSOLE, partner), listeners)
