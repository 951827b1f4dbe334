"""The asset `order_tables`: the order book as DuckDB tables over Parquet, for analysts.

The engine is `warehouse.lake.publishing`; what is in the tables is said in `warehouse/lake/tables`.
"""

from __future__ import annotations

import logging

import dagster as dg

from orders_pipeline.freshness import TICK_FRESHNESS
from orders_pipeline.lake_access import publishing
from orders_pipeline.resources import Source
from warehouse.lake.definitions import TABLES
from warehouse.lake.order_tables import columns
from warehouse.lake.publishing import publish, published_through
from warehouse.ledger.base.database import POSITION, RAW_SEQ, mark
from warehouse.logs import Event

logger = logging.getLogger("orders_pipeline.order_tables")

LAKE_WRITER = "lake_writer"
"""Pool of everything that writes the lake: its limit of 1 lets one run at a time do so."""


def column_schema() -> dg.TableSchema:
    """The columns of `orders` in the lake with their comments."""
    return dg.TableSchema([dg.TableColumn(each.name, each.type, each.comment) for each in columns("orders")])


@dg.asset(
    deps=["orders"],
    pool=LAKE_WRITER,
    group_name="analytics",
    kinds={"duckdb", "parquet"},
    freshness_policy=TICK_FRESHNESS,
    owners=["team:orders"],
    description="Orders, lines, versions, raw payloads, pulls and incidents as tables for analysts (DuckLake: DuckDB "
    "over Parquet). Holds no personal data.",
    metadata={
        "dagster/table_name": "lake.orders",
        "dagster/column_schema": column_schema(),
        "tables": dg.MetadataValue.md(", ".join(f"`{name}`" for name in TABLES)),
    },
    check_specs=[
        dg.AssetCheckSpec(
            "published_to_the_end",
            asset="order_tables",
            description="The lake has come as far as the ledger had when publishing began.",
        )
    ],
)
def order_tables(source: dg.ResourceParam[Source]) -> dg.MaterializeResult:  # type: ignore[type-arg] # Dagster wants none
    """Publish what changed in the ledger since the last time."""
    with source.opened() as installation:
        with installation.ledger.read() as transaction:
            expected = {"orders": mark(transaction, POSITION), "raw_orders": mark(transaction, RAW_SEQ)}
        with publishing(installation) as lake:
            published = publish(installation.ledger, lake, installation.clock())
            through = published_through(lake)
            [(rows,)] = lake.statement("SELECT count(*) FROM orders")
    logger.info(Event.TABLES_PUBLISHED, extra={f"rows_{name}": count for name, count in published.counts.items()})
    behind = {name: value for name, value in expected.items() if through[name] < value}
    metadata = {f"rows_{name}": dg.MetadataValue.int(count) for name, count in published.counts.items()}
    return dg.MaterializeResult(
        metadata=metadata | {"dagster/row_count": dg.MetadataValue.int(int(str(rows)))},
        check_results=[
            dg.AssetCheckResult(
                passed=not behind,
                check_name="published_to_the_end",
                metadata={
                    "expected": dg.MetadataValue.json(expected),
                    "actual": dg.MetadataValue.json({name: through[name] for name in expected}),
                },
            )
        ],
    )
