"""Reading the order book: filtered pages by keyset, one order and its parties.

Every reader (API, export, command line) asks through one `OrderFilter`, and what a reader may see is a part of it, so that the
allow-list is applied in one place. How many orders a filter finds is told by `order_tally`, how a row becomes a
document by `warehouse.documents`; nothing writes here.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import sqlalchemy as sa

from warehouse.documents import StoredOrder
from warehouse.ledger.base.prepared import Prepared, Question
from warehouse.ledger.base.rows import read_rows
from warehouse.ledger.base.schema import WireInstant, orders, parties
from warehouse.ledger.book import order_kinds, order_rarities, order_texts
from warehouse.ledger.book.order_conditions import (
    beyond_place,
    conditions_of,
    due,
    ending_at,
    few,
    keys_of,
    place_of,
    question_of,
    ranges_of,
    set_conditions,
    sorted_by,
    values_of,
    within,
)
from warehouse.ledger.book.order_filter import Key, OrderFilter, Sort
from warehouse.ledger.book.order_ids import order_keys
from warehouse.ledger.book.order_tally import tally
from warehouse.ledger.book.order_texts import OrderText
from warehouse.ledger.book.page_statements import beginning_query, ending_query, page_query, set_query, walk
from warehouse.ledger.book.retired_orders import NO_FACTS, facts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.base.database import Ledger
    from warehouse.ledger.book.order_conditions import Range
    from warehouse.ledger.book.order_tally import OrderTally
    from warehouse.ledger.book.page_statements import Columns

CHUNK = 250
"""Orders read in one transaction by a scan: bounds its memory, and how long it keeps old pages of the database alive."""


SORTED_AT_MOST = 4000
"""Orders of a range of times that are read and sorted, in 20 ms; a longer range is walked past in the order asked for."""

DOCUMENT_COLUMNS = (
    orders.c.id,
    orders.c.position,
    orders.c.revision,
    orders.c.status,
    orders.c.purchased_at,
    sa.type_coerce(orders.c.marketplace_updated_at, WireInstant()).label("marketplace_updated_at"),
    sa.type_coerce(orders.c.received_at, WireInstant()).label("received_at"),
    orders.c.confirmation_status,
    orders.c.has_errors,
    orders.c.has_cancellation_request,
    orders.c.is_historical,
    orders.c.pii_state,
    orders.c.acknowledgements,
    orders.c.facts,
)
"""As an `StoredOrder` has them."""


Row = TypeVar("Row", StoredOrder, OrderText)


@dataclass(frozen=True, slots=True, eq=False)
class RowShape(Generic[Row]):
    """What is read of an order: the columns, as a record has them, and the values of these."""

    record: type[Row]
    columns: Columns
    values: Mapping[str, object] = field(default_factory=dict)

    def made(self, rows: Iterable[Sequence[Any]]) -> list[Row]:
        """The records of rows as the database gives them."""
        return [self.record._make(row) for row in rows]

    def whole(self, transaction: Transaction, rows: list[Row]) -> list[Row]:
        """The rows with what the lake alone has of retired orders, and a member that says so.

        Raises:
            RetiredOrdersUnreadable: The lake cannot be read.
        """
        retired = [row.id for row in rows if _is_retired(row)]
        if not retired:
            return rows
        found = facts_of(transaction, retired)
        return [self._with_facts(row, RETIRED_MEMBER + found[row.id]) if row.id in found else row for row in rows]

    def _with_facts(self, row: Row, facts: str) -> Row:
        if isinstance(row, StoredOrder):
            return row._replace(facts=facts)
        return order_texts.with_facts(row, facts, order_texts.end_of(row.id, self.values))


def _is_retired(row: StoredOrder | OrderText) -> bool:
    return row.facts == NO_FACTS if isinstance(row, StoredOrder) else bool(row.is_retired)


RETIRED_MEMBER = '"is_retired":true,'
"""What documents of retired orders have before their facts."""

MEMBERS = RowShape(StoredOrder, DOCUMENT_COLUMNS)
TEXTS_WITH_PARTIES = RowShape(OrderText, order_texts.WITH_PARTIES)
"""The members that are our own; the document as the database writes it, with the sealed personal data."""


def redacted_texts(before_id: str, after_id: str) -> RowShape[OrderText]:
    """The whole document for readers who may not see who bought; the end of it, around the id, as `documents` makes it."""
    return RowShape(OrderText, order_texts.REDACTED, order_texts.redacted_values(before_id, after_id))


@dataclass(frozen=True, slots=True)
class OrderRows(Generic[Row]):
    """Rows of a list; `next_key` is None on the last page."""

    rows: list[Row]
    next_key: Key | None


def page(
    shape: RowShape[Row],
    transaction: Transaction,
    wanted: OrderFilter,
    sort: Sort,
    after: Key | None,
    limit: int,
    tallied: OrderTally | None = None,
) -> OrderRows[Row]:
    """The `limit` orders that follow `after`; `tallied` is what `order_tally.tally` says, where that is known already.

    Raises:
        RetiredOrdersUnreadable: A retired order is among them, and the lake cannot be read.
    """
    if tallied is None and order_kinds.asks_for_kinds(wanted, sort):
        tallied = tally(transaction, wanted)
    if sort.is_by_errors:
        return _by_errors(shape, transaction, wanted, sort, after, limit, tallied)
    if tallied is not None and not tallied.at_most:
        return OrderRows([], None)
    rows = None
    by_kinds = tallied if order_kinds.asks_for_kinds(wanted, sort) else None
    if by_kinds is not None and (by_kinds.is_whole or by_kinds.at_most <= SORTED_AT_MOST):
        rows = _of_kinds(shape, transaction, wanted, sort, after, limit + 1, by_kinds, SORTED_AT_MOST)
    if rows is None and order_rarities.may_be_rare(wanted, sort):
        rows = _of_rare(shape, transaction, wanted, sort, after, limit + 1, tallied)
    if rows is None and by_kinds is not None:
        rows = _of_kinds(shape, transaction, wanted, sort, after, limit + 1, by_kinds, SORTED_AT_MOST)
    if rows is None and wanted.ship_by:
        rows = _to_ship(shape, transaction, wanted, sort, after, limit + 1)
    if rows is None:
        rows = _of_any_kind(shape, transaction, wanted, sort, after, limit + 1)
    if len(rows) <= limit:
        return OrderRows(shape.whole(transaction, rows), None)
    rows.pop()
    return OrderRows(shape.whole(transaction, rows), key_of(rows[-1], sort))


def questions_of_page(
    shape: RowShape[Row], wanted: OrderFilter, sort: Sort, after: Key | None, limit: int
) -> list[Question]:
    """What `page` asks, where one statement answers it; else nothing."""
    is_ranged = any(name for each in ranges_of(wanted)[1:] for name in each[1:])
    is_led_elsewhere = order_kinds.asks_for_kinds(wanted, sort) or order_rarities.may_be_rare(wanted, sort)
    if sort.is_by_errors or is_ranged or is_led_elsewhere or wanted.ship_by:
        return []
    query = page_query(shape.columns, question_of(wanted), sort, after is not None, limit + 1, frozenset())
    return [Question(query, {**shape.values, **values_of(wanted), **place_of(after)})]


def _of_kinds(
    shape: RowShape[Row],
    transaction: Transaction,
    wanted: OrderFilter,
    sort: Sort,
    after: Key | None,
    limit: int,
    tallied: OrderTally,
    most_by_position: int,
) -> list[Row] | None:
    """A page along the indexes of kinds; None where these are of no use, or too many would be sorted by position."""
    is_ranged = wanted.received_after is not None or wanted.received_before is not None
    branches = order_kinds.branches_of(tallied)
    most = most_by_position if sort.is_by_position else order_kinds.COLLECTED_AT_MOST
    is_collected = tallied.at_most <= most and (is_ranged or sort.is_by_position)
    if len(branches) > order_kinds.MOST_WALKS or few(wanted):
        return None
    if (sort.is_by_position and not is_collected) or _short_ranges(transaction, wanted, ranges_of(wanted)[2:]):
        return None
    if not is_collected:
        wanted = _begun_at_the_end(transaction, wanted)
    query = order_kinds.ids_of_kinds(
        question_of(wanted),
        sort,
        branches,
        limit,
        is_continued=after is not None,
        is_collected=is_collected,
    )
    ids = [row[0] for row in query.rows(transaction, values_of(wanted) | place_of(after))]
    if not ids:
        return []
    rows = read_rows(transaction, shape.record, _of_ids(shape.columns), {**shape.values, "own_ids": ids})
    known = {row.id: row for row in rows}
    return [known[each] for each in ids]


def _of_rare(
    shape: RowShape[Row],
    transaction: Transaction,
    wanted: OrderFilter,
    sort: Sort,
    after: Key | None,
    limit: int,
    tallied: OrderTally | None,
) -> list[Row] | None:
    """A page of what may be rare: walked if that is soon over, else looked up; None where there are too many for that."""
    if _short_ranges(transaction, wanted, ranges_of(wanted)[1:]):
        return None
    if not sort.is_by_position:
        wanted = _begun_at_the_end(transaction, wanted)
    asked = (question_of(wanted), sort, after is not None)
    values = {**shape.values, **values_of(wanted), **place_of(after)}
    walked = order_rarities.walked(wanted, sort)
    for passed, most in order_rarities.STRETCHES:
        end = ending_query(question_of(walked), *asked[1:], passed).rows(transaction, values)
        if not end:
            break  # a walk of everything is as short
        of_few = partial(_of_few, shape, transaction, wanted, sort, after, limit, most)
        found = of_few() if order_rarities.is_flagged(walked) else None
        if found is None:
            rows = beginning_query(shape.columns, *asked, limit).rows(transaction, values | ending_at(sort, end[0]))
            from_an_end = partial(_all_from_an_end, shape, transaction, wanted, sort, after, limit, rows)
            counted = partial(_of_counted, shape, transaction, wanted, sort, after, limit, most, tallied)
            found = _first_found(of_few, from_an_end, counted) if len(rows) < limit else shape.made(rows)
        if found is not None:
            return found
    return None


def _first_found(*ways: Callable[[], list[Row] | None]) -> list[Row] | None:
    return next((found for way in ways if (found := way()) is not None), None)


def _of_few(
    shape: RowShape[Row],
    transaction: Transaction,
    wanted: OrderFilter,
    sort: Sort,
    after: Key | None,
    limit: int,
    most: int,
) -> list[Row] | None:
    """A page of what is looked up in a set of so many orders at most."""
    name = order_rarities.few_of(transaction, wanted, sort, most)
    if name is None:
        return None
    query = set_query(shape.columns, question_of(wanted), sort, after is not None, limit, name)
    return shape.made(query.rows(transaction, {**shape.values, **values_of(wanted), **place_of(after)}))


def _of_counted(
    shape: RowShape[Row],
    transaction: Transaction,
    wanted: OrderFilter,
    sort: Sort,
    after: Key | None,
    limit: int,
    most: int,
    tallied: OrderTally | None,
) -> list[Row] | None:
    """A page along the indexes of kinds, where the kept counts may lead to what no set has."""
    if not order_rarities.is_counted(wanted, sort):
        return None
    tallied = tallied or tally(transaction, wanted)
    return _of_kinds(shape, transaction, wanted, sort, after, limit, tallied, most) if tallied.at_most else []


def _all_from_an_end(
    shape: RowShape[Row],
    transaction: Transaction,
    wanted: OrderFilter,
    sort: Sort,
    after: Key | None,
    limit: int,
    rows: Sequence[Sequence[Any]],
) -> list[Row] | None:
    """All that is found, where that is no more than a page and stands at the beginning, as in `rows`, or at the other end."""
    count = order_rarities.count_by_others(transaction, wanted) if after is None else None
    if count is None or count >= limit:
        return None
    if len(rows) < count:
        (passed, _), *_ = order_rarities.STRETCHES
        asked = (question_of(order_rarities.walked(wanted, sort)), sort.reverse, False)
        values = {**shape.values, **values_of(wanted)}
        end = ending_query(*asked, passed).rows(transaction, values)[0]
        query = beginning_query(shape.columns, question_of(wanted), *asked[1:], limit)
        rows = query.rows(transaction, values | ending_at(sort.reverse, end))[::-1]
    return shape.made(rows) if len(rows) == count else None


def _to_ship(
    shape: RowShape[Row], transaction: Transaction, wanted: OrderFilter, sort: Sort, after: Key | None, limit: int
) -> list[Row] | None:
    """A page of more orders that are due than are looked up: walked among those that are to be shipped; None: they are few."""
    rest = order_rarities.among_those_to_ship(transaction, wanted)
    if rest is None:
        return None
    conditions = due(wanted) if after is None else [*due(wanted), beyond_place(sort)]
    query = walk(shape.columns, rest, sort, conditions, limit)
    values = {**shape.values, **values_of(wanted), **place_of(after)}
    return shape.made(transaction.execute(query, values))


def _of_any_kind(
    shape: RowShape[Row], transaction: Transaction, wanted: OrderFilter, sort: Sort, after: Key | None, limit: int
) -> list[Row]:
    short = _short_ranges(transaction, wanted, ranges_of(wanted)[1:])
    if not short:
        wanted = _begun_at_the_end(transaction, wanted)
    query = page_query(shape.columns, question_of(wanted), sort, after is not None, limit, short)
    values = {**shape.values, **values_of(wanted), **place_of(after)}
    return shape.made(query.rows(transaction, values))


def _short_ranges(transaction: Transaction, wanted: OrderFilter, ranges: Sequence[Range]) -> frozenset[str]:
    """The columns of time of which so few orders are within the range that they are better sorted than walked past."""
    short = set()
    for column, first, end in ranges:
        bounds = within(column, first, end)
        if bounds:
            found = sa.select(sa.literal(1)).where(*bounds).limit(SORTED_AT_MOST + 1).subquery()
            counted = sa.select(sa.func.count()).select_from(found)
            count = transaction.execute(counted, values_of(wanted)).scalar_one()
            if int(count) <= SORTED_AT_MOST:
                short.add(column.name)
    return frozenset(short)


def _begun_at_the_end(transaction: Transaction, wanted: OrderFilter) -> OrderFilter:
    """The same filter with what follows from it: what arrived or changed before a time was purchased before it.

    So a walk from the newest purchase on begins there. A marketplace's clock that runs ahead of ours makes orders that were
    purchased after their arrival, and some tell a change before the purchase: where the range has any, nothing follows.
    """
    for column, first, end in ranges_of(wanted)[1:]:
        if end is None:
            continue
        ahead = sa.select(orders.c.id).where(orders.c.purchased_at > column, *within(column, first, end)).limit(1)
        if transaction.execute(ahead, values_of(wanted)).first() is None:
            moment = getattr(wanted, end)
            wanted = replace(wanted, purchased_before=min(wanted.purchased_before or moment, moment))
    return wanted


def _by_errors(
    shape: RowShape[Row],
    transaction: Transaction,
    wanted: OrderFilter,
    sort: Sort,
    after: Key | None,
    limit: int,
    tallied: OrderTally | None,
) -> OrderRows[Row]:
    """Orders with errors and those without, one after the other; each part is a walk along an index that there is anyway."""
    rows: list[Row] = []
    first = sort is Sort.ERRORS_FIRST
    for has_errors in (first, not first):
        is_passed = after is not None and after.has_errors is not first and has_errors is first
        if is_passed or wanted.has_errors is (not has_errors):
            continue
        start = after if after is not None and after.has_errors is has_errors else None
        part = replace(wanted, has_errors=has_errors)
        part_tallied = None if tallied is None else tallied.of_errors(has_errors=has_errors)
        rows += page(shape, transaction, part, Sort.NEWEST, start, limit + 1 - len(rows), part_tallied).rows
        if len(rows) > limit:
            break
    if len(rows) <= limit:
        return OrderRows(rows, None)
    rows = rows[:limit]
    return OrderRows(rows, key_of(rows[-1], sort))


def ids_of(transaction: Transaction, wanted: OrderFilter, most: int) -> list[str]:
    """The internal ids of the orders of a list, the latest purchase first; of more than `most` the first of them."""
    conditions = [*set_conditions(wanted, None, is_walked=False), *conditions_of(wanted)]
    query = sa.select(orders.c.id).where(*conditions).order_by(*sorted_by(keys_of(orders, Sort.NEWEST), Sort.NEWEST))
    return list(transaction.execute(query.limit(most), values_of(wanted)).scalars())


def neighbours(
    transaction: Transaction, wanted: OrderFilter, sort: Sort, row: StoredOrder
) -> tuple[str | None, str | None]:
    """Internal ids of the orders before and after one in a list; None at its ends."""
    tallied = tally(transaction, wanted) if order_kinds.asks_for_kinds(wanted, sort) else None
    after = page(MEMBERS, transaction, wanted, sort, key_of(row, sort), 1, tallied).rows
    before = _before(transaction, wanted, sort, row, tallied)
    return (before[0].id if before else None), (after[0].id if after else None)


def _before(
    transaction: Transaction, wanted: OrderFilter, sort: Sort, row: StoredOrder, tallied: OrderTally | None
) -> list[StoredOrder]:
    if not sort.is_by_errors:
        return page(MEMBERS, transaction, wanted, sort.reverse, key_of(row, sort.reverse), 1, tallied).rows
    first, own = sort is Sort.ERRORS_FIRST, bool(row.has_errors)
    found = page(MEMBERS, transaction, replace(wanted, has_errors=own), Sort.OLDEST, key_of(row, Sort.OLDEST), 1).rows
    if found or own is first or wanted.has_errors is own:
        return found
    return page(MEMBERS, transaction, replace(wanted, has_errors=first), Sort.OLDEST, None, 1).rows


def key_of(row: StoredOrder | OrderText, sort: Sort) -> Key:
    """Where a list sorted like this goes on after this row."""
    if sort.is_by_position:
        return Key(position=row.position)
    purchased_at = row.purchased_at
    if isinstance(purchased_at, str):
        purchased_at = datetime.fromisoformat(purchased_at)
    return Key(purchased_at=purchased_at, id=row.id, has_errors=bool(row.has_errors) if sort.is_by_errors else None)


def scan(shape: RowShape[Row], ledger: Ledger, wanted: OrderFilter, sort: Sort) -> Iterator[list[Row]]:
    """Every order of a list, `CHUNK` at a time, each chunk in a transaction of its own."""
    after: Key | None = None
    while True:
        with ledger.read() as transaction:
            chunk = page(shape, transaction, wanted, sort, after, CHUNK)
        yield chunk.rows
        after = chunk.next_key
        if after is None:
            return


def by_id(
    shape: RowShape[Row], transaction: Transaction, order_id: str, visible_channels: tuple[str, ...] | None
) -> Row | None:
    """One order, None when there is none or the reader may not see it.

    Raises:
        RetiredOrdersUnreadable: It is retired, and the lake cannot be read.
    """
    statement, values = question_by_id(shape, order_id)
    rows = statement.rows(transaction, values)
    if not rows or (visible_channels is not None and rows[0][-1] not in visible_channels):
        return None
    return shape.whole(transaction, [shape.record._make(rows[0][:-1])])[0]


def question_by_id(shape: RowShape[Row], order_id: str) -> Question:
    """What `by_id` asks."""
    return Question(_by_id(shape.columns), {**shape.values, "own_id": order_id})


def sealed_parties(transaction: Transaction, order_ids: Sequence[str]) -> dict[str, bytes]:
    """The encrypted personal data of these orders, of those that have any."""
    rows = transaction.execute(_PARTIES, {"own_ids": list(order_ids)})
    return {row[0]: row[1] for row in rows}


@cache
def _by_id(columns: Columns) -> Prepared:
    return Prepared(sa.select(*columns, orders.c.channel).where(orders.c.id == sa.bindparam("own_id")))


_PARTIES = sa.select(parties.c.order_id, parties.c.sealed).where(
    parties.c.order_key.in_(order_keys(sa.bindparam("own_ids", expanding=True)))
)


@cache
def _of_ids(columns: Columns) -> sa.Select[Any]:
    return sa.select(*columns).where(orders.c.id.in_(sa.bindparam("own_ids", expanding=True)))
