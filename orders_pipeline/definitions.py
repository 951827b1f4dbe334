"""The whole pipeline on one screen: what is made of what, by which jobs, when, and what must hold.

    marketplaces ────▶ raw_orders ──▶ orders ──▶ order_tables ──▶ analysts
                                         ├─────▶ acceptances ───▶ marketplaces
                                         ├─────▶ order_exports ─▶ storages
                                         └─────▶ orders_api ◀───▶ ERP
                 storages ──▶ shipment_imports ──┴─▶ shipments ──▶ confirmations ──▶ marketplaces

Importing this reads no environment and opens nothing.
"""

from __future__ import annotations

import atexit
import gc

atexit.register(gc.freeze)  # a process that ends looks through all that it had loaded, which takes as long as its tick
gc.disable()  # until all is loaded: that leaves no garbage, and looking for some takes a third of the time

import dagster as dg

from orders_pipeline.assets.acceptances import acceptances
from orders_pipeline.assets.confirmations import confirmations
from orders_pipeline.assets.order_exports import order_exports
from orders_pipeline.assets.order_tables import EVERY_TICK, order_tables
from orders_pipeline.assets.orders import orders
from orders_pipeline.assets.raw_orders import READING_TAG, raw_orders
from orders_pipeline.assets.shipment_imports import shipment_imports
from orders_pipeline.checks import confirmations_checks, full_checks, orders_checks, raw_orders_checks
from orders_pipeline.follow_up import follow_up
from orders_pipeline.maintenance import maintain_storage, purge_personal_data
from orders_pipeline.marketplaces.registry import MARKETPLACES
from orders_pipeline.request_runs import carry_out_requests
from orders_pipeline.resources import InstallationSource
from orders_pipeline.run_leases import leased
from orders_pipeline.schedules import SCHEDULES
from orders_pipeline.sensors import (
    change_hints,
    connection_partitions,
    due_file_jobs,
    due_follow_ups,
    new_shipments,
    operator_requests,
    ping_after_success,
)
from orders_pipeline.upkeep.dagster_runs import prune_runs

MARKETPLACE_NODES = [
    dg.AssetSpec(
        each.kind,
        kinds=set(each.node_kinds),
        owners=["team:orders"],
        description=each.description,
    )
    for each in MARKETPLACES.values()
]
ORDERS_API = dg.AssetSpec(
    "orders_api",
    deps=["orders"],
    kinds={"fastapi"},
    owners=["team:orders"],
    description="The HTTP API by which the ERP reads orders and reports shipments. A process of its own on the ledger.",
)
SHIPMENTS = dg.AssetSpec(
    "shipments",
    deps=["orders_api", "shipment_imports"],
    kinds={"sql"},
    owners=["team:orders"],
    description="Shipments as the ERP reported them, by the API or in files, checked against their orders. Kept in the ledger.",
)

SHIPMENT_FILES = dg.AssetSpec(
    "shipment_files",
    kinds={"csv"},
    owners=["team:orders"],
    description="CSV files with shipments, which the ERP puts on a storage: SFTP, FTPS, FTP or a folder.",
)

TICK = dg.AssetSelection.assets("raw_orders", "orders", "acceptances") | EVERY_TICK
DAILY_CHECKS = dg.AssetSelection.checks(full_checks)

pull_orders = dg.define_asset_job(
    "pull_orders",
    TICK - DAILY_CHECKS,
    description="One tick: what is new, at every connection, into the book and the tables.",
)
confirm_shipments = dg.define_asset_job(
    "confirm_shipments",
    dg.AssetSelection.assets("acceptances", "confirmations"),
    description="Decisions and shipments that wait, told to the marketplaces; what was told before, verified.",
)
exchange_files = dg.define_asset_job(
    "exchange_files",
    dg.AssetSelection.assets("order_exports", "shipment_imports"),
    description="Order files to the storages, and shipment files from them.",
)
sweep_orders = dg.define_asset_job(
    "sweep_orders",
    TICK - DAILY_CHECKS,
    tags={READING_TAG: "sweep"},
    description="The last days and every open order read again, so that nothing stays missed.",
)
pull_hinted = dg.define_asset_job(
    "pull_hinted",
    TICK - DAILY_CHECKS,
    tags={READING_TAG: "hinted"},
    description="A tick ahead of time, at the connections alone that have told of changes.",
)
verify_orders = dg.define_asset_job("verify_orders", DAILY_CHECKS, description="The checks that count everything.")


def build_defs(*, source: InstallationSource | None = None) -> dg.Definitions:
    """The pipeline's definitions.

    Args:
        source: How a run opens the installation; the environment's own by default. Tests bring their own.
    """
    return dg.Definitions(
        assets=[
            *MARKETPLACE_NODES,
            raw_orders,
            orders,
            acceptances,
            order_tables,
            order_exports,
            ORDERS_API,
            SHIPMENT_FILES,
            shipment_imports,
            SHIPMENTS,
            confirmations,
        ],
        asset_checks=[raw_orders_checks, orders_checks, confirmations_checks, full_checks],
        jobs=[
            pull_orders,
            confirm_shipments,
            follow_up,
            exchange_files,
            sweep_orders,
            pull_hinted,
            verify_orders,
            maintain_storage,
            prune_runs,
            purge_personal_data,
            carry_out_requests,
        ],
        schedules=SCHEDULES,
        sensors=[
            connection_partitions,
            new_shipments,
            due_file_jobs,
            due_follow_ups,
            operator_requests,
            change_hints,
            ping_after_success,
        ],
        resources={"source": leased(source or InstallationSource())},
        # One process a run: connections are pulled by threads, and there is one writer of the lake.
        executor=dg.in_process_executor,
    )


defs = build_defs()
gc.freeze()  # it stays as long as the process
gc.enable()
