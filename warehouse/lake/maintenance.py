"""Keeping the lake small and fast: large files from small ones, deleted rows gone from the files, old snapshots and files gone.

Readers and writers go on meanwhile, and a reader sees one snapshot or an error. A file is deleted from the disk only a grace
period after the last snapshot that needs it went, so that a query that began before keeps its files. What is in the lake is not
touched: see `publishing`. DuckLake: https://ducklake.select/docs/stable/duckdb/maintenance/recommended_maintenance

With the catalog in SQLite, DuckLake 1.5.5 reads the catalog anew for each scan, outside of the reader's transaction. Its
functions `merge_adjacent_files` and `flush_inlined_data` take rows of the catalog away and add others with an earlier snapshot,
so that an open transaction would see fewer rows: small files are put together by an ordinary transaction there. Times are
compared as text there, by their day: snapshots are chosen by number, and files only up to the end of a day that is wholly over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

from warehouse.lake.attachment import CATALOG, quoted
from warehouse.lake.definitions import TABLES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from warehouse.lake.lake import Lake

QUERY_GRACE = timedelta(days=1)
"""The longest that one query, or one publish, may take; files are kept that much longer than they are needed."""

REWRITE_AT = 0.1
"""A data file is written anew without its deleted rows once they are this part of it."""

SMALL_BYTES = 8_000_000
"""A data file that is smaller is put together with others."""

AT_ONCE_BYTES = 64_000_000
"""So much is put together in one transaction: it is in memory meanwhile."""
DENSE_AT_ONCE_BYTES = 8_000_000
"""The same of a table whose rows are documents: they take twenty times as much in memory as in a file."""
DENSE = frozenset({"raw_orders", "retired_orders"})

FEW = 4
"""Fewer small files of a table than these stay as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintained:
    """What one maintenance did, in numbers of snapshots, rows and files."""

    snapshots_expired: int
    rows_flushed: int
    files_rewritten: int
    files_merged: int
    files_deleted: int


def maintain(lake: Lake, now: datetime, keep_days: int, grace: timedelta = QUERY_GRACE) -> Maintained:
    """Tidy the lake up; each step is a transaction of its own, so it may be killed and run again.

    Args:
        lake: Opened for writing.
        now: The present instant.
        keep_days: How long snapshots are kept (time travel), in days; at least the grace, and the newest one always.
        grace: How long files are kept after they are no longer needed; a query or a publish that takes longer may fail.

    Raises:
        LakeBusyError: Other writers were always first.
    """
    flushed: list[tuple[object, ...]] = []
    rewritten = _call(lake, "rewrite_data_files", f"delete_threshold => {REWRITE_AT}")
    if lake.is_on_sqlite:
        merged = sum(_put_together(lake, table) for table in TABLES)
    else:
        flushed = _call(lake, "flush_inlined_data")
        merged = sum(int(str(row[2])) for row in _call(lake, "merge_adjacent_files"))
    # only now, so that what was just rewritten and merged goes with the snapshots that needed it
    expired = _expire(lake, now - max(timedelta(days=keep_days), grace))
    files_until = f"older_than => {_timestamp(_day_before(now - grace))}"
    unneeded = _call(lake, "cleanup_old_files", files_until)
    orphaned = _call(lake, "delete_orphaned_files", files_until)
    return Maintained(
        snapshots_expired=expired,
        rows_flushed=sum(int(str(row[-1])) for row in flushed),
        files_rewritten=sum(int(str(row[2])) for row in rewritten),
        files_merged=merged,
        files_deleted=len(unneeded) + len(orphaned),
    )


def _put_together(lake: Lake, table: str) -> int:
    """Make few files of a table's small ones, each time in one transaction; returns how many went."""
    merged = 0
    while True:
        went = lake.transaction(lambda duck: _put_some_together(duck, table))
        merged += went
        if went == 0:
            return merged


def _put_some_together(duck: DuckDBPyConnection, table: str) -> int:
    listed = duck.execute(
        "SELECT data_file, data_file_size_bytes FROM ducklake_list_files("  # noqa: S608 - our names
        f"'{CATALOG}', {quoted(table)}) WHERE data_file_size_bytes < {SMALL_BYTES} ORDER BY data_file"
    ).fetchall()
    chosen: list[str] = []
    size = 0
    for path, file_bytes in listed:
        if size + int(file_bytes) > (DENSE_AT_ONCE_BYTES if table in DENSE else AT_ONCE_BYTES):
            break
        chosen.append(str(path))
        size += int(file_bytes)
    if len(chosen) < FEW:
        return 0
    where = f"filename IN ({', '.join(quoted(path) for path in chosen)})"
    chosen_rows = f"SELECT * FROM {table} WHERE {where} ORDER BY rowid"  # noqa: S608 - our names, paths of the catalog
    duck.execute(f"CREATE OR REPLACE TEMP TABLE put_together AS {chosen_rows}")
    duck.execute(f"DELETE FROM {table} WHERE {where}")  # noqa: S608 - our names, paths of the catalog
    duck.execute(f"INSERT INTO {table} SELECT * FROM put_together")  # noqa: S608 - our names
    duck.execute("DROP TABLE put_together")
    return len(chosen)


def _expire(lake: Lake, before: datetime) -> int:
    """Let go of the snapshots made before a time, but for the newest one; returns how many."""
    rows = lake.statement(
        f"SELECT snapshot_id, snapshot_time < {_timestamp(before)} FROM {CATALOG}.snapshots() ORDER BY 1"  # noqa: S608
    )
    old = [int(str(number)) for number, is_old in rows[:-1] if is_old]
    if old:
        _call(lake, "expire_snapshots", f"versions => {old}")
    return len(old)


def _day_before(instant: datetime) -> datetime:
    """The beginning of the last UTC day that was over at an instant.

    >>> _day_before(datetime(2026, 11, 2, 9, 30, tzinfo=UTC)).isoformat()
    '2026-11-01T00:00:00+00:00'
    """
    return datetime.combine(instant.astimezone(UTC).date() - timedelta(days=1), time(), UTC)


def _call(lake: Lake, function: str, argument: str = "") -> list[tuple[object, ...]]:
    arguments = f"'{CATALOG}', {argument}" if argument else f"'{CATALOG}'"
    return lake.statement(f"CALL ducklake_{function}({arguments})")


def _timestamp(instant: datetime) -> str:
    return f"TIMESTAMPTZ {quoted(instant.isoformat())}"
