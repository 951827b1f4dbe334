"""Lists of orders of some kinds, read along the indexes of kinds: nothing is read that is not asked for.

Which kinds there are to be found is known beforehand, by the kept counts (`order_tally`). Each kind is a walk of its own, and
the walks are merged. Every other list is read by `order_queries`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from warehouse.ledger.base.prepared import Prepared
from warehouse.ledger.base.schema import orders
from warehouse.ledger.book.order_conditions import beyond_place, conditions_of, few, keys_of, sorted_by

if TYPE_CHECKING:
    from warehouse.ledger.book.order_filter import OrderFilter, Sort
    from warehouse.ledger.book.order_tally import OrderTally

MOST_WALKS = 48
"""So many walks are merged at most: each takes its time to be planned."""
COLLECTED_AT_MOST = 20_000
"""So many orders of a range of arrivals are collected from the index and sorted, in 20 ms; more are walked past."""


class Branch(NamedTuple):
    """A walk: how the indexes of kinds begin, and whether all that it finds is asked for."""

    channel: str
    status: str
    has_errors: bool
    has_cancellation_request: bool
    fulfilled_by: str
    is_pure: bool


def asks_for_kinds(wanted: OrderFilter, sort: Sort) -> bool:
    """Whether what is asked for may be so rare that no single condition leads to it."""
    is_ranged = wanted.received_after is not None or wanted.received_before is not None
    is_changed = wanted.updated_after is not None or wanted.updated_before is not None
    asked = (
        *(wanted.statuses, wanted.effective_channels is not None, wanted.has_errors is not None),
        *(wanted.cancellation_requested is not None, is_ranged),
    )
    rare = wanted.fulfilled_by is not None or wanted.may_ship is not None or bool(wanted.marketplaces)
    is_led_elsewhere = (is_changed or sort.is_by_position) and (bool(wanted.statuses) or any(map(bool, asked[2:])))
    return not wanted.is_by_id and (rare or is_led_elsewhere or sum(map(bool, asked)) > 1)


def branches_of(tallied: OrderTally) -> tuple[Branch, ...]:
    """The walks that find what is asked for."""
    asked, others = (
        {kind[:1] + kind[2:6] for kind, is_asked, *_ in tallied.kinds if is_asked is wanted} for wanted in (True, False)
    )
    return tuple(Branch(*each, is_pure=each not in others) for each in sorted(asked))


@lru_cache(maxsize=256)
def ids_of_kinds(
    wanted: OrderFilter,
    sort: Sort,
    branches: tuple[Branch, ...],
    limit: int,
    *,
    is_continued: bool,
    is_collected: bool,
) -> Prepared:
    """The statement for the ids of a page; kept, because putting it together takes longer than answering it. Its values are
    those of `values_of` and `place_of`.

    Args:
        wanted: The filter, as `question_of` makes it.
        sort: By which the ids come.
        branches: Of the kinds that there are to be found.
        limit: So many ids at most.
        is_continued: Whether the list goes on after a place.
        is_collected: Whether all that arrived within the range is collected and sorted; else each walk goes in the order asked
            for until it has enough.
    """
    pure, impure = _rest(wanted, _RECEIVED if is_collected else frozenset())
    place = [beyond_place(sort)] if is_continued else []
    keys = keys_of(orders, sort)
    walks = []
    for branch in branches:
        columns = (orders.c.id.label("own_id"), *(key for key in keys if key is not orders.c.id))
        walk = sa.select(*columns).where(*_is_of(branch), *(pure if branch.is_pure else impure), *place)
        if not is_collected:
            walk = walk.order_by(*sorted_by(keys, sort)).limit(limit)
        walks.append(walk.subquery())
    merged = sa.union_all(*(sa.select(walk) for walk in walks)).subquery()
    order = [merged.c.own_id if key is orders.c.id else merged.c[key.name] for key in keys]
    return Prepared(sa.select(merged.c.own_id).order_by(*sorted_by(order, sort)).limit(limit))


def found_of_kinds(wanted: OrderFilter, branches: tuple[Branch, ...]) -> sa.CompoundSelect[Any] | sa.Select[Any] | None:
    """A row for each order that the filter finds, to be counted; None where the indexes of kinds are of no use. Its values are
    those of `values_of`.
    """
    is_by_change = wanted.updated_after is not None or wanted.updated_before is not None
    if not branches or len(branches) > MOST_WALKS or is_by_change or few(wanted):
        return None
    pure, impure = _rest(wanted, _RECEIVED)
    one = sa.select(sa.literal(1).label("one")).select_from(orders)
    return sa.union_all(*(one.where(*_is_of(each), *(pure if each.is_pure else impure)) for each in branches))


def _rest(
    wanted: OrderFilter, ranges: frozenset[str]
) -> tuple[list[sa.ColumnElement[bool]], list[sa.ColumnElement[bool]]]:
    """What is asked of the orders of a walk that finds nothing else, and of those of any other."""
    left = replace(wanted, has_errors=None, cancellation_requested=None, fulfilled_by=None)
    country = sa.func.coalesce(orders.c.shipping_country_code, "")
    countries = [country.in_(wanted.countries)] if wanted.countries else []
    return (
        [*conditions_of(replace(left, marketplaces=(), may_ship=None), ranges), *countries],
        [*conditions_of(left, ranges), *countries],
    )


_RECEIVED: frozenset[str] = frozenset({orders.c.received_at.name})


def _is_of(branch: Branch) -> list[sa.ColumnElement[bool]]:
    table = orders.c
    by = branch.fulfilled_by
    return [
        table.channel == branch.channel,
        table.status == branch.status,
        _is(table.has_errors, branch.has_errors),
        _is(table.has_cancellation_request, branch.has_cancellation_request),
        table.fulfilled_by == by if by else table.fulfilled_by.is_(None),
    ]


def _is(column: sa.Column[Any], flag: bool) -> sa.ColumnElement[bool]:  # noqa: FBT001 - a value to compare with
    return column == (sa.true() if flag else sa.false())
