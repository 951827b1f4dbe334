"""`python -m orders_api`: serve the Orders API with the settings of the environment."""

from __future__ import annotations

import uvicorn

from orders_api.app import create_app
from warehouse.logs import LogLevel, configure
from warehouse.processes import write_privately
from warehouse.settings import Settings


def main() -> None:
    """Serve until stopped; a stop lets running requests finish."""
    write_privately()
    settings = Settings()
    configure(settings.log_format, settings.log_level or LogLevel.INFO)
    uvicorn.run(
        create_app(settings),
        host=settings.api_host,
        port=settings.api_port,
        access_log=False,
        log_config=None,  # its lines go the way of ours
        server_header=False,
        timeout_graceful_shutdown=20,
    )


if __name__ == "__main__":
    main()
