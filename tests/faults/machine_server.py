"""Another machine that runs jobs of the pipeline: a program of `forks`, each of whose forks is a process group.

A command names the `job`, the `environment` to add, and `offset_file`, which holds by how many seconds the time is ahead of the
machine's own. It has a host name of its own, which is all by which the product tells machines apart.
"""

from __future__ import annotations

import os
import socket
import sys
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
from tests.faults.forks import serve
from warehouse.ledger.base import postgresql


def work(command: dict[str, Any]) -> int:
    """Execute the job once; 0 when it succeeded."""
    os.setpgid(0, 0)
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


if __name__ == "__main__":
    socket.gethostname = lambda: sys.argv[1]
    postgresql.IDLE_SECONDS = 1  # or a test would wait half a minute for what a machine has locked that stands still
    serve(work)
