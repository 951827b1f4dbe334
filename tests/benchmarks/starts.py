"""CPU seconds until a process is there: the API alone, the API with the console, and commands that touch no data.

The reference is a process that imports the libraries that the API stands on, and does nothing with them.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence

from tests.benchmarks.filling import environment_of, installed
from tests.benchmarks.measuring import (
    LOOPBACK,
    ROOT,
    Figure,
    Target,
    Workshop,
    clean_environment,
    cpu_seconds,
    free_port,
    median,
    server,
)

TIMES = 5
LIBRARIES = "import fastapi, httptools, orjson, prometheus_client, sqlalchemy, structlog, uvicorn"
COMMAND = "from orders_pipeline.cli import main; main()"
API_SECONDS, COMMAND_SECONDS = 0.8, 0.5


def measure(workshop: Workshop) -> list[Figure]:
    """The API without and with the console, and two commands."""
    home = workshop.fresh("home")
    with installed(home):
        workshop.say("an empty ledger")
    own = environment_of(home)
    libraries = median([_command(own, ["-c", LIBRARIES]) for _ in range(TIMES)])

    def figure(name: str, values: Sequence[float], most: float | None) -> Figure:
        workshop.say(name)
        target = None if most is None else Target("<=", most)
        return Figure(
            benchmark=f"start: {name}, CPU",
            size=f"median of {TIMES}",
            value=median(values),
            unit="s",
            reference=libraries,
            against="the API's libraries alone",
            target=target,
        )

    return [
        figure("API", [_api(workshop, own | {"ORDERS_CONSOLE": "off"}) for _ in range(TIMES)], API_SECONDS),
        figure("API and console", [_api(workshop, own) for _ in range(TIMES)], None),
        *(
            figure(f"orders {option}", [_command(own, ["-c", COMMAND, option]) for _ in range(TIMES)], COMMAND_SECONDS)
            for option in ("--version", "--help")
        ),
    ]


def _api(workshop: Workshop, environment: Mapping[str, str]) -> float:
    port = free_port()
    listening = {"ORDERS_API_HOST": LOOPBACK, "ORDERS_API_PORT": str(port)}
    command = [sys.executable, "-m", "orders_api"]
    with server(workshop, command, f"http://{LOOPBACK}:{port}/healthz", {**environment, **listening}) as pid:
        return cpu_seconds(pid)


def _command(environment: Mapping[str, str], arguments: Sequence[str]) -> float:
    """CPU seconds of an interpreter from its start to its end."""
    report = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True); "
    report += "used = resource.getrusage(resource.RUSAGE_CHILDREN); print(used.ru_utime + used.ru_stime)"
    done = subprocess.run(
        [sys.executable, "-c", report, sys.executable, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        cwd=ROOT,
        env=clean_environment(environment),
    )
    return float(done.stdout)
