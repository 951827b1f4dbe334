"""Retired orders: what they take of the ledger, and how long the API's reads of them take.

Every closed order of a made-up book is retired by `warehouse.lake.retirement.retire`. Then single orders and pages are read as
the API reads them, in a process of its own that opens the lake anew: retired ones, and as the reference whole ones.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Generator
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from tests.benchmarks.filling import fill_book, fill_raw, installed
from tests.benchmarks.measuring import Child, Figure, Target, Workshop, percentile
from warehouse import documents
from warehouse.lake.lake import open_lake
from warehouse.lake.publishing import publish, published_through
from warehouse.lake.retirement import retire
from warehouse.ledger.base.schema import order_versions, orders, parties, raw_orders
from warehouse.ledger.book import order_queries
from warehouse.ledger.book.order_filter import Key, OrderFilter, Sort
from warehouse.ledger.book.retirement import Ripeness, count_due

READ = Target("<=", 100)
READS = 100
PAGE = 100
SHAPE = order_queries.redacted_texts(*documents.redacted_end("/v1/orders"))

OF_PERSONAL = (
    sa.update(orders).values(pii_state="expired", raw_seq=orders.c.position),
    sa.update(orders)
    .where(orders.c.status.in_(["SHIPPED", "CANCELED"]))
    .values(closed_at=orders.c.marketplace_updated_at),
    sa.delete(parties),
    sa.delete(order_versions),
    sa.update(raw_orders).values(body=None),
)
"""What the daily jobs leave of old orders."""


def measure(workshop: Workshop) -> list[Figure]:
    """Bytes before and after, orders retired a second, and reads of retired orders beside those of whole ones."""
    count = workshop.sizes.published
    home = workshop.fresh("home")
    with installed(home) as installation:
        fill_book(installation, count, workshop.say)
        fill_raw(installation, count, workshop.say)
        with installation.ledger.write() as transaction:
            for each in OF_PERSONAL:
                transaction.execute(each)
        with open_lake(installation.settings) as lake:
            workshop.say("publishing")
            publish(installation.ledger, lake, installation.clock())
            ripe = Ripeness.of(installation.clock() - timedelta(days=30), published_through(lake))
            with installation.ledger.read() as transaction:
                due = count_due(transaction, ripe)
            before = _bytes_of(home)
            workshop.say(f"retiring {due:,} orders")
            began = time.perf_counter()
            gone = retire(installation.ledger, lake, ripe, installation.clock())
            seconds = time.perf_counter() - began
    assert gone == due, (gone, due)
    after = _bytes_of(home)
    with Child(workshop, read_orders, str(home)) as child:
        child.step()
        taken = {name: child.step().value for name in ("retired", "whole", "retired page", "whole page")}
    size = f"{count:,}"
    whole_bytes = before / count
    return [
        Figure(
            benchmark="retired: ledger a closed order",
            size=size,
            value=(after - (count - gone) * whole_bytes) / gone,
            unit="bytes",
            reference=whole_bytes,
            against="before",
        ),
        Figure(benchmark="retired: orders retired", size=size, value=gone / seconds, unit="orders/s"),
        _reads("retired: one order, p95", size, taken["retired"], taken["whole"]),
        _reads(f"retired: page of {PAGE}, p95", size, taken["retired page"], taken["whole page"]),
    ]


def _reads(name: str, size: str, ours: list[float], whole: list[float]) -> Figure:
    reference, against = percentile(whole, 0.95), "whole orders"
    value = percentile(ours, 0.95)
    return Figure(benchmark=name, size=size, value=value, unit="ms", reference=reference, against=against, target=READ)


def read_orders(home: str) -> Generator[object, None, None]:
    """Task: open the installation; read single orders, then pages, retired and whole: milliseconds each."""
    chance = random.Random(1)
    with installed(Path(home)) as installation, installation.ledger.read() as transaction:
        rows = transaction.execute(sa.select(orders.c.id, orders.c.purchased_at, orders.c.facts == "")).all()
        retired = [(own_id, at) for own_id, at, is_retired in rows if is_retired]
        whole = [(own_id, at) for own_id, at, is_retired in rows if not is_retired]
        statuses = {"retired": frozenset({"SHIPPED", "CANCELED"}), "whole": frozenset({"WAITING_FOR_SHIPMENT"})}

        def one(own_id: str) -> None:
            assert order_queries.by_id(SHAPE, transaction, own_id, None) is not None

        def page(wanted: OrderFilter, after: Key) -> None:
            assert order_queries.page(SHAPE, transaction, wanted, Sort.OLDEST, after, PAGE).rows

        one(retired[0][0])  # opens the lake
        yield None
        for of in (retired, whole):
            yield [_timed(one, own_id) for own_id, _ in chance.sample(of, min(READS, len(of)))]
        for name, of in (("retired", retired), ("whole", whole)):
            wanted = OrderFilter(statuses=statuses[name])
            places = chance.sample(of[: -PAGE - 1], min(READS, len(of) - PAGE - 1))
            yield [_timed(page, wanted, Key(purchased_at=at, id=own_id)) for own_id, at in places]


def _timed(read: Callable[..., None], *arguments: object) -> float:
    began = time.perf_counter()
    read(*arguments)
    return (time.perf_counter() - began) * 1000


def _bytes_of(home: Path) -> int:
    """Of the ledger once it is compact: a page that was let go of is used again."""
    database = sqlite3.connect(home / "ledger.sqlite", isolation_level=None)
    database.execute("VACUUM")
    size = database.execute("SELECT sum(pgsize) FROM dbstat").fetchone()[0]
    database.close()
    return int(size)
