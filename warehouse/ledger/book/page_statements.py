"""The statements that pages of orders are read by: a walk along an index in the order asked for, or a look-up of few orders.

Which of them answers a page is decided in `order_queries`. Statements are kept, because putting one together costs as much as
answering it, and most differ in their values alone: these are those of `values_of`, `place_of` and `ending_at`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from warehouse.ledger.base.prepared import Prepared
from warehouse.ledger.base.schema import orders
from warehouse.ledger.book.order_conditions import (
    asked_sets,
    beyond_place,
    conditions_of,
    few,
    keys_of,
    set_conditions,
    sorted_by,
    up_to_place,
)
from warehouse.ledger.book.order_rarities import sets_of
from warehouse.order_states import OPEN_STATUSES

if TYPE_CHECKING:
    from warehouse.ledger.book.order_filter import OrderFilter, Sort

Columns = tuple[sa.ColumnElement[Any], ...]


@lru_cache(maxsize=256)
def page_query(
    columns: Columns,
    wanted: OrderFilter,
    sort: Sort,
    is_continued: bool,  # noqa: FBT001 - part of the key
    limit: int,
    short: frozenset[str],
) -> Prepared:
    """A page: a look-up where an id, a short range or a condition finds few orders, else a walk."""
    beyond = [beyond_place(sort)] if is_continued else []
    if wanted.is_by_id:
        conditions = [*set_conditions(wanted, None, is_walked=False), *conditions_of(wanted)]
        return Prepared(_lookup(columns, sort, [*conditions, *beyond], limit))
    if short or few(wanted):
        conditions = [*set_conditions(wanted, None, is_walked=True), *conditions_of(wanted, short)]
        return Prepared(_lookup(columns, sort, [*conditions, *beyond], limit))
    return Prepared(walk(columns, wanted, sort, beyond, limit))


@lru_cache(maxsize=64)
def beginning_query(
    columns: Columns,
    wanted: OrderFilter,
    sort: Sort,
    is_continued: bool,  # noqa: FBT001 - part of the key
    limit: int,
) -> Prepared:
    """The beginning of a walk: as far as `ending_query` says."""
    beyond = [beyond_place(sort)] if is_continued else []
    return Prepared(walk(columns, wanted, sort, [*beyond, up_to_place(sort)], limit))


@lru_cache(maxsize=64)
def ending_query(
    walked: OrderFilter,
    sort: Sort,
    is_continued: bool,  # noqa: FBT001 - part of the key
    passed: int,
) -> Prepared:
    """The keys of the order that a walk comes to after so many, whichever these are; none where there are fewer."""
    keys = keys_of(orders, sort)
    query = sa.select(*keys).where(*conditions_of(walked)).order_by(*sorted_by(keys, sort)).limit(1).offset(passed)
    return Prepared(query.where(beyond_place(sort)) if is_continued else query)


@lru_cache(maxsize=64)
def set_query(
    columns: Columns,
    wanted: OrderFilter,
    sort: Sort,
    is_continued: bool,  # noqa: FBT001 - part of the key
    limit: int,
    name: str,
) -> Prepared:
    """A page of what is looked up in one of `sets_of`."""
    beyond = [beyond_place(sort)] if is_continued else []
    conditions = [*set_conditions(wanted, None, is_walked=True), *conditions_of(wanted, frozenset()), *beyond]
    return Prepared(_lookup(columns, sort, [sets_of(wanted, sort)[name].condition, *conditions], limit))


def _lookup(columns: Columns, sort: Sort, conditions: list[sa.ColumnElement[bool]], limit: int) -> sa.Select[Any]:
    """An id finds a handful of orders, a short range of times a few thousand: they are looked up, then sorted by an
    expression that no index tempts with; of those of the page alone all columns are read.
    """
    order = sorted_by([sa.func.coalesce(key, key) for key in keys_of(orders, sort)], sort)
    chosen = sa.select(orders.c.id).where(*conditions).order_by(*order).limit(limit)
    return sa.select(*columns).where(orders.c.id.in_(chosen)).order_by(*order)


def walk(
    columns: Columns, wanted: OrderFilter, sort: Sort, beyond: list[sa.ColumnElement[bool]], limit: int
) -> sa.Select[Any]:
    """A walk along the index that has the order asked for, or one for each value of the leading column, merged.

    Left to itself, SQLite answers `status IN (a, b) ORDER BY purchased_at` by sorting every order of both statuses, and
    `channel = a ORDER BY position` by sorting every order of the channel.
    """
    order = sorted_by(keys_of(orders, sort), sort)
    lead = None if sort.is_by_position else _lead(wanted)
    conditions = [*conditions_of(wanted, frozenset()), *set_conditions(wanted, lead, is_walked=True), *beyond]
    single = sa.select(*columns).order_by(*order).limit(limit)
    if lead is None:
        return single.where(*conditions)
    values = sorted(set(next(values for column, values in asked_sets(wanted) if column is lead)))
    if len(values) <= 1:  # none: the reader asks for channels that it may not see
        return single.where(lead == values[0] if values else sa.false(), *conditions)
    walks = [
        sa.select(orders.c.id, orders.c.purchased_at)
        .where(lead == value, *conditions)
        .order_by(*order)
        .limit(limit)
        .subquery()
        for value in values
    ]
    merged = sa.union_all(*(sa.select(walk) for walk in walks)).subquery()
    of_merged = sorted_by(keys_of(merged, sort), sort)
    chosen = sa.select(merged.c.id).order_by(*of_merged).limit(limit)
    return sa.select(*columns).where(orders.c.id.in_(chosen)).order_by(*order)


def _lead(wanted: OrderFilter) -> sa.Column[Any] | None:
    """The column whose index is walked. Open orders are few in every channel; of the closed ones each channel is full."""
    if wanted.has_errors or wanted.cancellation_requested or wanted.historical or wanted.personal_data_purged:
        return None  # fewer still, in every status and channel
    is_by_channel = wanted.effective_channels is not None
    if wanted.statuses and (not is_by_channel or OPEN_STATUSES.issuperset(wanted.statuses)):
        return orders.c.status
    if wanted.countries:
        return orders.c.shipping_country_code
    return orders.c.channel if is_by_channel else None
