"""The lake into a new one: every row of every table, compared when they are there.

Where the database stays and only the files go elsewhere, the catalog makes way for a new one first (`set_aside`).

What only the lake still has (versions, pulls and payloads that the ledger let go of) goes with it, which a rebuild could not
bring back. Snapshots of the past do not: the new lake begins with what is in it now. Publishing goes on where it was.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from warehouse.lake.attachment import CATALOG, LEFT, OLD, catalog_file, connect_reader, data_path
from warehouse.lake.definitions import TABLES
from warehouse.lake.lake import Lake, open_lake
from warehouse.lake.outages import LakeEmptyError, LakeError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from duckdb import DuckDBPyConnection
    from sqlalchemy.engine import Connection as Transaction

    from warehouse.settings import Settings


class LakeSize(NamedTuple):
    """How large a lake is."""

    rows: int
    bytes: int


def lake_size(settings: Settings) -> LakeSize | None:
    """The present rows of its tables and the bytes of their files; None while there is no lake.

    Raises:
        LakeError: It cannot be reached.
    """
    try:
        with connect_reader(settings) as duck:
            counts = " + ".join(f"(SELECT count(*) FROM {name})" for name in TABLES)  # noqa: S608 - our names
            size = f"(SELECT coalesce(sum(file_size_bytes), 0) FROM ducklake_table_info('{CATALOG}'))"  # noqa: S608 - our name
            row = duck.execute(f"SELECT {counts}, {size}").fetchone()
    except LakeEmptyError:
        return None
    return None if row is None else LakeSize(int(row[0]), int(row[1]))


def carry(old: Settings, new: Settings, progress: Callable[[str, int], None], catalog: str = CATALOG) -> None:
    """Copy the lake in one transaction of the new one; what an earlier try has left there is replaced.

    Args:
        old: Says where the lake is that is left; nobody publishes to it.
        new: Says where it goes: with another catalog.
        progress: Told the table and how many of its rows were just written.
        catalog: What the old one's is called.

    Raises:
        LakeError: One of them cannot be reached, or what arrived is not what left.
    """
    with open_lake(new, old=old, catalog=catalog) as lake:
        _copy(lake, progress)


def is_written_to(settings: Settings, transaction: Transaction) -> bool:
    """Whether the lake's catalog says that its files are where these settings say.

    Args:
        settings: The settings.
        transaction: Of the ledger, which on PostgreSQL is in the same database.
    """
    query = "SELECT value FROM {}ducklake_metadata WHERE key = 'data_path'"
    if settings.is_postgresql:
        schemas = sa.inspect(transaction).get_schema_names()
        found = transaction.exec_driver_sql(query.format(f"{CATALOG}.")).first() if CATALOG in schemas else None
    elif catalog_file(settings).exists():
        with closing(sqlite3.connect(catalog_file(settings))) as catalog:
            found = catalog.execute(query.format("")).fetchone()
    else:
        found = None
    return found is not None and str(found[0]) == data_path(settings)


def is_set_aside(settings: Settings, transaction: Transaction) -> bool:
    """Whether the catalog has made way for another."""
    if settings.is_postgresql:
        return LEFT in sa.inspect(transaction).get_schema_names()
    return catalog_file(settings, LEFT).exists()


def set_aside(settings: Settings, transaction: Transaction) -> None:
    """Let the catalog make way for a new one. Who reads the lake meanwhile finds nothing, or what there was."""
    if settings.is_postgresql:
        transaction.exec_driver_sql(f"ALTER SCHEMA {CATALOG} RENAME TO {LEFT}")
        return
    if not catalog_file(settings, LEFT).exists():
        partial = catalog_file(settings, f"{LEFT}-partial")
        partial.unlink(missing_ok=True)
        with closing(sqlite3.connect(catalog_file(settings))) as original, closing(sqlite3.connect(partial)) as copy:
            original.backup(copy)
        partial.replace(catalog_file(settings, LEFT))
    _remove(catalog_file(settings))


def put_back(settings: Settings, transaction: Transaction) -> None:
    """Let the catalog take its place again."""
    if settings.is_postgresql:
        transaction.exec_driver_sql(f"DROP SCHEMA IF EXISTS {CATALOG} CASCADE")
        transaction.exec_driver_sql(f"ALTER SCHEMA {LEFT} RENAME TO {CATALOG}")
        return
    _remove(catalog_file(settings))
    catalog_file(settings, LEFT).replace(catalog_file(settings))


def forget(settings: Settings, transaction: Transaction) -> None:
    """Delete the catalog that has made way; its files stay where they are."""
    if settings.is_postgresql:
        transaction.exec_driver_sql(f"DROP SCHEMA {LEFT} CASCADE")
        return
    _remove(catalog_file(settings, LEFT))


def _remove(file: Path) -> None:
    """A database of SQLite's, with what it keeps beside it."""
    for suffix in ("-wal", "-shm", ""):
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def _copy(lake: Lake, progress: Callable[[str, int], None]) -> None:
    def work(duck: DuckDBPyConnection) -> None:
        for name in TABLES:
            duck.execute(f"DELETE FROM {CATALOG}.{name}")  # noqa: S608 - our names
            duck.execute(f"INSERT INTO {CATALOG}.{name} BY NAME SELECT * FROM {OLD}.{name}")  # noqa: S608 - our names
            left, arrived = (_contents(duck, f"{each}.{name}") for each in (OLD, CATALOG))
            if left != arrived:
                raise LakeError(f"{name}: {left[0]} rows were sent and {arrived[0]} arrived, or they differ")
            progress(name, left[0])

    lake.transaction(work)


def _contents(duck: DuckDBPyConnection, table: str) -> tuple[int, int]:
    """How many rows there are, and the sum of their hashes, whatever their order."""
    found = duck.execute(f"SELECT count(*), coalesce(sum(hash(each)::HUGEINT), 0) FROM {table} AS each").fetchone()  # noqa: S608
    return (0, 0) if found is None else (int(found[0]), int(found[1]))
