"""How many orders a filter finds: as the kept counts say (`ledger.watch.order_counts`), and what these do not say by counting.

The kept counts know days of arrival as a whole, and none of the other times.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from warehouse.ledger.base.database import brief
from warehouse.ledger.base.prepared import Prepared
from warehouse.ledger.base.schema import order_counts, order_months, order_totals, orders
from warehouse.ledger.book import order_kinds, order_rarities
from warehouse.ledger.book.order_conditions import conditions_of, few, question_of, set_conditions, values_of
from warehouse.ledger.book.order_filter import OrderFilter
from warehouse.ledger.watch.order_counts import CountedKind, counted_zone, kind_of

if TYPE_CHECKING:
    from datetime import date
    from zoneinfo import ZoneInfo

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.book.order_kinds import Branch

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
    asked = OrderFilter(
        visible_channels=wanted.effective_channels,
        statuses=wanted.statuses,
        fulfilled_by=wanted.fulfilled_by,
        has_errors=wanted.has_errors,
        cancellation_requested=wanted.cancellation_requested,
    )
    cut: list[tuple[datetime, datetime]] = []
    if first is None and end is None:
        rows = _of_all_days(asked).rows(transaction, {})
    else:
        days, whole, cut = _days(first, end, counted_zone(transaction))
        parts = _parts(days, whole)
        bounds = tuple((table, part.first is not None, part.end is not None) for table, part in parts)
        within = (whole.first and "within_first", whole.end and "within_end")
        values = {"within_first": whole.first, "within_end": whole.end}
        for number, (_, part) in enumerate(parts):
            values |= {f"first_{number}": part.first, f"end_{number}": part.end}
        rows = _of_periods(asked, bounds, within).rows(transaction, values)
    kinds = []
    for row in rows:
        if row[-2]:
            kind = kind_of(row[:-2])
            kinds.append(KindTally(kind, _is_asked(wanted, kind), int(row[-2]), int(row[-1])))
    return OrderTally(tuple(kinds), tuple(cut), _is_counted_by(wanted))


_KIND = tuple(order_totals.c[name] for name in CountedKind._fields)


@lru_cache(maxsize=256)
def _of_all_days(asked: OrderFilter) -> Prepared:
    count = sa.func.sum(order_totals.c.orders)
    return Prepared(sa.select(*_KIND, count, count).where(*_conditions(asked)).group_by(*_KIND))


@lru_cache(maxsize=256)
def _of_periods(
    asked: OrderFilter, bounds: tuple[tuple[sa.Table, bool, bool], ...], within: tuple[str | None, str | None]
) -> Prepared:
    """The counts of periods by kind, and what of them is within a range; each of a table, with or without its two bounds.

    Each kind is in the totals, and its periods are the end of a key, so that no other periods are read; the databases would
    read them all, if the totals could be looked up by the channel.
    """
    selects = []
    for number, (table, has_first, has_end) in enumerate(bounds):
        *_, period, count = table.c
        own = [table.c[each.name] == each for each in _KIND[1:]]
        channel = table.c.channel == sa.func.coalesce(order_totals.c.channel, "")
        part = _between(period, f"first_{number}" if has_first else None, f"end_{number}" if has_end else None)
        whole = _between(period, *within)
        inside = sa.case((sa.and_(sa.true(), *whole), count), else_=0).label("inside")
        query = sa.select(*_KIND, count.label("orders"), inside)
        selects.append(query.where(*_conditions(asked), order_totals.c.orders != 0, channel, *own, *part))
    found = sa.union_all(*selects).subquery()
    kind = [found.c[each.name] for each in _KIND]
    return Prepared(sa.select(*kind, sa.func.sum(found.c.orders), sa.func.sum(found.c.inside)).group_by(*kind))


def _is_asked(wanted: OrderFilter, kind: CountedKind) -> bool:
    is_there = not wanted.marketplaces or kind.marketplace in wanted.marketplaces
    return is_there and (wanted.may_ship is None or kind.may_ship is wanted.may_ship)


def _conditions(wanted: OrderFilter) -> list[sa.ColumnElement[bool]]:
    table = order_totals.c
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


class _Days(NamedTuple):
    """From a day on, and before a day; None: without a bound."""

    first: date | None
    end: date | None

    @property
    def is_empty(self) -> bool:
        return self.first is not None and self.end is not None and self.first >= self.end


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
    return _Days(touched_from, touched_to), _Days(whole_from, whole_to), [each for each in cut if each[0] < each[1]]


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins, compared as an instant."""
    return datetime.combine(day, time.min, zone).astimezone(UTC)


def _parts(touched: _Days, whole: _Days) -> list[tuple[sa.Table, _Days]]:
    """A range as the months that are within it as a whole, and the days beside them."""
    months = _Days(whole.first and _month_from(whole.first), whole.end and whole.end.replace(day=1))
    if months.is_empty:
        return [(order_counts, touched)]
    parts = [(order_months, months)]
    if touched.first is not None:
        parts.append((order_counts, _Days(touched.first, months.first)))
    if touched.end is not None:
        parts.append((order_counts, _Days(months.end, touched.end)))
    return parts


def _month_from(day: date) -> date:
    return day if day.day == 1 else (day.replace(day=28) + 4 * DAY).replace(day=1)


def _between(period: sa.Column[date], first: str | None, end: str | None) -> list[sa.ColumnElement[bool]]:
    after = [period >= sa.bindparam(first, type_=sa.Date)] if first else []
    return [*after, period < sa.bindparam(end, type_=sa.Date)] if end else after


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
    branches = () if tallied is None else order_kinds.branches_of(tallied)
    by_kinds = _counting_kinds(question_of(wanted), branches, look_at)
    if by_kinds is not None:
        ((count,),) = by_kinds.rows(transaction, values_of(wanted))
        return int(count)
    count = order_rarities.count_by_others(transaction, wanted)
    if count is not None:
        return count
    rare = order_rarities.rare_of(transaction, wanted)
    is_led = bool(few(wanted)) or bool(rare)
    conditions = [*conditions_of(wanted), *rare, *set_conditions(wanted, None, is_walked=is_led)]
    query = _counting(sa.select(sa.literal(1).label("one")).select_from(orders).where(*conditions), look_at)
    return int(transaction.execute(query, values_of(wanted)).scalar_one())


@lru_cache(maxsize=64)
def _counting_kinds(wanted: OrderFilter, branches: tuple[Branch, ...], look_at: int | None) -> Prepared | None:
    """Kept, because putting it together takes longer than counting."""
    found = order_kinds.found_of_kinds(wanted, branches)
    return None if found is None else Prepared(_counting(found, look_at))


def _counting(found: sa.CompoundSelect[Any] | sa.Select[Any], look_at: int | None) -> sa.Select[Any]:
    rows = (found if look_at is None else found.limit(look_at + 1)).subquery()
    return sa.select(sa.func.count()).select_from(rows)
