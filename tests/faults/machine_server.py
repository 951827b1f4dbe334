"""Another machine that runs jobs of the pipeline: for each line on standard input it forks, and the fork executes one job.

The line is JSON: the `job`, the `environment` to add, and `offset_file`, which holds by how many seconds the time is ahead of
the machine's own. Answers with the fork's process id (each fork is a process group) and, when it has ended, with its wait
status. Not a test. It has a host name of its own, which is all by which the product tells machines apart.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from orders_pipeline.definitions import build_defs
from orders_pipeline.installation import Installation, opened
from orders_pipeline.marketplaces.amazon import session  # noqa: F401 - the library takes most of a second to import
from orders_pipeline.resources import InstallationSource
from warehouse.ledger.base import postgresql


def work(command: dict[str, Any]) -> int:
    """Execute the job once; 0 when it succeeded."""
    os.environ.update(command["environment"])
    offset_file = Path(command["offset_file"])

    def clock() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(offset_file.read_text()))

    @contextmanager
    def opened_later() -> Iterator[Installation]:
        with opened(clock=clock) as installation:
            yield installation

    job = build_defs(source=InstallationSource(opened_later)).resolve_job_def(command["job"])
    with dg.DagsterInstance.get() as instance:
        return 0 if job.execute_in_process(instance=instance).success else 1


def main() -> None:
    """Serve until standard input ends."""
    socket.gethostname = lambda: sys.argv[1]
    postgresql.IDLE_SECONDS = 1  # or a test would wait half a minute for what a machine has locked that stands still
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            status = 1
            try:
                status = work(json.loads(line))
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
