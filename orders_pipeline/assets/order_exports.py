"""The asset `order_exports`: order files on the partners' storages.

The engine is `orders_pipeline.file_jobs.export`. A storage that fails is an incident and a failed check; it stops no
other channel.
"""

import dagster as dg

from orders_pipeline.assets.file_runs import materialization, run_jobs
from orders_pipeline.file_jobs.export import export_channel
from orders_pipeline.resources import InstallationSource
from warehouse.ledger.settings.file_jobs import JobKind

EXPORTS_DONE = "exports_done"


@dg.asset(
    deps=["orders"],
    kinds={"csv"},
    owners=["team:orders"],
    description="CSV files with the orders that the marketplaces have changed since the last export of their channel, written "
    "to SFTP, FTPS, FTP or folders. Which order is in which file is kept in the ledger, the bytes in the archive.",
    check_specs=[
        dg.AssetCheckSpec(
            EXPORTS_DONE, asset="order_exports", description="Every export job of the run came to its end."
        )
    ],
)
def order_exports(
    context: dg.AssetExecutionContext, source: dg.ResourceParam[InstallationSource]
) -> dg.MaterializeResult:  # type: ignore[type-arg] # Dagster wants none
    """Export what was changed, of the channels that are due."""
    with source.opened() as installation:
        results = run_jobs(context.run.tags, installation, JobKind.EXPORT, export_channel)
    return materialization(results, EXPORTS_DONE)
