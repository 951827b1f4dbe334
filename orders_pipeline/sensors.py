"""The sensors: partitions kept equal to the ledger's connections, shipments confirmed as they come, file jobs and follow-ups
that are due, requests of operators, changes that marketplaces tell of, and monitors told of jobs that have succeeded.

When what runs by the clock is in `schedules`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import dagster as dg
import sqlalchemy as sa

from orders_pipeline import follow_up, requests
from orders_pipeline.alerts import heartbeat
from orders_pipeline.assets.file_runs import JOBS_TAG
from orders_pipeline.assets.order_exports import order_exports
from orders_pipeline.assets.raw_orders import CONNECTIONS
from orders_pipeline.assets.shipment_imports import shipment_imports
from orders_pipeline.file_jobs import job_run
from orders_pipeline.resources import InstallationSource
from orders_pipeline.run_leases import UNFINISHED, running, unless_running
from orders_pipeline.stages import hints
from orders_pipeline.standstill import skip_once_moved
from warehouse.clock import utc_now
from warehouse.ledger.settings import channels
from warehouse.ledger.settings.file_jobs import JobKind
from warehouse.ledger.settings.kinds import kinds_that_take_orders
from warehouse.ledger.shipping import acceptances, shipment_queries

FILE_ASSETS = {JobKind.EXPORT: order_exports, JobKind.IMPORT: shipment_imports}


@dataclass(frozen=True, slots=True)
class PartitionChanges:
    """Partitions to add and to remove, each sorted."""

    add: Sequence[str]
    remove: Sequence[str]


def partition_changes(
    wanted: Iterable[str], present: Iterable[str], in_flight: Iterable[str] | None
) -> PartitionChanges:
    """What to change so that the partitions are those wanted.

    Args:
        wanted: The connections there are.
        present: The partitions there are.
        in_flight: Partitions that a run works on: a run dies when its partition disappears. None: any of them.

    >>> partition_changes({"a", "b"}, {"b", "c", "d"}, {"d"})
    PartitionChanges(add=['a'], remove=['c'])
    """
    wanted, present = set(wanted), set(present)
    kept = present if in_flight is None else set(in_flight)
    return PartitionChanges(sorted(wanted - present), sorted(present - wanted - kept))


@dg.sensor(
    asset_selection=dg.AssetSelection.assets("raw_orders"),
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Keep the partitions of raw_orders equal to the ledger's connections; starts no run.",
)
@skip_once_moved
def connection_partitions(
    context: dg.SensorEvaluationContext, source: dg.ResourceParam[InstallationSource]
) -> dg.SensorResult | dg.SkipReason:
    """Add a partition for each new connection and remove those of connections that are gone."""
    try:
        with source.opened() as installation, installation.ledger.read() as transaction:
            given = kinds_that_take_orders(transaction)  # nothing is ever pulled there
            wanted = [each.code for each in channels.all_connections(transaction) if each.kind not in given]
    except (OSError, sa.exc.DBAPIError) as error:
        # A failed read is not an empty list: it would remove every partition.
        return dg.SkipReason(f"the connections could not be read: {type(error).__name__}")
    name = str(CONNECTIONS.name)
    changes = partition_changes(wanted, context.instance.get_dynamic_partitions(name), _in_flight(context.instance))
    requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if changes.add:
        requests.append(CONNECTIONS.build_add_request(changes.add))
    if changes.remove:
        requests.append(CONNECTIONS.build_delete_request(changes.remove))
    if not requests:
        return dg.SkipReason("the partitions are those of the ledger's connections")
    return dg.SensorResult(dynamic_partitions_requests=requests)


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Tell the monitor of each job that has succeeded, where ORDERS_PING_URLS names one.",
)
def ping_after_success(context: dg.RunStatusSensorContext, source: dg.ResourceParam[InstallationSource]) -> None:
    """In the daemon and not in the run: when the daemon is gone, the monitor hears nothing, and that is the alarm."""
    with source.opened() as installation:
        heartbeat.ping(installation, context.dagster_run.job_name)


@dg.sensor(
    job_name="confirm_shipments",
    minimum_interval_seconds=10,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Confirm at once what the ERP reports, where ORDERS_CONFIRM_EAGERLY is set.",
)
@skip_once_moved
def new_shipments(
    context: dg.SensorEvaluationContext, source: dg.ResourceParam[InstallationSource]
) -> dg.RunRequest | dg.SkipReason:
    """Confirm at once what the ERP reports, where ORDERS_CONFIRM_EAGERLY is set; the schedule stays as it is."""
    with source.opened() as installation:
        if not installation.settings.confirm_eagerly:
            return dg.SkipReason("ORDERS_CONFIRM_EAGERLY is not set: the schedule confirms")
        now = installation.clock()
        with installation.ledger.read() as transaction:
            if not shipment_queries.is_any_due(transaction, now) and not acceptances.is_any_due(transaction, now):
                return dg.SkipReason("nothing is due")
        return unless_running(context, installation, "confirm_shipments")


@dg.sensor(
    job_name="follow_up",
    minimum_interval_seconds=60,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="A run when a cancellation is to be told, an alert to be sent, or nobody has watched for a while.",
)
@skip_once_moved
def due_follow_ups(
    context: dg.SensorEvaluationContext, source: dg.ResourceParam[InstallationSource]
) -> dg.RunRequest | dg.SkipReason:
    """An idle minute costs a query and not a run."""
    with source.opened() as installation:
        if not follow_up.is_due(installation):
            return dg.SkipReason("nothing is due")
        return unless_running(context, installation, "follow_up")


@dg.sensor(
    job_name="exchange_files",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="One run for all file jobs whose time has come, times that were missed included.",
)
@skip_once_moved
def due_file_jobs(
    context: dg.SensorEvaluationContext, source: dg.ResourceParam[InstallationSource]
) -> dg.RunRequest | dg.SkipReason:
    """One run for all file jobs whose time has come; times that were missed meanwhile are made up for by it."""
    with source.opened() as installation:
        kinds = [kind for kind in JobKind if job_run.due(installation, kind)]
        if not kinds:
            return dg.SkipReason("no file job is due")
        reason = running(context.instance, installation, "exchange_files", utc_now())
    if reason:
        return dg.SkipReason(reason)
    return dg.RunRequest(asset_selection=[FILE_ASSETS[kind].key for kind in kinds], tags={JOBS_TAG: "due"})


@dg.sensor(
    job_name="pull_hinted",
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Listen to marketplaces that tell of changes, where a connection says so; a run when one can be read.",
)
@skip_once_moved
def change_hints(
    context: dg.SensorEvaluationContext, source: dg.ResourceParam[InstallationSource]
) -> dg.RunRequest | dg.SkipReason:
    """A sensor of its own: a queue that does not answer holds up nobody who waits at a page. A tick at work comes first."""
    with source.opened() as installation:
        if not hints.look(installation):
            return dg.SkipReason("no marketplace has told of a change that can be read and is not")
        reason = running(context.instance, installation, "pull_orders", utc_now())
        return dg.SkipReason(reason) if reason else unless_running(context, installation, "pull_hinted")


@dg.sensor(
    job_name="carry_out_requests",
    minimum_interval_seconds=2,  # that is each round of Dagster's daemon, which takes five seconds
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Do what operators ask: tests and listings at once, what takes longer in a run.",
)
@skip_once_moved
def operator_requests(
    context: dg.SensorEvaluationContext, source: dg.ResourceParam[InstallationSource]
) -> dg.RunRequest | dg.SkipReason:
    """Somebody waits at a page: what is over in seconds is done right here, without a run."""
    with source.opened() as installation:
        if not requests.look(installation):
            return dg.SkipReason("nothing waits that takes a run")
        return unless_running(context, installation, "carry_out_requests")


def _in_flight(instance: dg.DagsterInstance) -> set[str] | None:
    """Partitions of unfinished runs; None when one of them works on all."""
    found: set[str] = set()
    for record in instance.get_run_records(dg.RunsFilter(statuses=list(UNFINISHED))):
        tags = record.dagster_run.tags
        if "dagster/partition" not in tags:
            return None
        found.add(tags["dagster/partition"])
    return found
