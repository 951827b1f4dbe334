"""Writing over the Orders API while orders are being committed: how long an acknowledgement waits for the ledger's one writer.

One consumer acknowledges an order at a time, without pause, while `normalise_pending` runs in another process; the reference is
the same on a ledger that nobody else writes. The time that normalising holds the write lock is taken inside its process,
from the moment the transaction has the lock until its commit has returned.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import httpx
from sqlalchemy.engine import Connection

from orders_pipeline.stages.normalise import normalise_pending
from tests.benchmarks.api_reading import make_token, serving
from tests.benchmarks.filling import fill_book, installed, keep_raw, order_id, sandbox_orders
from tests.benchmarks.measuring import Child, Figure, Target, Workshop, median, percentile
from warehouse.ledger.base.database import Ledger

LATENCY = Target("<=", 200)
LOCK = Target("<=", 100)
KIND = "mirakl"
BOOK = 20_000
IDLE_SECONDS = 3.0


def measure(workshop: Workshop) -> list[Figure]:
    """Latencies of acknowledging with and without a normaliser, and how long that one holds the lock."""
    count = workshop.sizes.committed
    home = workshop.fresh("home")
    with installed(home) as installation:
        fill_book(installation, min(BOOK, workshop.sizes.served), workshop.say)
        token = make_token(installation)
        workshop.say(f"making {count:,} orders")
        keep_raw(installation, KIND, sandbox_orders(KIND, count))
    known = min(BOOK, workshop.sizes.served)
    with (
        serving(workshop, home) as (url, _),
        httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30) as client,
    ):
        workshop.say("acknowledging while nobody else writes")
        idle = _until(client, known, _after(IDLE_SECONDS))
        workshop.say(f"acknowledging while {count:,} orders are being committed")
        with Child(workshop, normalise_timed, str(home)) as child:
            child.step()
            finished = threading.Event()
            steps = []

            def commit() -> None:
                try:
                    steps.append(child.step())
                finally:
                    finished.set()

            committing = threading.Thread(target=commit)
            committing.start()
            busy = _until(client, known, finished)
            committing.join()
    (step,) = steps
    held, committed = step.value["held_ms"], step.value["committed"]
    assert committed >= count, committed
    size = f"{len(busy):,} while {committed:,}"
    figures = [
        Figure(
            benchmark=f"acknowledging while orders are committed, {name}",
            size=size,
            value=percentile(busy, share),
            unit="ms",
            reference=percentile(idle, share),
            against="nobody else writes",
            target=target,
        )
        for name, share, target in (("p50", 0.5, None), ("p99", 0.99, LATENCY), ("max", 1.0, None))
    ]
    transactions = f"{len(held):,} transactions"
    return [
        *figures,
        Figure(benchmark="write lock held, longest", size=transactions, value=max(held), unit="ms", target=LOCK),
        Figure(benchmark="write lock held, median", size=transactions, value=median(held), unit="ms"),
        Figure(
            benchmark="write lock held, share of the time",
            size=transactions,
            value=sum(held) / step.wall_seconds / 10,
            unit="%",
        ),
    ]


def _after(seconds: float) -> threading.Event:
    over = threading.Event()
    timer = threading.Timer(seconds, over.set)
    timer.daemon = True
    timer.start()
    return over


def _until(client: httpx.Client, known: int, over: threading.Event) -> list[float]:
    """Acknowledge one order after the other; returns the latencies in milliseconds."""
    chance = random.Random(4)
    latencies: list[float] = []
    while not over.is_set() or not latencies:
        number = len(latencies)
        item = {"id": order_id(chance.randrange(known)), "outcome": "ok", "order_number": f"SO-{number}"}
        began = time.perf_counter()
        answer = client.post("/v1/orders/acknowledgements", json={"acknowledgements": [item]})
        latencies.append((time.perf_counter() - began) * 1000)
        answer.raise_for_status()
    return latencies


def normalise_timed(home: str, database_url: str | None = None) -> Generator[object, None, None]:
    """Task: open the installation; normalise, noting how long each write transaction held the lock."""
    held: list[float] = []
    write = Ledger.write

    @contextlib.contextmanager
    def timed(ledger: Ledger) -> Iterator[Connection]:
        began = 0.0
        try:
            with write(ledger) as connection:
                began = time.perf_counter()
                yield connection
        finally:
            held.append((time.perf_counter() - began) * 1000)

    with installed(Path(home), database_url) as installation:
        Ledger.write = timed  # type: ignore[assignment] # the only way to see the lock from inside
        yield None
        tally = normalise_pending(installation)
        yield {"held_ms": held, "committed": tally["new"]}
