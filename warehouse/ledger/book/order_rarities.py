"""Where few orders are found that a list asks for, when a walk in its order does not find enough of them soon.

A page is walked first, past so many orders at most. When these do not fill it, what is asked for is rare, or lies far away:
then it is looked up in an index that finds few orders, if there is one. Kinds are counted, and need no look: `order_kinds`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from warehouse.ledger.base.schema import acknowledgements, channels, order_totals, orders, shipments
from warehouse.ledger.book.order_conditions import (
    TO_SHIP,
    asked_sets,
    few,
    ranges_of,
    to_ship_by,
    values_of,
    within,
)
from warehouse.ledger.book.order_filter import OrderFilter, Sort, TakenOver
from warehouse.order_states import ConfirmationStatus

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Transaction

STRETCHES = ((4_000, 4_000), (50_000, 40_000))
"""A walk passes so many orders, in 3 and in 40 ms; when they do not fill a page, so many are looked up at most."""

_PURGED: sa.ColumnElement[bool] = sa.literal_column("orders.pii_state = 'expired'")
_PLAIN = OrderFilter()
_FLAGS = ("has_errors", "cancellation_requested", "historical", "personal_data_purged")
"""What few orders have: those that do are in an index, in the order of purchase."""


def may_be_rare(wanted: OrderFilter, sort: Sort) -> bool:
    """Whether a walk may pass many orders that are not asked for, because no index has what is asked for in this order."""
    if wanted.is_by_id or few(wanted):
        return False
    if sort.is_by_position:
        return replace(wanted, now=None, acceptance_states=()) != _PLAIN
    flags = tuple(getattr(wanted, name) for name in _FLAGS)
    asked = (*(each is not None for each in flags), *(bool(values) for _, values in asked_sets(wanted)))
    is_unled = (
        False in (*flags, wanted.awaits_acceptance) or bool(wanted.confirmations) or wanted.acknowledged is not None
    )
    return is_unled or sum(asked) > 1


def walked(wanted: OrderFilter, sort: Sort) -> OrderFilter:
    """What of it an index has in the order asked for: a range of purchases, and one flag that few orders have."""
    if sort.is_by_position:
        return _PLAIN
    flag: dict[str, Any] = dict.fromkeys([name for name in _FLAGS if getattr(wanted, name)][:1], True)
    return OrderFilter(purchased_after=wanted.purchased_after, purchased_before=wanted.purchased_before, **flag)


def is_flagged(walked: OrderFilter) -> bool:
    """Whether that has a flag; what others say may be fewer still."""
    return any(getattr(walked, name) for name in _FLAGS)


class RareSet(NamedTuple):
    """Orders that an index leads to, among them all that are asked for: their ids, and what is true of such an order."""

    ids: sa.Select[Any]
    condition: sa.ColumnElement[bool]


def sets_of(wanted: OrderFilter, sort: Sort) -> dict[str, RareSet]:
    """By name; their values are those of `values_of`."""
    table = orders.c
    flags = (
        (table.has_errors, wanted.has_errors),
        (table.has_cancellation_request, wanted.cancellation_requested),
        (table.is_historical, wanted.historical),
    )
    own: dict[str, sa.ColumnElement[bool]] = {column.name: column == sa.true() for column, asked in flags if asked}
    if wanted.personal_data_purged:
        own["purged"] = _PURGED
    own |= {column.name: column.in_(values) for column, values in asked_sets(wanted)}
    purchased, *_ = ranges_of(wanted)
    if sort.is_by_position and (bounds := within(*purchased)):
        own["purchased"] = sa.and_(*bounds)
    found = {name: RareSet(sa.select(table.id).where(condition), condition) for name, condition in own.items()}
    if wanted.confirmations == (ConfirmationStatus.VERIFIED,):
        of_shops = shipments.c.channel.in_(sa.select(channels.c.code))  # which the index begins with
        is_verified = shipments.c.status == ConfirmationStatus.VERIFIED.value
        ids = sa.select(shipments.c.order_id).where(of_shops, is_verified)
        found["verified"] = RareSet(ids, table.id.in_(ids))
    if wanted.acknowledged is not None and wanted.acknowledged.answer is TakenOver.YES:
        by_consumer = acknowledgements.c.consumer == wanted.acknowledged.consumer
        ids = sa.select(acknowledgements.c.order_id).where(by_consumer, acknowledgements.c.outcome == "ok")
        found["acknowledged"] = RareSet(ids, table.id.in_(ids))
    return found


def is_counted(wanted: OrderFilter, sort: Sort) -> bool:
    """Whether the kept counts may lead to what no set has."""
    return sort.is_by_position or wanted.has_errors is False or wanted.cancellation_requested is False


def among_those_to_ship(transaction: Transaction, wanted: OrderFilter) -> OrderFilter | None:
    """What is asked for besides `ship_by`, of orders that are to be shipped; None where these are looked up."""
    statuses = tuple(each for each in TO_SHIP if each in (wanted.statuses or TO_SHIP))
    rest = replace(wanted, ship_by=(), statuses=statuses)
    if wanted.is_by_id or not statuses or few(rest):
        return None
    (_, most), *_ = STRETCHES
    return rest if _count(transaction, wanted, to_ship_by(wanted), most) > most else None


def few_of(transaction: Transaction, wanted: OrderFilter, sort: Sort, most: int) -> str | None:
    """The name of the smallest set, if it has no more orders than `most`."""
    counts = {name: _count(transaction, wanted, each.ids, most) for name, each in sets_of(wanted, sort).items()}
    name = min(counts, key=counts.__getitem__, default=None)
    return name if name is not None and counts[name] <= most else None


def count_by_others(transaction: Transaction, wanted: OrderFilter) -> int | None:
    """How many orders are found, by how many are not: these have an index, and all are counted. None: that is not so."""
    others = _others(wanted)
    if others is None:
        return None
    total = sa.select(sa.func.coalesce(sa.func.sum(order_totals.c.orders), 0)).scalar_subquery()
    rest = sa.select(sa.func.count()).select_from(others.subquery()).scalar_subquery()
    return int(transaction.execute(sa.select(total - rest)).scalar_one())


def _others(wanted: OrderFilter) -> sa.Select[Any] | None:
    if wanted == replace(_PLAIN, historical=False):
        return sa.select(orders.c.id).where(orders.c.is_historical == sa.true())
    if wanted == replace(_PLAIN, personal_data_purged=False):
        return sa.select(orders.c.id).where(_PURGED)
    asked = wanted.acknowledged
    if asked is not None and asked.answer is TakenOver.NO and wanted == replace(_PLAIN, acknowledged=asked):
        return sa.select(acknowledgements.c.order_id).where(acknowledgements.c.consumer == asked.consumer)
    return None


def rare_of(transaction: Transaction, wanted: OrderFilter) -> list[sa.ColumnElement[bool]]:
    """What leads to the orders that are counted, where no index has what is asked of them and another finds few."""
    if wanted.is_by_id or not (wanted.confirmations or wanted.acknowledged):
        return []
    (*_, (_, most)) = STRETCHES
    name = few_of(transaction, wanted, Sort.NEWEST, most)
    return [] if name is None else [sets_of(wanted, Sort.NEWEST)[name].condition]


def _count(transaction: Transaction, wanted: OrderFilter, ids: sa.Select[Any], most: int) -> int:
    """How many there are; one more than `most` when there are more."""
    counted = sa.select(sa.func.count()).select_from(ids.limit(most + 1).subquery())
    return int(transaction.execute(counted, values_of(wanted)).scalar_one())
