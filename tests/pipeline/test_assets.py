"""The assets in real runs over both sandboxes: what they report, and what one failing connection does to the others."""

from __future__ import annotations

import dagster as dg
import pytest
import sqlalchemy as sa

from orders_pipeline.assets.orders import preview
from orders_pipeline.assets.raw_orders import CONNECTIONS
from orders_pipeline.definitions import build_defs
from orders_pipeline.sandbox.faults import Fault, FaultKind
from warehouse.lake.lake import open_lake
from warehouse.ledger.base import schema
from warehouse.ledger.watch.incident_queries import find_incidents

RUN_TAGS = {"orders/connections", "orders/new", "orders/changed", "orders/outcome"}
PARTITIONED = dg.AssetKey("raw_orders")


def run(source, instance, job="pull_orders", **options) -> dg.ExecuteInProcessResult:
    return (
        build_defs(source=source)
        .resolve_job_def(job)
        .execute_in_process(instance=instance, raise_on_error=False, **options)
    )


def materializations(result, asset: str) -> dict[str | None, dict[str, object]]:
    found = [
        each.event_specific_data.materialization
        for each in result.all_events
        if each.event_type_value == "ASSET_MATERIALIZATION"
    ]
    return {
        each.partition: {name: value.value for name, value in each.metadata.items()}
        for each in found
        if each.asset_key == dg.AssetKey(asset.split("/"))
    }


def checks(result) -> dict[str, bool]:
    return {each.check_name: each.passed for each in result.get_asset_check_evaluations()}


def test_one_run_brings_every_order_into_book_and_tables(source, connected, marketplaces, instance) -> None:
    marketplaces.generate(30)
    result = run(source, instance)
    assert result.success
    assert materializations(result, "raw_orders")["amazon_eu"]["orders_new"] == 30
    assert materializations(result, "raw_orders")["mirakl_shop"]["orders_new"] == len(marketplaces.mirakl.order_ids())
    with connected.ledger.read() as transaction:
        booked = set(transaction.execute(sa.select(schema.orders.c.original_id)).scalars())
    assert booked == {original_id for _, original_id in marketplaces.statuses()}
    assert (
        materializations(result, "order_tables/orders")[None]["dagster/row_count"]
        == materializations(result, "orders")[None]["new"]
    )
    assert all(checks(result).values()), checks(result)


def test_a_second_run_writes_nothing_and_its_pulls_wait(source, connected, marketplaces, instance, clock) -> None:
    marketplaces.generate(10)
    run(source, instance)
    clock.advance(minutes=5)
    idle = run(source, instance)
    assert (tables_told(idle), all(checks(idle).values())) == (set(), True)
    clock.advance(minutes=25)
    result = run(source, instance)
    assert materializations(result, "raw_orders")[None]["orders_new"] == 0
    assert {name: materializations(result, "orders")[None][name] for name in ("new", "changed")} == {
        "new": 0,
        "changed": 0,
    }
    assert tables_told(result) == {"pulls", "pull_coverage"}
    (pulls,) = materializations(result, "order_tables/pulls").values()
    assert (pulls["rows_changed"], pulls["dagster/last_updated_timestamp"]) == (4, clock().timestamp())
    (coverage,) = materializations(result, "order_tables/pull_coverage").values()
    assert (coverage["dagster/row_count"], "rows_changed" in coverage) == (2, False)


def tables_told(result) -> set[str]:
    keys = [each.asset_key.path for each in result.all_events if each.event_type_value == "ASSET_MATERIALIZATION"]
    return {path[1] for path in keys if path[0] == "order_tables"}


IDLE_EVENTS = 60
"""As many as when all tables were one asset."""


def test_an_idle_tick_plans_and_tells_no_more_than_changed(source, connected, marketplaces, instance, clock) -> None:
    marketplaces.generate(10)
    busy = run(source, instance)
    clock.advance(minutes=5)
    idle = run(source, instance)
    assert len(instance.all_logs(idle.run_id)) <= IDLE_EVENTS
    assert set(materializations(busy, "raw_orders")) == {"amazon_eu", "mirakl_shop", None}
    assert set(materializations(idle, "raw_orders")) == {None}
    assert {"orders", "order_lines", "orders_to_ship", "late_orders", "revenue_by_day"} <= tables_told(busy)
    assert not {"products", "shipments", "confirmation_latency"} & tables_told(busy)
    (lines,) = materializations(busy, "order_tables/order_lines").values()
    assert lines["rows_changed"] == lines["dagster/row_count"] > 0
    told = lines["dagster/column_lineage"].deps_by_column["sku"]
    assert [(each.asset_key, each.column_name) for each in told] == [(dg.AssetKey("orders"), "lines.sku")]


def test_a_failing_connection_is_a_row_and_a_check_and_stops_no_other(
    source, connected, marketplaces, instance
) -> None:
    marketplaces.generate(10)
    marketplaces.mirakl.add_fault(Fault(FaultKind.ERROR_JSON, count=None))
    result = run(source, instance)
    assert result.success
    assert set(materializations(result, "raw_orders")) == {"amazon_eu", None}
    assert "mirakl_shop" in str(materializations(result, "raw_orders")[None]["not_read"])
    assert materializations(result, "orders")[None]["new"] == len(marketplaces.amazon.order_ids())
    assert not checks(result)["connections_pulled"]
    orders = str(len(marketplaces.amazon.order_ids()))
    assert {name: value for name, value in instance.get_run_by_id(result.run_id).tags.items() if name in RUN_TAGS} == {
        "orders/connections": "amazon_eu,mirakl_shop",
        "orders/new": orders,
        "orders/changed": orders,
        "orders/outcome": "partial",
    }
    with connected.ledger.read() as transaction:
        assert [each.subject for each in find_incidents(transaction)] == ["mirakl_shop"]


def test_a_partition_started_by_hand_pulls_only_its_connection(source, connected, marketplaces, instance) -> None:
    marketplaces.generate(10)
    instance.add_dynamic_partitions(str(CONNECTIONS.name), ["amazon_eu", "mirakl_shop"])
    result = run(source, instance, partition_key="amazon_eu")
    assert result.success
    assert set(materializations(result, "raw_orders")) == {"amazon_eu"}
    assert marketplaces.mirakl.journal.read(0, 100, None) == []


def test_a_partition_started_by_hand_fails_with_its_connection(source, connected, marketplaces, instance) -> None:
    marketplaces.mirakl.add_fault(Fault(FaultKind.ERROR_JSON, count=None))
    instance.add_dynamic_partitions(str(CONNECTIONS.name), ["amazon_eu", "mirakl_shop"])
    result = run(source, instance, partition_key="mirakl_shop")
    assert not result.success
    assert instance.get_materialized_partitions(PARTITIONED) == set()
    failure = next(each for each in result.all_events if each.is_step_failure)
    assert "mirakl_shop: marketplace_unavailable" in str(failure.step_failure_data.error_display_string)


def test_dagster_shows_the_partitions_that_were_read(source, connected, marketplaces, instance) -> None:
    marketplaces.generate(4)
    instance.add_dynamic_partitions(str(CONNECTIONS.name), ["amazon_eu", "mirakl_shop"])
    marketplaces.amazon.add_fault(Fault(FaultKind.THROTTLED, count=None))
    run(source, instance)
    assert instance.get_materialized_partitions(PARTITIONED) == {"mirakl_shop"}


@pytest.mark.slow
def test_the_sweep_finds_what_the_listing_hides(source, connected, marketplaces, instance, clock) -> None:
    marketplaces.generate(6)
    hidden = marketplaces.mirakl.order_ids()[0]
    marketplaces.mirakl.add_fault(Fault(FaultKind.MISSING_ORDER, operation="OR11", order_ids=(hidden,), count=None))
    run(source, instance)
    run(source, instance)
    marketplaces.mirakl.clear_faults(())
    clock.advance(minutes=30)
    run(source, instance)
    result = run(source, instance, job="sweep_orders")
    assert materializations(result, "orders")[None]["new"] == 1
    with connected.ledger.read() as transaction:
        assert ("mirakl_shop", "missed_by_listing") in {
            (each.subject, each.code) for each in find_incidents(transaction)
        }


def test_order_metadata_holds_no_personal_data(source, connected, marketplaces, instance) -> None:
    marketplaces.generate(10)
    result = run(source, instance)
    shown = str([each.to_json() if hasattr(each, "to_json") else each for each in result.all_events])
    names = {
        part
        for each in marketplaces.mirakl.truth()
        for part in (each["order"]["customer"]["lastname"], each["order"]["customer"].get("email"))
        if part
    }
    assert names
    assert [name for name in names if name in shown] == []


@pytest.mark.slow
def test_daily_jobs_run_on_what_the_ticks_made(source, connected, marketplaces, instance, clock) -> None:
    marketplaces.generate(10)
    run(source, instance)
    clock.advance(days=60)
    for job in ("maintain_storage", "verify_orders", "prune_runs"):
        result = run(source, instance, job=job)
        assert result.success, job
        assert all(checks(result).values()), job
    with open_lake(connected.settings) as lake:
        [(orders,)] = lake.statement("SELECT count(*) FROM orders")
    assert orders > 0


@pytest.mark.parametrize(("text", "cell"), [("a|b", "a\\|b"), ("<b>", "&lt;b>"), ("a\nb", "a b")])
def test_strangers_text_stays_in_its_cell(text, cell) -> None:
    row = (
        sa.create_engine("sqlite://")
        .connect()
        .execute(
            sa.select(
                *(sa.literal("x").label(name) for name in ("id", "channel", "status", "lines")),
                sa.literal("1").label("total"),
                sa.literal("EUR").label("currency"),
                sa.literal(text).label("original_id"),
            )
        )
        .one()
    )
    assert f"| x | {cell} | x |" in preview([row])
