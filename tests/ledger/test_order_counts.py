"""The kept counts are those of the book, whatever is written, in whichever order; and what lists are told by them."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ledger.test_order_queries import an_order, put
from tests.ledger.test_shipments import NOW, Shop
from tests.ledger.test_shipments import an_order as an_order_to_ship
from warehouse.ledger.base.schema import order_counts as counts_table
from warehouse.ledger.base.schema import orders
from warehouse.ledger.book import order_tally
from warehouse.ledger.book.arrivals import arrive
from warehouse.ledger.book.order_filter import OrderFilter
from warehouse.ledger.book.orders import lock_book, settle
from warehouse.ledger.book.personal_data import expire_orders
from warehouse.ledger.status.soundness import counts_equal_book
from warehouse.ledger.watch import incidents, order_counts
from warehouse.order_parts import OrderProblem
from warehouse.order_states import FulfilledBy, Status
from warehouse.shipment_reports import ShipmentReport

DAY = timedelta(days=1)


class Undone(Exception):
    """A transaction that does not come to its end."""


def differences(ledger) -> list[str]:
    with ledger.read() as transaction:
        return order_counts.differences(transaction)


def total(ledger) -> int:
    with ledger.read() as transaction:
        return order_tally.count(transaction, OrderFilter())


numbers = st.integers(1, 6)
acts = st.one_of(
    st.tuples(
        st.just("arrive"),
        st.lists(
            st.tuples(numbers, st.sampled_from(Status), st.booleans(), st.sampled_from([None, *FulfilledBy])),
            min_size=1,
            max_size=4,
            unique_by=lambda each: each[0],
        ),
        st.integers(0, 3),
    ),
    st.tuples(st.just("ship"), numbers, st.booleans()),
    st.tuples(st.just("trouble"), st.lists(numbers, min_size=1, max_size=3), st.booleans()),
    st.tuples(st.just("heal"), st.lists(numbers, min_size=1, max_size=3)),
    st.tuples(st.just("purge"), numbers),
    st.tuples(st.just("zone"), st.sampled_from(["UTC", "Asia/Kathmandu", "America/Los_Angeles"])),
)


class Book:
    """A shop whose orders are written in every way that there is."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.ledger = shop.ledger
        self.clock = NOW
        self.ids: dict[int, str] = {}

    def act(self, name: str, *given) -> None:
        self.clock += timedelta(hours=5)
        getattr(self, name)(*given)

    def arrive(self, wanted, hours: int) -> None:
        made = [
            an_order_to_ship(
                number,
                channel="amazon_fr" if number % 2 else "mirakl_fr",
                status=status,
                fulfilled_by=by,
                problems=(OrderProblem(code="total_mismatch", path="$.total", message="off"),) if is_bad else (),
                marketplace_updated_at=self.clock + timedelta(hours=hours),
            )
            for number, status, is_bad, by in wanted
        ]
        with self.ledger.write() as transaction:
            lock_book(transaction)
            arrivals = [arrive(each, 1, self.clock, is_historical=False) for each in made]
            settle(transaction, self.shop.keys, arrivals, self.clock)
        for each, (number, *_) in zip(made, wanted, strict=True):
            self.ids[number] = each.id

    def ship(self, number: int, is_undone) -> None:
        given = ShipmentReport(
            channel="amazon_fr" if number % 2 else "mirakl_fr",
            original_id=f"402-{number}",
            package_id=f"P{self.clock:%d%H}",
            tracking_number="T1",
            carrier_code="UPS",
        )
        if not is_undone:
            self.shop.ship(given, now=self.clock)

    def trouble(self, about, is_undone) -> None:
        with suppress(Undone), self.ledger.write() as transaction:
            for number in about:
                incidents.report(transaction, problem(self.ids.get(number, "unknown")), self.clock)
            if is_undone:
                raise Undone

    def heal(self, about) -> None:
        with self.ledger.write() as transaction:
            known = [self.ids.get(number, "unknown") for number in about]
            incidents.resolve_order(transaction, known, "confirm", self.clock)

    def purge(self, number: int) -> None:
        expire_orders(self.ledger, [self.ids[number]] if number in self.ids else [], self.clock)

    def zone(self, name: str) -> None:
        order_counts.take_zone(self.ledger, name)


def problem(own_id: str) -> incidents.IncidentReport:
    return incidents.IncidentReport(
        scope="channel", subject="amazon_fr", stage="confirm", code="timeout", message="No answer.", order_id=own_id
    )


@pytest.fixture
def shop(any_ledger, keys):
    return Shop(any_ledger, keys)


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.lists(acts, min_size=4, max_size=14))
def test_whatever_is_written_the_counts_are_those_of_the_book(shop, written) -> None:
    book = Book(shop)
    for each in written:
        book.act(*each)
    assert differences(shop.ledger) == []


def test_every_way_to_write_an_order_counts_it(shop) -> None:
    """The same by hand, so that each way is taken for certain."""
    book = Book(shop)
    book.act("arrive", [(1, Status.WAITING_FOR_SHIPMENT, False, None), (2, Status.PENDING, True, None)], 0)
    book.act("arrive", [(1, Status.WAITING_FOR_SHIPMENT, False, FulfilledBy.MERCHANT)], 1)
    book.act("ship", 1, False)
    book.act("trouble", [1, 2], False)
    assert differences(shop.ledger) == []
    assert dict(kinds(shop.ledger)) == {("SHIPPED", True, "merchant"): 1, ("PENDING", True, ""): 1}
    book.act("heal", [1, 2])
    book.act("purge", 1)
    assert differences(shop.ledger) == []
    assert dict(kinds(shop.ledger)) == {("SHIPPED", False, "merchant"): 1, ("PENDING", True, ""): 1}


def kinds(ledger) -> Counter[tuple[str, bool, str]]:
    found: Counter[tuple[str, bool, str]] = Counter()
    with ledger.read() as transaction:
        for (kind, _), count in order_counts.kept_counts(transaction).items():
            found[kind.status, kind.has_errors, kind.fulfilled_by] += count
    return found


def test_what_is_taken_back_is_not_counted(shop) -> None:
    with shop.ledger.write() as transaction:
        with transaction.begin_nested() as attempt:
            lock_book(transaction)
            settle(transaction, shop.keys, [arrive(an_order_to_ship(1), 1, NOW, is_historical=False)], NOW)
            attempt.rollback()
        lock_book(transaction)
        settle(transaction, shop.keys, [arrive(an_order_to_ship(2), 1, NOW, is_historical=False)], NOW)
    assert total(shop.ledger) == 1
    assert differences(shop.ledger) == []


def test_writers_at_the_same_time_do_not_wait_for_each_other_for_ever(shop) -> None:
    """Each changes the same kinds the other way round; a deadlock would end one of them."""
    own = shop.put(*(an_order_to_ship(number) for number in range(1, 9)))

    def trouble(ids: list[str]) -> None:
        for each in ids:
            with shop.ledger.write() as transaction:
                incidents.report(transaction, problem(each), NOW)
            with shop.ledger.write() as transaction:
                incidents.resolve_order(transaction, [each], "confirm", NOW)
                incidents.report(transaction, problem(each), NOW)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(trouble, [own, own[::-1], own[4:] + own[:4]]))
    assert differences(shop.ledger) == []


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "America/New_York"])
@pytest.mark.parametrize("hours", [3, 100])
def test_lists_are_counted_exactly_whatever_range_they_cut(any_ledger, keys, zone, hours) -> None:
    """Ranges by the hour over days of 23, 24 and 25 hours, and over months; the counts by days of one zone serve ranges of any
    other.
    """
    first, step = datetime(2026, 10, 23, 21, tzinfo=UTC), timedelta(hours=hours)
    made = [
        an_order(0, original_id=f"o-{n}", marketplace_updated_at=first + n * step, channel=f"c{n % 2}")
        for n in range(24)
    ]
    order_counts.take_zone(any_ledger, zone)
    put(any_ledger, keys, *made)
    bounds = [None, *(first + n * step * 11 / 6 for n in range(12))]
    with any_ledger.read() as transaction:
        for after, before, channel in product(bounds, bounds, ((), ("c1",))):
            wanted = OrderFilter(received_after=after, received_before=before, channels=channel)
            expected = [
                each
                for each in made
                if (after is None or each.marketplace_updated_at >= after)
                and (before is None or each.marketplace_updated_at < before)
                and (not channel or each.channel in channel)
            ]
            assert order_tally.count(transaction, wanted) == len(expected)


def test_days_as_a_whole_are_counted_without_looking_at_an_order(any_ledger, keys) -> None:
    order_counts.take_zone(any_ledger, "Europe/Paris")
    put(any_ledger, keys, *(an_order(0, original_id=f"o-{n}", marketplace_updated_at=NOW + n * DAY) for n in range(4)))
    today = datetime(2026, 11, 3, tzinfo=ZoneInfo("Europe/Paris")).astimezone(UTC)
    wanted = OrderFilter(received_after=today, received_before=today + 2 * DAY, has_errors=False)
    seen: list[str] = []
    with any_ledger.read() as transaction:
        sa.event.listen(transaction, "before_cursor_execute", lambda *given: seen.append(given[2]))
        assert order_tally.count(transaction, wanted) == 2
        assert order_tally.count(transaction, replace(wanted, statuses=("REFUSED",), updated_after=NOW)) == 0
    assert not any("FROM orders" in each for each in seen)


@pytest.mark.parametrize("year", [1000, 9999])
def test_a_range_may_end_at_the_end_of_time(any_ledger, keys, year) -> None:
    put(any_ledger, keys, an_order(0))
    moment = datetime(year, 12, 31, 23, 59, tzinfo=UTC)
    with any_ledger.read() as transaction:
        before, after = (
            order_tally.count(transaction, OrderFilter(**{name: moment}))
            for name in ("received_before", "received_after")
        )
    assert (before, after) == ((0, 1) if year == 1000 else (1, 0))


def test_counts_that_went_wrong_are_told_and_mended(any_ledger, keys) -> None:
    put(any_ledger, keys, an_order(0), an_order(1))
    with any_ledger.write() as transaction:
        transaction.execute(sa.update(counts_table).values(orders=7))
        transaction.execute(sa.update(orders).where(orders.c.original_id == "o-1").values(status="REFUSED"))
    assert counts_equal_book(any_ledger).offenders == [
        "amazon_fr REFUSED 2026-10-01: 0 counted, 1 there",
        "amazon_fr SHIPPED 2026-10-01: 7 counted, 1 there",
        "amazon_fr REFUSED 2026-10: 0 counted, 1 there",
        "amazon_fr SHIPPED 2026-10: 2 counted, 1 there",
        "amazon_fr REFUSED: 0 counted, 1 there",
        "amazon_fr SHIPPED: 2 counted, 1 there",
    ]
    assert counts_equal_book(any_ledger).offenders == []
    assert total(any_ledger) == 2


def test_another_zone_counts_other_days(any_ledger, keys) -> None:
    put(any_ledger, keys, an_order(0, marketplace_updated_at=datetime(2026, 11, 2, 23, 30, tzinfo=UTC)))
    order_counts.take_zone(any_ledger, "Europe/Paris")
    with any_ledger.read() as transaction:
        assert [day for _, day in order_counts.kept_counts(transaction)] == [date(2026, 11, 3)]
    assert differences(any_ledger) == []
