"""Processes that a command starts beside itself: each in a group of its own, ended with everything that it started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import httpx

from orders_pipeline.commands.output import Exit, fail, progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from types import FrameType
    from typing import IO

ROOT = Path(__file__).resolve().parents[2]
"""Where `dagster.yaml` and `workspace.yaml` lie."""
ORDERS = [sys.executable, "-c", "from orders_pipeline.cli import main; main()"]
"""The command `orders` of this very environment."""

GRACE_SECONDS = 15


def leave_on_term() -> None:
    """Have a stop from outside leave by an exception, so that the processes that were started are ended too."""

    def leave(_number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, leave)


@contextmanager
def child(command: Sequence[str], output: IO[bytes] | None) -> Iterator[subprocess.Popen[bytes]]:
    """A process with Dagster's home, ended when the context is left.

    Args:
        command: What to run.
        output: Where it writes; None: where we write.
    """
    process = start(command, output)
    try:
        yield process
    finally:
        stop(process)


def start(command: Sequence[str], output: IO[bytes] | None, inherited: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    """Start a process in a group of its own, with these descriptors of ours."""
    environment = {"DAGSTER_HOME": str(ROOT), **os.environ, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(  # noqa: S603 - our own commands
        command,
        cwd=ROOT,
        env=environment,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=inherited,
    )


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started: asked first, then without being asked."""
    for first in (signal.SIGTERM, signal.SIGKILL):
        how: int = first
        deadline = time.monotonic() + GRACE_SECONDS
        while time.monotonic() < deadline:
            process.poll()  # takes note of its end: what has ended and was not noted still counts
            try:
                os.killpg(process.pid, how)
            except ProcessLookupError:
                return
            how = 0  # from now on only whether somebody is left
            time.sleep(0.05)


def log_file(home: Path, name: str) -> Path:
    """Where a process writes, below the installation's home; its folder is made."""
    path = home / "logs" / f"{name}.log"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def wait_for(urls: Mapping[str, str], patience_seconds: float) -> None:
    """Wait until every address answers; the end of the command where one does not in time."""
    deadline = time.monotonic() + patience_seconds
    with progress("starting", len(urls)) as (bar, task):
        for name, url in urls.items():
            bar.update(task, description=f"starting {name}")
            while not answers_at(url):
                if time.monotonic() > deadline:
                    raise fail(
                        f"{name} did not start within {patience_seconds:.0f} s; see the logs folder", Exit.UNAVAILABLE
                    )
                time.sleep(0.2)
            bar.advance(task)


def answers_at(url: str) -> bool:
    """Whether something answers there, and well."""
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.HTTPError:
        return False


def asked_port(port: int | None, preferred: int) -> int:
    """The port that was asked for, which must be free; else the preferred one, or any that is free."""
    if port is None:
        return free_port(preferred)
    if free_port(port) != port:
        raise fail(f"port {port} is taken: name another one", Exit.USAGE)
    return port


def free_port(preferred: int) -> int:
    """The preferred port where it is free, else any."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise fail("no port is free on 127.0.0.1", Exit.UNAVAILABLE)
