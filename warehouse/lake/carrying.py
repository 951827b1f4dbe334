"""The lake into a new one with another catalog: every row of every table, compared when they are there.

What only the lake still has (versions, pulls and payloads that the ledger let go of) goes with it, which a rebuild could not
bring back. Snapshots of the past do not: the new lake begins with what is in it now. Publishing goes on where it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from warehouse.lake.attachment import CATALOG, OLD, connect_reader
from warehouse.lake.definitions import TABLES
from warehouse.lake.lake import Lake, open_lake
from warehouse.lake.outages import LakeEmptyError, LakeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from duckdb import DuckDBPyConnection

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


def carry(old: Settings, new: Settings, progress: Callable[[str, int], None]) -> None:
    """Copy the lake in one transaction of the new one; what an earlier try has left there is replaced.

    Args:
        old: Says where the lake is that is left; nobody publishes to it.
        new: Says where it goes: with another catalog.
        progress: Told the table and how many of its rows were just written.

    Raises:
        LakeError: One of them cannot be reached, or what arrived is not what left.
    """
    open_lake(old).close()  # of this release's definitions now
    with open_lake(new, old=old) as lake:
        _copy(lake, progress)


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
