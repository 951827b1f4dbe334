"""A tick of several runs, carried out by workers of Celery on two machines: either may be lost, and no order is.

PostgreSQL, Redis, the S3 server of the order tables and the marketplaces are on this machine, the workers in network namespaces
with host names of their own.
"""

from __future__ import annotations

import math
import os
import shutil
from collections import Counter
from contextlib import ExitStack, nullcontext
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.instance.ref import InstanceRef
from dagster._core.launcher import LaunchRunContext

from orders_pipeline.definitions import defs
from orders_pipeline.installation import Installation
from orders_pipeline.lake_access import publishing
from orders_pipeline.resources import InstallationSource
from orders_pipeline.sandbox import server
from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.engine import AdvanceRequest, GenerateRequest
from orders_pipeline.sandbox.mirakl import state as mirakl
from orders_pipeline.schedules import pull_orders_every_5_minutes
from tests.benchmarks.sandboxes import CREDENTIALS, SETTLED_SECONDS, SHOP, connect
from tests.scale import object_store, workers
from tests.scale.workers import until
from warehouse.clock import utc_now
from warehouse.lake.publishing import publish, published_through
from warehouse.ledger.base import schema
from warehouse.ledger.base.database import open_ledger
from warehouse.ledger.book import raw_orders
from warehouse.privacy import open_key_ring
from warehouse.settings import Settings

BUSY = 100
ORDERS = 4
"""At each busy connection; some of them move on between the ticks."""
IDLE = 1_900
"""Connections to a marketplace without orders, read up to a while ago."""
BUCKET = "orders"
A_TICK = 300.0
"""Seconds by which it has ended, on a busy machine too."""
KEYS = "test:" + "A" * 43 + "="

pytestmark = [
    pytest.mark.slow,
    # Dagster's launcher registers its task anew with each run that it launches
    pytest.mark.filterwarnings("ignore::celery.exceptions.DuplicateTaskNameWarning"),
]


class Fleet:
    """What the machines share, and the daemon's part of it."""

    def __init__(self, settings: Settings, instance: dg.DagsterInstance, sandbox) -> None:
        self.instance, self.sandbox = instance, sandbox
        self.ledger = open_ledger(settings)
        self.installation = Installation(settings, self.ledger, open_key_ring(settings), utc_now)
        self._ticks = 0

    def tick(self) -> list[str]:
        """What the schedule asks for, launched; returns the runs."""
        self._ticks += 1
        source = InstallationSource(lambda: nullcontext(self.installation))
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=5 * self._ticks)
        with dg.build_schedule_context(instance=self.instance, scheduled_execution_time=at) as context:
            requests = pull_orders_every_5_minutes(context, source=source)
        assert not isinstance(requests, dg.SkipReason), requests.skip_message
        return [self._launch(each) for each in requests]

    def _launch(self, request: dg.RunRequest) -> str:
        origin = ReconstructableRepository.for_module("orders_pipeline.definitions", "defs")
        run = self.instance.create_run_for_job(
            defs.resolve_job_def("pull_orders"),
            tags=dict(request.tags),
            status=dg.DagsterRunStatus.STARTING,
            asset_selection=frozenset(request.asset_selection) if request.asset_selection else None,
            job_code_origin=origin.get_reconstructable_job("pull_orders").get_python_origin(),
        )
        self.instance.run_launcher.launch_run(LaunchRunContext(dagster_run=run, workspace=None))
        return run.run_id

    def statuses(self, runs: list[str]) -> Counter[dg.DagsterRunStatus]:
        return Counter(self.instance.get_run_by_id(each).status for each in runs)

    def holders(self, prefix: str) -> dict[str, str]:
        """Lease → the machine that holds it."""
        table = schema.leases.c
        query = sa.select(table.name, table.holder).where(table.name.startswith(prefix), table.expires_at > utc_now())
        with self.ledger.read() as transaction:
            return {row.name: row.holder.partition(":")[0] for row in transaction.execute(query)}

    def let_leases_run_out(self, name: str) -> None:
        """A machine's, as time would."""
        table = schema.leases
        with self.ledger.write() as transaction:
            of_it = table.c.holder.startswith(f"{name}:")
            transaction.execute(sa.update(table).where(of_it).values(expires_at=utc_now()))

    def cover_idle(self, ago: timedelta) -> None:
        """Let the idle connections have been read, up to so long ago."""
        now = utc_now()
        codes = [f"unused_{number:03d}" for number in range(1, IDLE + 1)]
        with self.ledger.write() as transaction:
            raw_orders.cover(transaction, codes, now - timedelta(days=7), now - ago, now)

    def read_since(self, moment: datetime) -> int:
        """How many connections were read completely since a moment."""
        table = schema.pulls.c
        read = sa.select(sa.func.count(table.connection.distinct())).where(
            table.outcome == "complete", table.started_at >= moment
        )
        with self.ledger.read() as transaction:
            return transaction.execute(read).scalar_one()

    def ship(self) -> None:
        """Let orders move on, long enough ago that the marketplace tells it at once."""
        ids = [each["id"] for each in self.sandbox.truth() if each["status"] == "SHIPPING"]
        assert self.sandbox.advance(AdvanceRequest("ship", order_ids=tuple(ids), backdate_seconds=400)).advanced

    def assert_whole(self) -> None:
        """Every channel has every order, once, as it is at the marketplace."""
        truth = {(each["id"], each["status"]) for each in self.sandbox.truth()}
        orders = schema.orders.c
        with self.ledger.read() as transaction:
            rows = transaction.execute(sa.select(orders.channel, orders.original_id, orders.marketplace_status)).all()
        channels = [f"shop_{number:03d}" for number in range(1, BUSY + 1)]
        wanted = Counter((channel, *each) for channel in channels for each in truth)
        assert Counter(map(tuple, rows)) == wanted
        with publishing(self.installation) as lake:
            assert published_through(lake)["orders"] > 0  # by a worker
            publish(self.ledger, lake, utc_now())  # what another shard has read since
            query = "SELECT channel, original_id, marketplace_status FROM orders"
            assert Counter(lake.duck.execute(query).fetchall()) == wanted


@pytest.fixture
def fleet(postgresql_ledger_url, tmp_path, monkeypatch):
    missing = [*workers.missing_programs(), *object_store.missing_programs()]
    if missing:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(
            f"{', '.join(missing)} missing for two machines"
        )
    sandbox = mirakl.MiraklSandbox(rate_factor=math.inf)
    sandbox.generate(GenerateRequest(ORDERS, days=0.5, account=SHOP, newest_seconds=SETTLED_SECONDS))
    with ExitStack() as stack:
        redis = stack.enter_context(workers.serving_redis(tmp_path))
        url = stack.enter_context(server.running(create_app(sandbox)))
        idle = stack.enter_context(server.running(create_app(mirakl.MiraklSandbox(rate_factor=math.inf))))
        store = stack.enter_context(object_store.serving(tmp_path / "s3"))
        store.client().create_bucket(Bucket=BUCKET)
        given = {"home": tmp_path / "home", "keys": KEYS, "database_url": postgresql_ledger_url, "pull_shards": 2}
        given["lake_data"] = f"s3://{BUCKET}/lake"
        (tmp_path / "dagster").mkdir()
        shutil.copy(workers.ROOT / "deploy" / "dagster-celery.yaml", tmp_path / "dagster" / "dagster.yaml")
        environment = {f"ORDERS_{name.upper()}": str(value) for name, value in given.items()}
        environment |= {**CREDENTIALS, **store.environment(), "DAGSTER_HOME": str(tmp_path / "dagster")}
        environment |= {
            f"CELERY_{name}": f"redis://127.0.0.1:{redis}/{number}"
            for number, name in enumerate(("BROKER_URL", "RESULT_BACKEND"))
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        settings = Settings(_env_file=None, **given)
        settings.home.mkdir()
        instance = stack.enter_context(dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(tmp_path / "dagster"))))
        made = Fleet(settings, instance, sandbox)
        stack.callback(made.ledger.close)
        connect(made.installation, url, BUSY)
        connect(made.installation, idle, IDLE, "unused")
        made.cover_idle(timedelta(minutes=10))
        addresses = (postgresql_ledger_url, url, idle, store.endpoint)
        ports = [redis, *(urlsplit(each).port for each in addresses)]
        made.machines = [
            stack.enter_context(workers.machine(number, ports, environment, tmp_path / f"machine-{number}.log"))
            for number in (1, 2)
        ]
        yield made


def test_a_tick_goes_on_when_a_worker_is_lost(fleet):
    began = utc_now()
    first = fleet.tick()
    until(lambda: set(fleet.holders("pull:").values()) == {"machine-1", "machine-2"}, A_TICK)
    until(lambda: fleet.read_since(began) > BUSY / 2, A_TICK)
    fleet.machines[1].kill()
    until(lambda: fleet.statuses(first)[dg.DagsterRunStatus.SUCCESS] == 1, A_TICK)
    assert fleet.read_since(began) < BUSY + IDLE

    fleet.ship()
    fleet.let_leases_run_out("machine-2")
    began = utc_now()
    second = fleet.tick()
    assert len(second) == 2
    assert fleet.statuses(first) == {dg.DagsterRunStatus.SUCCESS: 1, dg.DagsterRunStatus.FAILURE: 1}
    until(lambda: fleet.statuses(second) == {dg.DagsterRunStatus.SUCCESS: 2}, A_TICK)
    assert fleet.read_since(began) == BUSY + IDLE
    fleet.assert_whole()
