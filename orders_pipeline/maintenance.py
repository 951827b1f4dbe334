"""The daily maintenance of the two stores: compacting the lake, and letting the ledger go of what the lake keeps.

What goes and what stays is decided in `warehouse.lake` and `warehouse.ledger.retention`; Dagster's runs in `retention`.
"""

from datetime import timedelta

import dagster as dg

from orders_pipeline.assets.order_tables import LAKE_WRITER
from orders_pipeline.resources import Source
from warehouse.lake.lake import open_lake
from warehouse.lake.maintenance import maintain
from warehouse.lake.publishing import published_through
from warehouse.ledger import idempotency
from warehouse.ledger.retention import prune


@dg.op(pool=LAKE_WRITER)
def maintain_lake(source: dg.ResourceParam[Source]) -> None:
    """Merge small files, and drop snapshots older than ORDERS_SNAPSHOT_RETENTION_DAYS with the files only they need."""
    with source.opened() as installation, open_lake(installation.settings) as lake:
        maintain(lake, installation.clock(), installation.settings.snapshot_retention_days)


@dg.op
def prune_ledger(context: dg.OpExecutionContext, source: dg.ResourceParam[Source]) -> None:
    """Let the ledger go of published rows older than ORDERS_VERSION_RETENTION_DAYS, and of old idempotency keys."""
    with source.opened() as installation:
        with open_lake(installation.settings) as lake:
            through = published_through(lake)
        before = installation.clock() - timedelta(days=installation.settings.version_retention_days)
        gone = prune(installation.ledger, through, before)
        keys = idempotency.prune(installation.ledger, installation.clock() - idempotency.LIFETIME)
    context.add_output_metadata({**{name: getattr(gone, name) for name in gone.__slots__}, "idempotency_keys": keys})


@dg.job(description="Compact the lake, and let the ledger go of what the lake keeps.")
def maintain_storage() -> None:
    """Two steps that do not wait for each other: one's failure does not stop the other."""
    maintain_lake()
    prune_ledger()
