"""What grows with the book: the same questions and the same work on a book, and on one of a tenth of its size in the same run.

Lookups of what a sender names, pages, counts and polls, with and without matches, on both databases; on SQLite also the CPU
time and the write-ahead log of a new order that is let in through the front door. A ratio of 1 means that nothing grows.
"""

from __future__ import annotations

import gc
import shutil
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from orders_pipeline.installation import Installation
from tests.benchmarks.books import filled_book, on_postgresql
from tests.benchmarks.filling import CHANNELS, installed, order_id, order_number, original_id, purchased_at
from tests.benchmarks.measuring import Figure, Workshop
from warehouse.ledger.base.database import Ledger
from warehouse.ledger.book import change_feed, order_queries, order_tally, personal_data
from warehouse.ledger.book import orders as book
from warehouse.ledger.book.arrivals import arrive
from warehouse.ledger.book.order_filter import Acknowledged, OrderFilter, ShipBy, Sort, TakenOver
from warehouse.ledger.shipping import shipments
from warehouse.ledger.shipping.open_orders import read_orders
from warehouse.ledger.status import measures
from warehouse.shipment_reports import Sender, ShipmentReport, Source

TAKES = 5
NAMED = 100
PAGE = 100
NEW_ORDERS = 600
CHUNK = 150
CALM = timedelta(minutes=10)
MONTH = timedelta(days=30)

Act = Callable[[Connection], object]


def measure(workshop: Workshop) -> list[Figure]:
    """Each question at both sizes, and new orders."""
    sizes = (workshop.sizes.served // 10, workshop.sizes.served)
    homes = {count: filled_book(workshop, count) for count in sizes}
    found: list[Figure] = []
    if "sqlite" in workshop.stores:
        taken = {count: _asked(workshop, homes[count], None, count) for count in sizes}
        found += _figures("SQLite", sizes, taken)
        found += _new_orders(workshop, homes)
    if "postgresql" in workshop.stores:
        taken = {}
        for count in sizes:
            with on_postgresql(workshop, homes[count], count) as url:
                if url is not None:
                    taken[count] = _asked(workshop, homes[count], url, count)
        if taken:
            found += _figures("PostgreSQL", sizes, taken)
    return found


def _figures(store: str, sizes: tuple[int, int], taken: Mapping[int, Mapping[str, float]]) -> list[Figure]:
    small, large = sizes
    return [
        Figure(
            benchmark=f"{name}, {store}",
            size=f"{large:,}",
            value=taken[large][name],
            unit="ms",
            reference=taken[small][name],
            against=f"{small:,} orders",
        )
        for name in taken[large]
    ]


def _asked(workshop: Workshop, home: Path, url: str | None, count: int) -> dict[str, float]:
    """Milliseconds of each question, the quickest of some takes: what else the machine does only adds."""
    workshop.say(f"{'PostgreSQL' if url else 'SQLite'}: questions to a book of {count:,} orders")
    with installed(home, url) as installation:
        return {name: _quickest(installation.ledger, act) for name, act in _acts(count).items()}


def _quickest(ledger: Ledger, act: Act) -> float:
    taken = []
    for _ in range(TAKES):
        with ledger.read() as transaction:
            began = time.perf_counter()
            act(transaction)
            taken.append((time.perf_counter() - began) * 1000)
    return min(taken)


def _acts(count: int) -> dict[str, Act]:
    now = purchased_at(count)
    own = (CHANNELS[0],)
    named = [ShipmentReport(original_id=original_id(each * len(CHANNELS))) for each in range(min(NAMED, count // 10))]
    filters = {
        "all": OrderFilter(),
        "status that nothing has": OrderFilter(statuses=("UNKNOWN",), channels=own),
        "few of a kind": OrderFilter(statuses=("REFUSED",), fulfilled_by="none"),
        "may ship, refused": OrderFilter(statuses=("REFUSED",), may_ship=True),
        "fulfilled by the marketplace, lately": OrderFilter(fulfilled_by="marketplace", received_after=now - MONTH),
        "shipped, of half of the time": OrderFilter(statuses=("SHIPPED",), received_before=purchased_at(count // 2)),
        "poll by received_after": OrderFilter(received_after=now - CALM),
        "poll by updated_after, one channel": OrderFilter(updated_after=now - CALM, visible_channels=own),
        "changed before, of a tenth of the time": OrderFilter(updated_before=purchased_at(count // 10)),
        "personal data purged": OrderFilter(personal_data_purged=True),
    }
    rare = {
        "country that nothing has": OrderFilter(countries=("XX",)),
        "of a channel without orders": OrderFilter(visible_channels=("nowhere",)),
        "bought first": OrderFilter(purchased_before=purchased_at(50)),
        "personal data purged": OrderFilter(personal_data_purged=True),
        "confirmed": OrderFilter(confirmations=("verified",)),
        "taken over": OrderFilter(acknowledged=Acknowledged("erp", TakenOver.YES)),
        "refused, not historical": OrderFilter(statuses=("REFUSED",), historical=False),
        "overdue": OrderFilter(ship_by=(ShipBy.OVERDUE,), now=now),
    }
    acts: dict[str, Act] = {f"page: {name}": _page(wanted) for name, wanted in filters.items()}
    acts |= {f"count: {name}": _count(wanted) for name, wanted in list(filters.items())[:6]}
    acts |= {f"page by position: {name}": _page(wanted, Sort.POSITION) for name, wanted in rare.items()}
    acts |= {f"page: {name}": _page(rare[name]) for name in ("confirmed", "taken over", "overdue")}
    acts |= {f"count: {name}": _count(rare[name]) for name in ("confirmed", "taken over")}
    return acts | {
        "page by position: few of a kind": _page(filters["few of a kind"], Sort.POSITION),
        "feed, one channel": lambda each: change_feed.changes(order_queries.MEMBERS, each, own, count // 2, PAGE),
        "feed of a channel without orders": lambda each: change_feed.changes(
            order_queries.MEMBERS, each, ("nowhere",), count // 2, PAGE
        ),
        "order": lambda each: order_queries.by_id(order_queries.MEMBERS, each, order_id(count // 3), None),
        f"intake: {NAMED} shipments": lambda each: read_orders(each, _sender(None), named),
        f"intake: {NAMED} shipments, one channel": lambda each: read_orders(each, _sender(own), named),
        f"file of {NAMED} shipments tried, one channel": lambda each: shipments.examine(each, _sender(own), named, now),
        "purge: what is due": lambda each: personal_data.count_due(each, purchased_at(0)),
        "metrics": lambda each: measures.measured(each, now),
    }


def _page(wanted: OrderFilter, sort: Sort = Sort.NEWEST) -> Act:
    return lambda each: order_queries.page(order_queries.MEMBERS, each, wanted, sort, None, PAGE)


def _count(wanted: OrderFilter) -> Act:
    return lambda each: order_tally.count(each, wanted)


def _sender(visible: tuple[str, ...] | None) -> Sender:
    return Sender(consumer="erp", source=Source.API, report_id="r", visible_channels=visible)


def _new_orders(workshop: Workshop, homes: Mapping[int, Path]) -> list[Figure]:
    """What a new order costs: CPU time, and bytes of the write-ahead log."""
    found = {}
    for count, home in homes.items():
        workshop.say(f"SQLite: new orders in a book of {count:,}")
        copy = workshop.fresh("grown")
        shutil.copy(home / "ledger.sqlite", copy)
        found[count] = _let_in(copy, count)
    (small, least), (large, most) = sorted(found.items())
    return [
        Figure(
            benchmark=f"new order, {name}, SQLite",
            size=f"{large:,}",
            value=most[at],
            unit=unit,
            reference=least[at],
            against=f"{small:,} orders",
        )
        for at, (name, unit) in enumerate((("CPU", "µs"), ("write-ahead log", "kB")))
    ]


def _let_in(home: Path, count: int) -> tuple[float, float]:
    with installed(home) as installation:
        engine = installation.ledger.engine
        installation.ledger.close()
        sa.event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA wal_autocheckpoint=0"))
        cpu = min(_settled(installation, count + each * NEW_ORDERS) for each in range(TAKES))
        written = (home / "ledger.sqlite-wal").stat().st_size
    return cpu / NEW_ORDERS * 1e6, written / NEW_ORDERS / TAKES / 1e3


def _settled(installation: Installation, count: int) -> float:
    """CPU seconds of the next new orders; without this process's looks for garbage, which take as long as half of them."""
    made = [order_number(count + each) for each in range(NEW_ORDERS)]
    arrivals = [
        arrive(each, count + at, purchased_at(count + at), is_historical=False) for at, each in enumerate(made, 1)
    ]
    now = purchased_at(count + NEW_ORDERS)
    gc.collect()
    gc.disable()
    began = time.process_time()
    for first in range(0, NEW_ORDERS, CHUNK):
        with installation.ledger.write() as transaction:
            book.lock_book(transaction)
            book.settle(transaction, installation.keys, arrivals[first : first + CHUNK], now)
    taken = time.process_time() - began
    gc.enable()
    return taken
