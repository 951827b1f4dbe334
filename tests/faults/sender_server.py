"""Runs senders for the confirmation campaign: a program of `forks`, each of whose forks confirms what is due.

A command names the `environment` to add, `offset_file`, which holds by how many seconds the campaign's time is ahead of the
machine's, and `pull`, whether orders are pulled first.
"""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from orders_pipeline.installation import Installation
from orders_pipeline.marketplaces.amazon import session  # noqa: F401 - the library takes most of a second to import
from orders_pipeline.stages import accept, confirm, normalise, pull
from tests.faults.forks import serve
from warehouse.ledger.base.database import open_ledger
from warehouse.privacy import open_key_ring
from warehouse.settings import Settings


def run(command: dict[str, Any]) -> int:
    """One run; 0 when it came to its end."""
    os.environ.update(command["environment"])
    offset_file = Path(command["offset_file"])

    def clock() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(offset_file.read_text()))

    settings = Settings(_env_file=None)
    ledger = open_ledger(settings)
    installation = Installation(settings, ledger, open_key_ring(settings), clock)
    if command["pull"]:
        pull.pull_all(installation)
        normalise.normalise_pending(installation)
        accept.accept_all(installation)
    confirm.confirm_all(installation)
    ledger.close()
    return 0


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    serve(run)
