"""Fixtures every test may use: a fresh installation on SQLite, the same on a real PostgreSQL server, and a clock.

Fixtures of one area live in that area's own conftest.
"""

from __future__ import annotations

import base64
import contextlib
import gc
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

from orders_pipeline.marketplaces.registry import KINDS
from warehouse.lake.lake import open_lake
from warehouse.lake.retired_documents import LakeDocuments
from warehouse.ledger.base.database import Ledger, open_ledger
from warehouse.ledger.settings.kinds import keep_kinds
from warehouse.privacy import KeyRing, open_key_ring
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MEMORY = Path("/dev/shm")  # noqa: S108 - Linux's file system in memory
ENOUGH_BYTES = 4 * 1024**3
"""Free memory beyond which the tests keep their files there: all of them together write 1.5 GB."""


def _keep_files_in_memory() -> None:
    """No test cuts the power, so that nothing needs to reach a disk: half of the suite's time was waiting for that."""
    if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ENOUGH_BYTES:
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None


def _compile_modules_once() -> None:
    """Each of the hundreds of processes that the tests start would otherwise compile the product for itself."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


def _compile_statements_once() -> None:
    """Every test opens engines of its own, and each would compile every statement anew: a third of many a test's time.

    SQLAlchemy keeps what it has compiled under the dialect, which is an object of the engine; to us all of one kind are alike.
    """
    compiled: LRUCache[object, object] = LRUCache(2000)
    for dialect in (SQLiteDialect_pysqlite, PGDialect_psycopg):
        dialect.__hash__ = lambda each: hash(type(each))
        dialect.__eq__ = lambda each, other: type(each) is type(other)

    @sa.event.listens_for(sa.Engine, "engine_connect")
    def share(connection: sa.Connection) -> None:
        connection.engine._compiled_cache = compiled


def _judge_nothing_by_its_time() -> None:
    """Hypothesis would fail a test of which a busy machine makes examples slowly."""
    hypothesis.settings.register_profile("any machine", suppress_health_check=[hypothesis.HealthCheck.too_slow])
    hypothesis.settings.load_profile("any machine")


_keep_files_in_memory()
_judge_nothing_by_its_time()
_compile_modules_once()
_compile_statements_once()

START = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql_too)]
TEST_KEYS = "test:" + base64.b64encode(bytes(range(32))).decode()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Modules with slow tests first, so that both processes end at about the same time."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """What is there now stays, and little of what a test makes is a circle: looking for these again and again is a twelfth."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


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
        f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={home} -c max_connections=200"
        " -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_wal_size=256MB"
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


@contextlib.contextmanager
def copied_database(server: str, template: str) -> Iterator[str]:
    """A copy of a database on the server; dropped afterwards."""
    name = f"orders_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        strategy = "STRATEGY FILE_COPY" if admin.info.server_version >= 150000 else ""  # before, the only one
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {strategy}')
    yield f"{server}/{name}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """A fresh, empty database on the server; dropped afterwards."""
    with copied_database(postgresql_server, "template1") as url:
        yield url


@pytest.fixture
def postgresql_ledger_url(postgresql_server: str, new_postgresql_ledger: str) -> Iterator[str]:
    """The same with the ledger of a new installation."""
    with copied_database(postgresql_server, new_postgresql_ledger) as url:
        yield url


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A fresh installation on SQLite."""
    return Settings(_env_file=None, home=tmp_path / "home", keys=TEST_KEYS)


@pytest.fixture(params=DATABASES)
def any_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """An installation on SQLite, nothing made yet, and on PostgreSQL, its ledger new: for everything that touches storage."""
    url = None if request.param == "sqlite" else request.getfixturevalue("postgresql_ledger_url")
    return Settings(_env_file=None, home=tmp_path / "home", keys=TEST_KEYS, database_url=url)


def _make_ledger(settings: Settings) -> None:
    """A ledger that knows the kinds of marketplaces, as the pipeline's first start leaves it."""
    ledger = open_ledger(settings)
    keep_kinds(ledger, KINDS, START)
    ledger.close()


@pytest.fixture(scope="session")
def new_sqlite_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ledger's file of a new installation, to be copied: its schema takes longer to make than most tests to run."""
    home = tmp_path_factory.mktemp("new-ledger")
    _make_ledger(Settings(_env_file=None, home=home, keys=TEST_KEYS))
    assert [each.name for each in home.iterdir()] == ["ledger.sqlite"]
    return home / "ledger.sqlite"


@pytest.fixture(scope="session")
def new_postgresql_ledger(postgresql_server: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database with the ledger of a new installation, to be copied."""
    name = "orders_new_ledger"
    with psycopg.connect(f"{postgresql_server}/postgres", autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}"')
    home = tmp_path_factory.mktemp("new-ledger")
    _make_ledger(Settings(_env_file=None, home=home, keys=TEST_KEYS, database_url=f"{postgresql_server}/{name}"))
    return name


@pytest.fixture
def open_new_ledger(request: pytest.FixtureRequest) -> Callable[[Settings], Ledger]:
    """Opens a ledger as `open_ledger` does; where there is none yet, from a copy of a new one (on SQLite)."""

    def open_one(settings: Settings) -> Ledger:
        if not settings.is_postgresql and not (settings.home / "ledger.sqlite").exists():
            settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
            shutil.copy(request.getfixturevalue("new_sqlite_ledger"), settings.home)
        return open_ledger(settings, retired=LakeDocuments(settings))

    return open_one


@pytest.fixture(scope="session")
def new_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an empty lake in SQLite, to be copied: defining its tables takes longer than most of what is tested."""
    home = tmp_path_factory.mktemp("new-lake")
    with open_lake(Settings(_env_file=None, home=home)):
        return home / "lake"


@pytest.fixture(params=DATABASES)
def any_empty_settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """The same with an empty database: for what makes a ledger's schema, or looks whether there is one."""
    url = None if request.param == "sqlite" else request.getfixturevalue("postgresql_url")
    return Settings(_env_file=None, home=tmp_path / "home", keys=TEST_KEYS, database_url=url)


@pytest.fixture
def ledger(settings: Settings, open_new_ledger):
    opened = open_new_ledger(settings)
    yield opened
    opened.close()


@pytest.fixture
def any_ledger(any_settings: Settings, open_new_ledger):
    opened: Ledger = open_new_ledger(any_settings)
    yield opened
    opened.close()


@pytest.fixture
def keys(settings: Settings) -> KeyRing:
    return open_key_ring(settings)
