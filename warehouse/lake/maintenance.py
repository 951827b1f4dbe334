"""Keeping the lake small and fast: large files from small ones, deleted rows gone from the files, old snapshots and files gone.

Everything is done by DuckLake's own functions; readers and writers go on meanwhile. A file is deleted from the disk only a
grace period after the last snapshot that needs it went, so that a query that began before keeps its files. What is in the
lake is not touched: see `publishing`. DuckLake: https://ducklake.select/docs/stable/duckdb/maintenance/recommended_maintenance
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from warehouse.lake.attachment import CATALOG, quoted

if TYPE_CHECKING:
    from datetime import datetime

    from warehouse.lake.lake import Lake

QUERY_GRACE = timedelta(days=1)
"""The longest that one query, or one publish, may take; files are kept that much longer than they are needed."""

REWRITE_AT = 0.1
"""A data file is written anew without its deleted rows once they are this part of it."""


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
        keep_days: How long snapshots are kept (time travel), in days; the newest one is always kept.
        grace: How long files are kept after they are no longer needed; a query or a publish that takes longer may fail.

    Raises:
        LakeBusyError: Other writers were always first.
    """
    snapshots_until = _timestamp(now - timedelta(days=keep_days))
    files_until = _timestamp(now - grace)
    flushed = _call(lake, "flush_inlined_data")
    rewritten = _call(lake, "rewrite_data_files", f"delete_threshold => {REWRITE_AT}")
    merged = _call(lake, "merge_adjacent_files")
    # only now, so that what was just rewritten and merged goes with the snapshots that needed it
    expired = _call(lake, "expire_snapshots", f"older_than => {snapshots_until}")
    unneeded = _call(lake, "cleanup_old_files", f"older_than => {files_until}")
    orphaned = _call(lake, "delete_orphaned_files", f"older_than => {files_until}")
    return Maintained(
        snapshots_expired=len(expired),
        rows_flushed=sum(int(str(row[-1])) for row in flushed),
        files_rewritten=sum(int(str(row[2])) for row in rewritten),
        files_merged=sum(int(str(row[2])) for row in merged),
        files_deleted=len(unneeded) + len(orphaned),
    )


def _call(lake: Lake, function: str, argument: str = "") -> list[tuple[object, ...]]:
    arguments = f"'{CATALOG}', {argument}" if argument else f"'{CATALOG}'"
    return lake.statement(f"CALL ducklake_{function}({arguments})")


def _timestamp(instant: datetime) -> str:
    return f"TIMESTAMPTZ {quoted(instant.isoformat())}"
