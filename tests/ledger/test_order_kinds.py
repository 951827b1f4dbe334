"""Lists of any combination of filters find what they should, page by page, and read no more of the book than that."""

from __future__ import annotations

import random
import re
from datetime import timedelta
from itertools import product

import pytest
import sqlalchemy as sa

from tests.ledger.test_order_queries import MOMENT, an_order
from warehouse.ledger.book import order_kinds, order_queries, order_rarities, order_tally
from warehouse.ledger.book.arrivals import arrive
from warehouse.ledger.book.order_filter import OrderFilter, Sort
from warehouse.ledger.book.orders import lock_book, settle
from warehouse.ledger.watch import order_counts
from warehouse.order_parts import OrderProblem
from warehouse.order_states import FulfilledBy, Status

PROBLEM = OrderProblem(code="missing_price", path="$", message="There is no price.")
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
STATUSES = ((), ("SHIPPED",), ("PENDING", "CANCELED"), ("REFUSED",))
CHANNELS = ((), ("amazon_fr",), ("amazon_de", "mirakl_fr"))
MARKETPLACES = ((), ("Amazon FR",), ("Amazon FR", "Renamed"))
RANGES = ((None, None), (MOMENT, MOMENT + DAY), (MOMENT + 7 * HOUR, MOMENT + 3 * DAY), (MOMENT + 2 * DAY, None))
BY = (None, "merchant", "none")
FLAGS = (None, True, False)


def made(number: int):
    """An order of some kind, and when it arrived."""
    chance = random.Random(number)
    channel = chance.choice(("amazon_fr", "amazon_de", "mirakl_fr"))
    marketplace = chance.choice(("Amazon FR", "Amazon FR", "Renamed")) if channel == "amazon_fr" else channel
    bought = MOMENT + timedelta(minutes=chance.randrange(4 * 24 * 60))
    order = an_order(
        0,
        original_id=f"o-{number}",
        channel=channel,
        marketplace=marketplace,
        status=chance.choice((Status.SHIPPED, Status.SHIPPED, Status.PENDING, Status.CANCELED)),
        fulfilled_by=chance.choice((None, FulfilledBy.MERCHANT, FulfilledBy.MARKETPLACE)),
        purchased_at=bought,
        marketplace_updated_at=bought + HOUR,
        problems=(PROBLEM,) if chance.random() < 0.2 else (),
    )
    return order, bought + chance.choice((-1, 1, 1, 30)) * HOUR


def filled(ledger, keys):
    """Sixty orders, and when they arrived; of one in four the marketplace's clock runs ahead of ours."""
    orders = [made(number) for number in range(60)]
    with ledger.write() as transaction:
        lock_book(transaction)
        arrivals = [arrive(order, 1, received, is_historical=False) for order, received in orders]
        settle(transaction, keys, arrivals, MOMENT)
    return orders


@pytest.fixture
def book(any_ledger, keys):
    return any_ledger, filled(any_ledger, keys)


def some_filters(count: int) -> list[OrderFilter]:
    chance = random.Random(1)
    combinations = list(product(STATUSES, CHANNELS, MARKETPLACES, RANGES, FLAGS, BY))
    return [
        OrderFilter(
            statuses=statuses,
            channels=channels,
            marketplaces=marketplaces,
            received_after=after,
            received_before=before,
            has_errors=has_errors,
            fulfilled_by=by,
            cancellation_requested=chance.choice((None, None, False)),
            purchased_after=chance.choice((None, None, MOMENT + DAY)),
            may_ship=chance.choice((None, None, True, False)),
        )
        for statuses, channels, marketplaces, (after, before), has_errors, by in chance.sample(combinations, count)
    ]


def is_wanted(wanted: OrderFilter, order, received) -> bool:
    by = order.fulfilled_by.value if order.fulfilled_by else "none"
    may_ship = order.may_not_ship_reason is None
    return (
        (not wanted.statuses or order.status in wanted.statuses)
        and (not wanted.channels or order.channel in wanted.channels)
        and (not wanted.marketplaces or order.marketplace in wanted.marketplaces)
        and (wanted.received_after is None or received >= wanted.received_after)
        and (wanted.received_before is None or received < wanted.received_before)
        and (wanted.purchased_after is None or order.purchased_at >= wanted.purchased_after)
        and wanted.has_errors in {None, bool(order.problems)}
        and wanted.cancellation_requested in {None, False}
        and wanted.fulfilled_by in {None, by}
        and wanted.may_ship in {None, may_ship}
    )


def walk_through(transaction, wanted: OrderFilter, sort: Sort, limit: int = 7) -> list[str]:
    found, after = [], None
    while True:
        page = order_queries.page(order_queries.MEMBERS, transaction, wanted, sort, after, limit)
        found += [row.id for row in page.rows]
        after = page.next_key
        if after is None:
            return found


KEYS = {
    Sort.NEWEST: lambda order: order.purchased_at,
    Sort.OLDEST: lambda order: order.purchased_at,
    Sort.ERRORS_FIRST: lambda order: (bool(order.problems), order.purchased_at),
}


@pytest.mark.parametrize(
    ("walks", "collected", "stretches"),
    [(48, 20_000, order_rarities.STRETCHES), (48, 0, ((5, 0), (10, 0))), (1, 0, ((3, 10), (30, 30)))],
)
def test_every_combination_finds_what_it_should_page_by_page(book, monkeypatch, walks, collected, stretches) -> None:
    ledger, orders = book
    monkeypatch.setattr(order_rarities, "STRETCHES", stretches)
    monkeypatch.setattr(order_kinds, "MOST_WALKS", walks)
    monkeypatch.setattr(order_kinds, "COLLECTED_AT_MOST", collected)
    monkeypatch.setattr(order_queries, "SORTED_AT_MOST", collected)
    found_any = 0
    with ledger.read() as transaction:
        for wanted, sort in zip(some_filters(80), [*KEYS, Sort.POSITION] * 20, strict=True):
            expected = [order for order, received in orders if is_wanted(wanted, order, received)]
            found = walk_through(transaction, wanted, sort)
            assert order_tally.count(transaction, wanted) == len(expected), wanted
            assert sorted(found) == sorted(each.id for each in expected), wanted
            if sort in KEYS:
                key = KEYS[sort]
                ranked = sorted(expected, key=lambda each: (key(each), each.id), reverse=sort.is_descending)
                assert found == [each.id for each in ranked], wanted
            found_any += bool(found)
    assert found_any > 20


def explained(ledger, wanted: OrderFilter, sort: Sort) -> list[str]:
    """The plans of the statements that read orders for a page and its count."""
    seen: list[tuple[str, object]] = []

    def note(_connection, _cursor, statement, parameters, *_) -> None:
        if "FROM orders" in statement:
            seen.append((statement, parameters))

    sa.event.listen(ledger.engine, "before_cursor_execute", note)
    with ledger.read() as transaction:
        order_queries.page(order_queries.MEMBERS, transaction, wanted, sort, None, 50)
        order_tally.count(transaction, wanted)
    sa.event.remove(ledger.engine, "before_cursor_execute", note)
    with ledger.read() as transaction:
        if ledger.engine.dialect.name == "sqlite":
            return ["\n".join(row[3] for row in _explain(transaction, "EXPLAIN QUERY PLAN", *each)) for each in seen]
        transaction.exec_driver_sql("SET LOCAL enable_seqscan = off")  # a small table is read as a whole otherwise
        return ["\n".join(row[0] for row in _explain(transaction, "EXPLAIN", *each)) for each in seen]


def _explain(transaction, how: str, statement: str, parameters):
    return transaction.exec_driver_sql(f"{how} {statement}", parameters)


READS_THE_BOOK = re.compile(r"SCAN orders(?! USING)|Seq Scan on orders")
WALKS_THE_BOOK = re.compile(r"SCAN orders USING|Index (Only )?Scan (Backward )?using \w+ on orders.*\n(?!.*Index Cond)")
SORTS = re.compile(r"TEMP B-TREE|Sort")


@pytest.mark.parametrize("collected", [20_000, 0])
def test_no_combination_reads_or_sorts_the_book(book, monkeypatch, collected) -> None:
    """A walk in the order asked for is fine; reading every row, or sorting what a whole index brings, is not."""
    ledger, _ = book
    monkeypatch.setattr(order_kinds, "COLLECTED_AT_MOST", collected)
    monkeypatch.setattr(order_queries, "SORTED_AT_MOST", collected)
    for wanted, sort in zip(some_filters(60), [Sort.NEWEST, Sort.ERRORS_FIRST] * 30, strict=True):
        for plan in explained(ledger, wanted, sort):
            assert not READS_THE_BOOK.search(plan), (wanted, plan)
            assert not (WALKS_THE_BOOK.search(plan) and SORTS.search(plan)), (wanted, plan)


def test_kinds_that_are_not_there_are_told_without_a_look_at_the_orders(book) -> None:
    ledger, _ = book
    wanted = OrderFilter(statuses=("REFUSED",), channels=("amazon_fr",), received_after=MOMENT + 5 * HOUR)
    assert explained(ledger, wanted, Sort.NEWEST) == []


def test_a_range_is_read_along_the_index_of_arrivals_of_its_kinds(ledger, keys) -> None:
    filled(ledger, keys)
    order_counts.take_zone(ledger, "Europe/Paris")
    wanted = OrderFilter(statuses=("SHIPPED",), received_after=MOMENT, received_before=MOMENT + DAY)
    page, _, *counted = explained(ledger, wanted, Sort.NEWEST)
    assert len(counted) == 2
    assert all("COVERING INDEX ix_orders_kind_received" in each for each in (page, *counted))
