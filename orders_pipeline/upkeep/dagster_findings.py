"""What the doctor sees of Dagster: its daemons, the last run of each job, the data checks."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from orders_pipeline.alerts import data_checks
from orders_pipeline.upkeep.findings import DoctorFinding, DoctorVerdict, Patient, age, graded, hint_if
from warehouse import display

if TYPE_CHECKING:
    from collections.abc import Iterator

    import dagster as dg


def dagster_findings(patient: Patient) -> Iterator[DoctorFinding]:
    """Where Dagster has its state in the working folder or in DAGSTER_HOME; it is not loaded where there is none."""
    folder = Path(os.environ.get("DAGSTER_HOME") or Path.cwd())
    if not (folder / "dagster.yaml").exists():
        hint = "run it in the folder of dagster.yaml, or set DAGSTER_HOME to it"
        yield DoctorFinding("Dagster", DoctorVerdict.WARN, "it is not known where its state is", hint)
        return
    if not patient.settings.is_postgresql and not (patient.settings.home / "dagster").exists():
        yield DoctorFinding("Dagster", DoctorVerdict.WARN, "it has never run here", "`dagster dev`")
        return
    import dagster  # noqa: PLC0415 - a second of start-up that the other looks do not need

    with dagster.DagsterInstance.from_config(str(folder)) as instance:
        yield from _daemons(instance, patient.now)
        yield from _runs(instance)
        yield from _checks(instance)


def _daemons(instance: dg.DagsterInstance, now: datetime) -> Iterator[DoctorFinding]:
    hint = "`dagster dev`, or `dagster-daemon run`"
    for name, each in sorted(instance.get_daemon_statuses().items()):
        if not each.required:
            continue
        beat = each.last_heartbeat
        seen = "never seen" if beat is None else f"last seen {age(now.timestamp() - beat.timestamp):.0f} s ago"
        is_alive = bool(each.healthy)
        yield DoctorFinding(
            f"daemon {name.lower()}", graded(not is_alive, not is_alive), seen, hint_if(not is_alive, hint)
        )


def _runs(instance: dg.DagsterInstance) -> Iterator[DoctorFinding]:
    last: dict[str, dg.DagsterRun] = {}
    ended: dict[str, str] = {}
    for record in instance.get_run_records(limit=RUNS_LOOKED_AT):
        run = record.dagster_run
        if run.job_name not in last and not run.job_name.startswith("__"):
            last[run.job_name] = run
            began = (
                record.create_timestamp if record.start_time is None else datetime.fromtimestamp(record.start_time, UTC)
            )
            ended[run.job_name] = f"{display.moment(began, UTC)} UTC"
    for name, run in sorted(last.items()):
        is_failed = run.status.value == "FAILURE"
        seen = f"its last run, {ended[name]}: {run.status.value.lower()}"
        yield DoctorFinding(
            f"job {name}", graded(is_failed), seen, hint_if(is_failed, f"look at run {run.run_id} on Dagster's page")
        )


def _checks(instance: dg.DagsterInstance) -> Iterator[DoctorFinding]:
    """The newest evaluation of each data check that did not hold."""
    from orders_pipeline.definitions import build_defs  # noqa: PLC0415 - loads Dagster, as above

    keys = sorted(build_defs().resolve_asset_graph().asset_check_keys)
    newest = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    failed = 0
    for key in keys:
        evaluation = newest[key].evaluation if key in newest else None
        if evaluation is None or evaluation.passed:
            continue
        failed += 1
        is_bad = evaluation.severity.value == "ERROR"
        part = f"check {key.name}"
        yield DoctorFinding(
            part, graded(not is_bad, is_bad), evaluation.description or "it does not hold", data_checks.HINT
        )
    if newest and not failed:
        yield DoctorFinding("checks", DoctorVerdict.OK, f"{len(newest)} data checks hold")


RUNS_LOOKED_AT = 300
