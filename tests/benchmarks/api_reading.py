"""Reading over the Orders API: requests a second and latency of a page of 100, 100 of the change feed, and one order.

Measured is `orders api` as users run it, one process over each database, loaded by `wrk` over four kept-open connections (by
an asyncio client of our own where `wrk` is not installed, which is slower than the server). Requests walk all over
the book, so that no page is asked for twice in a row. The reference is a bare FastAPI application under the same
server that answers the same number of constant bytes; for a page also Datasette, which gives the bare rows of as many
orders out of the same file. On PostgreSQL they are measured with 1, 2 and 4 workers too, over as many connections as keep four
busy; the reference of each is the one with 1.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import httpx
from fastapi import FastAPI, Response

from orders_pipeline.installation import Installation
from tests.benchmarks.books import filled_book, on_postgresql
from tests.benchmarks.filling import environment_of, installed, order_id, purchased_at
from tests.benchmarks.measuring import (
    LOOPBACK,
    MEGABYTE,
    REPEATS,
    Child,
    Figure,
    Target,
    Workshop,
    free_port,
    median,
    memory_bytes,
    percentile,
    server,
)
from warehouse.clock import iso
from warehouse.ledger.settings import tokens
from warehouse.ledger.settings.tokens import Scope

CROWD = 200
CONNECTIONS = 4
"""Enough to keep one process busy; more of them only wait for each other."""

WORKERS = (1, 2, 4)
CONNECTIONS_OF_WORKERS = 16

PATHS = 1_000
WARM_UP_SECONDS = 1
RATE, RATE_OF_ONE = Target(">=", 500), Target(">=", 2_500)
LATENCY = Target("<=", 25)
MEMORY = Target("<=", 150)
BYTES_VARIABLE = "BENCHMARK_BYTES"
LUA = """
local paths = {}
for line in io.lines("%s") do paths[#paths + 1] = line end
local at = 0
request = function() at = at %% #paths + 1; return wrk.format("GET", paths[at]) end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What a load came to; latencies in milliseconds."""

    rate: float
    p50: float
    p99: float


def measure(workshop: Workshop) -> list[Figure]:
    """Reads on each database, and the memory of the server after them."""
    served = workshop.sizes.served
    home = filled_book(workshop, served)
    figures: list[Figure] = []
    if "sqlite" in workshop.stores:
        figures += _measure_store(workshop, home, None)
        figures += _beside_datasette(workshop, home, figures[0])
    if "postgresql" in workshop.stores:
        with on_postgresql(workshop, home, served) as url:
            if url is not None:
                figures += _measure_store(workshop, home, url)
                figures += _measure_workers(workshop, home, url)
    return figures


def _measure_workers(workshop: Workshop, home: Path, database_url: str) -> list[Figure]:
    served = workshop.sizes.served
    with installed(home, database_url) as installation:
        token = make_token(installation)
    reads = {"page of 100": _pages(served), "one order": _orders(served)}
    rates: dict[str, dict[int, list[float]]] = {name: {count: [] for count in WORKERS} for name in reads}
    for _ in range(REPEATS):
        for count in WORKERS:
            workshop.say(f"API, PostgreSQL: {count} workers")
            with serving(workshop, home, database_url, count) as (url, _):
                for name, paths in reads.items():
                    rates[name][count].append(_load(workshop, url, paths, token, CONNECTIONS_OF_WORKERS).rate)
    return [
        Figure(
            benchmark=f"API: {name}, PostgreSQL, {count} workers",
            size=f"{served:,}",
            value=median(found),
            unit="requests/s",
            reference=median(counts[1]),
            against="1 worker",
        )
        for name, counts in rates.items()
        for count, found in counts.items()
    ]


def _measure_store(workshop: Workshop, home: Path, database_url: str | None) -> list[Figure]:
    served, store = workshop.sizes.served, "PostgreSQL" if database_url else "SQLite"
    with installed(home, database_url) as installation:
        token, personal = make_token(installation), make_token(installation, Scope.ORDERS_READ_PII)
    reads = (
        ("page of 100", _pages(served), token, RATE, LATENCY),
        ("page of 100 with personal data", _pages(served), personal, None, LATENCY),
        ("feed of 100", _feeds(served), token, RATE, None),
        ("one order", _orders(served), token, RATE_OF_ONE, None),
    )
    figures: list[Figure] = []
    with serving(workshop, home, database_url) as (url, pid):
        for name, paths, own_token, rate, latency in reads:
            body_bytes = len(_answer(url, paths[0], own_token))
            workshop.say(f"API, {store}: {name}, {body_bytes:,} bytes")
            ours = [_load(workshop, url, paths, own_token) for _ in range(REPEATS)]
            with _bare(workshop, body_bytes) as bare_url:
                bare = [_load(workshop, bare_url, paths, own_token) for _ in range(REPEATS)]
            figures += _figures(f"{name}, {store}", served, ours, bare, rate, latency)
        figures.append(_memory(f"API: memory of the process, {store}", served, pid))
        _load(workshop, url, _pages(served), token, CROWD)
        figures.append(_memory(f"API: memory of the process, after {CROWD} clients at once, {store}", served, pid))
        with ThreadPoolExecutor(1) as beside:
            download = beside.submit(_download, url, token)
            _load(workshop, url, _pages(served), token, CROWD)
            download.result()
        figures.append(_memory(f"API: memory of the process, a Parquet download beside them, {store}", served, pid))
    return figures


def _download(url: str, token: str) -> None:
    """Take the whole book as Parquet, and keep none of it."""
    asked = {"format": "parquet"}
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.stream("GET", f"{url}/v1/orders/export", params=asked, headers=headers, timeout=600) as answer:
        answer.raise_for_status()
        for _ in answer.iter_raw():
            pass


def _memory(name: str, served: int, pid: int) -> Figure:
    peak = memory_bytes(pid, "VmHWM") / MEGABYTE
    return Figure(benchmark=name, size=f"{served:,}", value=peak, unit="MB", target=MEMORY)


def _beside_datasette(workshop: Workshop, home: Path, page: Figure) -> list[Figure]:
    """Our pages beside a hundred rows of the same table by Datasette, without counts and facets."""
    workshop.say("Datasette: 100 rows of the orders")
    chance = random.Random(1)
    served = workshop.sizes.served
    befores = [iso(purchased_at(chance.randrange(min(100, served - 1), served))) for _ in range(PATHS)]
    asked = {"_size": 100, "_nocount": 1, "_shape": "array", "_sort_desc": "purchased_at"}
    paths = [f"/ledger/orders.json?{urlencode({**asked, 'purchased_at__lt': each})}" for each in befores]
    port = free_port()
    command = [
        *(sys.executable, "-m", "datasette", "serve", "--port", str(port)),
        *("--setting", "num_sql_threads", "1", str(home / "ledger.sqlite")),
    ]
    with server(workshop, command, f"http://{LOOPBACK}:{port}/-/versions.json", {}):
        theirs = [_load(workshop, f"http://{LOOPBACK}:{port}", paths, "") for _ in range(REPEATS)]
    return [
        Figure(
            benchmark=page.benchmark,
            size=page.size,
            value=page.value,
            unit=page.unit,
            reference=median([each.rate for each in theirs]),
            against="Datasette, as many rows",
        )
    ]


def make_token(installation: Installation, *more: Scope) -> str:
    """A token of a consumer called erp, who may read orders."""
    name = f"erp{random.SystemRandom().randrange(10**6)}"  # a kept book has those of earlier runs
    with installation.ledger.write() as transaction:
        return tokens.create(transaction, name, [Scope.ORDERS_READ, *more], None, None, installation.clock())[1]


@contextlib.contextmanager
def serving(
    workshop: Workshop, home: Path, database_url: str | None = None, workers: int = 1
) -> Iterator[tuple[str, int]]:
    """The API of an installation, without a limit per token; yields its URL and its process."""
    url, environment = _place(home, database_url)
    environment["ORDERS_API_WORKERS"] = str(workers)
    with server(workshop, [sys.executable, "-m", "orders_api"], f"{url}/healthz", environment) as pid:
        yield url, pid


@contextlib.contextmanager
def serving_apart(workshop: Workshop, home: Path, database_url: str | None = None) -> Iterator[str]:
    """API and console in two processes at one address, as `orders up` runs them; yields their URL."""
    url, environment = _place(home, database_url)
    program = [sys.executable, "-m", "orders_api"]
    ours, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, other:
        api, console = ([*program, name, str(end.fileno())] for name, end in (("api", ours), ("console", other)))
        with (
            server(workshop, api, f"{url}/healthz", environment, [ours.fileno()]),
            server(workshop, console, f"{url}/console/log-in", environment, [other.fileno()]),
        ):
            yield url


def _place(home: Path, database_url: str | None) -> tuple[str, dict[str, str]]:
    port = free_port()
    own = {"ORDERS_API_PORT": str(port), "ORDERS_API_REQUESTS_PER_MINUTE": str(10**9)}
    return f"http://{LOOPBACK}:{port}", {**environment_of(home, database_url), **own}


@contextlib.contextmanager
def _bare(workshop: Workshop, body_bytes: int) -> Iterator[str]:
    port = free_port()
    command = [
        *(sys.executable, "-m", "uvicorn", "tests.benchmarks.api_reading:bare_app", "--factory"),
        *("--port", str(port), "--no-access-log", "--no-server-header"),
    ]
    url = f"http://{LOOPBACK}:{port}"
    with server(workshop, command, url, {BYTES_VARIABLE: str(body_bytes)}):
        yield url


def bare_app() -> FastAPI:
    """The reference: any path answers the same bytes, asynchronously, without a thread or a store."""
    body = b"x" * int(os.environ[BYTES_VARIABLE])
    app = FastAPI()

    @app.get("/{path:path}")
    async def constant(path: str) -> Response:
        del path
        return Response(body, media_type="application/json")

    return app


def _figures(
    name: str, served: int, ours: Sequence[Load], bare: Sequence[Load], rate: Target | None, latency: Target | None
) -> list[Figure]:
    figures = [
        Figure(
            benchmark=f"API: {name}",
            size=f"{served:,}",
            value=median([each.rate for each in ours]),
            unit="requests/s",
            reference=median([each.rate for each in bare]),
            against="bare FastAPI, as many bytes",
            target=rate,
        )
    ]
    for share, target in (("p50", None), ("p99", latency)):
        figures.append(
            Figure(
                benchmark=f"API: {name}, {share}",
                size=f"{served:,}",
                value=median([getattr(each, share) for each in ours]),
                unit="ms",
                reference=median([getattr(each, share) for each in bare]),
                against="bare FastAPI, as many bytes",
                target=target,
            )
        )
    return figures


def _pages(served: int) -> list[str]:
    """Pages of 100 that begin all over the book, newest first."""
    chance = random.Random(1)
    first = min(100, served - 1)
    befores = [iso(purchased_at(chance.randrange(first, served))) for _ in range(PATHS)]
    return [f"/v1/orders?{urlencode({'limit': 100, 'purchased_before': each})}" for each in befores]


def _feeds(served: int) -> list[str]:
    chance = random.Random(2)
    return [f"/v1/orders/changes?after={chance.randrange(max(1, served - 100))}&limit=100" for _ in range(PATHS)]


def _orders(served: int) -> list[str]:
    chance = random.Random(3)
    return [f"/v1/orders/{order_id(chance.randrange(served))}" for _ in range(PATHS)]


def _answer(url: str, path: str, token: str) -> bytes:
    answer = httpx.get(f"{url}{path}", headers={"Authorization": f"Bearer {token}"}, timeout=30)
    answer.raise_for_status()
    return answer.content


def _load(workshop: Workshop, url: str, paths: Sequence[str], token: str, clients: int = CONNECTIONS) -> Load:
    listed = workshop.folder / "paths.txt"
    listed.write_text("\n".join(paths))
    if shutil.which("wrk"):
        _wrk(workshop, url, token, WARM_UP_SECONDS, clients)
        return _wrk(workshop, url, token, workshop.sizes.seconds, clients)
    with Child(workshop, asyncio_load, url, str(listed), token, workshop.sizes.seconds, clients) as child:
        return Load(**child.step().value)


def _wrk(workshop: Workshop, url: str, token: str, seconds: int, clients: int) -> Load:
    script = workshop.folder / "paths.lua"
    script.write_text(LUA % (workshop.folder / "paths.txt"))
    command = [
        *("wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--latency", "-s", str(script)),
        *("-H", f"Authorization: Bearer {token}", url),
    ]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", told)
    assert refused is None, told
    rate = re.search(r"Requests/sec:\s+([\d.]+)", told)
    assert rate is not None, told
    return Load(float(rate[1]), _latency(told, "50%"), _latency(told, "99%"))


def _latency(told: str, share: str) -> float:
    found = re.search(rf"^\s+{share}\s+([\d.]+)(us|ms|s)\s*$", told, re.MULTILINE)
    assert found is not None, told
    return float(found[1]) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[found[2]]


def asyncio_load(url: str, paths: str, token: str, seconds: int, clients: int) -> Generator[object, None, None]:
    """Task: what `wrk` does, in Python."""
    yield asyncio.run(_hammer(url, Path(paths).read_text().splitlines(), token, seconds, clients))


async def _hammer(url: str, paths: Sequence[str], token: str, seconds: int, clients: int) -> dict[str, float]:
    latencies: list[float] = []
    until = time.perf_counter() + seconds
    headers = {"Authorization": f"Bearer {token}"}

    async def ask(client: httpx.AsyncClient, first: int) -> None:
        at = first
        while (began := time.perf_counter()) < until:
            (await client.get(paths[at % len(paths)])).raise_for_status()
            latencies.append((time.perf_counter() - began) * 1000)
            at += clients

    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30, limits=limits) as client:
        await asyncio.gather(*(ask(client, each) for each in range(clients)))
    return {
        "rate": len(latencies) / seconds,
        "p50": percentile(latencies, 0.5),
        "p99": percentile(latencies, 0.99),
    }
