"""The asset checks: what must hold after every tick, and the full count of everything once a day.

Each tells what was expected and what is, names channels, and shows no personal data. What it finds is in `soundness`
of the ledger and of the lake.
"""

from collections.abc import Iterator, Mapping

import dagster as dg
import orjson

from orders_pipeline.alerts import data_checks
from orders_pipeline.lineage import key
from orders_pipeline.resources import InstallationSource
from warehouse.lake import soundness as tables
from warehouse.lake.lake import open_lake
from warehouse.ledger.status import soundness as ledger
from warehouse.ledger.status.channel_status import LATE_AFTER_INTERVALS
from warehouse.ledger.status.soundness import CheckVerdict

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
        asset=key("orders"),
        description="The lake holds exactly the orders that the ledger held when it was published.",
    ),
    dg.AssetCheckSpec(
        "counts_equal_book",
        asset=key("orders"),
        description="The counts of orders are those of the ledger's orders; where they are not, they are counted anew.",
    ),
    dg.AssetCheckSpec(
        "keys_unique",
        asset=key("orders"),
        description="Every key is in its table once, and every line belongs to an order.",
    ),
    dg.AssetCheckSpec(
        "all_quantities_conserved",
        asset=key("orders"),
        description="Ordered = shipped + cancelled + remaining, on every line there is.",
    ),
]


@dg.multi_asset_check(specs=RAW_ORDERS_CHECKS)
def raw_orders_checks(source: dg.ResourceParam[InstallationSource]) -> Iterator[dg.AssetCheckResult]:
    """Whether every connection was read, without gaps and lately."""
    with source.opened() as installation:
        now = installation.clock()
        with installation.ledger.read() as transaction:
            found = ledger.connected(transaction)
        verdicts = {
            "connections_pulled": ledger.pulled(found),
            "coverage_without_gaps": ledger.without_gaps(found),
            "channels_up_to_date": ledger.up_to_date(found, now),
        }
        data_checks.tell(installation, verdicts)
    yield from _results("raw_orders", verdicts)


@dg.multi_asset_check(specs=ORDERS_CHECKS)
def orders_checks(source: dg.ResourceParam[InstallationSource]) -> Iterator[dg.AssetCheckResult]:
    """Whether the newest changes of the order book are sound."""
    with source.opened() as installation:
        with installation.ledger.read() as transaction:
            versions = ledger.newest_versions(transaction)
            verdicts = {
                "quarantine_empty": ledger.quarantine_empty(transaction),
                "orders_unique": ledger.unique(transaction, versions),
                "revisions_in_order": ledger.in_order(transaction, versions),
            }
        documents = [orjson.loads("{" + row.facts + "}") for row in versions if row.facts is not None]
        verdicts["quantities_conserved"] = ledger.quantities_conserved(documents)
        verdicts["amounts_conserved"] = ledger.amounts_conserved(documents)
        data_checks.tell(installation, verdicts)
    yield from _results("orders", verdicts)


@dg.multi_asset_check(specs=CONFIRMATIONS_CHECKS)
def confirmations_checks(source: dg.ResourceParam[InstallationSource]) -> Iterator[dg.AssetCheckResult]:
    """Whether shipments reach their marketplaces."""
    with source.opened() as installation:
        with installation.ledger.read() as transaction:
            verdicts = {
                "nothing_stuck": ledger.nothing_stuck(transaction, installation.clock()),
                "nothing_over_shipped": ledger.nothing_over_shipped(transaction),
            }
        data_checks.tell(installation, verdicts)
    yield from _results("confirmations", verdicts)


@dg.multi_asset_check(specs=FULL_CHECKS)
def full_checks(source: dg.ResourceParam[InstallationSource]) -> Iterator[dg.AssetCheckResult]:
    """Whether everything published is sound; reads whole tables, so once a day."""
    with source.opened() as installation:
        with open_lake(installation.settings) as lake, installation.ledger.read() as transaction:
            verdicts = {
                "tables_equal_book": tables.tables_equal_book(transaction, lake),
                "keys_unique": tables.keys_unique(lake),
                "all_quantities_conserved": tables.all_quantities_conserved(lake),
            }
        verdicts["counts_equal_book"] = ledger.counts_equal_book(installation.ledger)
        data_checks.tell(installation, verdicts)
    yield from _results(key("orders"), verdicts)


_WARNINGS = frozenset(
    {"quarantine_empty", "quantities_conserved", "amounts_conserved", "nothing_stuck", "all_quantities_conserved"}
)
"""What may be the marketplace's doing; the others are defects or outages."""


def _results(asset: str | dg.AssetKey, verdicts: Mapping[str, CheckVerdict]) -> Iterator[dg.AssetCheckResult]:
    for name, verdict in verdicts.items():
        actual = data_checks.named(verdict)
        yield dg.AssetCheckResult(
            passed=not verdict.offenders,
            asset_key=asset,
            check_name=name,
            severity=dg.AssetCheckSeverity.WARN if name in _WARNINGS else dg.AssetCheckSeverity.ERROR,
            description=actual if verdict.offenders else None,
            metadata={
                "expected": verdict.expected,
                "actual": actual,
                "examined": verdict.examined,
                "offenders": len(verdict.offenders),
            },
        )
