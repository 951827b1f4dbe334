"""What a filter asks of the rows of `orders`, as conditions; which index serves them is decided by `order_queries`.

Some on where an order stands find few orders whatever else is asked: these are read off indexes of their own, and the
rest is asked of what they found.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from warehouse.ledger.base.schema import Instant, acceptances, acknowledgements, channels, orders
from warehouse.ledger.book.order_filter import ShipBy, TakenOver
from warehouse.order_states import ConfirmationStatus, Status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from warehouse.ledger.book.order_filter import Acknowledged, Key, OrderFilter, Sort, UndecidedWord

SETTLED = frozenset({ConfirmationStatus.NONE, ConfirmationStatus.VERIFIED})
"""Confirmations of which the book is full; of the others there are few."""
TO_SHIP = (Status.WAITING_FOR_SHIPMENT.value, Status.PARTIALLY_SHIPPED.value)
DAY = timedelta(days=1)

# as the indexes have them: a partial index serves only a condition that is known when the query is planned
_TO_SHIP: sa.ColumnElement[bool] = sa.literal_column("orders.status IN ('WAITING_FOR_SHIPMENT', 'PARTIALLY_SHIPPED')")
_UNSETTLED: sa.ColumnElement[bool] = sa.literal_column("orders.confirmation_status NOT IN ('none', 'verified')")
_PURGED: sa.ColumnElement[bool] = sa.literal_column("orders.pii_state = 'expired'")


def few(wanted: OrderFilter) -> list[sa.ColumnElement[bool]]:
    """Conditions that name few orders by their ids."""
    sets: list[sa.Select[Any]] = []
    if wanted.ship_by:
        sets.append(to_ship_by(wanted))
    if wanted.confirmations and SETTLED.isdisjoint(wanted.confirmations):
        asked = orders.c.confirmation_status.in_(wanted.confirmations)
        sets.append(sa.select(orders.c.id).where(_UNSETTLED, asked))
    if wanted.acknowledged is not None and wanted.acknowledged.answer is TakenOver.ERROR:
        consumer = acknowledgements.c.consumer == wanted.acknowledged.consumer
        sets.append(sa.select(acknowledgements.c.order_id).where(consumer, acknowledgements.c.outcome == "error"))
    if wanted.awaits_acceptance:
        sets.append(_undecided(wanted.acceptance_states))
    return [orders.c.id.in_(each) for each in sets]


def others(wanted: OrderFilter) -> list[sa.ColumnElement[bool]]:
    """Conditions that hold of many orders, but for the country, which may lead."""
    conditions: list[sa.ColumnElement[bool]] = []
    if wanted.confirmations and not SETTLED.isdisjoint(wanted.confirmations):
        conditions.append(orders.c.confirmation_status.in_(wanted.confirmations))
    if wanted.acknowledged is not None and wanted.acknowledged.answer is not TakenOver.ERROR:
        conditions.append(_taken_over(wanted.acknowledged))
    if wanted.awaits_acceptance is False:
        conditions.append(orders.c.id.not_in(_undecided(wanted.acceptance_states)))
    if wanted.historical is not None:
        conditions.append(orders.c.is_historical == (sa.true() if wanted.historical else sa.false()))
    if wanted.personal_data_purged is not None:
        conditions.append(_PURGED if wanted.personal_data_purged else sa.not_(_PURGED))
    return conditions


def to_ship_by(wanted: OrderFilter) -> sa.Select[Any]:
    """Ids of the orders that `ship_by` asks for."""
    is_open = orders.c.status.in_(TO_SHIP)  # named again, so that the index is searched by status as well
    return sa.select(orders.c.id).where(_TO_SHIP, is_open, *_ship_by(wanted, orders.c.ship_by))


def due(wanted: OrderFilter) -> list[sa.ColumnElement[bool]]:
    """What `ship_by` asks of orders that are to be shipped, served by no index."""
    return _ship_by(wanted, sa.func.coalesce(orders.c.ship_by, orders.c.ship_by))


def _ship_by(wanted: OrderFilter, ship_by: sa.ColumnElement[Any]) -> list[sa.ColumnElement[bool]]:
    assert wanted.now is not None
    until = wanted.now + DAY if ShipBy.NEXT_24_HOURS in wanted.ship_by else wanted.now
    return [ship_by < until] if ShipBy.OVERDUE in wanted.ship_by else [ship_by < until, ship_by >= wanted.now]


def _taken_over(asked: Acknowledged) -> sa.ColumnElement[bool]:
    said = sa.exists().where(acknowledgements.c.order_id == orders.c.id, acknowledgements.c.consumer == asked.consumer)
    if asked.answer is TakenOver.NO:
        return sa.not_(said)
    return said.where(acknowledgements.c.outcome == "ok")


def _undecided(states: tuple[UndecidedWord, ...]) -> sa.Select[Any]:
    return sa.select(orders.c.id).select_from(orders.outerjoin(acceptances)).where(*waits_for_seller(states))


def waits_for_seller(states: Iterable[UndecidedWord]) -> list[sa.ColumnElement[bool]]:
    """Of orders with what was decided about them, if anything: nobody has decided, and nobody will by himself; or the
    marketplace did not take the decision, and waits still.
    """
    undecided, refused = acceptances.c.order_id.is_(None), acceptances.c.status == "rejected"
    ways = [
        sa.and_(
            orders.c.channel == each.channel,
            orders.c.marketplace_status == each.word,
            sa.or_(undecided, refused) if each.is_manual else refused,
        )
        for each in states
    ]
    return [orders.c.status == Status.PENDING.value, sa.or_(sa.false(), *ways)]


# -- the whole filter


def conditions_of(wanted: OrderFilter, indexed: frozenset[str] | None = None) -> list[sa.ColumnElement[bool]]:
    """Everything but status, channel and country; the values are those of `values_of`. Indexes serve the times of arrival and
    of change where they are `indexed`, or where that is None.
    """
    table = orders.c
    conditions: list[sa.ColumnElement[bool]] = [
        column == _bound(name)
        for column, name in ((table.original_id, "original_id"), (table.id, "id"))
        if getattr(wanted, name) is not None
    ]
    if wanted.ids is not None:
        conditions.append(table.id.in_(wanted.ids))
    flags = ((table.has_errors, wanted.has_errors), (table.has_cancellation_request, wanted.cancellation_requested))
    # written out, not bound: a partial index serves only a condition that is known when the query is planned
    conditions += [column == (sa.true() if asked else sa.false()) for column, asked in flags if asked is not None]
    if wanted.original_id is not None and wanted.effective_channels is None:
        conditions.append(
            table.channel.in_(sa.select(channels.c.code))
        )  # the index on original ids begins with the channel
    if wanted.marketplaces:
        conditions.append(table.marketplace.in_(wanted.marketplaces))
    if wanted.may_ship is not None:
        reason = table.may_not_ship_reason
        conditions.append(reason.is_(None) if wanted.may_ship else reason.is_not(None))
    if wanted.fulfilled_by is not None:
        conditions.append(
            table.fulfilled_by.is_(None) if wanted.fulfilled_by == "none" else table.fulfilled_by == wanted.fulfilled_by
        )
    conditions += [*few(wanted), *others(wanted)]
    for column, first, end in ranges_of(wanted):
        is_free = indexed is None or column is table.purchased_at or column.name in indexed
        conditions += within(column if is_free else sa.func.coalesce(column, column), first, end)
    return conditions


class Range(NamedTuple):
    """A column of time, and the members of a filter that say from when and before when, where they are given."""

    column: sa.Column[Any]
    first: str | None
    end: str | None


_RANGES = (
    Range(orders.c.purchased_at, "purchased_after", "purchased_before"),
    Range(orders.c.received_at, "received_after", "received_before"),
    Range(orders.c.marketplace_updated_at, "updated_after", "updated_before"),
)


def ranges_of(wanted: OrderFilter) -> tuple[Range, ...]:
    """The columns of time with the ranges asked for; purchases first, by which lists are sorted."""
    return tuple(Range(each.column, *(_given(wanted, name) for name in each[1:])) for each in _RANGES)


def _given(wanted: OrderFilter, name: str | None) -> str | None:
    return None if name is None or getattr(wanted, name) is None else name


def within(column: sa.ColumnElement[Any], first: str | None, end: str | None) -> list[sa.ColumnElement[bool]]:
    """The conditions of a half-open range; None: without a bound. The values are those of `values_of`."""
    after = [] if first is None else [column >= _bound(first)]
    return after if end is None else [*after, column < _bound(end)]


# -- values, which are not part of a statement: it is kept for every other value as well

_MOMENTS = tuple(name for each in _RANGES for name in each[1:] if name is not None)
_ANY_VALUE: Mapping[str, Any] = {
    **dict.fromkeys(_MOMENTS, datetime.max.replace(tzinfo=UTC)),
    **dict.fromkeys(("original_id", "id"), ""),
}


@cache
def _bound(name: str) -> sa.BindParameter[Any]:
    return sa.bindparam(f"asked_{name}", type_=Instant if name in _MOMENTS else sa.String)


def values_of(wanted: OrderFilter) -> dict[str, object]:
    """The values of the conditions."""
    return {f"asked_{name}": getattr(wanted, name) for name in _ANY_VALUE}


def question_of(wanted: OrderFilter) -> OrderFilter:
    """What the statement depends on: the same for filters that differ in their values alone."""
    return replace(wanted, **{name: some for name, some in _ANY_VALUE.items() if getattr(wanted, name) is not None})


def set_conditions(
    wanted: OrderFilter, lead: sa.Column[Any] | None, *, is_walked: bool
) -> list[sa.ColumnElement[bool]]:
    """The conditions on status, channel and country but for the leading column's.

    On a walk they are put so that no index serves them: another index would bring the orders in another order.
    """
    conditions: list[sa.ColumnElement[bool]] = []
    for column, values in asked_sets(wanted):
        if column is lead:
            continue
        tested = sa.func.coalesce(column, "") if is_walked else column
        conditions.append(tested.in_(values))
    return conditions


def asked_sets(wanted: OrderFilter) -> list[tuple[sa.Column[Any], tuple[str, ...]]]:
    """Columns that may lead, with the values asked for; no channel at all is asked for where none may be seen."""
    sets: list[tuple[sa.Column[Any], tuple[str, ...]]] = []
    if wanted.statuses:
        sets.append((orders.c.status, wanted.statuses))
    if wanted.countries:
        sets.append((orders.c.shipping_country_code, wanted.countries))
    if wanted.effective_channels is not None:
        sets.append((orders.c.channel, wanted.effective_channels))
    return sets


# -- the order of a list


def keys_of(source: sa.FromClause, sort: Sort) -> tuple[sa.ColumnElement[Any], ...]:
    """The columns that a list is sorted by."""
    return (source.c.position,) if sort.is_by_position else (source.c.purchased_at, source.c.id)


def sorted_by(keys: Sequence[sa.ColumnElement[Any]], sort: Sort) -> list[sa.ColumnElement[Any]]:
    """The same, in the direction of the sort."""
    return [key.desc() if sort.is_descending else key.asc() for key in keys]


def beyond_place(sort: Sort) -> sa.ColumnElement[bool]:
    """The condition that an order comes after a place; its values are those of `place_of`."""
    if sort.is_by_position:
        place = sa.bindparam("after_position", type_=sa.BigInteger)
        return orders.c.position < place if sort.is_descending else orders.c.position > place
    row = sa.tuple_(orders.c.purchased_at, orders.c.id)
    key = sa.tuple_(sa.bindparam("after_purchased_at", type_=Instant), sa.bindparam("after_id", type_=sa.String))
    return row < key if sort.is_descending else row > key


def up_to_place(sort: Sort) -> sa.ColumnElement[bool]:
    """The condition that an order comes before a place, or is there; its values are those of `ending_at`."""
    if sort.is_by_position:
        place = sa.bindparam("until_position", type_=sa.BigInteger)
        return orders.c.position >= place if sort.is_descending else orders.c.position <= place
    row = sa.tuple_(orders.c.purchased_at, orders.c.id)
    key = sa.tuple_(sa.bindparam("until_purchased_at", type_=Instant), sa.bindparam("until_id", type_=sa.String))
    return row >= key if sort.is_descending else row <= key


def ending_at(sort: Sort, keys: Sequence[object]) -> dict[str, object]:
    """The values of the place where a walk ends."""
    return dict(
        zip(("until_position",) if sort.is_by_position else ("until_purchased_at", "until_id"), keys, strict=True)
    )


def place_of(after: Key | None) -> dict[str, object]:
    """The values of a place."""
    if after is None:
        return {}
    return {"after_position": after.position, "after_purchased_at": after.purchased_at, "after_id": after.id}
