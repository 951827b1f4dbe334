"""The asset `raw_orders`: every payload as the marketplaces sent it, one partition per connection.

The engine is `orders_pipeline.stages.pull`. Failures are rows and incidents, never exceptions of a tick: one connection's
outage stops no other.
"""

from collections.abc import Mapping, Sequence

import dagster as dg

from orders_pipeline.freshness import TICK_FRESHNESS
from orders_pipeline.lineage import payload_schema
from orders_pipeline.marketplaces.registry import MARKETPLACES
from orders_pipeline.resources import InstallationSource
from orders_pipeline.shards import connections_of_run
from orders_pipeline.stages import hints, pull, sweep
from orders_pipeline.stages.pull_result import PullResult
from warehouse.ledger.base import quotas

CONNECTIONS = dg.DynamicPartitionsDefinition(name="connection")
"""One partition per seller account; the sensor keeps them equal to the ledger's connections."""

FETCHED = frozenset({"complete", "idle"})
"""Outcomes after which a connection is up to date."""


READING_TAG = "orders/reading"
"""Run tag that says what is read; a job's configuration would reach only runs of one partition."""

CONNECTIONS_TAG, NEW_TAG, OUTCOME_TAG = "orders/connections", "orders/new", "orders/outcome"
"""Run tags that say what a run came to, so that the list of runs can be read and filtered by it."""
LONGEST_TAG = 200
"""Characters; more is told by its number, since a database may index tags."""

READINGS = {"due": pull.pull_all, "sweep": sweep.sweep_all, "hinted": hints.pull_hinted}
"""`due`: what came since the last time. `sweep`: the last days and every open order again. `hinted`: as `due`, where changes
were told of."""


@dg.asset(
    partitions_def=CONNECTIONS,
    deps=list(MARKETPLACES),
    kinds={"python", "sql"},
    freshness_policy=TICK_FRESHNESS,
    owners=["team:orders"],
    description="Every payload as the marketplaces sent it, kept before anything interprets it: encrypted, and once "
    "more without personal data. A partition is one connection (seller account).",
    metadata={"dagster/column_schema": payload_schema()},
)
def raw_orders(
    context: dg.AssetExecutionContext, source: dg.ResourceParam[InstallationSource]
) -> dg.MaterializeResult[None]:
    """Pull every connection, or only the partition that was asked for.

    A tick is a run without partition. Dagster would mark *every* key of a run's partition range as materialised, also
    those whose connection failed, and a range takes in whatever lies between its ends; a run per connection would cost
    three CPU-seconds each. So the tick names no partition and reports each connection that brought something, or was read
    for the first time, by an event of its own: the failed ones keep their last state, show in the checks, and hold up
    nobody. A run for one partition, started by a person, fails when its connection does.
    """
    read = READINGS[context.run.tags.get(READING_TAG, "due")]
    with source.opened() as installation:
        own = connections_of_run(context.run.tags, installation)
        results = read(installation, [context.partition_key] if context.has_partition_key else own)
        with installation.ledger.read() as transaction:
            left = quotas.left(transaction)
    context.instance.add_run_tags(context.run.run_id, run_tags(results))
    if not context.has_partition_key:
        _log_materializations(context, results, left)
    elif any(each.outcome not in FETCHED for each in results):
        raise dg.Failure("; ".join(_failure(each) for each in results), allow_retries=False)
    return dg.MaterializeResult(metadata=_about_all(results))


def run_tags(results: Sequence[PullResult]) -> dict[str, str]:
    """Tags of the run: which connections were read, how many payloads are new, and whether every one was read.

    >>> run_tags([PullResult("eu", "complete", new=3), PullResult("us", "failed")])
    {'orders/connections': 'eu,us', 'orders/new': '3', 'orders/outcome': 'partial'}
    """
    names = ",".join(each.connection for each in results)
    fetched = [each.outcome in FETCHED for each in results]
    return {
        CONNECTIONS_TAG: names if len(names) <= LONGEST_TAG else str(len(results)),
        NEW_TAG: str(sum(each.new for each in results)),
        OUTCOME_TAG: "complete" if all(fetched) else "partial" if any(fetched) else "failed",
    }


def _log_materializations(
    context: dg.AssetExecutionContext, results: Sequence[PullResult], left: Mapping[str, Mapping[str, float]]
) -> None:
    shown = context.instance.get_materialized_partitions(context.asset_key)
    for each in results:
        if each.outcome in FETCHED and (each.new or each.connection not in shown):
            about = _about(each, left.get(each.connection, {}))
            context.log_event(dg.AssetMaterialization("raw_orders", partition=each.connection, metadata=about))


def _about(result: PullResult, left: Mapping[str, float]) -> dict[str, dg.MetadataValue]:
    return {
        "windows": dg.MetadataValue.int(result.windows),
        "pages": dg.MetadataValue.int(result.pages),
        "orders_seen": dg.MetadataValue.int(result.seen),
        "orders_new": dg.MetadataValue.int(result.new),
        "orders_skipped": dg.MetadataValue.int(result.skipped),
        "quota_left": dg.MetadataValue.text(", ".join(f"{name} {share:.0%}" for name, share in sorted(left.items()))),
    }


def _about_all(results: Sequence[PullResult]) -> dict[str, dg.MetadataValue]:
    about: dict[str, dg.MetadataValue] = {
        "connections": dg.MetadataValue.int(len(results)),
        "pages": dg.MetadataValue.int(sum(each.pages for each in results)),
        "orders_seen": dg.MetadataValue.int(sum(each.seen for each in results)),
        "orders_new": dg.MetadataValue.int(sum(each.new for each in results)),
    }
    behind = [each for each in results if each.outcome not in FETCHED]
    if behind:
        lines = [f"- {_failure(each)}" for each in behind]
        about["not_read"] = dg.MetadataValue.md("\n".join(lines))
    return about


def _failure(result: PullResult) -> str:
    if result.error is None:
        return f"{result.connection}: {result.outcome}: another process is reading it"
    return f"{result.connection}: {result.error.code}: {result.error.message}"
