"""`python -m orders_api`: serving the Orders API with the settings of the environment, until it is stopped.

What one process serves is in `process`. Where several processes serve one address, each is this one with
arguments: one side of two (`handover`), one of many at one socket (`workers`).
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import threading

from warehouse.logs import LogLevel, configure
from warehouse.processes import write_privately
from warehouse.settings import Settings, faults


def serve() -> None:
    """Serve until stopped; a stop lets running requests finish."""
    write_privately()
    place = _place()
    settings = _settings()
    configure(settings.log_format, settings.log_level or LogLevel.INFO)
    if place.side is not None:
        settings = settings.model_copy(update={each: each == place.side for each in ("api", "console")})
    partner = None if place.partner is None else socket.socket(fileno=place.partner)
    if place.lifeline is not None:
        _end_with(place.lifeline)
    if settings.api and settings.api_workers > 1 and place.listener is None:
        from orders_api.workers import serve_by_workers  # noqa: PLC0415 - it loads nothing of what it starts

        serve_by_workers(settings, partner)
    from orders_api.process import serve_here  # noqa: PLC0415 - a process that only starts others needs nothing of it

    serve_here(settings, partner, None if place.listener is None else [socket.socket(fileno=place.listener)])


def _settings() -> Settings:
    try:
        return Settings()
    except ValueError as error:
        sys.exit("\n".join(faults(error)) or str(error))


def _place() -> argparse.Namespace:
    """Where this process stands among others, as those who start it say."""
    parser = argparse.ArgumentParser(prog="python -m orders_api")
    parser.add_argument("side", nargs="?", choices=["api", "console"], help="whose requests it answers")
    parser.add_argument(
        "partner", nargs="?", type=int, help="descriptor of the socket to the process of the other side"
    )
    parser.add_argument("--listener", type=int, help="descriptor of the socket that it listens on with others")
    parser.add_argument("--lifeline", type=int, help="descriptor that is closed when it is to end")
    return parser.parse_args()


def _end_with(lifeline: int) -> None:
    """End as if asked to, when whoever holds the other end is gone."""

    def wait() -> None:
        os.read(lifeline, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()
