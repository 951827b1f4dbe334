"""The daily maintenance of the two stores: compacting the lake, letting the ledger go of what the lake keeps, and purging
personal data whose time is over.

What goes and what stays is decided in `warehouse.lake` and `warehouse.ledger.book.retention`; Dagster's runs in
`upkeep.dagster_runs`.
"""

from datetime import timedelta

import dagster as dg

from orders_pipeline.assets.order_tables import LAKE_WRITER
from orders_pipeline.resources import InstallationSource
from orders_pipeline.upkeep import personal_data
from warehouse.lake.lake import open_lake
from warehouse.lake.maintenance import maintain
from warehouse.lake.publishing import published_through
from warehouse.lake.retirement import retire
from warehouse.ledger.base import idempotency
from warehouse.ledger.book.retention import prune
from warehouse.ledger.book.retirement import Ripeness
from warehouse.ledger.watch import activity, alerts, api_requests


@dg.op(pool=LAKE_WRITER)
def maintain_lake(source: dg.ResourceParam[InstallationSource]) -> None:
    """Merge small files, and drop snapshots older than ORDERS_SNAPSHOT_RETENTION_DAYS with the files only they need."""
    with source.opened() as installation, open_lake(installation.settings) as lake:
        maintain(lake, installation.clock(), installation.settings.snapshot_retention_days)


@dg.op
def prune_ledger(context: dg.OpExecutionContext, source: dg.ResourceParam[InstallationSource]) -> None:
    """Let the ledger go of published rows older than ORDERS_VERSION_RETENTION_DAYS, and of old idempotency keys."""
    with source.opened() as installation:
        with open_lake(installation.settings) as lake:
            through = published_through(lake)
        before = installation.clock() - timedelta(days=installation.settings.version_retention_days)
        gone = prune(installation.ledger, through, before)
        keys = idempotency.prune(installation.ledger, installation.clock() - idempotency.LIFETIME)
    context.add_output_metadata({**{name: getattr(gone, name) for name in gone.__slots__}, "idempotency_keys": keys})


@dg.op(pool=LAKE_WRITER)
def retire_orders(context: dg.OpExecutionContext, source: dg.ResourceParam[InstallationSource]) -> None:
    """Move the documents of orders that were closed more than ORDERS_RETIRE_AFTER_DAYS ago to the lake for good."""
    with source.opened() as installation:
        days = installation.settings.retire_after_days
        if days is None:
            return
        before = installation.clock() - timedelta(days=days)
        with open_lake(installation.settings) as lake:
            ripe = Ripeness.of(before, published_through(lake))
            gone = retire(installation.ledger, lake, ripe, installation.clock())
    context.add_output_metadata({"orders": gone})


@dg.op
def prune_log(context: dg.OpExecutionContext, source: dg.ResourceParam[InstallationSource]) -> None:
    """Let go of entries of the log, and of alerts that have arrived, older than ORDERS_LOG_RETENTION_DAYS, and of
    counts of requests to the API older than ORDERS_API_REQUEST_RETENTION_DAYS.
    """
    with source.opened() as installation:
        before = installation.clock() - timedelta(days=installation.settings.log_retention_days)
        entries = activity.prune(installation.ledger, before)
        with installation.ledger.write() as transaction:
            messages = alerts.prune(transaction, before)
            api_requests.forget(transaction, installation.clock(), installation.settings.api_request_retention_days)
    context.add_output_metadata({"log_entries": entries, "alert_messages": messages})


@dg.job(description="Compact the lake, and let the ledger go of what the lake keeps.")
def maintain_storage() -> None:
    """Steps that do not wait for each other: one's failure does not stop another."""
    maintain_lake()
    prune_ledger()
    retire_orders()
    prune_log()


@dg.op
def purge_due(context: dg.OpExecutionContext, source: dg.ResourceParam[InstallationSource]) -> None:
    """Take out the personal data of orders that were closed more than ORDERS_PII_RETENTION_DAYS ago."""
    with source.opened() as installation:
        gone = personal_data.purge(installation)
    context.add_output_metadata({name: getattr(gone, name) for name in gone.__slots__})


@dg.job(description="Take out the personal data of orders that were closed more than ORDERS_PII_RETENTION_DAYS ago.")
def purge_personal_data() -> None:
    """One step."""
    purge_due()
