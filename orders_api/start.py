"""Serving the Orders API with the settings of the environment, until it is stopped.

How its server listens is in `serving`, what it serves in `app`.
"""

from __future__ import annotations

import sys

import uvicorn

from orders_api.app import create_app
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
    try:
        app = create_app(settings)
    except (KeyRingError, RestoreUnfinishedError, UnfitLedgerError) as error:
        sys.exit(f"the API does not start: {error}")
    uvicorn.Server(server_config(app, settings)).run()
