"""Runs ticks for the kill campaign: a program of `forks`, each of whose forks executes the job `pull_orders`.

A command names Dagster's `instance` (`ephemeral`, or `stored` for the one of DAGSTER_HOME), the `environment` to add, and
`limit_bytes`, the largest file that may be written, or null.
"""

from __future__ import annotations

import os
import resource
import signal
from typing import Any

import dagster as dg

from orders_pipeline.definitions import defs
from tests.faults.forks import serve


def tick(command: dict[str, Any]) -> int:
    """Execute the job once; 0 when it succeeded."""
    os.environ.update(command["environment"])
    if command["limit_bytes"] is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (command["limit_bytes"], resource.RLIM_INFINITY))
    opened = dg.DagsterInstance.get() if command["instance"] == "stored" else dg.DagsterInstance.ephemeral()
    with opened as instance:
        return 0 if defs.resolve_job_def("pull_orders").execute_in_process(instance=instance).success else 1


if __name__ == "__main__":
    serve(tick)
