"""Shards of a tick: each connection is in one, each has a guard of its own, and together they do what one run does."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg
import pytest
import sqlalchemy as sa

from orders_pipeline.definitions import build_defs, defs
from orders_pipeline.resources import InstallationSource
from orders_pipeline.schedules import pull_orders_every_5_minutes
from orders_pipeline.shards import SHARD_TAG, Shard
from warehouse.ledger.base import schema

NOW = datetime.now(UTC)


@pytest.fixture
def stored(tmp_path):
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield instance


@pytest.fixture
def sharded(connected):
    return replace(connected, settings=connected.settings.model_copy(update={"pull_shards": 3}))


def tick(instance, installation):
    source = InstallationSource(lambda: contextlib.nullcontext(installation))
    with dg.build_schedule_context(instance=instance, scheduled_execution_time=NOW) as context:
        return pull_orders_every_5_minutes(context, source=source)


def begin(instance, **tags: str) -> dg.DagsterRun:
    job = defs.resolve_job_def("pull_orders")
    return instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_each_connection_is_in_one_shard(count):
    shards = [Shard(number + 1, count) for number in range(count)]
    owners = [[each.number for each in shards if each.has(f"shop_{number}")] for number in range(700)]
    assert {len(each) for each in owners} == {1}
    assert {number for (number,) in owners} == {each.number for each in shards}


def test_a_tick_is_a_run_for_each_shard(stored, sharded):
    requests = tick(stored, sharded)
    assert [each.tags for each in requests] == [{SHARD_TAG: "1/3"}, {SHARD_TAG: "2/3"}, {SHARD_TAG: "3/3"}]
    assert len({each.run_key for each in requests}) == 3
    assert requests[0].asset_selection is None


def test_each_shard_has_a_guard_of_its_own(stored, sharded):
    run = begin(stored, **{SHARD_TAG: "1/3"})
    begin(stored, **{SHARD_TAG: "3/3"})
    (request,) = tick(stored, sharded)
    assert request.tags == {SHARD_TAG: "2/3"}
    begin(stored, **{SHARD_TAG: "2/3"})
    skipped = tick(stored, sharded)
    assert run.run_id in skipped.skip_message


def test_a_run_of_everything_is_waited_for(stored, sharded):
    begin(stored)
    assert isinstance(tick(stored, sharded), dg.SkipReason)


def test_all_shards_together_do_what_one_run_does(stored, sharded, marketplaces):
    marketplaces.generate(12)
    job = build_defs(source=InstallationSource(lambda: contextlib.nullcontext(sharded))).resolve_job_def("pull_orders")
    pulled = []
    for request in reversed(tick(stored, sharded)):
        done = job.execute_in_process(instance=stored, tags=request.tags, asset_selection=request.asset_selection)
        assert done.success
        with sharded.ledger.read() as transaction:
            pulled.append(set(transaction.execute(sa.select(schema.pulls.c.connection)).scalars()))
        steps = {each.step_key for each in done.get_step_success_events()}
        assert ("order_tables" in steps) == request.tags[SHARD_TAG].startswith("1/")
    assert [len(each) for each in pulled] == [1, 2, 2]  # what the third, the second and the first have pulled by then
    with sharded.ledger.read() as transaction:
        assert transaction.execute(sa.select(sa.func.count()).select_from(schema.orders)).scalar_one() == 24
