"""The faults' world: the marketplaces and installations of the pipeline's tests, and ticks in processes that may be killed."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.forks import ROOT, ForkingProgram
from warehouse.clock import utc_now
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = "test:" + "A" * 43 + "="


def _load(name: str, path: Path):
    spec = util.spec_from_file_location(name, path)
    module = util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


world = _load("pipeline_world", ROOT / "tests" / "pipeline" / "conftest.py")
credentials = world.credentials
marketplaces = world.marketplaces
open_installation = world.open_installation
installation = world.installation
connected = world.connected
source = world.source
instance = world.instance


class Ticker:
    """Ticks of one installation, each in a process of its own."""

    def __init__(self, server: ForkingProgram, home: Path, settings: dict[str, object]) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.server = server
        self.settings = Settings(_env_file=None, home=home, keys=KEYS, **settings)
        given = {"home": home, "keys": KEYS, **settings}
        self._environment = {f"ORDERS_{name.upper()}": str(value) for name, value in given.items()}

    def begin(self, instance: str = "ephemeral", limit_bytes: int | None = None) -> int:
        """Start a tick and return its process id; with a limit it can write no file larger than that."""
        return self.server.begin({"instance": instance, "environment": self._environment, "limit_bytes": limit_bytes})

    def tick(self, instance: str = "ephemeral") -> float:
        """Let one tick run to its end and return how long it took, in seconds."""
        self.begin(instance)
        began = time.monotonic()
        assert self.server.end() == 0, self.output()
        return time.monotonic() - began

    def tick_killed_after(self, seconds: float, instance: str = "ephemeral") -> bool:
        """Kill a tick after a while; False when it had ended before."""
        pid = self.begin(instance)
        time.sleep(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        return self.server.end() == -signal.SIGKILL

    def output(self) -> str:
        """The end of what the ticks printed."""
        return self.server.log.read_text()[-4000:]


def _started(folders: pytest.TempPathFactory) -> ForkingProgram:
    environment = {**world.CREDENTIALS, "DAGSTER_HOME": str(ROOT)}
    return ForkingProgram("tick_server", folders.mktemp("ticks") / "log", environment)


@pytest.fixture(scope="session")
def tick_server(tmp_path_factory) -> Iterator[ForkingProgram]:
    server = ForkingProgram(
        "tick_server", tmp_path_factory.mktemp("ticks") / "log", {**world.CREDENTIALS, "DAGSTER_HOME": str(ROOT)}
    )
    yield server
    server.close()


@pytest.fixture(scope="session")
def second_tick_server(tmp_path_factory) -> Iterator[ForkingProgram]:
    server = ForkingProgram(
        "tick_server", tmp_path_factory.mktemp("ticks") / "log", {**world.CREDENTIALS, "DAGSTER_HOME": str(ROOT)}
    )
    yield server
    server.close()


@pytest.fixture
def ticker_in(tmp_path, tick_server):
    """Make a ticker for the installation in a folder of this name, with these settings."""

    def make(name: str, server: ForkingProgram = tick_server, **settings: object) -> Ticker:
        return Ticker(server, tmp_path / name, settings)

    return make


@pytest.fixture
def real_time_marketplaces(credentials):
    """Both marketplaces on the machine's clock: for ticks in processes of their own."""
    with world.serving(utc_now) as both:
        yield both
