"""Run retention: Dagster keeps every run for ever, so its runs are deleted here when they are old.

Kept whatever their age: the newest successful materialisation of each asset and of each of its partitions, because
Dagster forgets an asset with its runs. Ticks are kept by dagster.yaml; our own rows by `warehouse.ledger.book.retention`.
"""

import shutil
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from orders_pipeline.resources import InstallationSource
from orders_pipeline.run_leases import UNFINISHED

RUNS_PER_QUERY = 100
EVENTS_PER_QUERY = 1_000
FINISHED = [status for status in dg.DagsterRunStatus if status not in UNFINISHED]


def prune(instance: dg.DagsterInstance, before: datetime) -> int:
    """Delete the finished runs made before a time, and on SQLite the files they leave behind. Returns how many.

    Unfinished runs stay: they are the run monitor's. Safe to stop anywhere and to run again.
    """
    kept = newest_materialisations(instance)
    gone = 0
    cursor: str | None = None
    while True:
        runs = instance.get_runs(
            dg.RunsFilter(statuses=FINISHED, created_before=before), cursor=cursor, limit=RUNS_PER_QUERY
        )
        if not runs:
            return gone
        # The cursor is a run: it has to be one that is still there, so the page's last run goes with the next page.
        for run in runs:
            if run.run_id not in kept:
                instance.delete_run(run.run_id)
                _unlink(instance, run.run_id)
                gone += 1
        remaining = [run.run_id for run in runs if run.run_id in kept]
        cursor = remaining[-1] if remaining else cursor


def newest_materialisations(instance: dg.DagsterInstance) -> set[str]:
    """Ids of the runs that hold the newest materialisation of an asset or of one of its partitions."""
    kept: set[str] = set()
    for key in instance.all_asset_keys():
        latest = instance.get_latest_materialization_event(key)
        if latest is not None:
            kept.add(latest.run_id)
        by_partition = instance.event_log_storage.get_latest_storage_id_by_partition(
            key, dg.DagsterEventType.ASSET_MATERIALIZATION
        )
        kept |= _runs_of(instance, key, by_partition.values())
    return kept


def _runs_of(instance: dg.DagsterInstance, key: dg.AssetKey, storage_ids: Iterable[int]) -> set[str]:
    chosen = sorted(storage_ids)
    runs: set[str] = set()
    for start in range(0, len(chosen), EVENTS_PER_QUERY):
        part = chosen[start : start + EVENTS_PER_QUERY]
        records = instance.fetch_materializations(dg.AssetRecordsFilter(key, storage_ids=part), limit=len(part)).records
        runs |= {record.run_id for record in records}
    return runs


def _unlink(instance: dg.DagsterInstance, run_id: str) -> None:
    """Delete what it printed, and on SQLite the event log file, one per run, that Dagster empties but leaves."""
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    storage = instance.event_log_storage
    if isinstance(storage, SqliteEventLogStorage):
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(storage.path_for_shard(run_id) + suffix).unlink(missing_ok=True)
    shutil.rmtree(Path(instance.storage_directory()) / run_id, ignore_errors=True)


@dg.op
def prune_old_runs(context: dg.OpExecutionContext, source: dg.ResourceParam[InstallationSource]) -> None:
    """Delete Dagster's runs that are older than ORDERS_RUN_RETENTION_DAYS."""
    with source.opened() as installation:
        days = installation.settings.run_retention_days
        gone = prune(context.instance, installation.clock() - timedelta(days=days))
    context.add_output_metadata({"runs_deleted": gone, "older_than_days": days})


@dg.job(description="Delete Dagster's old runs, but for the newest materialisation of each asset and partition.")
def prune_runs() -> None:
    """One step."""
    prune_old_runs()
