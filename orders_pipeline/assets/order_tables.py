"""The order tables as assets, one for each table and view: the order book as DuckDB tables over Parquet, for analysts.

The engine is `warehouse.lake.publishing`; what the tables are is said in `warehouse/lake`. One step publishes all of them. A
table has an event when rows of it changed, a view when a table that it reads did. Pulls that brought nothing wait up to half an
hour, so that a tick without news does not open the lake.
"""

import logging
from collections.abc import Iterator, Mapping
from datetime import datetime

import dagster as dg

from orders_pipeline.freshness import PULLS_FRESHNESS
from orders_pipeline.installation import Installation
from orders_pipeline.lake_access import publishing
from orders_pipeline.lineage import column_lineage, column_schema, key
from orders_pipeline.resources import InstallationSource
from warehouse.lake.definitions import TABLES, VIEWS, relation
from warehouse.lake.lake import Lake
from warehouse.lake.origins import is_published, reach
from warehouse.lake.publishing import publish, published_through
from warehouse.logs import Event

logger = logging.getLogger("orders_pipeline.order_tables")

LAKE_WRITER = "lake_writer"
"""Pool of everything that writes the lake: its limit of 1 lets one run at a time do so."""

MADE_OF: Mapping[str, tuple[str, ...]] = {
    "orders": ("orders",),
    "order_lines": ("orders",),
    "order_versions": ("orders",),
    "raw_orders": ("raw_orders",),
    "pulls": ("raw_orders",),
    "acknowledgements": ("orders_api",),
    "shipments": ("shipments",),
    "shipment_lines": ("shipments",),
    "confirmation_attempts": ("confirmations",),
    "cancellation_requests": ("orders",),
    "files": ("order_exports", "shipment_imports"),
    "file_rows": ("shipment_imports",),
}
"""Table → the assets whose ledger tables it is published from. Those that are not here hold what no asset makes."""

PUBLISHED = tuple(name for name in TABLES if name != "published")
"""All but the marks of publishing itself."""
OF_EVERY_TICK = frozenset({"pulls", "pull_coverage"})
"""What changes whenever a connection is read, and is late when nothing is."""

ENDED = "published_to_the_end"
EVERY_TICK = dg.AssetSelection.assets(key("orders"))
"""What a job selects that publishes, which puts the step behind `orders`. All tables are published whatever is selected:
Dagster writes an event for each asset that it plans, so a job that named them all would cost twenty more in an idle tick."""


def read_by(view: str) -> list[str]:
    """The tables and views that a view reads."""
    return sorted({source.partition(".")[0] for column in relation(view) for source in column.sources})


def _spec(name: str) -> dg.AssetSpec:
    deps = [dg.AssetDep(key(each)) for each in read_by(name)] + [dg.AssetDep(each) for each in MADE_OF.get(name, ())]
    return dg.AssetSpec(
        key(name),
        deps=deps,
        skippable=True,
        kinds={"duckdb", "view" if name in VIEWS else "parquet"},
        freshness_policy=PULLS_FRESHNESS if name in OF_EVERY_TICK else None,
        owners=["team:orders"],
        description=relation(name)[0].comment,
        metadata={"dagster/table_name": f"lake.{name}", "dagster/column_schema": column_schema(name)},
    )


@dg.multi_asset(
    name="order_tables",
    specs=[_spec(each) for each in (*PUBLISHED, *VIEWS)],
    can_subset=True,
    pool=LAKE_WRITER,
    check_specs=[
        dg.AssetCheckSpec(
            ENDED,
            asset=key("orders"),
            description="The lake has come as far as the ledger had when publishing began.",
        )
    ],
)
def order_tables(
    context: dg.AssetExecutionContext, source: dg.ResourceParam[InstallationSource]
) -> Iterator[dg.AssetCheckResult]:
    """Publish what changed in the ledger since the last time; the lake is not opened when it is known to have everything."""
    with source.opened() as installation:
        now = installation.clock()
        with installation.ledger.read() as transaction:
            known = reach(transaction) if is_published(transaction, now) else None
        if known is None:
            expected, actual = _publish(context, installation, now)
        else:
            expected = actual = {"orders": known.orders, "raw_orders": known.raw_orders}
    if not context.selected_asset_check_keys:
        return
    yield dg.AssetCheckResult(
        asset_key=key("orders"),
        passed=not any(actual[name] < value for name, value in expected.items()),
        check_name=ENDED,
        metadata={"expected": dg.MetadataValue.json(dict(expected)), "actual": dg.MetadataValue.json(dict(actual))},
    )


def _publish(
    context: dg.AssetExecutionContext, installation: Installation, now: datetime
) -> tuple[Mapping[str, int], Mapping[str, int]]:
    """Publish, and write the events of what changed; how far the ledger was before, and how far the lake is now."""
    with publishing(installation) as lake:
        published = publish(installation.ledger, lake, now)
        through = published_through(lake)
        rows = row_counts(lake, changed_relations(published.counts))
    logger.info(Event.TABLES_PUBLISHED, extra={f"rows_{name}": count for name, count in published.counts.items()})
    for name, count in rows.items():
        metadata: dict[str, dg.MetadataValue | int | float] = {
            "dagster/row_count": count,
            "dagster/last_updated_timestamp": dg.MetadataValue.timestamp(now),
        }
        if name in published.counts:
            metadata["rows_changed"] = published.counts[name]
        lineage = column_lineage(name)
        context.log_event(dg.AssetMaterialization(key(name), metadata={**metadata, **lineage}))
    return published.expected, {name: through[name] for name in published.expected}


def changed_relations(counts: Mapping[str, int]) -> list[str]:
    """The tables of which rows changed, and the views that read one of them.

    >>> changed_relations({"pulls": 2})
    ['pulls', 'pull_coverage']
    """
    changed = [name for name in PUBLISHED if counts.get(name)]
    for view in VIEWS:
        if any(each in changed for each in read_by(view)):
            changed.append(view)
    return changed


def row_counts(lake: Lake, relations: list[str]) -> dict[str, int]:
    """How many rows each has, asked in one statement."""
    if not relations:
        return {}
    [row] = lake.statement("SELECT " + ", ".join(f"(SELECT count(*) FROM {name})" for name in relations))  # noqa: S608
    return {name: int(str(count)) for name, count in zip(relations, row, strict=True)}
