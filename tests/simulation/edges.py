"""The edges of the product, where it meets sockets, other processes, the wall clock and chance: here the world stands there.

Nothing of the product itself is replaced: what is put in its place belongs to the standard library (files and disks too), to
httpx and to anyio, or is a source of chance, of time, or of the names of processes.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import smtplib
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from email.message import EmailMessage
from types import SimpleNamespace
from typing import Any, Self
from unittest.mock import patch

import anyio.to_thread
import httpx

import warehouse.archive
import warehouse.clock
from orders_pipeline.marketplaces.oauth import SHELF
from orders_pipeline.storages import folder
from tests.simulation.disks import System
from tests.simulation.machine import Machine
from tests.simulation.wire import Wire
from warehouse.ledger.base import heartbeat, leases
from warehouse.ledger.shipping import confirmations

ROOMY = 100_000_000_000
NEARLY_FULL = 1_000_000


@contextlib.contextmanager
def at_the_edges(machine: Machine, wire: Wire, environment: Mapping[str, str]) -> Iterator[None]:
    """Put the world where the product meets everything else."""
    with contextlib.ExitStack() as stack:
        for target, name, value in (
            (httpx.HTTPTransport, "handle_request", lambda _, request: wire.handle(request)),
            (smtplib, "SMTP", _mail_server(machine)),
            (shutil, "disk_usage", _disk(machine)),
            (anyio.to_thread, "run_sync", _in_this_thread),
            (uuid, "uuid4", lambda: uuid.UUID(int=machine.chance.getrandbits(128), version=4)),
            (confirmations, "random", machine.chance),
            (leases, "this_process", lambda: _at_work(machine)),
            (heartbeat, "this_process", lambda: _at_work(machine)),
            (heartbeat, "Thread", _NoThread),
            (leases, "is_gone", lambda _: False),
            (folder, "os", System(machine.share)),
            (warehouse.archive, "os", System(machine.disk)),
            (warehouse.clock, "datetime", Frozen(machine.clock.ours)),
            (SHELF, "_tokens", {}),
        ):
            stack.enter_context(patch.object(target, name, value))
        for module in [each for name, each in sys.modules.items() if name.startswith("orders_pipeline.")]:
            if hasattr(module, "ThreadPoolExecutor"):
                stack.enter_context(patch.object(module, "ThreadPoolExecutor", _InThisThread))
        stack.enter_context(patch.dict(os.environ, environment))
        yield


def _at_work(machine: Machine) -> str:
    return machine.running[-1].name if machine.running else "nobody"


def _mail_server(machine: Machine) -> type:
    class Server:
        """What smtplib would connect to."""

        sock = None

        def __init__(self, *_: Any, **__: Any) -> None:
            if machine.postbox.is_down:
                raise ConnectionRefusedError

        def send_message(self, mail: EmailMessage, *, from_addr: str, to_addrs: list[str]) -> None:
            machine.reach("before a mail")
            machine.postbox.mails.append((machine.clock.true(), to_addrs[0], str(mail["Message-ID"])))
            machine.reach("after a mail")

        def quit(self) -> None:
            pass

        def close(self) -> None:
            pass

    return Server


def _disk(machine: Machine) -> Callable[[object], SimpleNamespace]:
    def usage(_: object) -> SimpleNamespace:
        return SimpleNamespace(total=ROOMY, used=0, free=NEARLY_FULL if machine.is_disk_low else ROOMY)

    return usage


async def _in_this_thread(function: Callable[..., Any], *arguments: Any, **_: Any) -> Any:
    return function(*arguments)


class _NoThread:
    """The heartbeat's: a process that waits beats itself, see `Machine.sleep`."""

    def __init__(self, **_: Any) -> None:
        pass

    def start(self) -> None:
        pass


class _InThisThread:
    """An executor without threads: what is submitted is done in turn."""

    def __init__(self, **_: Any) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    map = staticmethod(map)


class Frozen:
    """The class `datetime` for the one module that asks the wall clock."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def now(self, _: object) -> datetime:
        """The present, as this clock has it."""
        return self._clock()

    def __getattr__(self, name: str) -> Any:
        return getattr(datetime, name)
