"""Ticks over thousands of connections, shared by workers: how long one takes with one worker and with two.

Workers are processes that carry out Dagster's runs of the shards, as those of Celery do, over one PostgreSQL. Each connection
is a shop of one Mirakl sandbox. The first tick finds a day's orders at all of them, the others find nothing new.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

from tests.benchmarks.dagster_ticks import shard_in_dagster
from tests.benchmarks.filling import environment_of, installed
from tests.benchmarks.measuring import ROOT, Child, Figure, Step, Target, Workshop
from tests.benchmarks.normalising import create_database, postgresql
from tests.benchmarks.sandboxes import CREDENTIALS, connect, serve_mirakl
from warehouse.ledger.book import order_tally, raw_orders
from warehouse.ledger.book.order_filter import OrderFilter
from warehouse.ledger.settings import channels

TICK = Target("<=", 60)
WORKERS = (1, 2)
ORDERS = 5
"""At each connection."""
IDLE_TICKS = 2
"""The last one counts."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What ticks came to with some workers.

    Attributes:
        busy: Seconds of the tick that found the orders.
        idle: Seconds of one that found nothing.
        cpu: The workers' CPU seconds in that one.
    """

    busy: float
    idle: float
    cpu: float


def measure(workshop: Workshop) -> list[Figure]:
    """A busy tick and idle ones, with one worker and with two."""
    count = workshop.sizes.shops
    with postgresql(workshop) as server, Child(workshop, serve_mirakl, ORDERS, True) as sandbox:
        if server is None:
            return []
        url = sandbox.step().value["url"]
        one, two = (_ticks(workshop, server, url, workers) for workers in WORKERS)
    size, against = f"{count:,} connections", "one worker"
    return [
        Figure(
            benchmark="idle tick shared by two workers, wall",
            size=size,
            value=two.idle,
            unit="s",
            reference=one.idle,
            against=against,
            target=TICK,
        ),
        Figure(
            benchmark="idle tick shared by two workers, CPU",
            size=size,
            value=two.cpu,
            unit="s",
            reference=one.cpu,
            against=against,
        ),
        Figure(
            benchmark="tick shared by two workers that finds orders, rate",
            size=f"{count:,} connections, {ORDERS} orders each",
            value=count * ORDERS / two.busy,
            unit="orders/s",
            reference=count * ORDERS / one.busy,
            against=against,
        ),
    ]


def _ticks(workshop: Workshop, server: str, marketplace: str, workers: int) -> Shared:
    count = workshop.sizes.shops
    url = f"{server}/{create_database(server, 'template0')}"
    home, dagster_home = workshop.fresh("home"), workshop.fresh("dagster-home")
    shutil.copy(ROOT / "dagster.yaml", dagster_home)
    environment = {**environment_of(home, url), **CREDENTIALS, "DAGSTER_HOME": str(dagster_home)}
    with ExitStack() as stack:
        installation = stack.enter_context(installed(home, url))
        connect(installation, marketplace, count)
        now = installation.clock()
        with installation.ledger.write() as transaction:
            codes = [each.code for each in channels.all_channels(transaction)]
            raw_orders.cover(transaction, codes, now - timedelta(days=7), now - timedelta(days=1), now)
        shards = [f"{number + 1}/{workers}" for number in range(workers)]
        children = [
            stack.enter_context(Child(workshop, shard_in_dagster, each, environment=environment)) for each in shards
        ]
        _together(children)
        workshop.say(f"{workers} workers: a tick that finds {count * ORDERS:,} orders")
        busy = _tick(children, count)
        with installation.ledger.read() as transaction:
            assert order_tally.count(transaction, OrderFilter()) == count * ORDERS
        for number in range(IDLE_TICKS):
            workshop.say(f"{workers} workers: idle tick {number + 1} over {count:,} connections")
            steps = _tick(children, count)
    return Shared(
        busy=max(each.wall_seconds for each in busy),
        idle=max(each.wall_seconds for each in steps),
        cpu=sum(each.cpu_seconds for each in steps),
    )


def _tick(children: list[Child], count: int) -> list[Step]:
    """One over all connections, as its shards went."""
    steps = _together(children)
    assert sum(each.value for each in steps) == count, [each.value for each in steps]
    return steps


def _together(children: list[Child]) -> list[Step]:
    """Let all go on at once; what each came to."""
    for each in children:
        each.begin()
    return [each.end() for each in children]
