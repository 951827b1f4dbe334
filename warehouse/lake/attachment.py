"""Reaching the lake: an in-memory DuckDB, its extensions, and the ATTACH statement that names catalog and files.

DuckDB is never given a file of its own, because it locks its file between processes. What is in the lake, and retrying
a write, are not here. DuckLake: https://ducklake.select/docs/stable/
"""

from __future__ import annotations

import os
import tempfile
from http import HTTPStatus
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from warehouse import restore_mark
from warehouse.lake.outages import ANSWER_SECONDS, TRIES, LakeEmptyError, LakeError, unreachable
from warehouse.s3_access import present_access

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from warehouse.settings import Settings

CATALOG = "lake"
"""The name the lake is attached under, and the PostgreSQL schema of its catalog."""

OLD = "old_lake"
"""What another lake is attached as that a move takes rows from."""

LEFT = "lake_left"
"""The catalog of a lake whose rows are on their way to another place of files: a new one has taken its name."""

METADATA = f"__ducklake_metadata_{CATALOG}"
"""The name under which DuckLake attaches the catalog's own tables."""

BUSY_TIMEOUT_MS = 5_000
WRITER_MEMORY = "1GB"
WRITER_THREADS = 2


COLLISIONS = (
    "database is locked",
    "Transaction conflict",
    "conflict on",
    "already exists",
    "duplicate key value",
    "could not serialize access",
    "deadlock detected",
)
"""How DuckLake and its catalogs say that another writer was first; DuckDB has no error class of its own for it."""


class LakeMovedError(LakeError):
    """The settings name another place than the one that the lake's files were written to."""


def catalog_file(settings: Settings, catalog: str = CATALOG) -> Path:
    """The SQLite catalog; unused when PostgreSQL holds it."""
    return (settings.home / "lake" / f"{'catalog' if catalog == CATALOG else catalog}.sqlite").absolute()


def connect_writer(settings: Settings, old: Settings | None = None, catalog: str = CATALOG) -> DuckDBPyConnection:
    """An in-memory DuckDB with the lake attached for writing, made when new; memory and threads are bounded.

    Args:
        settings: Say where it is.
        old: Where another lake is, attached to be read as `old_lake`.
        catalog: What that one's catalog is called.

    Raises:
        LakeError: The catalog or the files cannot be reached, or an extension cannot be loaded.
        RestoreUnfinishedError: The installation is being restored.
        duckdb.Error: Another process held the catalog; worth another try.
    """
    restore_mark.require_no_file(settings)
    if not settings.is_postgresql:
        catalog_file(settings).parent.mkdir(parents=True, exist_ok=True)
    duck = _connect(*filter(None, (settings, old)))
    duck.execute(f"SET memory_limit = '{WRITER_MEMORY}'")
    duck.execute(f"SET threads = {WRITER_THREADS}")
    if old is not None:
        _attach(duck, old, "READ_ONLY", "OVERRIDE_DATA_PATH true", name=OLD, catalog=catalog)
    _attach(duck, settings, "OVERRIDE_DATA_PATH true")
    try:
        moved = _moved_from(duck, settings) is not None
    except duckdb.IOException as error:
        if is_collision(error):
            raise
        raise unreachable(error) from None
    if moved:
        duck.execute(
            f"UPDATE {_catalog(settings)}.ducklake_metadata SET value = {quoted(data_path(settings))} WHERE key = 'data_path'"  # noqa: S608
        )
    return duck


def connect_reader(settings: Settings) -> DuckDBPyConnection:
    """An in-memory DuckDB with the lake attached read-only, as large as the machine allows.

    Raises:
        LakeEmptyError: There is no lake yet.
        LakeError, RestoreUnfinishedError: As in `connect_writer`.
    """
    restore_mark.require_no_file(settings)
    if not settings.is_postgresql and not catalog_file(settings).exists():
        raise LakeEmptyError(_nothing_published(settings))
    duck = _connect(settings)
    if settings.is_postgresql and settings.lake_reader_url is not None:
        settings = settings.model_copy(update={"database_url": settings.lake_reader_url})
    _attach(duck, settings, "READ_ONLY", "CREATE_IF_NOT_EXISTS false", "OVERRIDE_DATA_PATH true")
    try:
        moved = _moved_from(duck, settings) is not None
        if not is_made(duck):
            raise LakeEmptyError(_nothing_published(settings))
        if _is_remote(settings) and not moved:
            _require_files(duck, settings)
    except duckdb.IOException as error:
        duck.close()
        raise unreachable(error) from None
    except LakeError:
        duck.close()
        raise
    return duck


def is_made(duck: DuckDBPyConnection) -> bool:
    """Whether the attached lake has its tables. DuckDB's list of tables takes a tenth of a second: it loads each of them."""
    try:
        duck.execute("SELECT 1 FROM published LIMIT 0")
    except duckdb.CatalogException:
        return False
    return True


def attach_statement(settings: Settings, *options: str, name: str = CATALOG, catalog: str = CATALOG) -> str:
    """The ATTACH statement for this installation's lake; it holds the password of a PostgreSQL catalog."""
    if settings.is_postgresql:
        held_by = f"postgres:{_libpq_url(settings)}"
        options = (f"METADATA_SCHEMA '{catalog}'", *options)
    else:
        held_by = f"sqlite:{catalog_file(settings, catalog)}"
        options = ("META_JOURNAL_MODE 'WAL'", f"META_BUSY_TIMEOUT {BUSY_TIMEOUT_MS}", *options)
    where = quoted(data_path(settings))
    return f"ATTACH {quoted('ducklake:' + held_by)} AS {name} (DATA_PATH {where}, {', '.join(options)})"


def is_collision(error: duckdb.Error) -> bool:
    """Whether another writer was first, so that the same thing is worth another try."""
    return any(sign in str(error) for sign in COLLISIONS)


def quoted(text: str) -> str:
    """An SQL string literal: a bound parameter makes DuckDB's Python import pandas, a second of CPU per process.

    >>> quoted("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def _connect(settings: Settings, *others: Settings) -> DuckDBPyConnection:
    """An in-memory DuckDB with the extensions that lakes need, loaded from their wheels where these are installed.

    For its signature DuckDB hashes the 35 MB of an extension whenever it is loaded: half a second of CPU for every connection.
    pip has checked the hashes of the wheels, and they lie beside our own modules, so that they are loaded as they are.
    """
    config = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    duck = duckdb.connect(config={**config, "allow_unsigned_extensions": "true"})
    duck.execute(f"SET temp_directory = {quoted(str(Path(tempfile.gettempdir()) / f'orders-lake-{os.getpid()}'))}")
    duck.execute(f"SET TimeZone = {quoted(settings.time_zone)}")
    duck.execute("SET enable_progress_bar = false")
    lakes = (settings, *others)
    catalogs = {"postgres_scanner" if each.is_postgresql else "sqlite_scanner" for each in lakes}
    needed = ["ducklake", *sorted(catalogs), *(["httpfs"] if any(map(_is_remote, lakes)) else [])]
    wheels = {extension: _in_wheel(extension) for extension in needed}
    for file in filter(None, wheels.values()):
        duck.execute(f"LOAD {quoted(str(file))}")
    duck.execute("SET allow_unsigned_extensions = false")
    for extension in (each for each, file in wheels.items() if file is None):
        _install(duck, settings, extension)
    if any(each.lake_files.startswith("s3://") for each in lakes):
        duck.execute(_s3_secret())
        duck.execute(f"SET http_timeout = {ANSWER_SECONDS}")
        duck.execute(f"SET http_retries = {TRIES - 1}")
    return duck


def _in_wheel(extension: str) -> Path | None:
    """The extension's file in its wheel: no network, nothing written, the same for parallel processes."""
    package = f"duckdb_extension_{extension}"
    if find_spec(package) is None:
        return None
    file = Path(str(files(package))) / "extensions" / f"v{duckdb.__version__}" / f"{extension}.duckdb_extension"
    return file if file.is_file() else None


def _install(duck: DuckDBPyConnection, settings: Settings, extension: str) -> None:
    """Fetch an extension from DuckDB's own repository into ORDERS_HOME, not into a HOME that may be read-only."""
    try:
        duck.execute(f"SET extension_directory = {quoted(str((settings.home / 'lake' / 'extensions').absolute()))}")
        duck.execute(f"INSTALL {extension}")
        duck.execute(f"LOAD {extension}")
    except duckdb.Error as error:
        raise LakeError(
            f"DuckDB's extension {extension} is neither installed as a wheel (duckdb_extension_{extension} "
            f"{duckdb.__version__}) nor to be had from DuckDB's repository: {error}"
        ) from error


def _attach(
    duck: DuckDBPyConnection, settings: Settings, *options: str, name: str = CATALOG, catalog: str = CATALOG
) -> None:
    try:
        duck.execute(attach_statement(settings, *options, name=name, catalog=catalog))
        duck.execute(f"USE {name}")
    except duckdb.Error as error:
        duck.close()
        # DuckDB repeats the connection string, and with it the password
        text = str(error).replace(_libpq_url(settings), "the PostgreSQL of ORDERS_DATABASE_URL")
        if is_collision(error):
            raise type(error)(text) from None
        if "does not exist" in text and "Unable to connect" not in text:
            raise LakeEmptyError(_nothing_published(settings)) from None
        raise LakeError(f"the lake cannot be reached: {text}") from None


def data_path(settings: Settings) -> str:
    """The folder or prefix of the files as the catalog writes it down."""
    if _is_remote(settings):
        return settings.lake_files.rstrip("/") + "/"
    return f"{Path(settings.lake_files).absolute()}/"


def _catalog(settings: Settings) -> str:
    """The schema of the catalog's own tables."""
    return f"{METADATA}.{CATALOG if settings.is_postgresql else 'main'}"


def _moved_from(duck: DuckDBPyConnection, settings: Settings) -> str | None:
    """Where the catalog says that the files are, when that is not where they are looked for; None when it is.

    Raises:
        LakeError: The files are not where they are looked for: the setting was changed, and they were not moved.
    """
    rows = duck.execute(f"SELECT value FROM {_catalog(settings)}.ducklake_metadata WHERE key = 'data_path'").fetchall()  # noqa: S608
    before, wanted = (rows[0][0] if rows else None), data_path(settings)
    if before is None or before.rstrip("/") == wanted.rstrip("/"):
        return None
    file = _some_file(duck, settings, wanted)
    if file is not None and not _is_there(duck, file):
        duck.close()
        raise LakeMovedError(
            f"the lake's files are not at {wanted}, where ORDERS_LAKE_DATA or ORDERS_HOME says; they were written to {before}: "
            f"set it back, and `orders move --to-lake {wanted.rstrip('/')}` carries them"
        )
    return str(before)


def _is_there(duck: DuckDBPyConnection, file: str) -> bool:
    """Whether a file is there; DuckDB's own list of what is in a bucket holds whatever it was asked for."""
    try:
        _read_footer(duck, file)
    except duckdb.HTTPException as error:
        if getattr(error, "status_code", None) == HTTPStatus.NOT_FOUND:
            return False
        raise
    except duckdb.IOException:
        return "://" in file or Path(file).exists()
    return True


def _require_files(duck: DuckDBPyConnection, settings: Settings) -> None:
    """See that a data file can be read: counts and extremes would be answered from the catalog while all files are away.

    Raises:
        duckdb.IOException: None can.
    """
    file = _some_file(duck, settings, data_path(settings))
    if file is not None:
        _read_footer(duck, file)


def _read_footer(duck: DuckDBPyConnection, file: str) -> None:
    duck.execute(f"SELECT num_rows FROM parquet_file_metadata({quoted(file)})").fetchall()  # noqa: S608 - a path of the catalog


def _some_file(duck: DuckDBPyConnection, settings: Settings, folder: str) -> str | None:
    """A data file that the lake needs now, in a folder; None while there is none."""
    catalog = _catalog(settings)
    needed = duck.execute(
        f"SELECT s.path, t.path, f.path FROM {catalog}.ducklake_data_file f "  # noqa: S608
        f"JOIN {catalog}.ducklake_table t USING (table_id) JOIN {catalog}.ducklake_schema s USING (schema_id) "
        "WHERE f.end_snapshot IS NULL AND f.path_is_relative AND s.path_is_relative AND t.path_is_relative LIMIT 1"
    ).fetchone()
    return None if needed is None else f"{folder}{needed[0]}{needed[1]}{needed[2]}"


def _libpq_url(settings: Settings) -> str:
    return "postgresql://" + settings.ledger_url.partition("://")[2]


def _is_remote(settings: Settings) -> bool:
    return "://" in settings.lake_files


def _s3_secret() -> str:
    access = present_access()
    options = {
        "KEY_ID": access.key_id,
        "SECRET": access.secret,
        "SESSION_TOKEN": access.session_token,
        "REGION": access.region,
    }
    if access.endpoint:
        scheme, _, host = access.endpoint.rpartition("://")
        options |= {
            "ENDPOINT": host.rstrip("/"),
            "URL_STYLE": "path",
            "USE_SSL": "false" if scheme == "http" else "true",
        }
    given = ", ".join(f"{name} {quoted(value)}" for name, value in options.items() if value)
    return f"CREATE OR REPLACE TEMPORARY SECRET lake_files (TYPE s3, PROVIDER config{', ' + given if given else ''})"


def _nothing_published(settings: Settings) -> str:
    where = "the PostgreSQL of ORDERS_DATABASE_URL" if settings.is_postgresql else str(catalog_file(settings))
    return f"nothing was published to the lake yet ({where}): materialise the asset order_tables, then try again"
