"""Raw orders into the order book: orders a second from payloads that are in the ledger to orders that are committed.

Measured is `orders_pipeline.stages.normalise.normalise_pending` in a process of its own, over the payloads of every kind
as the sandboxes make them, on SQLite and, where PostgreSQL is installed, on a server of our own that syncs to disk. The
reference is what nobody can go below: parsing the same payloads with orjson and inserting the same bytes into a bare SQLite
table, synced as often.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import uuid
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import orjson
import psycopg

from orders_pipeline.installation import opened
from orders_pipeline.marketplaces.protocol import RawOrder
from orders_pipeline.sandbox.registry import SANDBOXES
from orders_pipeline.stages.normalise import normalise_pending
from tests.benchmarks.filling import fill_book, installed, keep_raw, sandbox_orders, settings_of
from tests.benchmarks.measuring import LOOPBACK, REPEATS, Child, Figure, Step, Target, Workshop, free_port, median

TARGET = Target(">=", 8_000)
MICROSECONDS = 1e6
KINDS = tuple(SANDBOXES)
CORES = len(os.sched_getaffinity(0))


def measure(workshop: Workshop) -> list[Figure]:
    """Both shapes on both databases."""
    figures: list[Figure] = []
    with postgresql(workshop) as server:
        for kind in KINDS:
            figures += _measure_kind(workshop, kind, server)
    return figures


def _measure_kind(workshop: Workshop, kind: str, server: str | None) -> list[Figure]:
    sizes = workshop.sizes
    workshop.say(f"making {sizes.raw:,} {kind} orders")
    raws = sandbox_orders(kind, sizes.raw)
    prepared = workshop.fresh("prepared")
    with installed(prepared) as installation:
        if sizes.book:
            fill_book(installation, sizes.book, workshop.say)
        keep_raw(installation, kind, raws)
    bodies = workshop.fresh("bodies") / "bodies.ndjson"
    bodies.write_bytes(b"\n".join(each.body for each in raws))
    ours, at_once, bare = [], [], []
    for _ in range(REPEATS):
        workshop.say(f"normalising {kind} on SQLite, and the bare cost")
        ours.append(_timed(workshop, workshop.copy(prepared, "home"), None))
        at_once.append(_timed(workshop, workshop.copy(prepared, "home"), None, reading_processes=CORES))
        with Child(workshop, bare_cost, str(bodies), settings_of(prepared).write_chunk) as child:
            child.step()
            bare.append(child.step())
    found = {"SQLite": ours}
    if server is not None:
        workshop.say(f"normalising {kind} on PostgreSQL")
        found["PostgreSQL"] = _on_postgresql(workshop, server, kind, raws)
    return [
        *(
            figure
            for database, steps in found.items()
            for figure in _figures(f"{kind}, {database}", sizes.raw, sizes.book if steps is ours else 0, steps, bare)
        ),
        Figure(
            benchmark=f"normalise + commit, {kind}, SQLite, {CORES} reading processes",
            size=f"{sizes.raw:,} into {sizes.book:,}",
            value=sizes.raw / median([each.wall_seconds for each in at_once]),
            unit="orders/s",
            reference=sizes.raw / median([each.wall_seconds for each in ours]),
            against="one process",
        ),
    ]


def _figures(what: str, count: int, into: int, ours: Sequence[Step], bare: Sequence[Step]) -> list[Figure]:
    size, against = f"{count:,} into {into:,}", "orjson + bare insert"
    return [
        Figure(
            benchmark=f"normalise + commit, {what}",
            size=size,
            value=count / median([each.wall_seconds for each in ours]),
            unit="orders/s",
            reference=count / median([each.wall_seconds for each in bare]),
            against=against,
            target=TARGET,
        ),
        Figure(
            benchmark=f"normalise + commit, {what}, CPU",
            size=size,
            value=median([each.cpu_seconds for each in ours]) / count * MICROSECONDS,
            unit="µs/order",
            reference=median([each.cpu_seconds for each in bare]) / count * MICROSECONDS,
            against=against,
        ),
    ]


def _on_postgresql(workshop: Workshop, server: str, kind: str, raws: Sequence[RawOrder]) -> list[Step]:
    """Every repeat works on a copy of one prepared database; the server's own CPU is not counted."""
    template = create_database(server, "template1")
    with installed(workshop.fresh("home"), f"{server}/{template}") as installation:
        keep_raw(installation, kind, raws)
    return [
        _timed(workshop, workshop.fresh("home"), f"{server}/{create_database(server, template)}")
        for _ in range(REPEATS)
    ]


def _timed(workshop: Workshop, home: Path, database_url: str | None, reading_processes: int = 0) -> Step:
    with Child(workshop, normalise, str(home), database_url, reading_processes) as child:
        child.step()
        step = child.step()
    assert step.value["quarantined"] == 0, step.value
    assert step.value["new"] >= workshop.sizes.raw, step.value
    return step


def normalise(home: str, database_url: str | None, reading_processes: int) -> Generator[object, None, None]:
    """Task: open the installation; bring the book up to date."""
    settings = settings_of(Path(home), database_url).model_copy(update={"reading_processes": reading_processes})
    with opened(settings) as installation:
        yield None
        tally = normalise_pending(installation)
        yield {"new": tally["new"], "quarantined": tally["quarantined"]}


def bare_cost(bodies: str, chunk: int) -> Generator[object, None, None]:
    """Task: read the payloads; parse and insert them, committing every `chunk`."""
    path = Path(bodies)
    payloads = path.read_bytes().splitlines()
    connection = sqlite3.connect(path.with_name("bare.sqlite"), isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("DROP TABLE IF EXISTS bare")
    connection.execute("CREATE TABLE bare (seq INTEGER PRIMARY KEY, body BLOB)")
    yield None
    for first in range(0, len(payloads), chunk):
        part = payloads[first : first + chunk]
        _insert_bare(connection, first, part)
    connection.close()
    yield len(payloads)


def _insert_bare(connection: sqlite3.Connection, first: int, part: Sequence[bytes]) -> None:
    for each in part:
        orjson.loads(each)
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO bare VALUES (?, ?)", list(enumerate(part, first)))
    connection.execute("COMMIT")


@contextlib.contextmanager
def postgresql(workshop: Workshop, kept: Path | None = None) -> Iterator[str | None]:
    """A PostgreSQL server of our own on loopback, with its durable defaults; None where none is installed.

    Args:
        workshop: Where it works.
        kept: A folder with the files of an earlier run, or for a later one; None: they are thrown away.
    """
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    if initdb is None or pg_ctl is None:
        workshop.say("PostgreSQL is not installed: left out")
        yield None
        return
    home = kept or workshop.fresh("postgresql")
    if os.geteuid() == 0:
        workshop.folder.chmod(0o755)
        shutil.chown(home, "postgres", "postgres")
    data, port = home / "data", free_port()
    options = f"-p {port} -c listen_addresses={LOOPBACK} -c unix_socket_directories={home}"
    control = [pg_ctl, "-D", str(data), "-w"]
    if not data.exists():
        _as_postgres([initdb, "-D", str(data), "-U", "postgres", "--auth=trust", "--encoding=UTF8"], home)
    _as_postgres([*control, "-l", str(home / "log"), "-o", options, "start"], home)
    try:
        yield f"postgresql://postgres@{LOOPBACK}:{port}"
    finally:
        _as_postgres([*control, "-m", "fast", "stop"], home)


def _program(name: str) -> str | None:
    known = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return shutil.which(name) or next((str(each) for each in known), None)


def _as_postgres(command: Sequence[str], folder: Path) -> None:
    """Run a program of PostgreSQL, which refuses to run as root."""
    switch = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
    subprocess.run([*switch, *command], check=True, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def create_database(server: str, template: str) -> str:
    """A database on the server, a copy of `template`; its name."""
    name = f"bench_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    return name
