"""How many orders there are of each kind: the counts are kept in the transaction that writes the orders.

Whoever writes what orders are counted by says so before: `before_writing`. The counts themselves are written at the end of the
transaction, always in the same order, so that two writers cannot deadlock. What a list asks of them is in
`ledger.book.order_tally`.
"""

from __future__ import annotations

from collections import Counter
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from warehouse.ledger.base.database import at_the_end, insert_of
from warehouse.ledger.base.prepared import Prepared
from warehouse.ledger.base.schema import order_counts, order_counts_zone, order_months, order_totals, orders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.base.database import Ledger

ORDERS_PER_QUERY = 500


class CountedKind(NamedTuple):
    """What an order is counted by, the day apart; each member is a column of `order_counts`."""

    channel: str
    marketplace: str
    status: str
    has_errors: bool
    has_cancellation_request: bool
    fulfilled_by: str
    may_ship: bool


KIND = len(CountedKind._fields)
Counted = tuple[CountedKind, "datetime"]
"""What an order is counted by: its kind, and when it arrived."""
Counts = dict[tuple[CountedKind, date], int]
Sums = dict[tuple[Any, ...], int]
"""A kind, and the period where there is one → how many orders: as the primary keys of the tables have it."""


class CountTable(NamedTuple):
    """A table of counts: the period that it counts a day in, and how that is written for people."""

    table: sa.Table
    period: Callable[[date], tuple[date, ...]]
    form: str


KEPT = (
    CountTable(order_counts, lambda day: (day,), " %Y-%m-%d"),
    CountTable(order_months, lambda day: (day.replace(day=1),), " %Y-%m"),
    CountTable(order_totals, lambda _: (), ""),
)
"""In the order in which everybody writes them."""

COUNTED_BY = (
    orders.c.channel,
    orders.c.marketplace,
    orders.c.status,
    orders.c.has_errors,
    orders.c.has_cancellation_request,
    sa.func.coalesce(orders.c.fulfilled_by, ""),
    orders.c.may_not_ship_reason.is_(None),
)
"""A kind, as the columns of an order say it."""

_CHOSEN = orders.c.id.in_(sa.bindparam("own_ids", expanding=True))
_NOW = sa.select(orders.c.id, orders.c.received_at, *COUNTED_BY).where(_CHOSEN)
_LOCKED = Prepared(_NOW.order_by(orders.c.id).with_for_update())
_AFTER = Prepared(_NOW)
_ZONE = sa.select(order_counts_zone.c.zone)
_KEPT_ZONE = _ZONE.with_for_update(read=True)


def before_writing(transaction: Transaction, order_ids: Iterable[str], new_ids: Iterable[str] = ()) -> None:
    """Say which orders will be written in this transaction, and which of them the book does not have yet.

    They are locked, so that nobody else changes what they are counted by meanwhile.
    """
    counting = at_the_end(transaction, _Counting)
    before = counting.before
    order_ids = list(order_ids)
    for each in order_ids:
        counting.after.pop(each, None)
    before |= dict.fromkeys(each for each in new_ids if each not in before)
    before |= _read(transaction, _LOCKED, sorted({each for each in order_ids if each not in before}))


def changing(transaction: Transaction, orders: Mapping[str, tuple[Counted, Counted]]) -> None:
    """The same by somebody who has locked and read the orders: order id → what it is counted by, and what it will be."""
    counting = at_the_end(transaction, _Counting)
    for own_id, (before, after) in orders.items():
        counting.before.setdefault(own_id, before)
        counting.after[own_id] = after


class _Counting:
    """The end of a transaction that wrote orders: the counts are brought in line with what became of them.

    Attributes:
        before: Order id → what it was counted by before this transaction wrote it; None: it was not there.
        after: The same of what it is counted by now, where that is known without reading it.
    """

    def __init__(self) -> None:
        self.before: dict[str, Counted | None] = {}
        self.after: dict[str, Counted] = {}

    def __call__(self, transaction: Transaction) -> None:
        unread = [own_id for own_id in self.before if own_id not in self.after]
        after = self.after | _read(transaction, _AFTER, unread)
        changed = [own_id for own_id, known in self.before.items() if known != after.get(own_id)]
        if not changed:
            return
        zone = ZoneInfo(transaction.execute(_KEPT_ZONE).scalar_one())
        differences: Counter[tuple[CountedKind, date]] = Counter()
        for own_id in changed:
            for found, sign in ((self.before[own_id], -1), (after.get(own_id), 1)):
                if found is not None:
                    kind, received_at = found
                    differences[kind, received_at.astimezone(zone).date()] += sign
        for table, period, _ in KEPT:
            rows = _rows(table, _sums(differences, period))
            if rows:
                transaction.execute(_add(transaction.dialect.name, table), rows)


def _read(transaction: Transaction, query: Prepared, order_ids: Sequence[str]) -> dict[str, Counted]:
    found: dict[str, Counted] = {}
    for start in range(0, len(order_ids), ORDERS_PER_QUERY):
        rows = query.rows(transaction, {"own_ids": order_ids[start : start + ORDERS_PER_QUERY]})
        found |= {row[0]: (kind_of(row[2:]), row[1]) for row in rows}
    return found


def kind_of(values: Iterable[Any]) -> CountedKind:
    """The kind that a row's columns say."""
    channel, marketplace, status, has_errors, is_to_cancel, fulfilled_by, may_ship = values
    return CountedKind(
        channel, marketplace, status, bool(has_errors), bool(is_to_cancel), fulfilled_by, bool(may_ship)
    )  # SQLite has no booleans


def _sums(counts: Mapping[tuple[CountedKind, date], int], period: Callable[[date], tuple[date, ...]]) -> Sums:
    """What there is of each kind and period, without what there is none of; in the one order in which everybody writes it."""
    found: Counter[tuple[Any, ...]] = Counter()
    for (kind, day), count in counts.items():
        found[*kind, *period(day)] += count
    return {key: count for key, count in sorted(found.items()) if count}


def _rows(table: sa.Table, sums: Sums) -> list[dict[str, Any]]:
    names = table.c.keys()
    return [dict(zip(names, (*key, count), strict=True)) for key, count in sums.items()]


@cache
def _add(dialect: str, table: sa.Table) -> Any:  # noqa: ANN401 - the dialect's Insert
    insert = insert_of(dialect, table)
    return insert.on_conflict_do_update(
        index_elements=[column.name for column in table.primary_key],
        set_={"orders": table.c.orders + insert.excluded.orders},
    )


# -- the whole book


def counted_zone(transaction: Transaction) -> ZoneInfo:
    """In whose days orders are counted."""
    return ZoneInfo(transaction.execute(_ZONE).scalar_one())


def kept_counts(transaction: Transaction) -> Counts:
    """What is kept of each day, without what there is none of."""
    return {(CountedKind(*key[:-1]), key[-1]): count for key, count in _kept(transaction, order_counts).items()}


def _kept(transaction: Transaction, table: sa.Table) -> Sums:
    rows = transaction.execute(sa.select(table).where(table.c.orders != 0))
    return {(*kind_of(row[:KIND]), *row[KIND:-1]): row[-1] for row in rows}


def count_anew(transaction: Transaction, zone: ZoneInfo) -> Counts:
    """What there is; reads the whole book."""
    found: Counter[tuple[CountedKind, date]] = Counter()
    query = sa.select(orders.c.received_at, *COUNTED_BY).execution_options(yield_per=10_000)
    for row in transaction.execute(query):
        found[kind_of(row[1:]), row[0].astimezone(zone).date()] += 1
    return dict(found)


def rebuild(transaction: Transaction, zone: str) -> None:
    """Count the whole book anew, by the days of a zone; writers of orders wait meanwhile."""
    transaction.execute(_ZONE.with_for_update())
    transaction.execute(sa.update(order_counts_zone).values(zone=zone))
    counts = count_anew(transaction, ZoneInfo(zone))
    for table, period, _ in KEPT:
        transaction.execute(sa.delete(table))
        rows = _rows(table, _sums(counts, period))
        if rows:
            transaction.execute(sa.insert(table), rows)


def differences(transaction: Transaction) -> list[str]:
    """Where the counts are not what there is, in words; reads the whole book."""
    counts = count_anew(transaction, counted_zone(transaction))
    offenders = []
    for table, period, form in KEPT:
        kept, found = _kept(transaction, table), _sums(counts, period)
        for key in sorted(kept.keys() | found.keys()):
            if kept.get(key) != found.get(key):
                kind, at = CountedKind(*key[:KIND]), key[KIND:]
                name = f"{kind.channel} {kind.status}{''.join(f'{each:{form}}' for each in at)}"
                offenders.append(f"{name}: {kept.get(key, 0)} counted, {found.get(key, 0)} there")
    return offenders


def mend(ledger: Ledger) -> list[str]:
    """Compare the counts with the book, and count anew when they differ; returns what differed."""
    with ledger.read() as transaction:
        if not differences(transaction):
            return []
    with ledger.write() as transaction:  # seen without writers between the two
        zone = transaction.execute(_ZONE.with_for_update()).scalar_one()
        found = differences(transaction)
        if found:
            rebuild(transaction, zone)
        return found


def take_zone(ledger: Ledger, zone: str) -> None:
    """Count by the days of this zone from now on; does nothing when that is so."""
    with ledger.read() as transaction:
        if counted_zone(transaction).key == zone:
            return
    with ledger.write() as transaction:
        rebuild(transaction, zone)
