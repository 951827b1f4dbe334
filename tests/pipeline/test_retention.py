"""What is let go of: Dagster's runs with their files, and the ledger's superseded rows; and what is never."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from orders_pipeline.sandbox.engine import AdvanceRequest
from orders_pipeline.stages import normalise, pull
from orders_pipeline.upkeep import dagster_runs
from warehouse.lake.lake import open_lake
from warehouse.lake.publishing import publish, published_through
from warehouse.ledger.base import schema
from warehouse.ledger.book import retention as ledger_retention

LATER = datetime.now(UTC) + timedelta(days=400)


@dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a", "b"]))
def by_connection() -> None:
    """Stands for raw_orders: one partition may fall silent."""


@dg.asset
def whole() -> None:
    """Stands for orders."""


@dg.op
def nothing() -> None:
    """Stands for maintenance."""


@dg.job
def plain() -> None:
    """A job without assets."""
    nothing()


@pytest.fixture
def stored(tmp_path) -> dg.DagsterInstance:
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        yield instance


def shard(instance, run_id: str) -> Path:
    return Path(instance.event_log_storage.path_for_shard(run_id))


def test_keeps_the_newest_materialisation_of_every_asset_and_partition(stored) -> None:
    runs = {
        name: dg.materialize([asset], instance=stored, partition_key=key).run_id
        for name, asset, key in (
            ("old a", by_connection, "a"),
            ("silent b", by_connection, "b"),
            ("new a", by_connection, "a"),
            ("old whole", whole, None),
            ("new whole", whole, None),
        )
    }
    runs["plain"] = plain.execute_in_process(instance=stored).run_id
    assert dagster_runs.prune(stored, LATER) == 3
    left = {run.run_id for run in stored.get_runs()}
    assert left == {runs["silent b"], runs["new a"], runs["new whole"]}
    assert stored.get_materialized_partitions(by_connection.key) == {"a", "b"}
    assert stored.get_latest_materialization_event(whole.key).run_id == runs["new whole"]


def test_the_files_of_deleted_runs_go_with_them(stored) -> None:
    old, new = (dg.materialize([whole], instance=stored).run_id for _ in range(2))
    for run_id in (old, new):
        printed = Path(stored.storage_directory()) / run_id / "compute_logs"
        printed.mkdir(parents=True, exist_ok=True)
        (printed / "step.out").write_text("printed")
    assert shard(stored, old).exists()
    dagster_runs.prune(stored, LATER)
    assert not shard(stored, old).exists()
    assert not (Path(stored.storage_directory()) / old).exists()
    assert shard(stored, new).exists()
    assert (Path(stored.storage_directory()) / new).exists()


def test_young_and_unfinished_runs_stay(stored) -> None:
    young = dg.materialize([whole], instance=stored).run_id
    dg.materialize([whole], instance=stored)
    working = stored.create_run_for_job(plain, status=dg.DagsterRunStatus.STARTED).run_id
    assert dagster_runs.prune(stored, datetime.now(UTC) - timedelta(days=14)) == 0
    assert dagster_runs.prune(stored, LATER) == 1
    left = {run.run_id for run in stored.get_runs()}
    assert working in left
    assert young not in left


def test_deletes_more_runs_than_one_page_holds(stored, monkeypatch) -> None:
    monkeypatch.setattr(dagster_runs, "RUNS_PER_QUERY", 2)
    for _ in range(7):
        plain.execute_in_process(instance=stored)
    kept = dg.materialize([whole], instance=stored).run_id
    assert dagster_runs.prune(stored, LATER) == 7
    assert [run.run_id for run in stored.get_runs()] == [kept]


@pytest.fixture
def changed_twice(any_settings, open_installation, marketplaces, clock):
    """Orders in three versions each, published; on SQLite and on PostgreSQL."""
    installation = open_installation(any_settings)
    marketplaces.connect(installation.ledger, clock())
    marketplaces.generate(8)
    for step in ("", "ship", "touch"):
        if step:
            marketplaces.amazon.advance(AdvanceRequest(step))
            clock.advance(minutes=30)
        pull.pull_all(installation)
        normalise.normalise_pending(installation)
    return installation


def book(installation) -> list[tuple[object, ...]]:
    with installation.ledger.read() as transaction:
        columns = (schema.orders.c.id, schema.orders.c.revision, schema.orders.c.position, schema.orders.c.facts)
        return [tuple(row) for row in transaction.execute(sa.select(*columns).order_by(schema.orders.c.id))]


def count(installation, table) -> int:
    with installation.ledger.read() as transaction:
        return int(transaction.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def published(installation) -> dict[str, int]:
    with open_lake(installation.settings) as lake:
        publish(installation.ledger, lake, installation.clock())
        return published_through(lake)


def test_nothing_unpublished_goes(changed_twice, clock) -> None:
    before = {table: count(changed_twice, table) for table in (schema.raw_orders, schema.order_versions, schema.pulls)}
    gone = ledger_retention.prune(changed_twice.ledger, {}, clock() + timedelta(days=400))
    assert gone == ledger_retention.Pruned(0, 0, 0)
    assert {table: count(changed_twice, table) for table in before} == before


def test_the_newest_payload_of_every_order_stays_and_the_book_replays_from_it(changed_twice, clock) -> None:
    orders_before, payloads_before = book(changed_twice), count(changed_twice, schema.raw_orders)
    gone = ledger_retention.prune(changed_twice.ledger, published(changed_twice), clock() + timedelta(days=400))
    assert gone.raw_orders > 0
    assert count(changed_twice, schema.raw_orders) == payloads_before - gone.raw_orders
    tally = normalise.replay(changed_twice)
    assert (tally["new"], tally["changed"]) == (0, 0)
    assert book(changed_twice) == orders_before


def test_young_rows_stay(changed_twice, clock) -> None:
    through = published(changed_twice)
    assert ledger_retention.prune(
        changed_twice.ledger, through, clock() - timedelta(days=30)
    ) == ledger_retention.Pruned(0, 0, 0)


def test_versions_go_and_the_lake_still_has_them(changed_twice, clock) -> None:
    versions = count(changed_twice, schema.order_versions)
    gone = ledger_retention.prune(changed_twice.ledger, published(changed_twice), clock() + timedelta(days=400))
    assert gone.order_versions == versions
    with open_lake(changed_twice.settings) as lake:
        publish(changed_twice.ledger, lake, clock())
        assert lake.statement("SELECT count(*) FROM order_versions") == [(versions,)]
