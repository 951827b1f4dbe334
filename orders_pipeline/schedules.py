"""When what runs: the schedules, and the guard that lets no two ticks of a job overlap.

The guard keeps runs from piling up; that two of them at once do no harm is the ledger's leases' doing, not this one's.
"""

from collections.abc import Sequence

import dagster as dg

from orders_pipeline import shards
from orders_pipeline.resources import InstallationSource
from orders_pipeline.run_leases import unless_running
from orders_pipeline.standstill import skip_once_moved
from warehouse.ledger.settings.channels import is_any_served
from warehouse.ledger.shipping import acceptances, shipment_queries


@dg.schedule(
    job_name="pull_orders",
    cron_schedule="*/5 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="What is new at every connection, into the book and the tables; skipped while the last run still works.",
)
@skip_once_moved
def pull_orders_every_5_minutes(
    context: dg.ScheduleEvaluationContext, source: dg.ResourceParam[InstallationSource]
) -> dg.RunRequest | list[dg.RunRequest] | dg.SkipReason:
    """One run over all connections, or one for each shard; skipped while the last one works, and when none is to be pulled."""
    with source.opened() as installation:
        with installation.ledger.read() as transaction:
            is_served = is_any_served(transaction)
        if not is_served:
            return dg.SkipReason("no channel has retrieval on: connect one with `orders apply`")
        return shards.tick(context, installation)


@dg.schedule(
    job_name="confirm_shipments",
    cron_schedule="*/15 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Tell the marketplaces what was shipped and decided; skipped as long as nothing waits.",
)
@skip_once_moved
def confirm_shipments_every_15_minutes(
    context: dg.ScheduleEvaluationContext, source: dg.ResourceParam[InstallationSource]
) -> dg.RunRequest | dg.SkipReason:
    """One run over all connections; skipped while the last one still works, and as long as nothing waits."""
    with source.opened() as installation:
        with installation.ledger.read() as transaction:
            is_waiting = shipment_queries.is_any_waiting(transaction) or acceptances.is_any_due(
                transaction, installation.clock()
            )
        if not is_waiting:
            return dg.SkipReason("no shipment and no decision waits")
        return unless_running(context, installation, "confirm_shipments")


def _daily(job_name: str, cron_schedule: str, description: str) -> dg.ScheduleDefinition:
    """A run each night, skipped while the last one still works."""

    @dg.schedule(
        name=f"{job_name}_daily",
        job_name=job_name,
        cron_schedule=cron_schedule,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=description,
    )
    @skip_once_moved
    def night(
        context: dg.ScheduleEvaluationContext, source: dg.ResourceParam[InstallationSource]
    ) -> dg.RunRequest | dg.SkipReason:
        with source.opened() as installation:
            return unless_running(context, installation, job_name)

    return night


sweep_orders_daily = _daily(
    "sweep_orders", "40 2 * * *", "Read the last days and every open order again, when quota is needed least."
)

SCHEDULES: Sequence[dg.ScheduleDefinition] = (
    pull_orders_every_5_minutes,
    confirm_shipments_every_15_minutes,
    sweep_orders_daily,
    _daily("maintain_storage", "20 3 * * *", "Compact the stores after the sweep, before the working day."),
    _daily("verify_orders", "50 3 * * *", "Count everything after maintenance, which is verified by it too."),
    _daily(
        "prune_runs", "10 4 * * *", "Delete Dagster's old runs; once a day is enough, a run is some hundred kilobytes."
    ),
    _daily(
        "purge_personal_data",
        "30 4 * * *",
        "Take out personal data whose time is over. Last of the night: on SQLite it writes the whole ledger anew, and "
        "nobody should wait for that.",
    ),
)
