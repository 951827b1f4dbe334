"""The asset `shipment_imports`: the shipment files that partners have put on their storages, read and answered.

The engine is `orders_pipeline.file_jobs.ingest`. A file that is refused is an incident and is moved aside; it stops no other.
"""

import dagster as dg

from orders_pipeline.assets.file_runs import materialization, run_jobs
from orders_pipeline.file_jobs.ingest import import_channel
from orders_pipeline.resources import InstallationSource
from warehouse.ledger.settings.file_jobs import JobKind

IMPORTS_DONE = "imports_done"


@dg.asset(
    deps=["shipment_files"],
    kinds={"csv"},
    owners=["team:orders"],
    description="Every shipment file that has come, with the fate of each row: applied, known before, or refused. "
    "The shipments go through the same checks as those of the API; the bytes are kept in the archive.",
    check_specs=[
        dg.AssetCheckSpec(
            IMPORTS_DONE, asset="shipment_imports", description="Every import job of the run came to its end."
        )
    ],
)
def shipment_imports(
    context: dg.AssetExecutionContext, source: dg.ResourceParam[InstallationSource]
) -> dg.MaterializeResult:  # type: ignore[type-arg] # Dagster wants none
    """Read what has come, of the channels that are due."""
    with source.opened() as installation:
        results = run_jobs(context.run.tags, installation, JobKind.IMPORT, import_channel)
    return materialization(results, IMPORTS_DONE)
