"""Where Dagster keeps its own state: below ORDERS_HOME, or in the PostgreSQL of ORDERS_DATABASE_URL.

`dagster.yaml` names these classes because it cannot branch on the environment itself: one file serves both cases. Our
own tables are not here (`warehouse`). https://docs.dagster.io/deployment/oss/dagster-yaml
"""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager
from dagster._core.storage.root import LocalArtifactStorage
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import ConfigurableClass
from dagster_postgres import DagsterPostgresStorage

from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

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
        """Open Dagster's storage, making its schema at first use."""
        del config_value
        settings = Settings()
        if not settings.is_postgresql:
            with _alone(state_folder(settings)):
                return DagsterSqliteStorage.from_local(str(state_folder(settings)), inst_data)
        _ensure_schema(settings)
        return DagsterPostgresStorage(postgresql_url(settings), inst_data=inst_data)


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
        return cls(str(state_folder(Settings())), inst_data)


class PipelineLogs(LocalComputeLogManager):
    """What runs print, below ORDERS_HOME beside their other files, so that pruning a run finds it."""

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """Nothing is configured here; the settings say all."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> Self:
        """Point Dagster's own log manager at the state folder."""
        del config_value
        return cls(str(state_folder(Settings()) / "storage"), inst_data=inst_data)


def _ensure_schema(settings: Settings) -> None:
    """Make the schema; webserver, daemon and code server start at the same time, so one of them at a time."""
    engine = sa.create_engine(settings.ledger_url, poolclass=sa.NullPool, hide_parameters=True)
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(727302)"))
        if SCHEMA not in sa.inspect(connection).get_schema_names():
            connection.execute(sa.schema.CreateSchema(SCHEMA))
