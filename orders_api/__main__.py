"""`python -m orders_api`: serve the Orders API with the settings of the environment."""

from __future__ import annotations

import sys

import uvicorn

from orders_api.app import create_app
from warehouse.ledger.database import UnfitLedgerError
from warehouse.logs import LogLevel, configure
from warehouse.privacy import KeyRingError
from warehouse.processes import write_privately
from warehouse.restore_mark import RestoreUnfinishedError
from warehouse.settings import Settings


def main() -> None:
    """Serve until stopped; a stop lets running requests finish."""
    write_privately()
    settings = Settings()
    configure(settings.log_format, settings.log_level or LogLevel.INFO)
    try:
        app = create_app(settings)
    except (KeyRingError, RestoreUnfinishedError, UnfitLedgerError) as error:
        sys.exit(f"the API does not start: {error}")
    uvicorn.run(
        app,
        host=settings.api_host,
        port=settings.api_port,
        access_log=False,
        log_config=None,  # its lines go the way of ours
        server_header=False,
        timeout_graceful_shutdown=20,
    )


if __name__ == "__main__":
    main()
