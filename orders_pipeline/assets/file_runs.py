"""What both file assets show of their runs: the files with their names, rows, hashes, splits and storages, and what failed."""

from collections.abc import Callable, Mapping, Sequence

import dagster as dg

from orders_pipeline.file_jobs import job_run
from orders_pipeline.file_jobs.job_run import JobResult
from orders_pipeline.installation import Installation
from warehouse.ledger.exchange.file_records import FileRecord
from warehouse.ledger.settings.file_jobs import FileJob, JobKind

JOBS_TAG = "orders/file_jobs"
"""Run tag that says which jobs run; a job's configuration would not reach a run that a sensor selects assets for."""

CHOICES: dict[str, Callable[[Installation, JobKind], list[FileJob]]] = {
    "due": job_run.due,
    "all": job_run.switched_on,
}
"""`due`: those whose time has come, as the sensor asks. `all`: every one that is on, when a person starts the run."""

COLUMNS = dg.TableSchema(
    columns=[
        dg.TableColumn("file", "int"),
        dg.TableColumn("channel", "string"),
        dg.TableColumn("storage", "string"),
        dg.TableColumn("name", "string"),
        dg.TableColumn("state", "string"),
        dg.TableColumn("split", "string"),
        dg.TableColumn("rows", "int"),
        dg.TableColumn("refused", "int"),
        dg.TableColumn("bytes", "int"),
        dg.TableColumn("sha256", "string"),
    ]
)


def run_jobs(
    tags: Mapping[str, str],
    installation: Installation,
    kind: JobKind,
    run: Callable[[Installation, FileJob], JobResult],
) -> list[JobResult]:
    """Run the jobs that the run's tag asks for, one after the other."""
    results = []
    for job in CHOICES[tags.get(JOBS_TAG, "all")](installation, kind):
        installation.go_on()
        results.append(run(installation, job))
    return results


def materialization(results: Sequence[JobResult], check: str) -> dg.MaterializeResult[None]:
    """The files of a run as metadata, and whether every job came to its end."""
    done = [record for each in results for record in each.files]
    failed = [f"- {each.channel}: {each.error}" for each in results if each.outcome == "failed"]
    metadata: dict[str, dg.MetadataValue] = {
        "jobs": dg.MetadataValue.int(len(results)),
        "files": dg.MetadataValue.int(len(done)),
        "rows": dg.MetadataValue.int(sum(each.rows for each in done)),
        "rows_refused": dg.MetadataValue.int(sum(each.refused for each in done)),
    }
    if done:
        metadata["file_list"] = dg.MetadataValue.table([_record(each) for each in done], COLUMNS)
    if failed:
        metadata["not_done"] = dg.MetadataValue.md("\n".join(failed))
    return dg.MaterializeResult(
        metadata=metadata,
        check_results=[
            dg.AssetCheckResult(
                passed=not failed,
                check_name=check,
                severity=dg.AssetCheckSeverity.ERROR,
                metadata={"failed": dg.MetadataValue.int(len(failed))},
            )
        ],
    )


def _record(record: FileRecord) -> dg.TableRecord:
    split = record.details.get("split", {}).values()
    return dg.TableRecord(
        {
            "file": record.id,
            "channel": record.channel,
            "storage": record.storage,
            "name": record.name,
            "state": record.state.value,
            "split": ", ".join(each or "unknown" for each in split),
            "rows": record.rows,
            "refused": record.refused,
            "bytes": record.size,
            "sha256": record.sha256 or "",
        }
    )
