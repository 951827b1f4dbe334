"""What every benchmark is made of: sizes, figures with their targets, and processes that are measured from outside.

What is measured is in one module per benchmark; the data is made in `filling`; the table is printed by `__main__`.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import math
import os
import platform
import re
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import httpx

ROOT = Path(__file__).resolve().parents[2]
LOOPBACK = "127.0.0.1"
REPEATS = 3
START_SECONDS = 60.0
MEGABYTE = 1e6
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

STORES = ("sqlite", "postgresql")

Task = Callable[..., Generator[Any, None, None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much each benchmark works on.

    Attributes:
        raw: Raw orders of each shape that are normalised.
        book: Orders that are in the book already when they are; 0 for an empty one.
        pulled: Orders pulled from the sandbox.
        served: Orders in the ledger that the API serves.
        published: Orders published to the lake.
        changed: Changed orders of an incremental publish.
        connections: Connections of an idle tick.
        shops: Connections of an idle tick that workers share.
        committed: Orders committed while the API is written to.
        exchanged: Orders in the book that is exported to files.
        confirmed: Shipments of a backlog that is confirmed, at each marketplace.
        requested: Orders whose requests are counted, at each marketplace.
        hours: How long orders come while it is measured how fresh they are.
        hourly: How many of them in an hour.
        seconds: How long each load on the API lasts.
    """

    raw: int
    book: int
    pulled: int
    served: int
    published: int
    changed: int
    connections: int
    shops: int
    committed: int
    exchanged: int
    confirmed: int
    requested: int
    hours: int
    hourly: int
    seconds: int


TINY = Sizes(
    raw=600,
    book=0,
    pulled=400,
    served=2_000,
    published=2_000,
    changed=100,
    connections=5,
    shops=20,
    committed=1_000,
    exchanged=2_000,
    confirmed=40,
    requested=60,
    hours=1,
    hourly=20,
    seconds=1,
)
DEFAULT = Sizes(
    raw=10_000,
    book=0,
    pulled=5_000,
    served=100_000,
    published=50_000,
    changed=1_000,
    connections=100,
    shops=2_000,
    committed=10_000,
    exchanged=200_000,
    confirmed=2_000,
    requested=300,
    hours=24,
    hourly=20,
    seconds=3,
)
FULL = Sizes(
    raw=20_000,
    book=1_000_000,
    pulled=20_000,
    served=1_000_000,
    published=1_000_000,
    changed=1_000,
    connections=100,
    shops=2_000,
    committed=10_000,
    exchanged=500_000,
    confirmed=10_000,
    requested=1_000,
    hours=24,
    hourly=200,
    seconds=5,
)


@dataclass(frozen=True, slots=True)
class Target:
    """What the design asks for, in the unit of the figure."""

    sense: Literal[">=", "<="]
    limit: float

    def is_met(self, value: float) -> bool:
        """Whether a figure is good enough."""
        return value >= self.limit if self.sense == ">=" else value <= self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table.

    Attributes:
        benchmark: What was measured.
        size: On how much.
        value: Our figure.
        unit: Its unit, and that of the reference and the target.
        reference: The figure of what we compare with, taken in the same run.
        against: What that is.
        target: What the design asks for.
    """

    benchmark: str
    size: str
    value: float
    unit: str
    reference: float | None = None
    against: str = ""
    target: Target | None = None

    @property
    def ratio(self) -> float | None:
        """Ours over the reference's."""
        return self.value / self.reference if self.reference else None

    @property
    def is_met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        return None if self.target is None else self.target.is_met(self.value)


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where one run of the benchmarks works: a folder that is deleted afterwards, the sizes, and a voice on stderr.

    Attributes:
        books: Where filled books are kept for the next run; None: nowhere.
        stores: The databases on which is measured what is measured on both.
    """

    folder: Path
    sizes: Sizes
    say: Callable[[str], None]
    books: Path | None = None
    stores: Sequence[str] = STORES

    def kept(self, name: str) -> Path:
        """A folder that an earlier run may have filled."""
        folder = (self.books or self.folder) / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def fresh(self, name: str) -> Path:
        """An empty folder; one of the same name is emptied."""
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def copy(self, source: Path, name: str) -> Path:
        """A copy of a folder."""
        target = self.folder / name
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
        return target


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a child: what it returned, and what it cost as seen from outside.

    Attributes:
        value: What the task yielded.
        wall_seconds: From the word to go to the answer.
        cpu_seconds: Of the child and of the processes that it started.
        peak_bytes: The largest resident memory the child ever had.
    """

    value: Any
    wall_seconds: float
    cpu_seconds: float
    peak_bytes: int


class ChildError(Exception):
    """A child ended before its task did; the message is the end of what it wrote."""


class Child:
    """A task in a process of its own, taken step by step.

    The task is a generator function of a module of this folder. Each `step` lets it run to its next `yield`; the first
    one includes the start of the interpreter and the imports.
    """

    def __init__(
        self, workshop: Workshop, task: Task, *arguments: Any, environment: Mapping[str, str] | None = None
    ) -> None:
        self._log = workshop.folder / f"{task.__name__}.log"
        self._cpu_seconds = 0.0
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.benchmarks.child", task.__module__, task.__name__, json.dumps(arguments)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=workshop.folder,
                env=clean_environment(environment or {}),
            )

    def begin(self) -> None:
        """Let the task go on to its next `yield`, without waiting for it."""
        assert self._process.stdin is not None
        self._started = time.perf_counter()
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()

    def end(self) -> Step:
        """Wait for the `yield` that `begin` began.

        Raises:
            ChildError: The task failed.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        wall = time.perf_counter() - self._started
        if not line:
            raise ChildError(self._log.read_text()[-3000:])
        before, self._cpu_seconds = self._cpu_seconds, cpu_seconds(self._process.pid)
        return Step(json.loads(line), wall, self._cpu_seconds - before, memory_bytes(self._process.pid, "VmHWM"))

    def step(self) -> Step:
        """Let the task go on to its next `yield` and wait for it; raises `ChildError` when it fails."""
        self.begin()
        return self.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


@contextlib.contextmanager
def server(
    workshop: Workshop,
    command: Sequence[str],
    probe: str,
    environment: Mapping[str, str],
    inherited: Sequence[int] = (),
) -> Iterator[int]:
    """A server in a process of its own, with these descriptors of ours; yields its process id once `probe` answers.

    Raises:
        ChildError: It does not answer.
    """
    log_path = workshop.folder / "server.log"
    with (
        log_path.open("w") as log,
        subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            cwd=workshop.folder,
            env=clean_environment(environment),
            pass_fds=inherited,
        ) as process,
    ):
        try:
            _await_answer(process, probe, log_path)
            yield process.pid
        finally:
            process.send_signal(signal.SIGKILL)


def _await_answer(process: subprocess.Popen[bytes], probe: str, log_path: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(httpx.TransportError):
            httpx.get(probe, timeout=5.0)
            return
        time.sleep(0.05)
    raise ChildError(log_path.read_text()[-3000:])


def clean_environment(more: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child: nothing of the caller's own installation."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ORDERS_", "DAGSTER_"))}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, of its children that ended, and of those that live."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        own = sum(int(each) for each in fields[11:15]) / TICKS_PER_SECOND
        return own + sum(cpu_seconds(each) for each in _children(pid))
    return 0.0


def memory_bytes(pid: int, field: str) -> int:
    """A field of a process's memory: `VmRSS`, resident now, or `VmHWM`, the most that ever was."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"^{field}:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found += [int(each) for each in (task / "children").read_text().split()]
    return found


def median(values: Sequence[float]) -> float:
    """The one in the middle."""
    return float(statistics.median(values))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share (0 to 1) of the values does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def machine() -> dict[str, str]:
    """What all this ran on."""
    cpu = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": str(os.cpu_count()),
        "cpu": cpu[1] if cpu else platform.machine(),
        "memory": f"{memory / 1e9:.1f} GB",
        "load before": f"{os.getloadavg()[0]:.1f}",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "duckdb": importlib.metadata.version("duckdb"),
        "dlt": importlib.metadata.version("dlt"),
    }
