"""Fixtures every test may use: a fresh installation on SQLite, the same on a real PostgreSQL server, and a clock.

Fixtures of one area live in that area's own conftest.
"""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from warehouse.ledger.database import Ledger, open_ledger
from warehouse.privacy import KeyRing, open_key_ring
from warehouse.settings import Settings

START = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
TEST_KEYS = "test:" + base64.b64encode(bytes(range(32))).decode()


class MovableClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **amount: float) -> datetime:
        self.now += timedelta(**amount)
        return self.now


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


def _postgresql_program(name: str) -> str:
    found = shutil.which(name) or next(
        iter(sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)), None
    )
    if found is None:
        pytest.fail(
            f"PostgreSQL's {name} is not installed: the storage tests need a real server (Debian: postgresql-15)"
        )
    return str(found)


def _as_postgres(command: list[str]) -> list[str]:
    """PostgreSQL refuses to run as root."""
    return (
        ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
        if os.geteuid() == 0
        else command
    )


@pytest.fixture(scope="session")
def postgresql_server():
    """A PostgreSQL server of our own on loopback; yields its URL without a database name."""
    initdb, pg_ctl = _postgresql_program("initdb"), _postgresql_program("pg_ctl")
    home = Path(tempfile.mkdtemp(prefix="orders-pg-"))
    if os.geteuid() == 0:
        shutil.chown(home, "postgres", "postgres")
    data = home / "data"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    subprocess.run(
        _as_postgres([initdb, "-D", str(data), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"]),
        check=True,
        capture_output=True,
        cwd=home,
    )
    options = (
        f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={home} -c fsync=off -c max_connections=200"
    )
    subprocess.run(
        _as_postgres([pg_ctl, "-D", str(data), "-l", str(home / "log"), "-w", "-o", options, "start"]),
        check=True,
        capture_output=True,
        cwd=home,
    )
    yield f"postgresql://postgres@127.0.0.1:{port}"
    subprocess.run(
        _as_postgres([pg_ctl, "-D", str(data), "-m", "immediate", "stop"]), check=False, capture_output=True, cwd=home
    )
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def postgresql_url(postgresql_server: str):
    """A fresh, empty database on the server; dropped afterwards."""
    name = f"orders_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(f"{postgresql_server}/postgres", autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
    yield f"{postgresql_server}/{name}"
    with psycopg.connect(f"{postgresql_server}/postgres", autocommit=True) as admin:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A fresh installation on SQLite."""
    return Settings(_env_file=None, home=tmp_path / "home", keys=TEST_KEYS)


@pytest.fixture(params=["sqlite", "postgresql"])
def any_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """A fresh installation on SQLite and again on PostgreSQL: for everything that touches storage."""
    url = None if request.param == "sqlite" else request.getfixturevalue("postgresql_url")
    return Settings(_env_file=None, home=tmp_path / "home", keys=TEST_KEYS, database_url=url)


@pytest.fixture
def ledger(settings: Settings):
    opened = open_ledger(settings)
    yield opened
    opened.close()


@pytest.fixture
def any_ledger(any_settings: Settings):
    opened: Ledger = open_ledger(any_settings)
    yield opened
    opened.close()


@pytest.fixture
def keys(settings: Settings) -> KeyRing:
    return open_key_ring(settings)
