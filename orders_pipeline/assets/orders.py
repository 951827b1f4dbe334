"""The asset `orders`: the order book in the ledger, brought up to the newest raw order.

The engine is `orders_pipeline.stages.normalise`; what an order is, is in `warehouse.orders`.
"""

from collections.abc import Sequence

import dagster as dg

from orders_pipeline.alerts import conditions
from orders_pipeline.freshness import TICK_FRESHNESS
from orders_pipeline.lineage import member_lineage, member_schema
from orders_pipeline.resources import InstallationSource
from orders_pipeline.stages import normalise
from warehouse.display import money
from warehouse.ledger.base.database import POSITION, mark
from warehouse.ledger.book.order_ids import Glance, newest_changes

OUTCOMES = ("new", "changed", "unchanged", "stale", "quarantined")
CHANGED_TAG = "orders/changed"
"""Run tag: how many orders are new or changed in the book."""
PREVIEW_ROWS = 10
PREVIEW_COLUMNS = ("id", "original id", "channel", "status", "lines", "total")


@dg.asset(
    deps=["raw_orders"],
    kinds={"python", "sql"},
    freshness_policy=TICK_FRESHNESS,
    owners=["team:orders"],
    description="The order book: every order as it stands, one uniform shape for all marketplaces, with its revisions. "
    "Kept in the ledger, where the Orders API reads it.",
    metadata={"dagster/column_schema": member_schema()},
)
def orders(
    context: dg.AssetExecutionContext, source: dg.ResourceParam[InstallationSource]
) -> dg.MaterializeResult[None]:
    """Bring the order book up to the newest raw order; what cannot be read is quarantined and told in the checks."""
    with source.opened() as installation:
        with installation.ledger.read() as transaction:
            before = mark(transaction, POSITION)
        tally = normalise.normalise_pending(installation)
        conditions.watch(installation)
        with installation.ledger.read() as transaction:
            after = mark(transaction, POSITION)
            rows = newest_changes(transaction, before, PREVIEW_ROWS)
    context.instance.add_run_tags(context.run.run_id, {CHANGED_TAG: str(tally["new"] + tally["changed"])})
    metadata: dict[str, dg.MetadataValue] = {outcome: dg.MetadataValue.int(tally[outcome]) for outcome in OUTCOMES}
    metadata |= {"position": dg.MetadataValue.int(after)}
    if rows:
        metadata["newest_changes"] = dg.MetadataValue.md(preview(rows))
    lineage = member_lineage() if tally["new"] + tally["changed"] else {}
    return dg.MaterializeResult(metadata={**metadata, **lineage})


def preview(rows: Sequence[Glance]) -> str:
    """A Markdown table of orders."""
    head = [" | ".join(PREVIEW_COLUMNS), " | ".join("---" for _ in PREVIEW_COLUMNS)]
    body = [
        " | ".join(
            _cell(each)
            for each in (
                row.id,
                row.original_id,
                row.channel,
                row.status,
                row.lines,
                "-" if row.total is None else money(row.total, row.currency),
            )
        )
        for row in rows
    ]
    return "\n".join(f"| {line} |" for line in head + body)


def _cell(value: object) -> str:
    """Text that cannot leave its cell: marketplace ids are strangers' text."""
    return str(value).replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;").strip()
