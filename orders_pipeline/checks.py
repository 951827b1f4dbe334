"""The asset checks: what must hold after every tick, and the full count of everything once a day.

Each tells what was expected and what is, names channels, and shows no personal data. What it finds is in `soundness`
of the ledger and of the lake.
"""

from collections.abc import Iterator

import dagster as dg
import orjson

from orders_pipeline.resources import Source
from warehouse.lake import soundness as tables
from warehouse.lake.lake import open_lake
from warehouse.ledger.status import soundness as ledger
from warehouse.ledger.status.channel_status import LATE_AFTER_INTERVALS
from warehouse.ledger.status.soundness import CheckVerdict

SHOWN = 20
"""How many offenders a check names."""

RAW_ORDERS_CHECKS = [
    dg.AssetCheckSpec(
        "connections_pulled",
        asset="raw_orders",
        description="The newest pull of every connection was complete; a failed one has an incident.",
    ),
    dg.AssetCheckSpec(
        "coverage_without_gaps",
        asset="raw_orders",
        description="What was pulled completely joins on to what was covered before, for every channel.",
    ),
    dg.AssetCheckSpec(
        "channels_up_to_date",
        asset="raw_orders",
        description=f"No channel is more than {LATE_AFTER_INTERVALS} intervals behind what its marketplace can tell.",
    ),
]

ORDERS_CHECKS = [
    dg.AssetCheckSpec("quarantine_empty", asset="orders", description="Every payload could be read."),
    dg.AssetCheckSpec(
        "orders_unique",
        asset="orders",
        description="An order is in the book once per channel, original id and fulfilling party.",
    ),
    dg.AssetCheckSpec(
        "revisions_in_order",
        asset="orders",
        description="Positions are without gap, revisions follow one another, the newest one is in the book.",
    ),
    dg.AssetCheckSpec(
        "quantities_conserved", asset="orders", description="Ordered = shipped + cancelled + remaining, on every line."
    ),
    dg.AssetCheckSpec(
        "amounts_conserved",
        asset="orders",
        description="An order's total is its lines' totals and its shipping, within a cent a line.",
    ),
]

CONFIRMATIONS_CHECKS = [
    dg.AssetCheckSpec(
        "nothing_stuck",
        asset="confirmations",
        description="No shipment has waited for hours to be sent, read back or verified, and none is refused.",
    ),
    dg.AssetCheckSpec(
        "nothing_over_shipped",
        asset="confirmations",
        description="Of no line more was shipped than ordered, in the newest shipments.",
    ),
]

FULL_CHECKS = [
    dg.AssetCheckSpec(
        "tables_equal_book",
        asset="order_tables",
        description="The lake holds exactly the orders that the ledger held when it was published.",
    ),
    dg.AssetCheckSpec(
        "keys_unique",
        asset="order_tables",
        description="Every key is in its table once, and every line belongs to an order.",
    ),
    dg.AssetCheckSpec(
        "all_quantities_conserved",
        asset="order_tables",
        description="Ordered = shipped + cancelled + remaining, on every line there is.",
    ),
]


@dg.multi_asset_check(specs=RAW_ORDERS_CHECKS)
def raw_orders_checks(source: dg.ResourceParam[Source]) -> Iterator[dg.AssetCheckResult]:
    """Whether every connection was read, without gaps and lately."""
    with source.opened() as installation:
        now = installation.clock()
        with installation.ledger.read() as transaction:
            found = ledger.connected(transaction)
    yield _result("raw_orders", "connections_pulled", ledger.pulled(found), dg.AssetCheckSeverity.ERROR)
    yield _result("raw_orders", "coverage_without_gaps", ledger.without_gaps(found), dg.AssetCheckSeverity.ERROR)
    yield _result("raw_orders", "channels_up_to_date", ledger.up_to_date(found, now), dg.AssetCheckSeverity.ERROR)


@dg.multi_asset_check(specs=ORDERS_CHECKS)
def orders_checks(source: dg.ResourceParam[Source]) -> Iterator[dg.AssetCheckResult]:
    """Whether the newest changes of the order book are sound."""
    with source.opened() as installation, installation.ledger.read() as transaction:
        versions = ledger.newest_versions(transaction)
        yield _result("orders", "quarantine_empty", ledger.quarantine_empty(transaction), dg.AssetCheckSeverity.WARN)
        yield _result("orders", "orders_unique", ledger.unique(transaction, versions), dg.AssetCheckSeverity.ERROR)
        yield _result(
            "orders", "revisions_in_order", ledger.in_order(transaction, versions), dg.AssetCheckSeverity.ERROR
        )
    documents = [(row["order_id"], orjson.loads("{" + row["facts"] + "}")) for row in versions]
    yield _result("orders", "quantities_conserved", ledger.quantities_conserved(documents), dg.AssetCheckSeverity.WARN)
    yield _result("orders", "amounts_conserved", ledger.amounts_conserved(documents), dg.AssetCheckSeverity.WARN)


@dg.multi_asset_check(specs=CONFIRMATIONS_CHECKS)
def confirmations_checks(source: dg.ResourceParam[Source]) -> Iterator[dg.AssetCheckResult]:
    """Whether shipments reach their marketplaces."""
    with source.opened() as installation, installation.ledger.read() as transaction:
        now = installation.clock()
        yield _result(
            "confirmations", "nothing_stuck", ledger.nothing_stuck(transaction, now), dg.AssetCheckSeverity.WARN
        )
        yield _result(
            "confirmations",
            "nothing_over_shipped",
            ledger.nothing_over_shipped(transaction),
            dg.AssetCheckSeverity.ERROR,
        )


@dg.multi_asset_check(specs=FULL_CHECKS)
def full_checks(source: dg.ResourceParam[Source]) -> Iterator[dg.AssetCheckResult]:
    """Whether everything published is sound; reads whole tables, so once a day."""
    with source.opened() as installation, open_lake(installation.settings) as lake:
        with installation.ledger.read() as transaction:
            yield _result(
                "order_tables",
                "tables_equal_book",
                tables.tables_equal_book(transaction, lake),
                dg.AssetCheckSeverity.ERROR,
            )
        yield _result("order_tables", "keys_unique", tables.keys_unique(lake), dg.AssetCheckSeverity.ERROR)
        yield _result(
            "order_tables",
            "all_quantities_conserved",
            tables.all_quantities_conserved(lake),
            dg.AssetCheckSeverity.WARN,
        )


def _result(asset: str, name: str, verdict: CheckVerdict, severity: dg.AssetCheckSeverity) -> dg.AssetCheckResult:
    actual = "; ".join(verdict.offenders[:SHOWN]) or "as expected"
    if len(verdict.offenders) > SHOWN:
        actual += f"; and {len(verdict.offenders) - SHOWN} more"
    return dg.AssetCheckResult(
        passed=not verdict.offenders,
        asset_key=asset,
        check_name=name,
        severity=severity,
        description=actual if verdict.offenders else None,
        metadata={
            "expected": verdict.expected,
            "actual": actual,
            "examined": verdict.examined,
            "offenders": len(verdict.offenders),
        },
    )
