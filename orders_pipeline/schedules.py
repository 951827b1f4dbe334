"""When what runs: the schedules, and the guard that lets no two ticks of a job overlap.

The guard keeps runs from piling up; that two of them at once do no harm is the ledger's leases' doing, not this one's.
"""

from collections.abc import Sequence

import dagster as dg

from orders_pipeline.resources import Source
from orders_pipeline.run_processes import running
from warehouse.clock import utc_now
from warehouse.ledger.settings.channels import count_retrieved
from warehouse.ledger.shipping import acceptances, confirmations


@dg.schedule(
    job_name="pull_orders",
    cron_schedule="*/5 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def pull_orders_every_5_minutes(
    context: dg.ScheduleEvaluationContext, source: dg.ResourceParam[Source]
) -> dg.RunRequest | dg.SkipReason:
    """One run over all connections; skipped while the last one still works, and as long as there is nothing to pull."""
    with source.opened() as installation, installation.ledger.read() as transaction:
        retrieved = count_retrieved(transaction)
    if not retrieved:
        return dg.SkipReason("no channel has retrieval on: connect one with `orders apply`")
    return unless_running(context, "pull_orders")


@dg.schedule(
    job_name="confirm_shipments",
    cron_schedule="*/15 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def confirm_shipments_every_15_minutes(
    context: dg.ScheduleEvaluationContext, source: dg.ResourceParam[Source]
) -> dg.RunRequest | dg.SkipReason:
    """One run over all connections; skipped while the last one still works, and as long as nothing waits."""
    with source.opened() as installation, installation.ledger.read() as transaction:
        is_waiting = confirmations.is_any_waiting(transaction) or acceptances.is_any_due(
            transaction, installation.clock()
        )
    if not is_waiting:
        return dg.SkipReason("no shipment and no decision waits")
    return unless_running(context, "confirm_shipments")


@dg.schedule(
    job_name="sweep_orders",
    cron_schedule="40 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def sweep_orders_daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """At night, when the marketplaces' quota is needed least."""
    return unless_running(context, "sweep_orders")


@dg.schedule(
    job_name="maintain_storage",
    cron_schedule="20 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def maintain_storage_daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """After the sweep, before the working day."""
    return unless_running(context, "maintain_storage")


@dg.schedule(
    job_name="verify_orders",
    cron_schedule="50 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def verify_orders_daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """After maintenance, which it also verifies."""
    return unless_running(context, "verify_orders")


@dg.schedule(
    job_name="prune_runs",
    cron_schedule="10 4 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def prune_runs_daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Once a day is enough: a run is some hundred kilobytes."""
    return unless_running(context, "prune_runs")


@dg.schedule(
    job_name="purge_personal_data",
    cron_schedule="30 4 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def purge_personal_data_daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Last of the night: on SQLite it writes the whole ledger anew, and nobody should wait for that."""
    return unless_running(context, "purge_personal_data")


def unless_running(
    context: dg.ScheduleEvaluationContext | dg.SensorEvaluationContext, job_name: str
) -> dg.RunRequest | dg.SkipReason:
    """A run of the job, unless one is queued or at work."""
    reason = running(context.instance, job_name, utc_now())
    return dg.SkipReason(reason) if reason else dg.RunRequest()


SCHEDULES: Sequence[dg.ScheduleDefinition] = (
    pull_orders_every_5_minutes,
    confirm_shipments_every_15_minutes,
    sweep_orders_daily,
    maintain_storage_daily,
    verify_orders_daily,
    prune_runs_daily,
    purge_personal_data_daily,
)
