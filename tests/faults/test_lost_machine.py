"""A machine is lost, or stands still, in the middle of a run: the next tick of another one goes on, and nothing is done twice.

Two machines share a PostgreSQL server. The other one is a process with a host name of its own (`machine_server`), of which the
whole process group is killed or paused; we are this one, with the daemon's guard. Time is moved ahead, so that leases run out.
"""

from __future__ import annotations

import csv
import os
import signal
import time
from collections import Counter
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.instance.ref import InstanceRef

from orders_pipeline.installation import Installation
from orders_pipeline.run_leases import running
from orders_pipeline.sandbox.faults import Fault, FaultKind
from tests.faults.conftest import KEYS, world
from tests.faults.forks import ForkingProgram
from tests.pipeline.confirming_shop import Shop
from tests.simulation import machine
from warehouse.ledger.base import schema
from warehouse.ledger.base.database import open_ledger
from warehouse.ledger.settings import file_jobs, storages
from warehouse.ledger.settings.file_jobs import FileJob, JobKind
from warehouse.privacy import open_key_ring
from warehouse.settings import Settings

ENDS = [signal.SIGKILL, signal.SIGSTOP]
OF_NO_CONSEQUENCE = {"quota_buckets", "leases", "counters", "confirmation_attempts"}
"""Tables by which nothing is decided: quota that is taken, who works, how long things took, and what became of attempts, where
even a sender that was overtaken writes down the answer."""

JOBS = {job.__name__: job for job in (machine.pull_orders, machine.confirm_shipments, machine.exchange_files)}
"""What the jobs of these names do, without Dagster."""

pytestmark = pytest.mark.slow


class World:
    """Both machines, what they share, and their clock."""

    def __init__(self, settings: Settings, marketplaces, instance, other: ForkingProgram, command) -> None:
        self.instance, self.other, self.marketplaces, self._command = instance, other, marketplaces, command
        self.begun: list[int] = []
        self._offset_file = Path(command["offset_file"])
        self.ledger = open_ledger(settings)
        self.installation = Installation(settings, self.ledger, open_key_ring(settings), self.clock)
        marketplaces.connect(self.ledger, self.clock())
        self.shop = Shop(self.installation, marketplaces, self.clock)
        self.shop.confirming()

    def clock(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(self._offset_file.read_text()))

    def advance(self, seconds: float) -> None:
        self._offset_file.write_text(str(float(self._offset_file.read_text()) + seconds))

    def may_begin(self, job: str) -> bool:
        """What the daemon's guard says."""
        return running(self.instance, self.installation, job, datetime.now(UTC)) is None

    def begin_there(self, job: str) -> int:
        self.begun.append(self.other.begin({**self._command, "job": job}))
        return self.begun[-1]

    @contextmanager
    def locked(self, statement: str):
        """Whoever comes to what this statement locks waits; yields what tells whether somebody does."""
        with self.ledger.write() as holding, self.ledger.read() as asking:
            holding.execute(sa.text(statement))
            yield lambda: asking.execute(sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one() > 0

    def lose(self, job: str, group: int, end: signal.Signals) -> None:
        """The other machine is lost in a run. As long as it may be alive it is waited for, and no longer."""
        os.killpg(group, end)
        if end is signal.SIGKILL:
            assert self.other.end() == -signal.SIGKILL
        assert not self.may_begin(job)
        self.advance(300 if job == "pull_orders" else 900)
        assert self.may_begin(job)
        assert Counter(run.status for run in self.instance.get_runs()) == {dg.DagsterRunStatus.FAILURE: 1}
        JOBS[job](self.installation)

    def wake_up(self, group: int, end: signal.Signals) -> None:
        """The other machine goes on, and does nothing."""
        if end is not signal.SIGSTOP:
            return
        before, calls = self._rows(), self._effects()
        os.killpg(group, signal.SIGCONT)
        self.other.end()
        after = self._rows()
        assert {name: set(after[name]) ^ set(before[name]) for name in after if after[name] != before[name]} == {}
        assert self._effects() == calls

    def _rows(self) -> dict[str, list]:
        tables = [each for each in schema.metadata.sorted_tables if each.name not in OF_NO_CONSEQUENCE]
        with self.ledger.read() as transaction:
            return {each.name: sorted(map(repr, transaction.execute(sa.select(each)))) for each in tables}

    def _effects(self) -> int:
        return sum(len(list(each.journal.effects())) for each in (self.marketplaces.amazon, self.marketplaces.mirakl))

    def assert_whole(self) -> None:
        """Every order is in the book, each once, and each of its revisions once in the feed."""
        versions, orders, channels = schema.order_versions.c, schema.orders.c, schema.channels.c
        with self.ledger.read() as transaction:
            owners = dict(transaction.execute(sa.select(channels.code, channels.connection)).all())
            rows = transaction.execute(sa.select(orders.channel, orders.original_id, orders.marketplace_status)).all()
            told = transaction.execute(sa.select(versions.position).order_by(versions.position)).scalars().all()
        assert {(owners[row[0]], row[1]): row[2] for row in rows} == self.marketplaces.statuses()
        assert len(rows) == len(self.marketplaces.statuses())
        assert told == list(range(1, len(told) + 1))


def until(is_so) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture(scope="module")
def other_machine(tmp_path_factory):
    made = ForkingProgram(
        "machine_server", tmp_path_factory.mktemp("machine-b") / "log", world.CREDENTIALS, "machine-b"
    )
    yield made
    made.close()


@pytest.fixture
def two_machines(postgresql_ledger_url, credentials, tmp_path, other_machine):
    given = {"home": tmp_path / "home", "keys": KEYS, "database_url": postgresql_ledger_url, "write_chunk": 4}
    environment = {f"ORDERS_{name.upper()}": str(value) for name, value in given.items()}
    environment["DAGSTER_HOME"] = str(tmp_path)
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}")
    offset_file = tmp_path / "offset"
    offset_file.write_text("0")
    settings = Settings(_env_file=None, **given)
    settings.home.mkdir()
    command = {"environment": environment, "offset_file": str(offset_file)}

    def clock() -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(offset_file.read_text()))

    with (
        world.serving(clock) as marketplaces,
        dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path))) as instance,
    ):
        made = World(settings, marketplaces, instance, other_machine, command)
        yield made
        for group in made.begun:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        made.ledger.close()


@pytest.mark.parametrize("end", ENDS)
def test_in_a_pull(two_machines, end):
    two_machines.marketplaces.generate(30)
    two_machines.marketplaces.mirakl.add_fault(Fault(FaultKind.SLOW, operation="OR11", seconds=8.0))
    group = two_machines.begin_there("pull_orders")
    until(lambda: any(entry.operation == "OR11" for entry in two_machines.marketplaces.mirakl.journal))
    two_machines.lose("pull_orders", group, end)
    two_machines.assert_whole()
    two_machines.wake_up(group, end)


@pytest.mark.parametrize("end", ENDS)
def test_in_normalising(two_machines, end):
    two_machines.marketplaces.generate(30)
    with two_machines.locked("SELECT * FROM marks WHERE name = 'normalised_through' FOR UPDATE") as is_waiting:
        group = two_machines.begin_there("pull_orders")
        until(is_waiting)
        os.killpg(group, end)
    two_machines.lose("pull_orders", group, end)
    two_machines.assert_whole()
    two_machines.wake_up(group, end)


@pytest.mark.parametrize("end", ENDS)
def test_in_confirming(two_machines, end):
    shop = two_machines.shop
    two_machines.marketplaces.generate(30)
    shop.pull()
    ids = shop.ship_some("amazon_fr", 3)
    two_machines.marketplaces.amazon.add_fault(Fault(FaultKind.SLOW, operation="confirmShipment", seconds=8.0, after=1))
    group = two_machines.begin_there("confirm_shipments")
    until(lambda: len(shop.applied("amazon_fr")) == 2)
    two_machines.lose("confirm_shipments", group, end)
    assert shop.states(ids) == ["verified"] * 3
    assert len(shop.applied("amazon_fr")) == 3
    two_machines.wake_up(group, end)


@pytest.mark.parametrize("end", ENDS)
def test_in_an_export(two_machines, end, tmp_path):
    two_machines.marketplaces.generate(30)
    two_machines.shop.pull()
    folder = tmp_path / "partner"
    (folder / "out").mkdir(parents=True)
    with two_machines.ledger.write() as transaction:
        storage = storages.StorageEntry(code="partner", kind="folder", label="P", settings={"path": str(folder)})
        storages.save_storage(transaction, storage, two_machines.clock())
        settings = file_jobs.kept_settings(JobKind.EXPORT, {})
        job = FileJob(kind=JobKind.EXPORT, channel="mirakl", storage="partner", folder="out", settings=settings)
        file_jobs.save_job(transaction, job, two_machines.clock() - timedelta(days=8))
    with two_machines.locked("LOCK TABLE files IN EXCLUSIVE MODE") as is_waiting:
        group = two_machines.begin_there("exchange_files")
        until(is_waiting)
        os.killpg(group, end)
    two_machines.lose("exchange_files", group, end)
    exported = Counter(row["order_id"] for row in _rows_in(folder / "out"))
    with two_machines.ledger.read() as transaction:
        orders = schema.orders.c
        known = transaction.execute(sa.select(orders.original_id).where(orders.channel == "mirakl")).scalars().all()
    assert set(exported) <= set(known)
    assert exported
    two_machines.wake_up(group, end)
    assert Counter(row["order_id"] for row in _rows_in(folder / "out")) == exported


def _rows_in(folder: Path) -> list[dict[str, str]]:
    rows: list[dict[str, str]] = []
    for file in sorted(folder.glob("*.csv")):
        with file.open(newline="") as opened:
            rows += csv.DictReader(opened)
    return rows
