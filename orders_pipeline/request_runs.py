"""The job that carries out the requests that take longer than a person waits; what is done for each is in `requests`."""

from datetime import timedelta

import dagster as dg

from orders_pipeline.requests import carry_out
from orders_pipeline.resources import InstallationSource
from warehouse.operator_requests import HEAVY

RUN_FOR = timedelta(minutes=20)
"""After it the next run goes on: a run that never ends would be taken for one that hangs."""


@dg.op
def carry_out_heavy(context: dg.OpExecutionContext, source: dg.ResourceParam[InstallationSource]) -> None:
    """Carry out what waits, one request after the other."""
    with source.opened() as installation:
        done = carry_out(installation, HEAVY, RUN_FOR)
    context.add_output_metadata({"requests": done})


@dg.job(description="What operators have asked for: pulls, orders read again, replays, confirmations, file jobs.")
def carry_out_requests() -> None:
    """One step; requests are independent of each other inside it."""
    carry_out_heavy()
