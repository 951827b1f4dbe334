"""Machines with a worker of Celery each: a network namespace and a host name of their own, and nothing between them but TCP.

Servers listen on the loopback of the test's machine. Each machine reaches them at its own loopback, as connections in clear to
any other address are refused; relays carry that across.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
RELAY = Path(__file__).with_name("relay.py")


def missing_programs() -> list[str]:
    """What has to be installed; and to be root, who alone may make a namespace."""
    missing = [each for each in ("redis-server", "ip", "unshare") if shutil.which(each) is None]
    return missing if os.geteuid() == 0 else [*missing, "root's rights"]


@contextlib.contextmanager
def serving_redis(folder: Path) -> Iterator[int]:
    """A Redis server on loopback, which keeps nothing; yields its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            until(lambda: _answers(port))
            yield port
        finally:
            server.kill()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@dataclass(frozen=True)
class Machine:
    """A machine whose worker works."""

    name: str
    worker: subprocess.Popen[bytes]

    def kill(self) -> None:
        """Everything that runs there, at once."""
        os.killpg(self.worker.pid, signal.SIGKILL)
        self.worker.wait()


@contextlib.contextmanager
def machine(number: int, ports: Sequence[int], environment: Mapping[str, str], log: Path) -> Iterator[Machine]:
    """Start a machine of this number, from which these ports are reached."""
    name, link = f"orders-{os.getpid()}-{number}", f"or{os.getpid() % 10_000}n{number}"
    net = f"10.{100 + os.getpid() % 100}.{number}"
    here, there = f"{net}.1", f"{net}.2"
    reached = [str(port) for port in ports]
    inside = ["ip", "netns", "exec", name]
    with contextlib.ExitStack() as stack:
        _ip("netns", "add", name)
        stack.callback(_ip, "netns", "del", name)
        _ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("addr", "add", f"{here}/30", "dev", link)
        _ip("link", "set", link, "up")
        _ip("-n", name, "addr", "add", f"{there}/30", "dev", "eth0")
        for device in ("eth0", "lo"):
            _ip("-n", name, "link", "set", device, "up")
        for command in (
            [sys.executable, RELAY, here, "127.0.0.1"],
            [*inside, sys.executable, RELAY, "127.0.0.1", here],
        ):
            relay = stack.enter_context(subprocess.Popen([*command, *reached]))
            stack.callback(relay.kill)
        output = stack.enter_context(log.open("wb"))
        celery = (
            f"hostname machine-{number}; exec {sys.executable} -m celery -A dagster_celery.app worker -Q dagster -c 1"
        )
        worker = stack.enter_context(
            subprocess.Popen(
                [*inside, "unshare", "--uts", "sh", "-c", f"{celery} --without-gossip --without-mingle"],
                env={**os.environ, **environment, "PYTHONPATH": f"{ROOT}:{ROOT / 'deploy' / 'celery'}"},
                cwd=log.parent,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        )
        stack.callback(_kill_group, worker.pid)
        yield Machine(f"machine-{number}", worker)


def _kill_group(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def until(is_so, seconds: float = 120.0) -> None:
    """Wait until something is so, which has no better way of telling."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.25)
