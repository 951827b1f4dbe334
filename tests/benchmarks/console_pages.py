"""The console at a book of any size: how long the server takes for its pages, and what its users cost the users of the API.

Measured are API and console as `orders up` runs them, over loopback: every combination of the list's filters with its count,
sorted by purchase and by errors, in an order drawn by lot; the other pages that operators live in; polls of the API with few
matches.
The reference is the plain list in the same run. Then the API is asked for pages of 100 at a fixed rate, which leaves it room,
without anybody at the console and with twenty users who read a page every few seconds; all of them are in processes of their
own. `--store` chooses the database, `--books` a folder where filled books are kept for the next run.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
from collections.abc import Generator, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

import httpx

from orders_pipeline.installation import Installation
from tests.benchmarks.api_reading import serving_apart
from tests.benchmarks.books import filled_book, on_postgresql
from tests.benchmarks.filling import (
    CHANNELS,
    installed,
    order_id,
    original_id,
    purchased_at,
)
from tests.benchmarks.measuring import Child, Figure, Target, Workshop, percentile
from warehouse.clock import iso
from warehouse.ledger.people import sessions, users
from warehouse.ledger.people.users import Role
from warehouse.ledger.settings import tokens
from warehouse.ledger.settings.tokens import Scope

SERVED_WITHIN = Target("<=", 50)
USERS = 20
THINKING_SECONDS = 5.0
API_REQUESTS_PER_SECOND = 20
COMBINATIONS = {2_000: 60, 100_000: 400, 1_000_000: 600}
"""How many of the combinations are asked for, by the size of the book."""
PAGES = 60


def measure(workshop: Workshop) -> list[Figure]:
    """The pages on each database, and the API beside them."""
    count = workshop.sizes.served
    home = filled_book(workshop, count)
    figures: list[Figure] = []
    if "sqlite" in workshop.stores:
        figures += measure_store(workshop, home, None, count)
    if "postgresql" in workshop.stores:
        with on_postgresql(workshop, home, count) as url:
            if url is not None:
                figures += measure_store(workshop, home, url, count)
    return figures


def measure_store(workshop: Workshop, home: Path, url: str | None, count: int) -> list[Figure]:
    """The pages of a book that is filled."""
    store = "PostgreSQL" if url else "SQLite"
    with installed(home, url) as installation:
        cookie, token = _people(installation)
    chosen = _combinations(count)
    lists = {
        "console: list, every combination of filters": ["/console/orders?" + urlencode(each) for each in chosen],
        "console: order": [f"/console/orders/{order_id(each)}" for each in _some(count)],
        "console: order by its marketplace's id": [
            f"/console/orders?search={original_id(each)}" for each in _some(count)
        ],
        "console: incidents": ["/console/incidents"] * PAGES,
        "console: shipments": ["/console/shipments"] * PAGES,
        "console: files": ["/console/files"] * PAGES,
        "console: overview": ["/console/"] * PAGES,
    }
    polls = {f"API: poll by {each}, few matches": each for each in ("received_after", "updated_after")}
    latest = iso(purchased_at(max(0, count - 20)))
    with serving_apart(workshop, home, url) as address:
        with _console(address, cookie) as anna, _api(address, token) as erp:
            workshop.say(f"{store}: pages of the console")
            plain = _ask(anna, ["/console/orders"] * PAGES)
            figures = [
                figure
                for name, paths in lists.items()
                for figure in _figures(name, store, count, _ask(anna, paths), plain)
            ]
            for name, parameter in polls.items():
                taken = _ask(erp, [f"/v1/orders?{parameter}={latest}&limit=100"] * PAGES)
                figures += _figures(name, store, count, taken, _ask(erp, ["/v1/orders?limit=20"] * PAGES))
        workshop.say(f"{store}: the API, without users of the console and with {USERS}")
        return figures + _beside_users(workshop, store, count, address, cookie, token)


def _beside_users(workshop: Workshop, store: str, count: int, address: str, cookie: str, token: str) -> list[Figure]:
    seconds = workshop.sizes.seconds * 4
    paths = [
        f"/v1/orders?{urlencode({'limit': 100, 'purchased_before': iso(purchased_at(each))})}" for each in _some(count)
    ]
    alone: list[float] = []
    together: list[float] = []
    for _ in range(3):  # by turns, so that what else the machine does falls on both
        alone += _paced(workshop, address, token, paths, seconds)
        with Child(workshop, browse, address, cookie, seconds + 5) as users_at_work:
            users_at_work.begin()
            time.sleep(1.5)  # until its interpreter has started
            together += _paced(workshop, address, token, paths, seconds)
            users_at_work.end()
    return [
        Figure(
            benchmark=f"API: page of 100 beside {USERS} users of the console, {name}, {store}",
            size=f"{count:,}",
            value=percentile(together, share),
            unit="ms",
            reference=percentile(alone, share),
            against="nobody at the console",
        )
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]


def _paced(workshop: Workshop, address: str, token: str, paths: Sequence[str], seconds: float) -> list[float]:
    with Child(workshop, read_at_a_rate, address, token, paths, seconds) as reader:
        return list(reader.step().value)


def read_at_a_rate(address: str, token: str, paths: Sequence[str], seconds: float) -> Generator[object, None, None]:
    """Task: ask the API at a fixed rate, whatever it takes; milliseconds."""
    yield asyncio.run(_read(address, token, paths, seconds))


async def _read(address: str, token: str, paths: Sequence[str], seconds: float) -> list[float]:
    taken: list[float] = []

    async def ask(client: httpx.AsyncClient, path: str) -> None:
        began = time.perf_counter()
        (await client.get(path)).raise_for_status()
        taken.append((time.perf_counter() - began) * 1000)

    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=30) as client, asyncio.TaskGroup() as tasks:
        for path, _ in zip(itertools.cycle(paths), range(int(seconds * API_REQUESTS_PER_SECOND)), strict=False):
            tasks.create_task(ask(client, path))
            await asyncio.sleep(1 / API_REQUESTS_PER_SECOND)
    return taken


def browse(address: str, cookie: str, seconds: float) -> Generator[object, None, None]:
    """Task: twenty users, each of whom reads a page, thinks, and reads the next."""
    yield asyncio.run(_browse(address, cookie, seconds))


async def _browse(address: str, cookie: str, seconds: float) -> int:
    until, read = time.monotonic() + seconds, 0
    chance = random.Random(4)
    lists = ("/console/orders", "/console/orders?status=WAITING_FOR_SHIPMENT", "/console/orders?has_errors=true")
    paths = [*lists, "/console/incidents"]

    async def use(client: httpx.AsyncClient) -> None:
        nonlocal read
        await asyncio.sleep(chance.random() * THINKING_SECONDS)
        while time.monotonic() < until:
            (await client.get(chance.choice(paths))).raise_for_status()
            read += 1
            await asyncio.sleep(chance.uniform(0.5, 1.5) * THINKING_SECONDS)

    cookies = {"orders_session": cookie}
    async with httpx.AsyncClient(base_url=address, cookies=cookies, timeout=30) as client, asyncio.TaskGroup() as tasks:
        for _ in range(USERS):
            tasks.create_task(use(client))
    return read


def _ask(client: httpx.Client, paths: Sequence[str]) -> list[float]:
    """The milliseconds of each answer."""
    taken = []
    for path in paths:
        began = time.perf_counter()
        answer = client.get(path)
        taken.append((time.perf_counter() - began) * 1000)
        assert answer.status_code in {200, 303}, (path, answer.status_code)
    return taken


def _figures(name: str, store: str, count: int, taken: Sequence[float], plain: Sequence[float]) -> list[Figure]:
    return [
        Figure(
            benchmark=f"{name}, {share_name}, {store}",
            size=f"{count:,}",
            value=percentile(taken, share),
            unit="ms",
            reference=percentile(plain, share),
            against="the plain list",
            target=SERVED_WITHIN if share_name == "p95" else None,
        )
        for share_name, share in (("p50", 0.5), ("p95", 0.95))
    ]


def _combinations(count: int) -> list[list[tuple[str, str]]]:
    """Filters, two ways to sort, and ranges of arrivals from a day to half of the book: drawn by lot."""
    first, last = purchased_at(0), purchased_at(count)
    span = last - first
    ranges: list[dict[str, str]] = [
        {},
        {"received_after": iso(last - timedelta(days=1))},
        {"received_after": iso(last - span / 12)},
        {"received_after": iso(first), "received_before": iso(first + span / 2)},
        {"received_after": iso(first + span / 3), "received_before": iso(first + span / 2)},
    ]
    statuses = [[("status", each)] for each in ("SHIPPED", "REFUSED", "UNKNOWN")]
    choices: Sequence[Sequence[Sequence[tuple[str, str]]]] = (
        [[], *statuses, _repeated("status", "WAITING_FOR_SHIPMENT", "PENDING")],
        [[], [("channel", CHANNELS[0])], _repeated("channel", *CHANNELS[1:3])],
        [[], [("marketplace", "Shop FR")]],
        [list(each.items()) for each in ranges],
        [[], [("has_errors", "true")], [("has_errors", "false")]],
        [[], [("cancellation_requested", "true")]],
        [[], [("fulfilled_by", "marketplace")], [("fulfilled_by", "none")]],
        [[], [("sort", "-has_errors")]],
    )
    every = [list(itertools.chain(*each)) for each in itertools.product(*choices)]
    return random.Random(5).sample(every, COMBINATIONS.get(count, 400))


def _repeated(name: str, *values: str) -> list[tuple[str, str]]:
    return [(name, each) for each in values]


def _some(count: int) -> list[int]:
    chance = random.Random(6)
    return [chance.randrange(count) for _ in range(PAGES)]


def _people(installation: Installation) -> tuple[str, str]:
    """A session of somebody who may see everything, and a token of the API."""
    now, name = (
        installation.clock(),
        f"anna{random.SystemRandom().randrange(10**6)}",
    )  # a kept book has those of earlier runs
    with installation.ledger.write() as transaction:
        user = users.add(transaction, name, Role.ADMIN, None, now, may_see_personal_data=False)
        cookie = sessions.open_session(transaction, user, "127.0.0.1", now)
        token = tokens.create(transaction, name, [Scope.ORDERS_READ], None, None, now)[1]
    return cookie, token


@contextlib.contextmanager
def _console(address: str, cookie: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, cookies={"orders_session": cookie}, timeout=60) as client:
        yield client


@contextlib.contextmanager
def _api(address: str, token: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        yield client
