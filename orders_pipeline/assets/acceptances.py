"""The asset `acceptances`: the seller's decisions about orders, told to the marketplaces that leave them to the seller.

The engine is `orders_pipeline.stages.accept`.
"""

import dagster as dg

from orders_pipeline.resources import InstallationSource
from orders_pipeline.shards import connections_of_run
from orders_pipeline.stages import accept


@dg.asset(
    deps=["orders"],
    kinds={"python", "sql"},
    owners=["team:orders"],
    description="Orders accepted or refused where the marketplace leaves that to the seller: decided over the API, "
    "or by the channel's policy.",
)
def acceptances(
    context: dg.AssetExecutionContext, source: dg.ResourceParam[InstallationSource]
) -> dg.MaterializeResult[None]:
    """Send every decision that is due."""
    with source.opened() as installation:
        results = accept.accept_all(installation, connections_of_run(context.run.tags, installation))
    metadata: dict[str, dg.MetadataValue] = {
        name: dg.MetadataValue.int(sum(each.counts[name] for each in results))
        for name in ("done", "rejected", "queued")
    }
    failed = [f"- {each.connection}: {each.error.code}: {each.error.message}" for each in results if each.error]
    if failed:
        metadata["not_reached"] = dg.MetadataValue.md("\n".join(failed))
    return dg.MaterializeResult(metadata=metadata)
