"""Runs senders for the confirmation campaign: for each line on standard input it forks, and the fork confirms what is due.

The line is JSON: the `environment` to add, `offset_file`, which holds by how many seconds the campaign's time is ahead of the
machine's, and `pull`, whether orders are pulled first. Answers with the fork's process id and, when it has ended, with its
wait status. Not a test; forking from a process that has everything imported makes a run cost what its work costs.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from orders_pipeline.installation import Installation
from orders_pipeline.marketplaces.amazon import session  # noqa: F401 - the library takes most of a second to import
from orders_pipeline.stages import accept, confirm, normalise, pull
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


def main() -> None:
    """Serve until standard input ends."""
    logging.disable(logging.WARNING)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                status = run(json.loads(line))
            except Exception:  # noqa: BLE001 - the parent is told by the status, a person by the log
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(status)
        print(pid, flush=True)  # noqa: T201 - the protocol
        _, status = os.waitpid(pid, 0)
        print(status, flush=True)  # noqa: T201 - the protocol


if __name__ == "__main__":
    main()
