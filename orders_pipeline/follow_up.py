"""The job that runs when something is due that no tick does: cancellations told, conditions watched, alerts sent.

The engines are `stages.cancel`, `alerts.conditions` and `alerts.plan`; whether something is due is asked by a sensor, so
that an idle minute costs a query and not a run.
"""

import dagster as dg

from orders_pipeline.alerts import conditions, plan
from orders_pipeline.installation import Installation
from orders_pipeline.resources import InstallationSource
from orders_pipeline.stages import cancel


def is_due(installation: Installation) -> bool:
    """Whether a run would do anything; reads only."""
    return plan.is_due(installation) or cancel.is_due(installation) or conditions.is_overdue(installation)


@dg.op
def tell_cancellations(context: dg.OpExecutionContext, source: dg.ResourceParam[InstallationSource]) -> None:
    """Tell the marketplaces of the cancellations that the seller has accepted."""
    with source.opened() as installation:
        counts = cancel.carry_out(installation)
    context.add_output_metadata({name: counts[name] for name in ("told", "refused", "in_doubt", "put_back")})


@dg.op
def watch_conditions(context: dg.OpExecutionContext, source: dg.ResourceParam[InstallationSource]) -> None:
    """Look at what no stage fails of: channels behind or silent, credentials, the disk, waiting shipments."""
    with source.opened() as installation:
        wrong = conditions.watch(installation)
    context.add_output_metadata({"wrong": ", ".join(wrong) or "nothing"})


@dg.op
def send_alerts(context: dg.OpExecutionContext, source: dg.ResourceParam[InstallationSource]) -> None:
    """Write the messages that are due, and deliver what is in the outbox."""
    with source.opened() as installation:
        sent = plan.send_due(installation)
    context.add_output_metadata({name: getattr(sent, name) for name in sent.__slots__})


@dg.job(description="What is due between ticks: cancellations told, conditions watched, alerts sent.")
def follow_up() -> None:
    """Three steps that do not wait for each other: one's failure does not stop another."""
    tell_cancellations()
    watch_conditions()
    send_alerts()
