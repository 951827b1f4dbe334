"""How many orders a filter finds: as the kept counts say (`ledger.watch.order_counts`), and what these do not say by counting.

The kept counts know days of arrival as a whole, and none of the other times.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from warehouse.ledger.base.database import brief
from warehouse.ledger.base.schema import order_counts, order_totals, orders
from warehouse.ledger.book import order_kinds
from warehouse.ledger.book.order_conditions import conditions_of, few, set_conditions, values_of
from warehouse.ledger.book.order_filter import OrderFilter
from warehouse.ledger.watch.order_counts import CountedKind, counted_zone, kind_of

if TYPE_CHECKING:
    from datetime import date
    from zoneinfo import ZoneInfo

    from sqlalchemy.engine import Connection as Transaction

DAY = timedelta(days=1)
LAST_DAY = datetime(9998, 1, 1, tzinfo=UTC)
"""No order arrives later, and there are days after it to reckon with."""


class KindTally(NamedTuple):
    """How many there are of a kind, on days that the range touches, and on days within it as a whole.

    Of some kinds nothing is asked: they are like one that is but for their marketplace and whether they may ship.
    """

    kind: CountedKind
    is_asked: bool
    touched: int
    within: int


@dataclass(frozen=True, slots=True)
class OrderTally:
    """What the kept counts say of a filter.

    Attributes:
        kinds: The kinds of orders that it may find, and others like them.
        cut: Ranges of arrivals on days that the range cuts; there the counts do not know.
        is_whole: Whether the filter asks for nothing that orders are not counted by, the cut days apart.
    """

    kinds: tuple[KindTally, ...]
    cut: tuple[tuple[datetime, datetime], ...]
    is_whole: bool

    @property
    def surely(self) -> int:
        """So many arrived on days that are within the range as a whole."""
        return sum(each.within for each in self.kinds if each.is_asked)

    @property
    def at_most(self) -> int:
        """More than so many orders are not found."""
        return sum(each.touched for each in self.kinds if each.is_asked)

    @property
    def is_known(self) -> bool:
        """Whether there is nothing left to count."""
        return not self.at_most or (self.is_whole and self.surely == self.at_most)

    def of_errors(self, *, has_errors: bool) -> OrderTally:
        """The part of it with errors, or without."""
        return replace(self, kinds=tuple(each for each in self.kinds if each.kind.has_errors is has_errors))


def tally(transaction: Transaction, wanted: OrderFilter) -> OrderTally:
    """What the counts say; one statement, and one more when arrivals are asked for."""
    first, end = (each and min(each, LAST_DAY) for each in (wanted.received_after, wanted.received_before))
    is_ranged = first is not None or end is not None
    table = order_counts if is_ranged else order_totals
    conditions = _conditions(wanted, table)
    inside: sa.ColumnElement[Any] = table.c.orders
    cut: list[tuple[datetime, datetime]] = []
    if is_ranged:
        zone = counted_zone(transaction)
        touched, whole, cut = _days(first, end, zone)
        conditions += _between(touched)
        within = sa.and_(sa.true(), *_between(whole))
        inside = sa.case((within, table.c.orders), else_=0)
    columns = [table.c[name] for name in CountedKind._fields]
    sums = (sa.func.sum(table.c.orders), sa.func.sum(inside))
    query = sa.select(*columns, *sums).where(*conditions).group_by(*columns)
    kinds = []
    for row in transaction.execute(query):
        if row[-2]:
            kind = kind_of(row[:-2])
            kinds.append(KindTally(kind, _is_asked(wanted, kind), int(row[-2]), int(row[-1])))
    return OrderTally(tuple(kinds), tuple(cut), _is_counted_by(wanted))


def _is_asked(wanted: OrderFilter, kind: CountedKind) -> bool:
    is_there = not wanted.marketplaces or kind.marketplace in wanted.marketplaces
    return is_there and (wanted.may_ship is None or kind.may_ship is wanted.may_ship)


def _conditions(wanted: OrderFilter, counts: sa.Table) -> list[sa.ColumnElement[bool]]:
    table = counts.c
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.effective_channels is not None:
        conditions.append(table.channel.in_(wanted.effective_channels))
    if wanted.statuses:
        conditions.append(table.status.in_(wanted.statuses))
    if wanted.fulfilled_by is not None:
        conditions.append(table.fulfilled_by == ("" if wanted.fulfilled_by == "none" else wanted.fulfilled_by))
    flags = (
        (table.has_errors, wanted.has_errors),
        (table.has_cancellation_request, wanted.cancellation_requested),
    )
    return conditions + [column.is_(asked) for column, asked in flags if asked is not None]


def _is_counted_by(wanted: OrderFilter) -> bool:
    return all(
        getattr(wanted, name) == getattr(_EVERYTHING, name) for name in _EVERYTHING.__slots__ if name not in _COUNTED
    )


_COUNTED = frozenset(
    {
        *(
            "visible_channels",
            "channels",
            "statuses",
            "marketplaces",
            "fulfilled_by",
            "received_after",
            "received_before",
        ),
        *("has_errors", "cancellation_requested", "may_ship", "now", "acceptance_states"),
    }
)
"""Members of a filter that the counts answer, or that ask nothing by themselves."""
_EVERYTHING = OrderFilter()


_Days = tuple["date | None", "date | None"]
"""From a day on, and before a day."""


def _days(
    first: datetime | None, end: datetime | None, zone: ZoneInfo
) -> tuple[_Days, _Days, list[tuple[datetime, datetime]]]:
    """The days that a range touches, those that are within it as a whole, and what it has of the others."""
    touched_from, whole_from, cut = None, None, []
    if first is not None:
        touched_from = first.astimezone(zone).date()
        whole_from = touched_from if first <= _midnight(touched_from, zone) else touched_from + DAY
    touched_to, whole_to = None, None
    if end is not None:
        whole_to = end.astimezone(zone).date()
        touched_to = whole_to if end <= _midnight(whole_to, zone) else whole_to + DAY
    if first is not None and touched_from != whole_from:
        assert whole_from is not None
        over = _midnight(whole_from, zone)
        cut.append((first, over if end is None else min(over, end)))
    if end is not None and touched_to != whole_to:
        assert whole_to is not None
        begun = _midnight(whole_to, zone)
        if first is None or begun >= first:  # else the range is within one day, which is cut already
            cut.append((begun, end))
    return (touched_from, touched_to), (whole_from, whole_to), [each for each in cut if each[0] < each[1]]


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins, compared as an instant."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def _between(days: _Days) -> list[sa.ColumnElement[bool]]:
    first, end = days
    after = [] if first is None else [order_counts.c.day >= first]
    return after if end is None else [*after, order_counts.c.day < end]


# -- counting


def count(transaction: Transaction, wanted: OrderFilter) -> int:
    """How many orders the filter finds."""
    tallied = None if wanted.is_by_id else tally(transaction, wanted)
    if tallied is not None and tallied.is_known:
        return tallied.surely
    return _count_rest(transaction, wanted, tallied, None)


@dataclass(frozen=True, slots=True)
class Count:
    """How many orders a filter finds: so many at least and at most; None: nobody knows."""

    least: int
    most: int | None

    @property
    def is_exact(self) -> bool:
        """Whether these are the same."""
        return self.least == self.most


def count_briefly(
    transaction: Transaction, wanted: OrderFilter, tallied: OrderTally | None, seconds: float, look_at: int | None
) -> Count:
    """The same in a bounded time, as exactly as it goes.

    Args:
        transaction: Can be gone on with.
        wanted: The filter.
        tallied: What `tally` says of it; None where an id finds a handful of orders anyway.
        seconds: So long may be counted what the kept counts do not say.
        look_at: So many orders are counted then; None for all.
    """
    known = Count(0, None) if tallied is None else Count(tallied.surely if tallied.is_whole else 0, tallied.at_most)
    if tallied is not None and tallied.is_known:
        return Count(tallied.surely, tallied.surely)
    try:
        with transaction.begin_nested(), brief(transaction, seconds):
            found = _count_rest(transaction, wanted, tallied, look_at)
    except sa.exc.OperationalError:
        return known
    is_cut_off = look_at is not None and found > look_at and not (tallied is not None and tallied.is_whole)
    return Count(look_at or 0, known.most) if is_cut_off else Count(found, found)


def _count_rest(transaction: Transaction, wanted: OrderFilter, tallied: OrderTally | None, look_at: int | None) -> int:
    """Count what the kept counts do not say: what arrived on days that the range cuts, or all that is asked for."""
    if tallied is None or not tallied.is_whole:
        return _count_rows(transaction, wanted, tallied, look_at)
    parts = (replace(wanted, received_after=first, received_before=end) for first, end in tallied.cut)
    return tallied.surely + sum(_count_rows(transaction, each, tallied, None) for each in parts)


def _count_rows(transaction: Transaction, wanted: OrderFilter, tallied: OrderTally | None, look_at: int | None) -> int:
    by_kinds = None if tallied is None else order_kinds.found_of_kinds(wanted, tallied)
    if by_kinds is None:
        conditions = [*conditions_of(wanted), *set_conditions(wanted, None, is_walked=bool(few(wanted)))]
        by_kinds = sa.select(sa.literal(1)).select_from(orders).where(*conditions)
    found = (by_kinds if look_at is None else by_kinds.limit(look_at + 1)).subquery()
    return int(transaction.execute(sa.select(sa.func.count()).select_from(found), values_of(wanted)).scalar_one())
