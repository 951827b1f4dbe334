"""Several processes of the API on one listening socket: started, watched, started again and stopped by this one.

The console stays one process, at the same address (`handover`): so it knows of every attempt to log in, and of every open page.
This process answers nothing itself. What the others share is in `kit/siblings`.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from orders_api.kit.siblings import FOLDER_VARIABLE
from warehouse.logs import Event
from warehouse.processes import Restarts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from warehouse.settings import Settings

LOG = logging.getLogger("orders_api")
LOOK_EVERY_SECONDS = 0.25
GRACE_SECONDS = 25.0
"""For requests under way, when all of it is stopped; each process gives them 20 seconds."""
BACKLOG = 2048
UNFIT = os.EX_CONFIG
"""Exit code of a process that cannot serve this installation: another one could not either."""


@dataclass
class Worker:
    """One process that serves.

    Attributes:
        name: For the log.
        command: What runs.
        inherited: Descriptors of ours that it gets.
    """

    name: str
    command: Sequence[str]
    inherited: Sequence[int]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    again_at: float = 0.0
    restarts: Restarts = field(default_factory=Restarts)

    def watch(self, environment: dict[str, str]) -> None:
        """Start it where it does not run and its pause is over.

        Raises:
            SystemExit: It has ended too often, or cannot serve.
        """
        now = time.monotonic()
        if self.process is None:
            if now >= self.again_at:
                self.process = subprocess.Popen(self.command, env=environment, pass_fds=self.inherited)  # noqa: S603 - our own module
                self.started = now
            return
        code = self.process.poll()
        if code is None:
            return
        self.process = None
        pause = None if code == UNFIT else self.restarts.pause(now - self.started)
        about = {"worker": self.name, "exit_code": code, "again_in_seconds": pause}
        if pause is None:
            LOG.error(Event.PROCESS_ENDED, extra=about)
            raise SystemExit(UNFIT if code == UNFIT else 1)
        LOG.warning(Event.PROCESS_ENDED, extra=about)
        self.again_at = now + pause


def serve_by_workers(settings: Settings, partner: socket.socket | None) -> NoReturn:
    """Serve until stopped; a stop lets running requests finish in every process.

    Args:
        settings: Say how many, and where.
        partner: Leads to the console where somebody else runs it; None: it is run here, if it is served.
    """
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, _leave)
    with ExitStack() as stack:
        listener = stack.enter_context(_listening(settings))
        lifeline, held = os.pipe()  # closes with this process, however it ends: then they end too
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="orders-api-"))
        environment = os.environ | {FOLDER_VARIABLE: folder}
        workers = list(_workers(settings, stack, listener, lifeline, partner))
        try:
            while True:
                for each in workers:
                    each.watch(environment)
                time.sleep(LOOK_EVERY_SECONDS)
        finally:
            listener.close()  # who comes now is refused, and does not wait in vain
            os.close(held)
            _end(workers)


def _workers(
    settings: Settings, stack: ExitStack, listener: socket.socket, lifeline: int, partner: socket.socket | None
) -> Iterator[Worker]:
    program = [sys.executable, "-m", "orders_api"]
    common = ["--lifeline", str(lifeline)]
    if partner is None and settings.console:
        ours, other = (stack.enter_context(each) for each in socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
        partner = ours
        yield Worker("console", [*program, "console", str(other.fileno()), *common], [other.fileno(), lifeline])
    own, inherited = ["--listener", str(listener.fileno()), *common], [listener.fileno(), lifeline]
    if partner is not None:
        own, inherited = ["api", str(partner.fileno()), *own], [*inherited, partner.fileno()]
    for number in range(settings.api_workers):
        yield Worker(f"api {number + 1}", [*program, *own], inherited)


def _listening(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.api_host else socket.AF_INET
    try:
        return socket.create_server((settings.api_host, settings.api_port), family=family, backlog=BACKLOG)
    except OSError as error:
        sys.exit(f"the API does not start: {settings.api_host} port {settings.api_port}: {error.strerror}")


def _end(workers: Sequence[Worker]) -> None:
    """Ask all of them to end, and end those that do not in time."""
    running = [each.process for each in workers if each.process is not None]
    for each in running:
        each.terminate()
    deadline = time.monotonic() + GRACE_SECONDS
    for each in running:
        try:
            each.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            each.kill()


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, signal.SIG_IGN)  # once is enough, and the end is not to be broken off
    raise SystemExit(0)
