"""Counts of requests to the API: added over processes, read page by page, forgotten in time, kept while nobody takes them."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from orders_api.kit.request_tally import MOST_KINDS, Alike, RequestTally
from warehouse.ledger.base.schema import api_requests as table
from warehouse.ledger.watch import api_requests
from warehouse.ledger.watch.api_requests import ApiRequestFilter

READ = Alike("erp", "GET", "/v1/orders", 200, "")


def read(ledger, wanted=ApiRequestFilter(), **options):  # noqa: B008 - frozen
    with ledger.read() as transaction:
        return api_requests.find_requests(transaction, wanted, **options)


def test_processes_add_up_and_what_is_old_goes(any_ledger, clock):
    tallies = [RequestTally(any_ledger, clock, is_kept=True) for _ in range(2)]
    for number, tally in enumerate(tallies):
        tally.count(READ, 0.010, f"r{number}")
        tally.count(READ._replace(method="BREW"), 0.5, "r")
        tally.write()
        tally.write()
    clock.advance(minutes=1)
    tallies[0].count(READ._replace(status=404, code="unknown_order", consumer="shop"), 0.002, "late")
    tallies[0].write()
    rows = read(any_ledger)
    assert [(each.requests, each.request_id) for each in rows if each.method == "GET"] == [(1, "late"), (2, "r1")]
    assert [(each.milliseconds, each.slowest) for each in rows if each.method == "OTHER"] == [(1000, 500)]
    assert [read(any_ledger, after=(each.minute, each.alike)) for each in rows] == [rows[1:], rows[2:], []]
    assert read(any_ledger, ApiRequestFilter(has_failed=True, visible_consumers=("shop",))) == rows[:1]
    assert read(any_ledger, ApiRequestFilter(consumers=("shop",), visible_consumers=("erp",))) == []
    with any_ledger.write() as transaction:
        api_requests.forget(transaction, clock() + timedelta(days=7, seconds=-30), 7)
    assert read(any_ledger) == rows[:1]


def test_counts_wait_while_the_ledger_is_away_and_are_bounded(ledger, clock):
    tally = RequestTally(ledger, clock, is_kept=True)
    with ledger.write() as transaction:
        transaction.execute(sa.text("ALTER TABLE api_requests RENAME TO away"))
    for number in range(MOST_KINDS + 10):
        tally.count(READ._replace(consumer=str(number)), 0.001, "r")
    tally.write()
    tally.count(READ._replace(consumer="0"), 0.001, "r")
    with ledger.write() as transaction:
        transaction.execute(sa.text("ALTER TABLE away RENAME TO api_requests"))
    tally.write()
    with ledger.read() as transaction:
        assert transaction.execute(sa.select(sa.func.sum(table.c.requests))).scalar_one() == MOST_KINDS + 1
