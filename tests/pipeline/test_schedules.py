"""When the pipeline runs and when it does not: the guard, the skip reasons, and the partitions' sensor, on real instances."""

from __future__ import annotations

import socket
import subprocess
import sys
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
import sqlalchemy as sa

from orders_pipeline.assets.raw_orders import CONNECTIONS
from orders_pipeline.definitions import build_defs, defs
from orders_pipeline.installation import opened
from orders_pipeline.resources import InstallationSource
from orders_pipeline.run_leases import BEGINS_WITHIN, running
from orders_pipeline.schedules import SCHEDULES, pull_orders_every_5_minutes, sweep_orders_daily
from orders_pipeline.sensors import connection_partitions, due_follow_ups, partition_changes
from warehouse.ledger.base import leases, move_mark
from warehouse.ledger.base.schema import leases as leases_table
from warehouse.ledger.settings import channels
from warehouse.processes import is_gone, this_process

NOW = datetime.now(UTC)
NAME = str(CONNECTIONS.name)


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> dg.DagsterInstance:
    """A persistent instance: schedules cannot be evaluated with an ephemeral one."""
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as instance:
        yield instance


@pytest.fixture
def fresh(stored) -> dg.DagsterInstance:
    for run in stored.get_runs():
        stored.delete_run(run.run_id)
    for key in stored.get_dynamic_partitions(NAME):
        stored.delete_dynamic_partition(NAME, key)
    return stored


def begin(instance: dg.DagsterInstance, status: dg.DagsterRunStatus, job="pull_orders", **tags: str) -> dg.DagsterRun:
    """A run record as the daemon makes it, without anything that runs."""
    marked = {name.replace("__", "/"): value for name, value in tags.items()}
    return instance.create_run_for_job(defs.resolve_job_def(job), status=status, tags=marked)


def ended_process() -> str:
    done = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], check=True, capture_output=True, text=True
    )
    return f"{socket.gethostname()}:{done.stdout.strip()}"


def tick(schedule, instance, **resources):
    with dg.build_schedule_context(instance=instance, scheduled_execution_time=NOW) as context:
        return schedule(context, **resources)


def test_a_tick_is_one_run_without_partition(fresh, source, connected) -> None:
    request = tick(pull_orders_every_5_minutes, fresh, source=source)
    assert isinstance(request, dg.RunRequest)
    assert request.partition_key is None


def test_nothing_to_retrieve_is_no_run(fresh, source) -> None:
    skipped = tick(pull_orders_every_5_minutes, fresh, source=source)
    assert "no channel has retrieval on" in skipped.skip_message


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED])
def test_no_second_run_while_the_first_works(fresh, source, connected, status) -> None:
    run = begin(fresh, status)
    skipped = tick(pull_orders_every_5_minutes, fresh, source=source)
    assert run.run_id in skipped.skip_message


def test_runs_of_other_jobs_and_finished_runs_do_not_count(fresh, source, installation) -> None:
    begin(fresh, dg.DagsterRunStatus.STARTED, job="sweep_orders")
    begin(fresh, dg.DagsterRunStatus.SUCCESS)
    begin(fresh, dg.DagsterRunStatus.FAILURE)
    assert running(fresh, installation, "pull_orders", datetime.now(UTC)) is None
    assert isinstance(tick(sweep_orders_daily, fresh, source=source), dg.SkipReason)


def lease(installation, run: dg.DagsterRun, holder: str = "another-machine:1") -> leases.Lease:
    """What a run takes at its start."""
    with installation.ledger.write() as transaction:
        taken = leases.acquire_once(transaction, leases.OF_RUNS + run.run_id, installation.clock())
        transaction.execute(sa.update(leases_table).values(holder=holder))
    return taken


def test_a_run_counts_as_long_as_its_lease_is_renewed(fresh, installation, clock) -> None:
    run = begin(fresh, dg.DagsterRunStatus.STARTED)
    taken = lease(installation, run)
    much_later = datetime.now(UTC) + timedelta(hours=1)
    for _ in range(3):
        clock.advance(seconds=85)
        assert run.run_id in running(fresh, installation, "pull_orders", much_later)
        with installation.ledger.write() as transaction:
            assert leases.renew(transaction, [taken], clock()) == []
    clock.advance(seconds=91)
    assert running(fresh, installation, "pull_orders", much_later) is None
    assert fresh.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE
    with installation.ledger.write() as transaction:
        assert leases.renew(transaction, [taken], clock()) == [taken]  # should it wake up, it does nothing more


def test_a_run_whose_process_is_gone_is_reported_failed_at_once(fresh, installation) -> None:
    run = begin(fresh, dg.DagsterRunStatus.STARTED)
    lease(installation, run, ended_process())
    assert running(fresh, installation, "pull_orders", datetime.now(UTC)) is None
    assert fresh.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE


def test_a_lost_run_of_another_job_keeps_nobody_from_working(fresh, installation) -> None:
    run = begin(fresh, dg.DagsterRunStatus.STARTED, job="sweep_orders")
    lease(installation, run, ended_process())
    running(fresh, installation, "pull_orders", datetime.now(UTC))
    assert fresh.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize(
    ("status", "bound"),
    [
        (dg.DagsterRunStatus.STARTING, BEGINS_WITHIN),
        (dg.DagsterRunStatus.STARTED, leases.LENGTH),
    ],
)
def test_a_run_that_never_takes_its_lease_is_given_up(fresh, installation, status, bound) -> None:
    run = begin(fresh, status)
    made = fresh.get_run_record_by_id(run.run_id).create_timestamp
    assert running(fresh, installation, "pull_orders", made + bound - timedelta(seconds=1)) is not None
    assert running(fresh, installation, "pull_orders", made + bound + timedelta(seconds=1)) is None
    assert fresh.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.FAILURE
    with installation.ledger.write() as transaction:
        assert leases.acquire_once(transaction, leases.OF_RUNS + run.run_id, installation.clock()) is None


def test_every_run_takes_a_lease_and_only_once(fresh, source, installation) -> None:
    job = build_defs(source=source).resolve_job_def("verify_orders")
    done = job.execute_in_process(instance=fresh)
    assert done.success
    with installation.ledger.read() as transaction:
        states = leases.states(transaction, [leases.OF_RUNS + done.run_id], installation.clock())
    assert states == {leases.OF_RUNS + done.run_id: True}
    run_id = str(uuid.uuid4())
    with installation.ledger.write() as transaction:
        assert leases.take_away(transaction, leases.OF_RUNS + run_id, installation.clock())
    again = job.execute_in_process(instance=fresh, run_id=run_id, raise_on_error=False)
    assert not again.success


def test_every_step_asks_for_the_installation_and_so_for_the_lease() -> None:
    for job in defs.resolve_all_job_defs():
        steps = [each for each in job.all_node_defs if isinstance(each, dg.OpDefinition)]
        assert any("source" in each.required_resource_keys for each in steps), job.name


@pytest.mark.parametrize(
    "tag", [None, "", "elsewhere:1", f"{socket.gethostname()}:x"], ids=["none", "empty", "elsewhere", "no number"]
)
def test_what_cannot_be_known_is_taken_for_alive(tag) -> None:
    assert not is_gone(tag)


def test_this_process_is_not_gone() -> None:
    assert not is_gone(this_process())
    assert is_gone(ended_process())


def test_every_schedule_runs_from_the_start() -> None:
    assert {each.default_status for each in SCHEDULES} == {dg.DefaultScheduleStatus.RUNNING}


def test_the_daily_jobs_keep_out_of_one_anothers_way() -> None:
    times = [each.cron_schedule for each in SCHEDULES if each.job_name != "pull_orders"]
    assert len(set(times)) == len(times)


@pytest.mark.parametrize(
    ("wanted", "present", "in_flight", "add", "remove"),
    [
        ({"a", "b"}, set(), set(), ["a", "b"], []),
        ({"a"}, {"a", "b"}, set(), [], ["b"]),
        ({"a"}, {"a", "b"}, {"b"}, [], []),
        ({"a", "c"}, {"a", "b"}, None, ["c"], []),
        (set(), {"a"}, set(), [], ["a"]),
    ],
)
def test_partition_changes(wanted, present, in_flight, add, remove) -> None:
    changes = partition_changes(wanted, present, in_flight)
    assert (changes.add, changes.remove) == (add, remove)


def test_nothing_is_started_once_the_ledger_has_moved(fresh, connected) -> None:
    with connected.ledger.write() as transaction:
        move_mark.freeze(transaction, "postgresql://db/orders", NOW)
    there = InstallationSource(lambda: opened(connected.settings))
    for schedule in (pull_orders_every_5_minutes, sweep_orders_daily):
        assert "is being moved to postgresql://db/orders" in tick(schedule, fresh, source=there).skip_message
    assert "is being moved" in evaluate(fresh, there).skip_message


def evaluate(instance, source) -> dg.SensorResult | dg.SkipReason:
    with dg.build_sensor_context(instance=instance) as context:
        return connection_partitions(context, source=source)


def test_sensor_adds_the_connections(fresh, source, connected) -> None:
    [request] = evaluate(fresh, source).dynamic_partitions_requests
    assert sorted(request.partition_keys) == ["amazon_eu", "mirakl_shop"]


def test_sensor_removes_what_is_gone(fresh, source, connected) -> None:
    fresh.add_dynamic_partitions(NAME, ["amazon_eu", "mirakl_shop", "gone"])
    [request] = evaluate(fresh, source).dynamic_partitions_requests
    assert (type(request), list(request.partition_keys)) == (dg.DeleteDynamicPartitionsRequest, ["gone"])


def test_sensor_removes_nothing_that_a_run_works_on(fresh, source, connected) -> None:
    fresh.add_dynamic_partitions(NAME, ["amazon_eu", "mirakl_shop", "gone"])
    begin(fresh, dg.DagsterRunStatus.STARTED, dagster__partition="gone")
    assert isinstance(evaluate(fresh, source), dg.SkipReason)


def test_sensor_removes_nothing_while_a_tick_works(fresh, source, connected) -> None:
    fresh.add_dynamic_partitions(NAME, ["amazon_eu", "mirakl_shop", "gone"])
    begin(fresh, dg.DagsterRunStatus.STARTED)
    assert isinstance(evaluate(fresh, source), dg.SkipReason)


@pytest.mark.parametrize("error", [OSError("disk"), sa.exc.OperationalError("select", {}, Exception("locked"))])
def test_sensor_takes_a_failed_read_for_no_empty_list(fresh, error) -> None:
    fresh.add_dynamic_partitions(NAME, ["amazon_eu"])

    @contextmanager
    def failing():
        raise error
        yield

    skipped = evaluate(fresh, InstallationSource(failing))
    assert "could not be read" in skipped.skip_message


def test_sensor_is_quiet_when_nothing_changed(fresh, source, installation) -> None:
    with installation.ledger.write() as transaction:
        connection = channels.Connection(code="shop", kind="mirakl", label="Shop")
        channels.save_connection(transaction, connection, NOW)
    fresh.add_dynamic_partitions(NAME, ["shop"])
    assert isinstance(evaluate(fresh, source), dg.SkipReason)


def test_a_follow_up_runs_only_when_something_is_due(fresh, source, installation):
    def look():
        with dg.build_sensor_context(instance=fresh) as context:
            return due_follow_ups(context, source=source)

    assert isinstance(look(), dg.RunRequest)  # nobody has watched yet
    assert defs.resolve_job_def("follow_up").execute_in_process(instance=fresh, resources={"source": source}).success
    assert isinstance(look(), dg.SkipReason)
