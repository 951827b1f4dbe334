"""Runs ticks for the kill campaign: for each line on standard input it forks, and the fork executes the job `pull_orders`.

The line is JSON: Dagster's `instance` (`ephemeral`, or `stored` for the one of DAGSTER_HOME), the `environment` to add, and
`limit_bytes`, the largest file it may write, or null. Answers with the fork's process id and, when it has ended, with its
wait status. Not a test; forking from a process that has everything imported makes a tick
cost what its work costs.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from typing import Any

import dagster as dg

from orders_pipeline.definitions import defs


def tick(command: dict[str, Any]) -> int:
    """Execute the job once; 0 when it succeeded."""
    os.environ.update(command["environment"])
    if command["limit_bytes"] is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (command["limit_bytes"], resource.RLIM_INFINITY))
    opened = dg.DagsterInstance.get() if command["instance"] == "stored" else dg.DagsterInstance.ephemeral()
    with opened as instance:
        return 0 if defs.resolve_job_def("pull_orders").execute_in_process(instance=instance).success else 1


def main() -> None:
    """Serve until standard input ends."""
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                status = tick(json.loads(line))
            finally:
                sys.stderr.flush()
                os._exit(status)
        print(pid, flush=True)  # noqa: T201 - the protocol
        _, status = os.waitpid(pid, 0)
        print(status, flush=True)  # noqa: T201 - the protocol


if __name__ == "__main__":
    main()
