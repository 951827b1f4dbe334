"""Where Dagster keeps its own state: below ORDERS_HOME, or in the PostgreSQL of ORDERS_DATABASE_URL.

`dagster.yaml` names these classes because it cannot branch on the environment itself: one file serves both cases. Our
own tables are not here (`warehouse`), nor what runs print (`step_logs`). https://docs.dagster.io/deployment/oss/dagster-yaml
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from abc import abstractmethod
from contextlib import contextmanager, suppress
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.root import LocalArtifactStorage
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.sql_schedule_storage import SqlScheduleStorage
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS, create_db_conn_string
from dagster._core.storage.sqlite_storage import (
    DagsterSqliteStorage,
    _event_logs_directory,
    _runs_directory,
    _schedule_directory,
)
from dagster._serdes import ConfigurableClass
from dagster_postgres import DagsterPostgresStorage, PostgresScheduleStorage

from warehouse.ledger.base.database import await_schema
from warehouse.ledger.watch.printed import make_table
from warehouse.settings import MigrationPolicy, Settings, present_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dagster._serdes import ConfigurableClassData

SCHEMA = "dagster"
"""PostgreSQL schema of Dagster's tables: several of its names (alembic_version among them) are also the ledger's."""


def state_folder(settings: Settings) -> Path:
    """Folder of Dagster's files; absolute, because its processes may work in different folders."""
    return (settings.home / "dagster").absolute()


def postgresql_url(settings: Settings) -> str:
    """The URL by which Dagster reaches its own schema of the shared database.

    psycopg2 by name: SQLAlchemy 2.1 takes a bare `postgresql://` for psycopg 3, which dagster-postgres cannot use.
    """
    url = sa.make_url(settings.ledger_url).set(drivername="postgresql+psycopg2")
    given = url.query.get("options", "")
    options = " ".join([given] if isinstance(given, str) else given)
    return url.update_query_dict({"options": f"{options} -csearch_path={SCHEMA}".strip()}).render_as_string(
        hide_password=False
    )


_SEEN: set[str] = set()
"""Files and databases that this process has seen to have the tables of its release of Dagster: each sensor would look again."""


@lru_cache(maxsize=8)
def _engine(url: str) -> sa.Engine:
    """The engine of a file, one in a process, which keeps its connection and what it has compiled.

    Dagster makes engine and connection, and compiles, anew for each of a run's hundreds of statements: a third of its time.
    """
    return sa.create_engine(
        url, pool_size=1, max_overflow=-1, connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}, hide_parameters=True
    )


class _ByOneEngine:
    """One of Dagster's storages that are one SQLite file."""

    _conn_string: str

    @contextmanager
    def connect(self) -> Iterator[sa.Connection]:
        """A transaction."""
        with _engine(self._conn_string).begin() as connection:
            yield connection

    def dispose(self) -> None:
        """Let go of the file."""
        _engine(self._conn_string).dispose()


class PipelineRuns(_ByOneEngine, SqliteRunStorage):
    """Dagster's runs."""


class _OfKnownShape(SqlScheduleStorage):
    """One of Dagster's storages of ticks, which look for their tables some ten times a tick: once in a process is enough."""

    @property
    @abstractmethod
    def _place(self) -> str:
        """The address of its database."""

    def has_instigators_table(self) -> bool:
        """Whether it has this table."""
        return _is_there(f"{self._place} instigators", super().has_instigators_table)

    def _has_instigators_table(self, conn: sa.Connection) -> bool:
        return _is_there(f"{self._place} instigators", partial(super()._has_instigators_table, conn))

    def has_built_index(self, migration_name: str) -> bool:
        """Whether this change of its data was made."""
        return _is_there(f"{self._place} {migration_name}", partial(super().has_built_index, migration_name))


def _is_there(what: str, look: Callable[[], bool]) -> bool:
    """Look for something that never goes again, until it was seen."""
    if what not in _SEEN and look():
        _SEEN.add(what)
    return what in _SEEN


class PipelineTicks(_ByOneEngine, _OfKnownShape, SqliteScheduleStorage):
    """Dagster's schedules, sensors and their ticks."""

    @property
    def _place(self) -> str:
        return self._conn_string


class PipelinePostgresTicks(_OfKnownShape, PostgresScheduleStorage):
    """The same in PostgreSQL."""

    @property
    def _place(self) -> str:
        return self.postgres_url


class PipelineEvents(SqliteEventLogStorage):
    """Dagster's events in SQLite, by an engine for the index of all runs, and one for the file of the run at hand."""

    _at_hand: str | None = None

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sa.Connection]:
        with self._db_lock:
            if shard not in (INDEX_SHARD_NAME, self._at_hand):
                self._release_run()
                self._at_hand = shard
            url = self.conn_string_for_shard(shard)
            engine = _engine(url)
            seen, name = (_SEEN, url) if shard == INDEX_SHARD_NAME else (self._initialized_dbs, shard)
            if name not in seen:
                if not self._is_made(shard):
                    self._initdb(engine)
                seen.add(name)
            with engine.begin() as connection:
                yield connection

    def _release_run(self) -> None:
        if self._at_hand is not None:
            _engine(self.conn_string_for_shard(self._at_hand)).dispose()

    def _is_made(self, shard: str) -> bool:
        """Make the file of a new run as a copy of an empty one: its tables take longer to make than all of its events.

        False where the file is there already: it may be of another release of Dagster.
        """
        file, empty = Path(self.path_for_shard(shard)), Path(self._base_dir) / f"empty-{dg.__version__}"
        if file.exists():
            return False
        with tempfile.TemporaryDirectory(dir=self._base_dir) as folder:
            own = Path(folder) / "own"
            if not empty.exists():
                engine = _engine(f"sqlite:///{own}")
                self._initdb(engine)
                engine.dispose()
                own.replace(empty)
            shutil.copyfile(empty, own)
            with suppress(FileExistsError):  # another process was first
                os.link(own, file)
                return True
        return False

    def dispose(self) -> None:
        """Let go of the files."""
        super().dispose()
        self._release_run()
        _engine(self.conn_string_for_shard(INDEX_SHARD_NAME)).dispose()


class PipelineSqliteStorage(DagsterSqliteStorage):
    """Dagster's SQLite storage, which keeps its connections."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        """Let Dagster make its files or see that they are there, once in a process: each sensor opens this when it looks."""
        if base_dir not in _SEEN:
            super().__init__(base_dir, inst_data)
            _SEEN.add(base_dir)
        self.base_dir, self._inst_data = base_dir, inst_data
        super(DagsterSqliteStorage, self).__init__()  # type: ignore[no-untyped-call]
        self._run_storage = PipelineRuns(create_db_conn_string(_runs_directory(base_dir), "runs"))
        self._event_log_storage = PipelineEvents(_event_logs_directory(base_dir))
        self._schedule_storage = PipelineTicks(create_db_conn_string(_schedule_directory(base_dir), "schedules"))


class PipelineStorage(DagsterStorage, ConfigurableClass):
    """Chooses Dagster's storage by ORDERS_DATABASE_URL; what it makes is Dagster's own SQLite or PostgreSQL storage."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Nothing is configured here; the settings say all."""
        return {}

    @classmethod
    def from_config_value(  # type: ignore[override] # what it makes is one of Dagster's own storages
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> DagsterStorage:
        """Open Dagster's storage, making its schema at first use; with ORDERS_MIGRATE=never the ledger's is awaited first."""
        del config_value
        settings = present_settings()
        if settings.migrate is MigrationPolicy.NEVER and settings.ledger_url not in _SEEN:
            await_schema(settings)  # here, once: a sensor's look has no time for it
            _SEEN.add(settings.ledger_url)
        if not settings.is_postgresql:
            with _alone(state_folder(settings)):
                return PipelineSqliteStorage.from_local(str(state_folder(settings)), inst_data)
        url = postgresql_url(settings)
        is_new = url not in _SEEN
        if is_new:
            _ensure_schema(settings)
        storage = DagsterPostgresStorage(url, should_autocreate_tables=is_new, inst_data=inst_data)
        storage._schedule_storage = PipelinePostgresTicks(url, should_autocreate_tables=False)  # noqa: SLF001 - Dagster offers no other way
        _SEEN.add(url)
        return storage


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time: two that make Dagster's SQLite tables at once leave a version table that it cannot read."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "opening.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


class PipelineArtifacts(LocalArtifactStorage):
    """Files that belong to runs, below ORDERS_HOME."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Nothing is configured here; the settings say all."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """Point Dagster's own local storage at the state folder."""
        del config_value
        return cls(str(state_folder(present_settings())), inst_data)


def _ensure_schema(settings: Settings) -> None:
    """Make the schema; webserver, daemon and code server start at the same time, so one of them at a time."""
    engine = sa.create_engine(settings.ledger_url, poolclass=sa.NullPool, hide_parameters=True)
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(727302)"))
        if SCHEMA not in sa.inspect(connection).get_schema_names():
            connection.execute(sa.schema.CreateSchema(SCHEMA))
        make_table(connection)
