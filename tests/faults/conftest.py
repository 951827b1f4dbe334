"""The faults' world: the marketplaces and installations of the pipeline's tests, and ticks in processes that may be killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from warehouse.clock import utc_now
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
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


class TickServer:
    """A helper process that has everything imported and forks for each tick."""

    def __init__(self, log: Path) -> None:
        self._log = log.open("wb")
        self.log = log
        self._helper = subprocess.Popen(
            [sys.executable, str(HERE / "tick_server.py")],
            env={**os.environ, **world.CREDENTIALS, "DAGSTER_HOME": str(ROOT), "PYTHONPATH": str(ROOT)},
            cwd=log.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def begin(self, command: dict[str, object]) -> int:
        """Start a tick and return its process id."""
        self._helper.stdin.write(json.dumps(command) + "\n")
        self._helper.stdin.flush()
        return int(self._helper.stdout.readline())

    def end(self) -> int:
        """Wait for the tick; 0 when it succeeded, minus the signal when it was killed."""
        return os.waitstatus_to_exitcode(int(self._helper.stdout.readline()))

    def close(self) -> None:
        """End the helper."""
        self._helper.stdin.close()
        self._helper.wait(timeout=30)
        self._helper.stdout.close()
        self._log.close()


class Ticker:
    """Ticks of one installation, each in a process of its own."""

    def __init__(self, server: TickServer, home: Path, settings: dict[str, object]) -> None:
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


@pytest.fixture(scope="session")
def tick_server(tmp_path_factory) -> Iterator[TickServer]:
    server = TickServer(tmp_path_factory.mktemp("ticks") / "log")
    yield server
    server.close()


@pytest.fixture(scope="session")
def second_tick_server(tmp_path_factory) -> Iterator[TickServer]:
    server = TickServer(tmp_path_factory.mktemp("ticks") / "log")
    yield server
    server.close()


@pytest.fixture
def ticker_in(tmp_path, tick_server):
    """Make a ticker for the installation in a folder of this name, with these settings."""

    def make(name: str, server: TickServer = tick_server, **settings: object) -> Ticker:
        return Ticker(server, tmp_path / name, settings)

    return make


@pytest.fixture
def real_time_marketplaces(credentials):
    """Both marketplaces on the machine's clock: for ticks in processes of their own."""
    with world.serving(utc_now) as both:
        yield both
