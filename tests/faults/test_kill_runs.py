"""SIGKILL at many instants of a tick: nothing lost, nothing twice, and the next tick goes on.

Ticks run in processes of their own against marketplaces in this process. Most have an ephemeral Dagster instance inside the
killed process; `test_killed_runs_of_a_stored_instance` kills runs of the instance that the shipped dagster.yaml describes.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.instance.ref import InstanceRef

from orders_pipeline.installation import opened
from orders_pipeline.run_leases import running
from orders_pipeline.sandbox.engine import AdvanceRequest
from warehouse.lake import soundness
from warehouse.lake.attachment import connect_reader
from warehouse.lake.lake import open_lake
from warehouse.lake.outages import LakeEmptyError
from warehouse.ledger.base import schema
from warehouse.ledger.base.database import NORMALISED_THROUGH, POSITION, RAW_SEQ, Ledger, mark, open_ledger
from warehouse.ledger.book import quarantine_queries, raw_orders
from warehouse.ledger.watch import order_counts

SEED = 20261102
ORDERS = 60
"""At each of the two marketplaces."""

KILLS = 20
MOST_ROUNDS = 10
KILLS_OF_THE_IMPORT = 2
KILLS_OF_THE_UPDATE = 2
STAGES = ("pull", "normalise", "publish")
FINE_GRAINED = {"write_chunk": 4, "pull_window_hours": 2, "pull_first_days": 1, "pull_windows_per_tick": 100}
"""Many small transactions, so that a kill can fall between any two of them."""

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def progress(ledger: Ledger, ticker) -> dict[str, int]:
    """How far each stage has come."""
    with ledger.read() as transaction:
        marks = {name: mark(transaction, name) for name in (RAW_SEQ, NORMALISED_THROUGH, POSITION)}
    try:
        lake = connect_reader(ticker.settings)
    except LakeEmptyError:
        return marks | {"published": 0}
    try:
        rows = lake.execute("SELECT through FROM published WHERE name = 'orders'").fetchall()
    finally:
        lake.close()
    return marks | {"published": rows[0][0] if rows else 0}


def interrupted(ledger: Ledger, after: dict[str, int]) -> str:
    """Which stage the kill has interrupted, as far as the stores tell."""
    with ledger.read() as transaction:
        in_pull = transaction.execute(
            sa.select(sa.func.count()).where(schema.pulls.c.outcome == "running")
        ).scalar_one()
    if in_pull:
        return "pull"
    if after[NORMALISED_THROUGH] < after[RAW_SEQ]:
        return "normalise"
    return "publish" if after["published"] < after[POSITION] else "between"


def assert_whole(ledger: Ledger, ticker, marketplaces, since: datetime, changed: frozenset[str]) -> None:
    """Ledger and lake hold exactly the truth, each order once, with no revision too many."""
    truth = marketplaces.statuses()
    with ledger.read() as transaction:
        owners = dict(transaction.execute(sa.select(schema.channels.c.code, schema.channels.c.connection)).all())
        columns = (
            schema.orders.c.id,
            schema.orders.c.channel,
            schema.orders.c.original_id,
            schema.orders.c.revision,
            schema.orders.c.marketplace_status,
        )
        rows = transaction.execute(sa.select(*columns)).all()
        versions = transaction.execute(
            sa.select(
                schema.order_versions.c.position, schema.order_versions.c.order_id, schema.order_versions.c.revision
            )
        ).all()
        payloads = transaction.execute(
            sa.select(
                schema.raw_orders.c.connection,
                schema.raw_orders.c.original_id,
                schema.raw_orders.c.content_hash,
                schema.raw_orders.c.seq,
            )
        ).all()
        covered = raw_orders.covered(transaction, list(owners))
        quarantined = quarantine_queries.quarantined(transaction)
        open_problems = transaction.execute(
            sa.select(schema.incidents.c.code).where(schema.incidents.c.resolved_at.is_(None))
        ).all()
        with open_lake(ticker.settings) as lake:
            assert soundness.tables_equal_book(transaction, lake).offenders == []
            assert soundness.keys_unique(lake).offenders == []
            assert order_counts.differences(transaction) == []
            published = lake.statement("SELECT position, order_id, revision FROM order_versions ORDER BY position")
            raw_published = lake.statement("SELECT count(*), count(DISTINCT seq) FROM raw_orders")
    assert {(owners[row.channel], row.original_id): row.marketplace_status for row in rows} == truth
    assert {
        row.original_id: row.revision for row in rows if row.revision != (2 if row.original_id in changed else 1)
    } == {}
    assert [tuple(each) for each in sorted(versions)] == [tuple(each) for each in published]
    assert [position for position, _, _ in published] == list(range(1, sum(row.revision for row in rows) + 1))
    assert len({(each.connection, each.original_id, bytes(each.content_hash)) for each in payloads}) == len(payloads)
    assert raw_published == [(len(payloads), len(payloads))]
    assert {
        code
        for code, (start, end) in covered.items()
        if start <= since - timedelta(hours=20) and end >= since - timedelta(minutes=5)
    } == set(owners)
    assert (quarantined, open_problems) == ([], [])


def test_ticks_killed_anywhere(real_time_marketplaces, ticker_in) -> None:
    marketplaces = real_time_marketplaces
    marketplaces.generate(ORDERS, days=0.8)
    chance = Random(SEED)
    trial = connect("trial", marketplaces, ticker_in)[0]
    import_seconds, update_seconds = trial.tick(), trial.tick()
    where: Counter[str] = Counter()
    rounds = 0
    while rounds < MOST_ROUNDS and (where.total() < KILLS or not set(where) >= set(STAGES)):
        rounds += 1
        ticker, ledger = connect(f"round-{rounds}", marketplaces, ticker_in)
        since = datetime.now(UTC)
        for stage in STAGES:
            if kill_in(stage, ticker, ledger, chance):
                where[interrupted(ledger, progress(ledger, ticker))] += 1
        where += kill_and_count(ticker, ledger, chance, KILLS_OF_THE_IMPORT, import_seconds)
        ticker.tick()
        changed = ship_some(marketplaces, chance)
        where += kill_and_count(ticker, ledger, chance, KILLS_OF_THE_UPDATE, update_seconds)
        ticker.tick()
        assert_whole(ledger, ticker, marketplaces, since, changed)
        ledger.close()
    print(f"seed {SEED}: {where.total()} kills in {rounds} rounds: {dict(where)}; a tick takes {import_seconds:.1f} s")  # noqa: T201 - the result
    assert where.total() >= KILLS
    assert set(where) >= set(STAGES), where


def connect(name: str, marketplaces, ticker_in):
    ticker = ticker_in(name, **FINE_GRAINED)
    ledger = open_ledger(ticker.settings)
    marketplaces.connect(ledger, datetime.now(UTC))
    return ticker, ledger


def kill_and_count(ticker, ledger: Ledger, chance: Random, kills: int, seconds: float) -> Counter[str]:
    """Kill one tick after another, each at another instant; count where the kills fell. Each has less left to do."""
    where: Counter[str] = Counter()
    for number in range(kills):
        # Early and late in turn: a fast machine publishes in the last part of a tick, a busy one almost at once.
        share = chance.uniform(0.02, 0.4) if number % 2 else chance.uniform(0.4, 0.98)
        if ticker.tick_killed_after(seconds * share):
            where[interrupted(ledger, progress(ledger, ticker))] += 1
    return where


def kill_in(stage: str, ticker, ledger: Ledger, chance: Random) -> bool:
    """Begin a tick, wait until it is in the stage, and kill it a moment later; False when it had ended by then."""
    before = lease_of_normalising(ledger)[0]
    pid = ticker.begin()
    deadline = time.monotonic() + 60
    while is_alive(pid) and not is_in(stage, ledger, before) and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(chance.uniform(0.0, 0.05))
    if is_alive(pid):
        os.kill(pid, signal.SIGKILL)
    return ticker.server.end() == -signal.SIGKILL


def is_in(stage: str, ledger: Ledger, fence_before: int) -> bool:
    """Whether the tick has come to the stage, told by the rows that each stage writes first and last."""
    if stage == "pull":
        with ledger.read() as transaction:
            running = sa.select(sa.func.count()).where(schema.pulls.c.outcome == "running")
            return bool(transaction.execute(running).scalar_one())
    fence, is_held = lease_of_normalising(ledger)
    return fence > fence_before and is_held == (stage == "normalise")


def lease_of_normalising(ledger: Ledger) -> tuple[int, bool]:
    """(how often the lease was given, whether it is held)."""
    with ledger.read() as transaction:
        query = sa.select(schema.leases.c.fence, schema.leases.c.expires_at).where(schema.leases.c.name == "normalise")
        row = transaction.execute(query).one_or_none()
    return (0, False) if row is None else (row.fence, row.expires_at > datetime.now(UTC))


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def ship_some(marketplaces, chance: Random) -> frozenset[str]:
    """Let a part of the orders move on, long enough ago that the marketplaces tell it at once."""
    ids = [each["id"] for each in marketplaces.mirakl.truth() if each["status"] == "SHIPPING"]
    chosen = chance.sample(ids, min(8, len(ids)))
    result = marketplaces.mirakl.advance(AdvanceRequest("ship", order_ids=tuple(chosen), backdate_seconds=400))
    return frozenset(result.advanced)


def test_killed_runs_of_a_stored_instance(real_time_marketplaces, ticker_in, monkeypatch) -> None:
    marketplaces = real_time_marketplaces
    marketplaces.generate(40, days=0.8)
    ticker, ledger = connect("stored", marketplaces, ticker_in)
    since = datetime.now(UTC)
    kills = sum(kill_while_pulling(ticker, ledger) for _ in range(3))
    ticker.tick("stored")
    assert_whole(ledger, ticker, marketplaces, since, frozenset())
    ledger.close()
    monkeypatch.setenv("ORDERS_HOME", str(ticker.settings.home))
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(ticker.settings.home), config_dir=str(ROOT))) as instance:
        with opened(ticker.settings) as installation:
            assert running(instance, installation, "pull_orders", datetime.now(UTC)) is None
        statuses = Counter(
            run.status for run in instance.get_runs() if run.status is not dg.DagsterRunStatus.NOT_STARTED
        )
    assert statuses[dg.DagsterRunStatus.SUCCESS] >= 1
    assert statuses[dg.DagsterRunStatus.FAILURE] == kills == 3


def kill_while_pulling(ticker, ledger: Ledger) -> bool:
    """Begin a tick, wait until it has begun a pull, and kill it."""

    def pulls() -> int:
        with ledger.read() as transaction:
            return transaction.execute(sa.select(sa.func.count()).select_from(schema.pulls)).scalar_one()

    before = pulls()
    pid = ticker.begin("stored")
    deadline = time.monotonic() + 60
    while pulls() == before and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    return ticker.server.end() == -signal.SIGKILL


def test_two_ticks_at_once(real_time_marketplaces, ticker_in, second_tick_server) -> None:
    marketplaces = real_time_marketplaces
    marketplaces.generate(60, days=0.8)
    first, ledger = connect("together", marketplaces, ticker_in)
    second = ticker_in("together", second_tick_server, **FINE_GRAINED)
    since = datetime.now(UTC)
    for _ in range(2):
        first.begin()
        second.begin()
        assert (first.server.end(), second.server.end()) == (0, 0), first.output()
    assert_whole(ledger, first, marketplaces, since, frozenset())
    ledger.close()
