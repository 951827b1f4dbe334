"""`orders up`: pipeline, Dagster's pages, API and console of one machine, started, watched and stopped under one command.

A process that ends is started again, with pauses that grow; one that keeps ending ends all of it, and its last lines are shown.
Nothing here is used by the processes themselves, which may as well run apart.
"""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from socket import AF_UNIX, SOCK_DGRAM, socketpair
from typing import TYPE_CHECKING, Annotated

import typer
from sqlalchemy.engine import make_url

from orders_pipeline.commands.children import answers_at, asked_port, leave_on_term, log_file, start, stop
from orders_pipeline.commands.output import Exit, answers, fail, notes, progress
from orders_pipeline.installation import opened
from warehouse.ledger.people import users
from warehouse.ledger.people.operator_requests import pipeline_seen_at
from warehouse.ledger.settings.channels import all_channels, all_connections
from warehouse.processes import Restarts
from warehouse.settings import MOST_WORKERS, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from subprocess import Popen
    from typing import IO

    from orders_pipeline.installation import Installation

DAGSTER_PORT = 3000
PATIENCE_SECONDS = 120.0
LOOK_EVERY_SECONDS = 0.5
LAST_LINES = 15


@dataclass
class Supervised:
    """One process of the installation.

    Attributes:
        name: For people.
        command: What runs.
        is_ready: Whether it does its work.
        log: Where it writes; None: where we write.
        inherited: Descriptors of ours that it gets.
    """

    name: str
    command: Sequence[str]
    is_ready: Callable[[], bool]
    log: Path | None
    inherited: Sequence[int] = ()
    process: Popen[bytes] | None = None
    started: float = 0.0
    again_at: float = 0.0
    restarts: Restarts = field(default_factory=Restarts)

    def start(self, stack: ExitStack) -> None:
        """Start it; what it writes is added to its log."""
        output: IO[bytes] | None = None if self.log is None else stack.enter_context(self.log.open("ab"))
        self.process, self.started = start(self.command, output, self.inherited), time.monotonic()

    def watch(self, stack: ExitStack) -> None:
        """Start it again when it has ended.

        Raises:
            typer.Exit: It has ended too often.
        """
        now = time.monotonic()
        if self.process is None:
            if now >= self.again_at:
                self.start(stack)
            return
        code = self.process.poll()
        if code is None:
            return
        stop(self.process)  # what it has started may have outlived it
        self.process = None
        pause = self.restarts.pause(now - self.started)
        if pause is None:
            ends = self.restarts.ends
            raise fail(f"{self.name} has ended {ends} times in a row, the last time with {code}{self._last_lines()}")
        self.again_at = now + pause
        notes.print(f"{self.name} has ended with {code}; it is started again in {pause:.0f} s", style="red")

    def _last_lines(self) -> str:
        if self.log is None:
            return ""
        lines = self.log.read_text(errors="replace").splitlines()[-LAST_LINES:]
        return "\n".join([f"; {self.log} ends with:", *lines])


def up(
    host: Annotated[str | None, typer.Option(help="Address of API and console; default: ORDERS_API_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port of API and console; default: ORDERS_API_PORT, or a free one.")
    ] = None,
    dagster_port: Annotated[int | None, typer.Option(help="Of Dagster's pages; default: 3000, or a free one.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=MOST_WORKERS, help="Processes of the API; default: ORDERS_API_WORKERS.")
    ] = None,
) -> None:
    """Run the whole installation on this machine: pipeline, Dagster's pages, API and console; Ctrl-C stops all of it.

    What is lacking is made: the ledger, the key ring. API and console are two processes at one address. Dagster's pages listen
    on this machine only. At a terminal the processes write below ORDERS_HOME/logs; under a service manager they write where
    this command does.

    Examples:

      orders up

      orders up --host 0.0.0.0 --port 8080
    """
    leave_on_term()
    settings = Settings()
    os.environ["ORDERS_HOME"] = str(settings.home.resolve())  # the processes run in a folder of their own
    if workers is not None:
        os.environ["ORDERS_API_WORKERS"] = str(workers)
    host = host or settings.api_host
    api_port = asked_port(port, settings.api_port)
    dagster = asked_port(dagster_port, DAGSTER_PORT)
    os.environ.update(ORDERS_API_HOST=host, ORDERS_API_PORT=str(api_port))
    os.environ.setdefault("ORDERS_DAGSTER_URL", f"http://127.0.0.1:{dagster}")  # the console links to it
    with opened() as installation, ExitStack() as stack:
        served = _served(stack, settings, f"http://{_shown(host)}:{api_port}")
        parts = [*served, *_pipeline(installation, dagster)]
        stack.callback(_stop_all, parts)
        began = time.monotonic()
        for each in parts:
            each.start(stack)
        with suppress(KeyboardInterrupt):
            _wait_until_ready(parts, stack, began)
            _tell(installation, f"http://{_shown(host)}:{api_port}", f"http://127.0.0.1:{dagster}")
            notes.print(f"ready after {time.monotonic() - began:.0f} s; interrupt (Ctrl-C) to stop")
            while True:
                time.sleep(LOOK_EVERY_SECONDS)
                for each in parts:
                    each.watch(stack)


def _served(stack: ExitStack, settings: Settings, address: str) -> Iterator[Supervised]:
    """API and console: a process each, unless one of them is switched off, joined by a pair of sockets that outlives both.

    They end when this process does, however it ends: the next one finds their port free.
    """
    lifeline, held = os.pipe()
    for each in (lifeline, held):
        stack.callback(os.close, each)
    program, common = [sys.executable, "-m", "orders_api"], ["--lifeline", str(lifeline)]
    if not (settings.api and settings.console):
        yield _part(settings, "api", [*program, *common], lambda: answers_at(f"{address}/healthz"), (lifeline,))
        return
    for name, page, end in zip(
        ("api", "console"), ("/healthz", "/console/log-in"), socketpair(AF_UNIX, SOCK_DGRAM), strict=True
    ):
        own = stack.enter_context(end).fileno()
        command = [*program, name, str(own), *common]
        yield _part(settings, name, command, partial(answers_at, address + page), (own, lifeline))


def _pipeline(installation: Installation, dagster: int) -> Iterator[Supervised]:
    programs = Path(sys.executable).parent
    begins = installation.clock() - timedelta(seconds=1)

    def pipeline_looks() -> bool:
        with installation.ledger.read() as transaction:
            seen = pipeline_seen_at(transaction)
        return seen is not None and seen >= begins

    settings = installation.settings
    pages = [str(programs / "dagster-webserver"), "-h", "127.0.0.1", "-p", str(dagster)]
    yield _part(settings, "dagster", pages, lambda: answers_at(f"http://127.0.0.1:{dagster}/server_info"))
    yield _part(settings, "pipeline", [str(programs / "dagster-daemon"), "run"], pipeline_looks)


def _part(
    settings: Settings, name: str, command: Sequence[str], is_ready: Callable[[], bool], inherited: Sequence[int] = ()
) -> Supervised:
    log = log_file(settings.home.resolve(), name) if sys.stderr.isatty() else None
    return Supervised(name, command, is_ready, log, inherited)


def _wait_until_ready(parts: Sequence[Supervised], stack: ExitStack, began: float) -> None:
    waiting = list(parts)
    with progress("starting", len(parts)) as (bar, task):
        while waiting:
            bar.update(task, description=f"starting {', '.join(each.name for each in waiting)}")
            if time.monotonic() - began > PATIENCE_SECONDS:
                names = ", ".join(each.name for each in waiting)
                raise fail(f"{names} did not start within {PATIENCE_SECONDS:.0f} s", Exit.UNAVAILABLE)
            time.sleep(LOOK_EVERY_SECONDS)
            for each in parts:
                each.watch(stack)
            ready = [each for each in waiting if each.is_ready()]
            waiting = [each for each in waiting if each not in ready]
            bar.advance(task, len(ready))


def _tell(installation: Installation, api: str, dagster: str) -> None:
    """Where everything is, and what the newcomer's next step is."""
    settings = installation.settings
    with installation.ledger.read() as transaction:
        connections, channels = len(all_connections(transaction)), len(all_channels(transaction))
        is_anybody = bool(users.listed(transaction))
    lines = [
        f"Console       {settings.console_url or f'{api}/console'}",
        f"Orders API    {api}/docs",
        f"Dagster       {dagster}",
        f"ledger        {make_url(settings.ledger_url).render_as_string(hide_password=True)}",
        f"order tables  {settings.lake_files}",
        f"connected     {connections} connections, {channels} channels",
    ]
    if not connections:
        lines.append("next          write orders.yaml, then: orders apply -f orders.yaml")
    if not is_anybody:
        lines.append("log in        orders users add NAME --role admin prints a link")
    answers.rule("This installation", align="left")
    for line in lines:
        answers.print(line, markup=False, highlight=False)


def _stop_all(parts: Sequence[Supervised]) -> None:
    """The pipeline first, so that nothing new begins; console and API last."""
    for each in reversed(parts):
        if each.process is not None:
            stop(each.process)


def _shown(host: str) -> str:
    """The address by which this machine reaches what listens there."""
    with suppress(ValueError):  # a name
        address = ip_address(host)
        if address.is_unspecified:
            return "127.0.0.1" if address.version == 4 else "[::1]"  # noqa: PLR2004 - IPv4
        return host if address.version == 4 else f"[{host}]"  # noqa: PLR2004 - IPv4
    return host
