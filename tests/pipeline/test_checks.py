"""Every check on data that is sound and on data that was spoiled behind the product's back."""

from __future__ import annotations

from datetime import timedelta

import dagster as dg
import pytest
import sqlalchemy as sa

from orders_pipeline.alerts import data_checks
from orders_pipeline.checks import (
    CONFIRMATIONS_CHECKS,
    FULL_CHECKS,
    ORDERS_CHECKS,
    RAW_ORDERS_CHECKS,
    full_checks,
    orders_checks,
    raw_orders_checks,
)
from orders_pipeline.sandbox.faults import Damage, Fault, FaultKind
from orders_pipeline.stages import normalise, pull
from warehouse.lake.lake import open_lake
from warehouse.ledger.base import schema
from warehouse.ledger.status import soundness
from warehouse.ledger.watch.incident_queries import find_incidents


def results(check, source) -> dict[str, dg.AssetCheckResult]:
    return {each.check_name: each for each in check(source=source)}


def shown(result: dg.AssetCheckResult) -> str:
    return str(result.metadata["actual"].value)


def spoil(installation, statement: str, **values: object) -> None:
    with installation.ledger.write() as transaction:
        transaction.execute(sa.text(statement), values)


def test_all_is_well(filled, source) -> None:
    for check in (raw_orders_checks, orders_checks, full_checks):
        assert {name: shown(each) for name, each in results(check, source).items() if not each.passed} == {}


def test_every_check_tells_what_it_expected_and_how_much_it_looked_at(filled, source) -> None:
    evaluated = {
        name: each
        for check in (raw_orders_checks, orders_checks, full_checks)
        for name, each in results(check, source).items()
    }
    assert set(evaluated) == {spec.name for spec in (*RAW_ORDERS_CHECKS, *ORDERS_CHECKS, *FULL_CHECKS)}
    assert all({"expected", "actual", "examined"} <= set(each.metadata) for each in evaluated.values())
    idle = {name for name, each in evaluated.items() if not each.metadata["examined"].value}
    assert idle == {"quarantine_empty"}


def test_a_failed_pull_names_connection_channels_and_code(filled, source, trading, clock) -> None:
    trading.amazon.add_fault(Fault(FaultKind.ERROR_HTML, count=None))
    clock.advance(minutes=5)
    pull.pull_all(filled)
    failed = results(raw_orders_checks, source)["connections_pulled"]
    assert not failed.passed
    assert shown(failed) == "amazon_eu (amazon_de, amazon_fr): marketplace_unavailable"


def test_a_refused_credential_fails_the_check_though_no_pull_began(filled, source, monkeypatch) -> None:
    monkeypatch.delenv("TEST_MIRAKL_API_KEY")
    pull.pull_all(filled)
    assert "credential_missing" in shown(results(raw_orders_checks, source)["connections_pulled"])


def test_a_connection_that_was_never_pulled(connected, source) -> None:
    evaluated = results(raw_orders_checks, source)
    assert "never pulled" in shown(evaluated["connections_pulled"])
    assert "covered through never" in shown(evaluated["channels_up_to_date"])


def test_a_gap_in_coverage_is_named(filled, source) -> None:
    with filled.ledger.write() as transaction:
        earlier = filled.clock() - timedelta(days=3)
        table = schema.coverage
        transaction.execute(sa.update(table).where(table.c.channel == "amazon_fr").values(complete_through=earlier))
    evaluated = results(raw_orders_checks, source)["coverage_without_gaps"]
    assert not evaluated.passed
    assert shown(evaluated).startswith("amazon_fr: covered through")


def test_a_pull_of_what_is_open_at_a_moment_leaves_no_gap(filled, source) -> None:
    """Its server tells whole seconds: what is covered ends before the moment that was asked for."""
    moment = filled.clock() + timedelta(milliseconds=400)
    with filled.ledger.write() as transaction:
        table = schema.pulls
        last = sa.select(sa.func.max(table.c.id)).where(table.c.kind == "tick", table.c.outcome == "complete")
        transaction.execute(
            sa.update(table).where(table.c.id == last.scalar_subquery()).values(since=moment, until=moment)
        )
    assert results(raw_orders_checks, source)["coverage_without_gaps"].passed


@pytest.mark.parametrize(("minutes", "late"), [(14, set()), (16, {"amazon_de", "amazon_fr", "mirakl"})])
def test_three_intervals_of_silence_are_late(filled, source, clock, minutes, late) -> None:
    clock.advance(minutes=minutes)
    found = results(raw_orders_checks, source)["channels_up_to_date"]
    assert {each.split(":")[0] for each in shown(found).split("; ") if not found.passed} == late


def test_a_channel_switched_off_is_not_late(filled, source, clock) -> None:
    spoil(filled, "UPDATE channels SET retrieval = false WHERE code != 'mirakl'")
    clock.advance(hours=2)
    assert shown(results(raw_orders_checks, source)["channels_up_to_date"]).startswith("mirakl: ")


def test_quarantine_is_counted_by_channel_and_reason(connected, marketplaces, source) -> None:
    marketplaces.generate(4)
    marketplaces.amazon.add_fault(
        Fault(
            FaultKind.MALFORMED_ORDER,
            field="lastUpdatedTime",
            damage=Damage.WRONG_TYPE,
            operation="searchOrders",
            count=None,
        )
    )
    pull.pull_all(connected)
    normalise.normalise_pending(connected)
    found = results(orders_checks, source)["quarantine_empty"]
    assert not found.passed
    assert found.severity is dg.AssetCheckSeverity.WARN
    assert shown(found).startswith("amazon_")


def test_an_order_that_is_in_the_book_twice(filled, source) -> None:
    columns = ", ".join(column.name for column in schema.orders.columns if column.name not in {"id", "position"})
    spoil(
        filled,
        f"INSERT INTO orders (id, position, {columns}) SELECT 'twin', 1000000, {columns} FROM orders ORDER BY position LIMIT 1",
    )
    found = results(orders_checks, source)["orders_unique"]
    assert not found.passed
    assert found.severity is dg.AssetCheckSeverity.ERROR


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DELETE FROM order_versions WHERE position = 3", "positions 2 and 4 have a gap"),
        (
            "UPDATE order_versions SET order_id = (SELECT order_id FROM order_versions WHERE position = 1) WHERE position = 2",
            "revision 1 follows 1",
        ),
        ("UPDATE order_versions SET revision = 9 WHERE position = 2", "does not hold its newest revision 9"),
    ],
)
def test_revisions_out_of_order(filled, source, statement, said) -> None:
    spoil(filled, statement)
    assert said in shown(results(orders_checks, source)["revisions_in_order"])


LINE = {
    "number": 1,
    "quantity_ordered": 2,
    "quantity_shipped": 1,
    "quantity_cancelled": 0,
    "quantity_remaining_to_ship": 1,
    "line_total": "20.00",
}
ORDER = {"channel": "shop", "original_id": "1", "total": "25.00", "shipping_total": "5.00", "lines": [LINE]}


@pytest.mark.parametrize(
    ("line", "offends"),
    [
        ({}, False),
        ({"quantity_shipped": 2}, True),
        ({"quantity_cancelled": 2, "quantity_remaining_to_ship": 0}, True),
        ({"quantity_shipped": None}, False),
    ],
)
def test_quantities(line, offends) -> None:
    verdict = soundness.quantities_conserved([ORDER | {"lines": [LINE | line]}])
    assert bool(verdict.offenders) is offends


@pytest.mark.parametrize(
    ("order", "offends"),
    [
        ({}, False),
        ({"total": "24.98"}, False),
        ({"total": "24.97"}, True),
        ({"total": "26.50"}, False),
        ({"total": None}, False),
        ({"shipping_total": None, "total": "1.00"}, False),
        ({"lines": [LINE | {"line_total": None}], "total": "1.00"}, False),
    ],
)
def test_amounts(order, offends) -> None:
    verdict = soundness.amounts_conserved([ORDER | order])
    assert bool(verdict.offenders) is offends


@pytest.mark.parametrize(
    ("statement", "check", "said"),
    [
        ("DELETE FROM orders WHERE position = 1", "tables_equal_book", "orders in the lake"),
        ("UPDATE orders SET position = 2 WHERE position = 1", "tables_equal_book", "positions add up"),
        ("INSERT INTO orders FROM orders WHERE position = 1", "keys_unique", "orders: 1 rows more than ids"),
        ("DELETE FROM orders WHERE position = 1", "keys_unique", "order_lines"),
        ("UPDATE order_lines SET quantity_shipped = 1000", "all_quantities_conserved", "lines"),
    ],
)
def test_the_daily_checks_find_what_is_wrong_in_the_lake(filled, source, statement, check, said) -> None:
    with open_lake(filled.settings) as lake:
        lake.statement(statement)
    found = results(full_checks, source)[check]
    assert not found.passed
    assert said in shown(found)


def test_orders_that_changed_since_publishing_are_no_difference(filled, source, trading) -> None:
    trading.generate(4, seed=50)
    pull.pull_all(filled)
    spoil(filled, "UPDATE orders SET position = 5000 WHERE position = 1")
    assert results(full_checks, source)["tables_equal_book"].passed


def test_a_check_names_a_bounded_number_of_offenders(filled, source) -> None:
    with filled.ledger.write() as transaction:
        rows = [
            {
                "connection": "amazon_eu",
                "original_id": str(number),
                "raw_seq": number,
                "channel": f"c{number}",
                "code": "x",
                "path": "$",
                "reason": "r",
                "since": filled.clock(),
            }
            for number in range(30)
        ]
        transaction.execute(sa.insert(schema.quarantine), rows)
    assert shown(results(orders_checks, source)["quarantine_empty"]).endswith("; and 10 more")


def test_a_check_that_fails_is_an_incident_until_it_holds_again(filled, source) -> None:
    def told() -> list[str]:
        with filled.ledger.read() as transaction:
            return [each.subject for each in find_incidents(transaction) if each.stage == "check"]

    spoil(filled, "UPDATE order_versions SET revision = 9 WHERE position = 2")
    for _ in range(2):
        assert not results(orders_checks, source)["revisions_in_order"].passed
    assert told() == ["revisions_in_order"]
    spoil(filled, "UPDATE order_versions SET revision = 1 WHERE position = 2")
    assert results(orders_checks, source)["revisions_in_order"].passed
    assert told() == []


def test_what_has_an_incident_of_its_own_is_not_told_twice(filled, source, clock) -> None:
    clock.advance(hours=3)
    assert not results(raw_orders_checks, source)["channels_up_to_date"].passed
    with filled.ledger.read() as transaction:
        assert {each.stage for each in find_incidents(transaction)} == set()


def test_every_check_that_is_told_by_its_cause_is_one() -> None:
    names = {spec.name for spec in (*RAW_ORDERS_CHECKS, *ORDERS_CHECKS, *CONFIRMATIONS_CHECKS, *FULL_CHECKS)}
    assert names > data_checks.REPORTED_BY_THEIR_CAUSE
