"""From the ledger to the lake: what changed since the last time, in batches, each with its mark in one transaction.

Killed at any instant, it simply runs again. Rows travel ledger → Arrow → DuckDB and never through a DuckDB that reads
the ledger's SQLite file itself: a second SQLite library in one process breaks the first one's file locks. What of the ledger is
published is in `origins`; how a row is converted is in `conversions`; tidying files up is in `maintenance`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from warehouse.lake import definitions
from warehouse.lake.arrivals import arrived_rows, arrow_table, insert, plain, scan
from warehouse.lake.attachment import quoted
from warehouse.lake.definitions import statement
from warehouse.lake.order_tables import FROM_COLUMNS, documents_statement
from warehouse.lake.origins import (
    LATE_COMMIT,
    LOGS,
    ORDERS_PER_BATCH,
    RECENT,
    LedgerReach,
    Log,
    Recent,
    changed_since,
    reach,
    remember,
)
from warehouse.lake.outages import LakeError
from warehouse.lake.retirement import with_retired
from warehouse.ledger.base.database import PRODUCTS, mark
from warehouse.ledger.base.schema import channels, connections, order_versions, orders, products, pulls
from warehouse.ledger.book.payload_dictionaries import texts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from duckdb import DuckDBPyConnection
    from sqlalchemy.engine import Connection as Transaction

    from warehouse.lake.lake import Lake
    from warehouse.ledger.base.database import Ledger

    Progress = Callable[[str, int], None]
    Step = Callable[[DuckDBPyConnection], int]
    Transact = Callable[[Callable[[DuckDBPyConnection], Any]], Any]

LATE_PULLS = 1_000
"""Ids below the newest that are read again, because PostgreSQL hands out ids before the commit."""

NOT_EMPTY = -1
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KEPT_HERE = {"order_versions": order_versions.c.position, "pulls": pulls.c.id}
"""What the ledger lets go of in time: a rebuild keeps the rows that only the lake still has."""
UNCHANGING = frozenset({"raw_orders", "retired_orders"})
"""What the ledger lets go of here and there, and does not have any more: a rebuild leaves it as it is."""


class LakeAheadError(LakeError):
    """The lake holds what the ledger does not: the ledger was restored from a backup, or the lake is another one's."""


@dataclass(frozen=True, slots=True)
class Published:
    """What one publish wrote.

    Attributes:
        counts: Rows per table; empty when there was nothing to publish.
        expected: How far the ledger was when publishing began, by table.
    """

    counts: Mapping[str, int]
    expected: Mapping[str, int]


_ORDER_COLUMNS = tuple(orders.c[name] for name in (*FROM_COLUMNS, "facts"))
_CHANNEL_COLUMNS = (*channels.columns, connections.c.kind.label("connection_kind"))


def publish(ledger: Ledger, lake: Lake, now: datetime, progress: Progress | None = None) -> Published:
    """Bring the lake up to the ledger; writes nothing, not even a snapshot, when there is nothing new.

    Args:
        ledger: Read in short transactions.
        lake: Written in short transactions.
        now: Recorded beside the marks.
        progress: Told the table and how many of its rows were written so far, after each batch.

    Raises:
        LakeAheadError: The lake holds more than the ledger ever had.
        LakeBusyError: Another publish was always first.
    """
    publication = _Publication(ledger, now, progress or (lambda _table, _rows: None))
    before = publication.run(lake.duck, lake.transaction)
    return _published(ledger, publication, before, now)


def rebuild(ledger: Ledger, lake: Lake, now: datetime, progress: Progress | None = None) -> Published:
    """Empty the lake and publish everything again, in one transaction: until it ends, readers see the old lake.

    Payloads, versions and pulls that the ledger no longer has are kept. Arguments and errors as in `publish`.
    """

    def work(duck: DuckDBPyConnection) -> tuple[_Publication, LedgerReach]:
        _empty(duck, ledger)
        publication = _Publication(ledger, now, progress or (lambda _table, _rows: None))
        return publication, publication.run(duck, lambda each: each(duck))

    return _published(ledger, *lake.transaction(work), now)


def _published(ledger: Ledger, publication: _Publication, before: LedgerReach, now: datetime) -> Published:
    with ledger.write() as transaction:
        remember(transaction, before, now)
    return Published(dict(publication.counts), {"orders": before.orders, "raw_orders": before.raw_orders})


def published_through(lake: Lake) -> dict[str, int]:
    """How far each table has come: what the ledger may let go of."""
    return dict(lake.duck.execute("SELECT name, through FROM published").fetchall())


class _Mark(NamedTuple):
    """How far a table has come."""

    through: int
    published_at: datetime | None
    content_hash: str | None


class _Publication:
    """One pass over everything.

    Each step reads its mark inside the transaction that moves it: of two passes at the same time one is refused by
    DuckLake and starts that step again from the other's mark.
    """

    def __init__(self, ledger: Ledger, now: datetime, progress: Progress) -> None:
        self.ledger = ledger
        self.now = now
        self.progress = progress
        self.counts: Counter[str] = Counter()

    def run(self, duck: DuckDBPyConnection, transact: Transact) -> LedgerReach:
        """Do every step, each in what `transact` makes of it; how far the ledger was before."""
        with self.ledger.read() as transaction:
            before = reach(transaction)
        through = dict(duck.execute("SELECT name, through FROM published").fetchall())
        if through["orders"] > before.orders or through["raw_orders"] > before.raw_orders:
            raise LakeAheadError(
                f"the lake is ahead of the ledger (position {through['orders']} of {before.orders}, payload "
                f"{through['raw_orders']} of {before.raw_orders}): if the ledger was restored from a backup, rebuild the lake"
            )
        for log in filter(lambda each: self._has_grown(each, through[each.table.name]), LOGS):
            self._until_done(log.table.name, log.rows, transact, partial(self._log, log=log))
        if through["orders"] < before.orders:
            self._all_orders(transact, before.orders)
        for name, rows in transact(self._small_tables).items():
            self._count(name, rows)
        return before

    def _has_grown(self, log: Log, through: int) -> bool:
        """Whether there is something to publish: a transaction of the lake costs more than this question."""
        with self.ledger.read() as transaction:
            return transaction.execute(sa.select(log.number).where(log.number > through).limit(1)).first() is not None

    def _until_done(self, table: str, full: int, transact: Transact, step: Step) -> None:
        while True:
            rows = transact(step)
            self._count(table, rows)
            if rows < full:
                return

    def _count(self, table: str, rows: int) -> None:
        if rows:
            self.counts[table] += rows
            self.progress(table, self.counts[table])

    def _log(self, duck: DuckDBPyConnection, log: Log) -> int:
        name = log.table.name
        query = (
            sa.select(*plain(log.columns)).where(log.number > _through(duck, name)).order_by(log.number).limit(log.rows)
        )
        rows = self._fetch(query, log.packed)
        if rows:
            columns = tuple(query.selected_columns)
            insert(duck, name, arrived_rows(duck, columns, rows))
            self._move(duck, name, rows[-1][[each.name for each in columns].index(log.number.name)])
        return len(rows)

    def _all_orders(self, transact: Transact, ceiling: int) -> None:
        """Publish the orders up to the position the ledger had when this pass began.

        As long as the lake was empty then and nobody else has moved the mark since, there is nothing to replace: an order
        has one position, so one pass meets it once. Looking for it anyway doubles the time of a first load.
        """
        filled_through = 0
        while True:
            rows, lines, filled_through = transact(
                partial(self._orders, ceiling=ceiling, filled_through=filled_through)
            )
            self._count("orders", rows)
            self._count("order_lines", lines)
            if rows < ORDERS_PER_BATCH:
                return

    def _orders(self, duck: DuckDBPyConnection, ceiling: int, filled_through: int) -> tuple[int, int, int]:
        """One batch: how many orders and lines, and how far the mark has come as far as nobody else has moved it."""
        through = _through(duck, "orders")
        if through >= ceiling:
            return 0, 0, NOT_EMPTY
        query = (
            sa.select(*plain(_ORDER_COLUMNS))
            .where(orders.c.position > through, orders.c.position <= ceiling)
            .order_by(orders.c.position)
            .limit(ORDERS_PER_BATCH)
        )
        rows = self._fetch(query)
        if not rows:
            return 0, 0, NOT_EMPTY
        arrived = with_retired(duck, arrow_table(tuple(query.selected_columns), rows))
        documents = scan(duck, documents_statement(), arrived).to_arrow_table()
        if filled_through != through:
            scan(duck, "DELETE FROM orders WHERE id IN (SELECT id FROM arrived)", documents)
            scan(duck, "DELETE FROM order_lines WHERE order_id IN (SELECT id FROM arrived)", documents)
        duck.execute(statement("conversions", "amount"))
        insert(duck, "orders", documents)
        lines = insert(duck, "order_lines", documents)
        reached = arrived["position"][-1].as_py()
        self._move(duck, "orders", reached)
        return len(rows), lines, reached if filled_through == through else NOT_EMPTY

    def _small_tables(self, duck: DuckDBPyConnection) -> dict[str, int]:
        """Everything that is small between two publishes, in one transaction: an idle publish costs one."""
        rows = duck.execute("SELECT name, through, published_at, content_hash FROM published").fetchall()
        marks = {name: _Mark(*mark) for name, *mark in rows}
        counts: dict[str, int] = {}
        for recent in RECENT:
            counts |= self._recent(duck, recent, marks[recent.table.name])
        return {
            **counts,
            "pulls": self._pulls(duck, marks["pulls"]),
            "channels": self._channels(duck, marks["channels"]),
        }

    def _recent(self, duck: DuckDBPyConnection, recent: Recent, known: _Mark) -> dict[str, int]:
        """Publish the rows that changed since a little before the last time and differ from what is here."""
        name = recent.table.name
        with self.ledger.read() as transaction:
            newest = mark(transaction, PRODUCTS) if recent.table is products else _microseconds(self.now)
            if newest == known.through:
                return {}
            is_recent = [] if known.published_at is None else [changed_since(recent, known.published_at - LATE_COMMIT)]
            query = sa.select(*plain(tuple(recent.table.columns))).where(*is_recent)
            if recent.wanted is not None:
                query = query.where(recent.wanted)
            if transaction.execute(query.limit(1)).first() is None:
                return {}
            _stage(duck, name, transaction, query)
            if recent.part is not None:
                parts = sa.select(*plain(tuple(recent.part.table.columns))).join_from(recent.part.table, recent.table)
                _stage(duck, recent.part.table.name, transaction, parts.where(*is_recent), into="staged_parts")
        keys = ", ".join(recent.keys)
        duck.execute(
            f"CREATE OR REPLACE TEMP TABLE fresh AS FROM staged EXCEPT ALL "  # noqa: S608 - our names
            f"(FROM {name} WHERE ({keys}) IN (SELECT ({keys}) FROM staged))"
        )
        rows = _number(duck, "SELECT count(*) FROM fresh")
        counts = {name: rows}
        if rows:
            duck.execute(f"DELETE FROM {name} WHERE ({keys}) IN (SELECT ({keys}) FROM fresh)")  # noqa: S608 - our names
            duck.execute(f"INSERT INTO {name} FROM fresh")
            if recent.part is not None:
                counts[recent.part.table.name] = _replace_parts(duck, recent.part)
            self._move(duck, name, newest)
        return counts

    def _pulls(self, duck: DuckDBPyConnection, known: _Mark) -> int:
        """Publish the finished pulls; one that finishes after a later one is found because the mark waits for it."""
        low = known.through - LATE_PULLS
        here = {number for (number,) in duck.execute(f"SELECT id FROM pulls WHERE id > {low}").fetchall()}  # noqa: S608 - a number
        columns = plain(tuple(pulls.columns))
        count = 0
        with self.ledger.read() as transaction:
            running = transaction.execute(
                sa.select(sa.func.min(pulls.c.id)).where(pulls.c.id > low, ~_FINISHED)
            ).scalar()
            newest = transaction.execute(sa.select(sa.func.max(pulls.c.id))).scalar() or 0
            query = sa.select(*columns).where(pulls.c.id > low, _FINISHED)
            for rows in transaction.execution_options(yield_per=ORDERS_PER_BATCH).execute(query).partitions():
                fresh = [row for row in rows if row.id not in here]
                count += insert(duck, "pulls", arrived_rows(duck, columns, fresh)) if fresh else 0
        if count:
            self._move(duck, "pulls", newest if running is None else running - 1)
        return count

    def _channels(self, duck: DuckDBPyConnection, known: _Mark) -> int:
        """Replace the channels as a whole when one of them changed."""
        columns = plain(_CHANNEL_COLUMNS)
        with self.ledger.read() as transaction:
            query = sa.select(*columns).join_from(channels, connections).order_by(channels.c.code)
            rows = transaction.execute(query).fetchall()
        digest = hashlib.blake2b(repr([dict(row._mapping) for row in rows]).encode(), digest_size=16).hexdigest()  # noqa: SLF001 - SQLAlchemy's public name
        if known.content_hash == digest or (not rows and known.content_hash is None):
            return 0
        duck.execute("DELETE FROM channels")
        if rows:
            insert(duck, "channels", arrived_rows(duck, columns, rows))
        duck.execute(f"UPDATE published SET content_hash = {quoted(digest)} WHERE name = 'channels'")  # noqa: S608 - a hash
        self._move(duck, "channels", len(rows))
        return len(rows)

    def _fetch(self, query: sa.Select[Any], packed: str | None = None) -> list[Sequence[Any]]:
        """The rows, with a packed column as text."""
        with self.ledger.read() as transaction:
            rows = transaction.execute(query).fetchall()
            if packed is None:
                return list(rows)
            at = list(query.selected_columns.keys()).index(packed)
            read = texts(transaction, [row[at] for row in rows])
        return [(*row[:at], text, *row[at + 1 :]) for row, text in zip(rows, read, strict=True)]

    def _move(self, duck: DuckDBPyConnection, name: str, through: int) -> None:
        duck.execute(
            f"UPDATE published SET through = {through}, published_at = TIMESTAMPTZ {quoted(self.now.isoformat())} "  # noqa: S608
            f"WHERE name = {quoted(name)}"
        )


_FINISHED = pulls.c.outcome != "running"


def _empty(duck: DuckDBPyConnection, ledger: Ledger) -> None:
    with ledger.read() as transaction:
        oldest = {
            name: transaction.execute(sa.select(sa.func.min(number))).scalar() for name, number in KEPT_HERE.items()
        }
    for name in definitions.TABLES:
        if name not in KEPT_HERE and name not in UNCHANGING | {"published"}:
            duck.execute(f"DROP TABLE {name}")
    marks = ", ".join(quoted(name) for name in definitions.MARKS if name not in UNCHANGING)
    duck.execute(
        f"UPDATE published SET through = 0, content_hash = NULL, published_at = NULL WHERE name IN ({marks})"  # noqa: S608
    )
    for name, number in KEPT_HERE.items():
        if oldest[name] is not None:
            duck.execute(f"DELETE FROM {name} WHERE {number.name} >= {oldest[name]}")  # noqa: S608 - our names
    definitions.define(duck)
    for name, number in KEPT_HERE.items():
        kept = _number(duck, f"SELECT coalesce(max({number.name}), 0) FROM {name}")  # noqa: S608 - our names
        duck.execute(f"UPDATE published SET through = {kept} WHERE name = {quoted(name)}")  # noqa: S608 - our names


def _replace_parts(duck: DuckDBPyConnection, part: sa.Column[Any]) -> int:
    """Replace the rows that belong to the `fresh` ones; how many there are now."""
    belonging = f"WHERE {part.name} IN (SELECT id FROM fresh)"  # noqa: S608 - our names
    duck.execute(f"DELETE FROM {part.table.name} {belonging}")  # noqa: S608 - our names
    return _number(duck, f"INSERT INTO {part.table.name} FROM staged_parts {belonging}")


def _stage(
    duck: DuckDBPyConnection, name: str, transaction: Transaction, query: sa.Select[Any], into: str = "staged"
) -> None:
    """Put what the query gives into a temporary table that is shaped like the lake's table, in bounded pieces."""
    duck.execute(f"CREATE OR REPLACE TEMP TABLE {into} AS FROM {name} WITH NO DATA")
    result = transaction.execution_options(yield_per=ORDERS_PER_BATCH).execute(query)
    columns = tuple(query.selected_columns)
    for rows in result.partitions():
        insert(duck, name, arrived_rows(duck, columns, rows), into=into)


def _through(duck: DuckDBPyConnection, name: str) -> int:
    return _number(duck, f"SELECT through FROM published WHERE name = {quoted(name)}")  # noqa: S608 - our names


def _number(duck: DuckDBPyConnection, query: str) -> int:
    row = duck.execute(query).fetchone()
    return int(row[0]) if row else 0


def _microseconds(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(microseconds=1)
