"""Reporting shipments over the Orders API: a thousand a request and one a request, while nobody else writes and while a pull's
orders are being committed by another process, on SQLite and on PostgreSQL.

One consumer sends one request after the other, each shipment a whole order that waits; so each figure is what a request
takes from sending it to the answer, with everything committed. The reference is the same while nobody else writes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import httpx

from orders_pipeline.installation import Installation
from tests.benchmarks.api_reading import serving
from tests.benchmarks.api_writing import normalise_timed
from tests.benchmarks.filling import arrive_waiting, installed, keep_raw, sandbox_orders
from tests.benchmarks.measuring import Child, Figure, Target, Workshop, percentile
from tests.benchmarks.normalising import create_database, postgresql
from warehouse.ledger.settings import tokens
from warehouse.ledger.settings.tokens import Scope

THOUSAND = 1_000
IDLE_REQUESTS = {1: 300, THOUSAND: 8}
"""Requests by the number of shipments in each."""

KIND_WHILE = {1: "mirakl", THOUSAND: "amazon"}
"""Whose orders are committed meanwhile: each load gets some that are not in the book yet."""

MOST_WHILE = {1: 2_000, THOUSAND: 12}
"""Requests at most while others are committed: each needs orders that wait."""

LATENCY = Target("<=", 200)
RATE = Target(">=", 5_000)


def measure(workshop: Workshop) -> list[Figure]:
    """Both loads on both databases."""
    figures = _measured(workshop, "SQLite", None)
    with postgresql(workshop) as server:
        if server is not None:
            figures += _measured(workshop, "PostgreSQL", f"{server}/{create_database(server, 'template1')}")
    return figures


def _measured(workshop: Workshop, database: str, url: str | None) -> list[Figure]:
    home = workshop.fresh("home")
    committed = workshop.sizes.committed
    waiting = sum(size * (IDLE_REQUESTS[size] + MOST_WHILE[size]) for size in IDLE_REQUESTS)
    workshop.say(f"{database}: letting {waiting:,} orders arrive")
    with installed(home, url) as installation:
        ids = iter(arrive_waiting(installation, waiting))
        token = _token(installation)
    figures = []
    with (
        serving(workshop, home, url) as (address, _),
        httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client,
    ):
        for size, requests in IDLE_REQUESTS.items():
            workshop.say(f"{database}: {size} a request, while nobody else writes")
            idle = [_report(client, ids, size) for _ in range(requests)]
            workshop.say(f"{database}: {size} a request, while {committed:,} orders are being committed")
            busy = _while_committing(workshop, home, url, size, partial(_report, client, ids, size))
            figures += _figures(f"reporting shipments, {size:,} a request, {database}", size, idle, busy)
    return figures


def _token(installation: Installation) -> str:
    with installation.ledger.write() as transaction:
        scopes = [Scope.SHIPMENTS_WRITE]
        return tokens.create(transaction, "erp", scopes, None, None, installation.clock())[1]


def _report(client: httpx.Client, ids: Iterator[str], size: int) -> float:
    """Send one request; its milliseconds."""
    items = [
        {"id": each, "tracking_number": f"T-{each[:13]}", "carrier_code": "UPS", "shipping_date": 1767225600000}
        for each in islice(ids, size)
    ]
    assert len(items) == size
    began = time.perf_counter()
    answer = client.post("/v1/shipments", json={"shipments": items})
    took = (time.perf_counter() - began) * 1000
    assert answer.status_code == 202, answer.text
    assert {each["result"] for each in answer.json()["results"]} == {"accepted"}
    return took


def _while_committing(
    workshop: Workshop, home: Path, url: str | None, size: int, report: Callable[[], float]
) -> list[float]:
    """Report without pause while a pull's orders are committed; the milliseconds of every request."""
    with installed(home, url) as installation:
        kind = KIND_WHILE[size]
        keep_raw(installation, kind, sandbox_orders(kind, workshop.sizes.committed))
    with Child(workshop, normalise_timed, str(home), url) as child:
        child.step()
        finished = threading.Event()
        failed: list[BaseException] = []

        def commit() -> None:
            try:
                child.step()
            except BaseException as error:  # noqa: BLE001 - told where it can be seen
                failed.append(error)
            finally:
                finished.set()

        committing = threading.Thread(target=commit)
        committing.start()
        found = [report()]
        while not finished.is_set() and len(found) < MOST_WHILE[size]:
            found.append(report())
        committing.join()
    assert not failed, failed
    return found


def _figures(what: str, size: int, idle: Sequence[float], busy: Sequence[float]) -> list[Figure]:
    figures = [
        Figure(
            benchmark=f"{what}, {name}",
            size=f"{size * len(idle):,}",
            value=percentile(idle, share),
            unit="ms",
        )
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]
    if size == THOUSAND:
        rate = size * 1000 / percentile(idle, 0.5)
        figures.append(
            Figure(benchmark=f"{what}, rate", size=f"{size * len(idle):,}", value=rate, unit="shipments/s", target=RATE)
        )
    target = LATENCY if size == 1 else None
    return figures + [
        Figure(
            benchmark=f"{what}, while orders are committed, {name}",
            size=f"{size * len(busy):,}",
            value=percentile(busy, share),
            unit="ms",
            reference=percentile(idle, share),
            against="nobody else writes",
            target=target if name == "p99" else None,
        )
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]
