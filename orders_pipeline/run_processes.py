"""Which of Dagster's runs really work: a run whose process was killed with its whole machine says "started" for ever.

A guard against piling up, not a lock: what two processes may not do at once is in `warehouse.ledger.base.leases`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import dagster as dg

from warehouse.processes import is_gone

LONGEST_RUN = timedelta(seconds=1800)
"""As `max_runtime_seconds` in dagster.yaml, which ends a run that was lost with its machine."""

PROCESS_TAG = "orders/process"
"""Run tag with host and process id of the run's process."""

UNFINISHED = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


def running(instance: dg.DagsterInstance, job_name: str, now: datetime) -> str | None:
    """Why the job's next run has to wait, or None when it need not.

    A run that says it is started but whose process was on this machine and is gone is reported failed and does not
    count: after a power cut the next tick runs at once. Nor does one that is older than any run may become.
    """
    for record in instance.get_run_records(dg.RunsFilter(job_name=job_name, statuses=list(UNFINISHED))):
        run = record.dagster_run
        if run.status is dg.DagsterRunStatus.STARTED and is_gone(run.tags.get(PROCESS_TAG)):
            instance.report_run_failed(run, "the run's process ended without a word: killed, or the machine went down")
            continue
        began = record.start_time if record.start_time is not None else record.create_timestamp.timestamp()
        age = now.timestamp() - began
        if age <= LONGEST_RUN.total_seconds():
            return f"run {run.run_id} of {job_name} is {run.status.value.lower()} for {max(0.0, age):.0f} s"
    return None
