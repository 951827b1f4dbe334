"""Which of Dagster's runs really work: each holds a lease of the ledger's, since one that was lost says "started" for ever.

A guard against piling up, not a lock: what two processes may not do at once has leases of its own, as every stage says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType

import dagster as dg
import sqlalchemy as sa
from structlog.contextvars import bound_contextvars

from orders_pipeline.installation import Installation
from orders_pipeline.resources import InstallationSource
from warehouse.clock import utc_now
from warehouse.ledger.base import heartbeat, leases
from warehouse.ledger.base.leases import Lease
from warehouse.ledger.status.channel_status import PULL_INTERVAL

BEGINS_WITHIN = 2 * PULL_INTERVAL - timedelta(seconds=30)
"""A run that has not begun by then is requested anew by the second tick after it."""

FORGOTTEN_AFTER = timedelta(hours=1)

UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


def leased(source: InstallationSource) -> dg.ResourceDefinition:
    """The resource `source`. A run has one installation for all its steps, opened under the run's lease."""

    @dg.resource
    def in_run(context: dg.InitResourceContext) -> Iterator[InstallationSource]:
        run = context.run
        if run is None:  # a schedule or a sensor
            yield source
            return
        with source.opened() as installation, bound_contextvars(run_id=run.run_id, job=run.job_name):
            lease = _begin(installation, run.run_id)
            # It is not given back: the run has not ended before Dagster says so, and then nobody asks for its lease.
            with heartbeat.renewing(installation.ledger, lease, installation.clock) as renewal:
                yield InstallationSource(partial(_step, replace(installation, go_on=renewal.require)))

    return in_run


@contextmanager
def _step(installation: Installation) -> Iterator[Installation]:
    """One step of a run, which begins only as long as the run was not given up."""
    installation.go_on()
    yield installation


def _begin(installation: Installation, run_id: str) -> Lease:
    now = installation.clock()
    with installation.ledger.write() as transaction:
        leases.forget(transaction, leases.OF_RUNS, now - FORGOTTEN_AFTER)
        name = leases.OF_RUNS + run_id
        # `dagster job execute` opens a run's resources once more when the run has ended, to read what it came to
        lease = leases.acquire_once(transaction, name, now) or leases.own(transaction, name, now)
    if lease is None:
        raise dg.Failure("the run was given up before it began", allow_retries=False)
    return lease


def running(
    instance: dg.DagsterInstance,
    installation: Installation,
    job_name: str,
    now: datetime,
    tags: Mapping[str, str] = MappingProxyType({}),
) -> str | None:
    """Why the job's next run has to wait, or None when it need not.

    Runs that are lost are reported failed, of whatever job: each would keep its place among those that may work at once.

    Args:
        instance: Dagster's.
        installation: Whose ledger has the leases.
        job_name: The job.
        now: The present by Dagster's clock.
        tags: Of the next run. A run with another value of one of them does not count.
    """
    records = instance.get_run_records(dg.RunsFilter(statuses=list(UNFINISHED)))
    if not records:
        return None
    with installation.ledger.read() as transaction:
        names = [leases.OF_RUNS + each.dagster_run.run_id for each in records]
        held = leases.states(transaction, names, installation.clock())
    working = [
        each
        for each in records
        if not _may_be_lost(each, held, now) or not _give_up(instance, installation, each.dagster_run.run_id)
    ]
    for each in working:
        run = each.dagster_run
        if run.job_name == job_name and all(run.tags.get(name, value) == value for name, value in tags.items()):
            return f"run {run.run_id} of {job_name} is {run.status.value.lower()} for {_age(each, now).total_seconds():.0f} s"
    return None


def _may_be_lost(record: dg.RunRecord, held: Mapping[str, bool], now: datetime) -> bool:
    """Whether nobody renews its lease, or it has taken none in the time that it takes to begin."""
    name = leases.OF_RUNS + record.dagster_run.run_id
    if name in held:
        return not held[name]
    has_begun = record.dagster_run.status is dg.DagsterRunStatus.STARTED
    return _age(record, now) > (leases.LENGTH if has_begun else BEGINS_WITHIN)


def _age(record: dg.RunRecord, now: datetime) -> timedelta:
    began = record.start_time if record.start_time is not None else record.create_timestamp.timestamp()
    return timedelta(seconds=max(0.0, now.timestamp() - began))


def _give_up(instance: dg.DagsterInstance, installation: Installation, run_id: str) -> bool:
    """End a run's lease, so that it does nothing more should it wake up, and report it failed; False when it works."""
    try:
        with installation.ledger.write() as transaction:
            if not leases.take_away(transaction, leases.OF_RUNS + run_id, installation.clock()):
                return False
    except sa.exc.OperationalError:  # on SQLite a long statement lets nobody write: not even a run its lease
        return False
    run = instance.get_run_by_id(run_id)
    if run is not None and run.status in UNFINISHED:  # it has not come to its end meanwhile
        reason = "its process was killed, stood still, or was lost with its machine"
        instance.report_run_failed(run, f"nobody renews the run's lease: {reason}")
    return True


def unless_running(
    context: dg.ScheduleEvaluationContext | dg.SensorEvaluationContext, installation: Installation, job_name: str
) -> dg.RunRequest | dg.SkipReason:
    """A run of the job, unless one is queued or at work."""
    reason = running(context.instance, installation, job_name, utc_now())
    return dg.SkipReason(reason) if reason else dg.RunRequest()
