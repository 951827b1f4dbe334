"""Dagster's own state by the one dagster.yaml: below ORDERS_HOME, or in ORDERS_DATABASE_URL's PostgreSQL with the rest."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import psycopg
import pytest
import sqlalchemy as sa
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster_postgres import PostgresEventLogStorage

from orders_pipeline.dagster_storage import SCHEMA, postgresql_url
from orders_pipeline.definitions import build_defs
from orders_pipeline.resources import InstallationSource
from orders_pipeline.step_logs import MOST_BYTES
from orders_pipeline.upkeep import dagster_runs
from warehouse.lake.lake import open_lake
from warehouse.ledger.base import schema
from warehouse.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def shipped_instance(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[dg.DagsterInstance]:
    """The instance that the dagster.yaml at the repository's root gives with these settings in the environment."""
    monkeypatch.setenv("ORDERS_HOME", str(settings.home))
    if settings.database_url is None:
        monkeypatch.delenv("ORDERS_DATABASE_URL", raising=False)
    else:
        monkeypatch.setenv("ORDERS_DATABASE_URL", settings.database_url)
    monkeypatch.chdir(tmp_path)
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path), config_dir=str(ROOT))) as instance:
        yield instance


def test_sqlite_lives_below_home_and_nowhere_else(settings, monkeypatch, tmp_path) -> None:
    with shipped_instance(settings, monkeypatch, tmp_path) as instance:
        assert isinstance(instance.event_log_storage, SqliteEventLogStorage)
        instance.add_dynamic_partitions("connection", ["a"])
        assert Path(instance.storage_directory()) == settings.home / "dagster" / "storage"
    assert [each.name for each in tmp_path.iterdir()] == ["home"]
    assert [each.name for each in settings.home.iterdir()] == ["dagster"]


def test_the_shape_of_the_storage_of_ticks_is_looked_up_once(any_settings, monkeypatch, tmp_path) -> None:
    asked: list[str] = []

    def note(_connection, _cursor, statement, *_) -> None:
        asked.append(statement)

    with shipped_instance(any_settings, monkeypatch, tmp_path) as instance:
        instance.all_instigator_state()
    with shipped_instance(any_settings, monkeypatch, tmp_path) as instance:
        sa.event.listen(sa.Engine, "before_cursor_execute", note)
        try:
            assert instance.all_instigator_state() == []
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert len(asked) == 1
    assert "instigators" in asked[0]


@dg.asset
def made() -> None:
    """Nothing but the events of its run."""


def test_a_run_in_sqlite_opens_its_file_once_and_keeps_its_events_apart(settings, monkeypatch, tmp_path) -> None:
    opened: list[str] = []

    def note(connection, _record) -> None:
        opened.append(connection.execute("PRAGMA database_list").fetchone()[2])

    with shipped_instance(settings, monkeypatch, tmp_path) as instance:
        runs = [dg.materialize([made], instance=instance).run_id]
        sa.event.listen(sa.pool.Pool, "connect", note)
        try:
            runs += [dg.materialize([made], instance=instance).run_id for _ in range(2)]
        finally:
            sa.event.remove(sa.pool.Pool, "connect", note)
        assert [opened.count(instance.event_log_storage.path_for_shard(each)) for each in runs] == [0, 1, 1]
        assert len(opened) <= 8
        logs = [[each.dagster_event.event_type_value for each in instance.all_logs(run)] for run in runs]
        assert logs[0] == logs[1] == logs[2] != []
        assert {each.run_id for run in runs for each in instance.all_logs(run)} == set(runs)
        dagster_runs.prune(instance, datetime.now(UTC) + timedelta(days=400))
        assert [each.run_id for each in instance.get_runs()] == runs[2:]
        assert instance.all_logs(runs[0]) == []


def test_home_defaults_to_data(monkeypatch, tmp_path) -> None:
    with shipped_instance(Settings(_env_file=None), monkeypatch, tmp_path) as instance:
        assert Path(instance.storage_directory()) == tmp_path / "data" / "dagster" / "storage"


def test_what_dagster_yaml_says_about_runs(settings, monkeypatch, tmp_path) -> None:
    with shipped_instance(settings, monkeypatch, tmp_path) as instance:
        assert instance.run_monitoring_max_runtime_seconds == 1800
        assert not instance.telemetry_enabled
        pools = instance.get_concurrency_config().pool_config
        assert (pools.default_pool_limit, pools.pool_granularity.value) == (1, "run")


def test_workspace_loads_the_module_that_holds_the_definitions() -> None:
    [location] = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    assert location["python_module"]["module_name"] == "orders_pipeline.definitions"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgresql://u:p%40s@host:5432/name",
            "postgresql+psycopg2://u:p%40s@host:5432/name?options=-csearch_path%3Ddagster",
        ),
        (
            "postgres://u@host/name?sslmode=require",
            "postgresql+psycopg2://u@host/name?options=-csearch_path%3Ddagster&sslmode=require",
        ),
        (
            "postgresql://u@host/name?options=-cstatement_timeout%3D9",
            "postgresql+psycopg2://u@host/name?options=-cstatement_timeout%3D9+-csearch_path%3Ddagster",
        ),
    ],
)
def test_the_url_for_dagster(url, expected) -> None:
    assert sa.make_url(postgresql_url(Settings(_env_file=None, database_url=url))) == sa.make_url(expected)


@pytest.mark.slow
def test_everything_in_one_postgresql(
    postgresql_url, tmp_path, monkeypatch, open_installation, marketplaces, clock
) -> None:
    """Ledger, lake catalog and Dagster's storage: one run from end to end, and its retention."""
    settings = Settings(
        _env_file=None, home=tmp_path / "home", keys="test:" + "A" * 43 + "=", database_url=postgresql_url
    )
    installation = open_installation(settings)
    marketplaces.connect(installation.ledger, clock())
    marketplaces.generate(20)
    defs = build_defs(source=InstallationSource(lambda: contextlib.nullcontext(installation)))
    with shipped_instance(settings, monkeypatch, tmp_path) as instance:
        assert isinstance(instance.event_log_storage, PostgresEventLogStorage)
        results = []
        for _ in range(3):
            results.append(defs.resolve_job_def("pull_orders").execute_in_process(instance=instance))
            clock.advance(minutes=20)
        assert all(each.success for each in results)
        assert all(each.passed for each in results[1].get_asset_check_evaluations())
        newest = {
            name: instance.get_latest_materialization_event(dg.AssetKey(["order_tables", name])).run_id
            for name in ("orders", "pulls")
        }
        assert newest == {"orders": results[0].run_id, "pulls": results[2].run_id}
        assert dagster_runs.prune(instance, datetime.now(UTC) + timedelta(days=1)) == 1
        assert {run.run_id for run in instance.get_runs()} == set(newest.values())
    with installation.ledger.read() as transaction:
        booked = set(transaction.execute(sa.select(schema.orders.c.original_id)).scalars())
    with open_lake(settings) as lake:
        published = {original_id for (original_id,) in lake.statement("SELECT original_id FROM orders")}
    assert booked == published == {original_id for _, original_id in marketplaces.statuses()}
    with psycopg.connect(postgresql_url) as connection:
        tables = connection.execute(
            "SELECT schemaname, tablename FROM pg_tables WHERE tablename = 'alembic_version'"
        ).fetchall()
    assert sorted(name for name, _ in tables) == [SCHEMA, "public"]


@pytest.mark.slow
def test_processes_that_start_at_once_make_the_tables_once(tmp_path) -> None:
    code = "import dagster; dagster.DagsterInstance.get().get_runs_count()"
    environment = {**os.environ, "ORDERS_HOME": str(tmp_path), "DAGSTER_HOME": str(ROOT)}
    environment.pop("ORDERS_DATABASE_URL", None)
    started = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, env=environment) for _ in range(4)]
    assert [each.wait(timeout=120) for each in started] == [0, 0, 0, 0]


@pytest.fixture
def two_machines(postgresql_ledger_url, monkeypatch, tmp_path):
    """Dagster as two machines see it that share a database and no folder."""
    with contextlib.ExitStack() as stack:
        made = []
        for name in ("worker", "pages"):
            (tmp_path / name).mkdir()
            own = Settings(_env_file=None, home=tmp_path / name / "home", database_url=postgresql_ledger_url)
            made.append(stack.enter_context(shipped_instance(own, monkeypatch, tmp_path / name)))
        yield made


@dg.op
def speak() -> None:
    sys.stderr.write("what the step said\n")


@dg.op
def fail_loudly() -> None:
    sys.stderr.write("x" * MOST_BYTES + "the last words")
    raise dg.Failure


def read_all(instance, log_key) -> bytes:
    data, cursor = b"", None
    while True:
        part = instance.compute_log_manager.get_log_data(log_key, cursor, max_bytes=400_000)
        if not part.stderr:
            return data
        data, cursor = data + part.stderr, part.cursor


def log_key_of(instance, run_id):
    [captured] = [
        event.dagster_event.logs_captured_data
        for event in instance.all_logs(run_id)
        if event.is_dagster_event and event.dagster_event_type == dg.DagsterEventType.LOGS_CAPTURED
    ]
    return [run_id, "compute_logs", captured.file_key]


@pytest.mark.postgresql_too
def test_what_steps_print_shows_on_another_machine_until_the_run_is_pruned(two_machines):
    worker, pages = two_machines
    job = dg.GraphDefinition("speaking", node_defs=[speak]).to_job(executor_def=dg.in_process_executor)
    run = job.execute_in_process(instance=worker, raise_on_error=False)
    log_key = log_key_of(pages, run.run_id)
    assert b"what the step said" in read_all(pages, log_key)
    assert pages.compute_log_manager.is_capture_complete(log_key)
    assert list(Path(worker.storage_directory()).rglob("*.err")) == []

    dagster_runs._unlink(pages, run.run_id)
    assert read_all(pages, log_key) == b""


@pytest.mark.postgresql_too
def test_of_much_that_is_printed_the_end_is_kept(two_machines):
    worker, pages = two_machines
    job = dg.GraphDefinition("failing", node_defs=[fail_loudly]).to_job(executor_def=dg.in_process_executor)
    run = job.execute_in_process(instance=worker, raise_on_error=False)
    assert not run.success
    told = read_all(pages, log_key_of(pages, run.run_id))
    assert len(told) == MOST_BYTES
    assert b"the last words" in told


@pytest.mark.postgresql_too
def test_a_run_goes_on_where_its_output_cannot_be_kept(two_machines, postgresql_ledger_url, caplog):
    worker, _ = two_machines
    with psycopg.connect(postgresql_ledger_url, autocommit=True) as admin:
        admin.execute("DROP TABLE dagster.printed")
    job = dg.GraphDefinition("speaking", node_defs=[speak]).to_job(executor_def=dg.in_process_executor)
    assert job.execute_in_process(instance=worker).success
    assert "output_not_kept" in caplog.messages
