"""Ticks over thousands of connections, shared by workers: how long one takes with one worker and with two.

Workers are processes that carry out Dagster's runs of the shards, as those of Celery do, over one PostgreSQL. Each connection
is a shop of one Mirakl sandbox without orders, and was read up to five minutes before the first tick.
"""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from datetime import timedelta

from tests.benchmarks.filling import environment_of, installed
from tests.benchmarks.measuring import ROOT, Child, Figure, Step, Target, Workshop
from tests.benchmarks.normalising import postgresql
from tests.benchmarks.sandboxes import CREDENTIALS, connect, serve_mirakl
from tests.benchmarks.ticks import shard_in_dagster
from warehouse.ledger.book import raw_orders
from warehouse.ledger.settings import channels

TICK = Target("<=", 60)
WORKERS = (1, 2)
IDLE_TICKS = 2
"""Each; the last one counts."""


def measure(workshop: Workshop) -> list[Figure]:
    """Idle ticks with one worker and with two."""
    count = workshop.sizes.shops
    idle: dict[int, tuple[float, float]] = {}
    with postgresql(workshop) as server, Child(workshop, serve_mirakl, 0, True) as sandbox:
        if server is None:
            return []
        url = f"{server}/postgres"
        home, dagster_home = workshop.fresh("home"), workshop.fresh("dagster-home")
        shutil.copy(ROOT / "dagster.yaml", dagster_home)
        environment = {**environment_of(home, url), **CREDENTIALS, "DAGSTER_HOME": str(dagster_home)}
        address = sandbox.step().value["url"]
        with installed(home, url) as installation:
            connect(installation, address, count)
            now = installation.clock()
            with installation.ledger.write() as transaction:
                codes = [each.code for each in channels.all_channels(transaction)]
                raw_orders.cover(transaction, codes, now - timedelta(days=7), now - timedelta(minutes=5), now)
        for workers in WORKERS:
            with ExitStack() as stack:
                shards = [f"{number + 1}/{workers}" for number in range(workers)]
                children = [
                    stack.enter_context(Child(workshop, shard_in_dagster, each, environment=environment))
                    for each in shards
                ]
                together(children)
                for number in range(IDLE_TICKS):
                    workshop.say(f"{workers} workers: idle tick {number + 1} over {count:,} connections")
                    steps = together(children)
                    assert sum(each.value for each in steps) == count, [each.value for each in steps]
                idle[workers] = max(each.wall_seconds for each in steps), sum(each.cpu_seconds for each in steps)
    (one, _), (two, cpu) = (idle[workers] for workers in WORKERS)
    size, against = f"{count:,} connections", "one worker"
    return [
        Figure(
            benchmark="idle tick shared by two workers, wall",
            size=size,
            value=two,
            unit="s",
            reference=one,
            against=against,
            target=TICK,
        ),
        Figure(
            benchmark="idle tick shared by two workers, CPU",
            size=size,
            value=cpu,
            unit="s",
            reference=idle[1][1],
            against=against,
        ),
    ]


def together(children: list[Child]) -> list[Step]:
    """Let all go on at once; what each came to."""
    for each in children:
        each.begin()
    return [each.end() for each in children]
