"""A tick as a Dagster run, whole or a shard of it: tasks whose process loads what a run's does, in the same order.

That order counts: the definitions turn the garbage collector off until they are loaded. What a tick is compared with is in
`empty_runs`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import dagster as dg

from orders_pipeline.definitions import defs
from orders_pipeline.shards import EACH_SHARD_MAKES, SHARD_TAG


def tick_in_dagster() -> Generator[object, None, None]:
    """Task: load the definitions and the instance; run the job, as often as asked."""
    job = defs.resolve_job_def("pull_orders")
    with dg.DagsterInstance.get() as instance:
        yield None
        while True:
            result = job.execute_in_process(instance=instance)
            assert result.success
            yield _connections_read(result)


def shard_in_dagster(shard: str) -> Generator[object, None, None]:
    """Task: load the definitions and the instance; run the job for a shard, as often as asked."""
    job = defs.resolve_job_def("pull_orders")
    chosen = None if shard.startswith("1/") else [dg.AssetKey(each) for each in EACH_SHARD_MAKES]
    with dg.DagsterInstance.get() as instance:
        yield None
        while True:
            result = job.execute_in_process(instance=instance, tags={SHARD_TAG: shard}, asset_selection=chosen)
            assert result.success
            yield _connections_read(result)


def _connections_read(result: Any) -> int:
    (told,) = (
        event.event_specific_data.materialization.metadata
        for event in result.all_events
        if event.event_type_value == "ASSET_MATERIALIZATION"
        and event.asset_key.path == ["raw_orders"]
        and event.partition is None
    )
    assert "not_read" not in told
    return int(told["connections"].value)
