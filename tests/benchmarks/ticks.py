"""The tasks of `idle_ticks`; imports no more than a tick needs, because the start of the process counts.

What they are compared with, and how often they run, is in `idle_ticks`.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from orders_pipeline.installation import Installation, opened
from orders_pipeline.stages.normalise import normalise_pending
from orders_pipeline.stages.pull import pull_all
from warehouse.lake.lake import open_lake
from warehouse.lake.origins import is_published
from warehouse.lake.publishing import publish


def tick() -> Generator[object, None, None]:
    """Task: open the installation of the environment; tick, as often as asked."""
    with opened() as installation:
        yield None
        while True:
            yield _tick(installation)


def _tick(installation: Installation) -> int:
    results = pull_all(installation)
    normalise_pending(installation)
    now = installation.clock()
    with installation.ledger.read() as transaction:
        is_known = is_published(transaction, now)
    if not is_known:
        with open_lake(installation.settings) as lake:
            publish(installation.ledger, lake, now)
    return sum(each.outcome == "complete" for each in results)


def tick_in_dagster() -> Generator[object, None, None]:
    """Task: load the definitions and the instance; run the job, as often as asked."""
    import dagster as dg  # noqa: PLC0415 - the stages alone start without it

    from orders_pipeline.definitions import defs  # noqa: PLC0415 - as above

    job = defs.resolve_job_def("pull_orders")
    with dg.DagsterInstance.get() as instance:
        yield None
        while True:
            result = job.execute_in_process(instance=instance)
            assert result.success
            yield _connections_read(result)


def shard_in_dagster(shard: str) -> Generator[object, None, None]:
    """Task: load the definitions and the instance; run the job for a shard, as often as asked."""
    import dagster as dg  # noqa: PLC0415 - as above

    from orders_pipeline.definitions import defs  # noqa: PLC0415 - as above
    from orders_pipeline.shards import EACH_SHARD_MAKES, SHARD_TAG  # noqa: PLC0415 - as above

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
