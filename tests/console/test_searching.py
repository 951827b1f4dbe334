"""What the console asks of the ledger, on both databases: finding by any id, counting for a while, headlines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from orders_api.console.kit.headlines import state_badge
from orders_api.console.views.frame import Badge
from tests.api.conftest import Book, make_order, set_up
from warehouse.ids import order_id
from warehouse.ledger.base.database import brief
from warehouse.ledger.base.schema import acknowledgements, consumers
from warehouse.ledger.book import order_queries, order_tally
from warehouse.ledger.book.order_filter import OrderFilter, Sort
from warehouse.ledger.book.order_tally import Count
from warehouse.ledger.book.raw_orders import cover
from warehouse.ledger.book.search import search
from warehouse.ledger.status.headlines import headlines
from warehouse.privacy import open_key_ring

FOR_EVER = (
    "WITH RECURSIVE counting(number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM counting) "
    "SELECT max(number) FROM counting"
)
"""A statement that does not end by itself."""


@pytest.fixture
def book(any_settings, any_ledger, clock):
    set_up(any_ledger, clock())
    made = Book(any_ledger, open_key_ring(any_settings))
    first = make_order(1)
    line = replace(first.lines[0], sku="SHADE-7", gtin="4006381333931")
    made.put(first, make_order(2, channel="mirakl_de", marketplace="Mirakl DE", lines=(line,)))
    with any_ledger.write() as transaction:
        transaction.execute(sa.insert(consumers).values(name="erp", position=0, created_at=clock()))
        row = {"order_id": order_id("amazon_fr", "402-0000001"), "consumer": "erp", "revision": 1, "outcome": "ok"}
        transaction.execute(sa.insert(acknowledgements).values(**row, order_number="SO-1", at=clock()))
    return made


@pytest.mark.parametrize(
    ("text", "channels"),
    [
        ("402-0000001", ["amazon_fr"]),
        ("SHADE-7", ["mirakl_de"]),
        ("4006381333931", ["mirakl_de"]),
        ("SO-1", ["amazon_fr"]),
        (order_id("mirakl_de", "402-0000002").upper(), ["mirakl_de"]),
        ("LAMP-12;SHADE-7 nothing", ["amazon_fr", "mirakl_de"]),
        (" ,;\n", []),
        ("402-000000%\0", []),
        ("402-00", ["amazon_fr", "mirakl_de"]),
        ("nothing 402-0000002", ["mirakl_de"]),
        ("402-0", []),
        ("402-0000001 402-00", ["amazon_fr"]),
        ("402-0__", []),
    ],
)
def test_whatever_is_at_hand_finds_the_order(book, text, channels) -> None:
    with book.ledger.read() as transaction:
        found = search(transaction, text, None)
        seen = search(transaction, text, ("amazon_fr",))
        rows = order_queries.page(
            order_queries.MEMBERS, transaction, OrderFilter(ids=found), Sort.NEWEST, None, 10
        ).rows
    assert sorted(row.facts.partition('"channel":"')[2].partition('"')[0] for row in rows) == channels
    assert len(seen) == channels.count("amazon_fr")


def test_a_statement_that_takes_too_long_is_ended(any_ledger) -> None:
    with pytest.raises(sa.exc.OperationalError), any_ledger.read() as transaction, brief(transaction, 0.1):
        transaction.exec_driver_sql(FOR_EVER)
    with any_ledger.read() as transaction:  # the connection is as it was
        assert transaction.exec_driver_sql("SELECT 1").scalar_one() == 1


def test_a_count_that_takes_too_long_is_left_out_and_the_page_goes_on(book, monkeypatch) -> None:
    def count_for_ever(transaction, *_) -> int:
        return transaction.exec_driver_sql(FOR_EVER).scalar_one()

    wanted = OrderFilter(purchased_after=datetime(2027, 1, 1, tzinfo=UTC))
    with book.ledger.read() as transaction, brief(transaction, 5):
        told = order_tally.tally(transaction, wanted)
        assert order_tally.count_briefly(transaction, wanted, told, 5, None) == Count(0, 0)
        monkeypatch.setattr(order_tally, "_count_rows", count_for_ever)
        assert order_tally.count_briefly(transaction, wanted, told, 0.1, None) == Count(0, 2)
        assert order_tally.tally(transaction, OrderFilter()).is_known
        assert (
            len(order_queries.page(order_queries.MEMBERS, transaction, OrderFilter(), Sort.NEWEST, None, 10).rows) == 2
        )


def test_headlines_say_which_channel_is_late(book, clock) -> None:
    with book.ledger.read() as transaction:
        first = headlines(transaction, None, clock())
        assert state_badge(first) == Badge("First pull to come", "waiting")
        assert state_badge(headlines(transaction, (), clock())) == Badge("No channel is retrieved", "unknown")
    with book.ledger.write() as transaction:
        for code, minutes in (("amazon_fr", 2), ("mirakl_de", 90)):
            through = clock() - timedelta(minutes=minutes)
            cover(transaction, [code], through - timedelta(hours=1), through, clock())
    with book.ledger.read() as transaction:
        assert state_badge(headlines(transaction, None, clock())) == Badge("Late: mirakl_de 90 min", "failed")
        assert state_badge(headlines(transaction, ("amazon_fr",), clock())) == Badge("Up to date · 2 min", "done")
