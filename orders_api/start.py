"""Serving the Orders API with the settings of the environment, until it is stopped.

How its server listens is in `serving`, what it serves in `app`. `python -m orders_api SIDE SOCKET` serves one side of two
processes at one address, as `handover` says.
"""

from __future__ import annotations

import socket
import sys

import uvicorn

from orders_api.app import create_app
from orders_api.handover import Shared, Side, serve_side
from orders_api.serving import server_config
from warehouse.ledger.base.database import UnfitLedgerError
from warehouse.logs import LogLevel, configure
from warehouse.privacy import KeyRingError
from warehouse.processes import write_privately
from warehouse.restore_mark import RestoreUnfinishedError
from warehouse.settings import Settings


def serve() -> None:
    """Serve until stopped; a stop lets running requests finish."""
    write_privately()
    settings = Settings()
    configure(settings.log_format, settings.log_level or LogLevel.INFO)
    shared = None
    if sys.argv[1:]:
        side, descriptor = sys.argv[1:]
        shared = Shared(Side(side), socket.socket(fileno=int(descriptor)))
        settings = settings.model_copy(update={each.value: each is shared.side for each in Side})
    try:
        app = create_app(settings)
    except (KeyRingError, RestoreUnfinishedError, UnfitLedgerError) as error:
        sys.exit(f"the API does not start: {error}")
    if shared is None:
        uvicorn.Server(server_config(app, settings)).run()
    else:
        serve_side(app, settings, shared)
