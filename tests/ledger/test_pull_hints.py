"""Hints that orders have changed: few rows however many are told, on both databases."""

from __future__ import annotations

from datetime import timedelta

from tests.conftest import START
from warehouse.ledger.base import counters
from warehouse.ledger.book import pull_hints, raw_orders
from warehouse.ledger.settings import channels


def seconds(*amounts):
    return [START + timedelta(seconds=each) for each in amounts]


def test_many_changes_are_few_rows_and_a_repetition_is_none(any_ledger):
    for _ in range(2):
        with any_ledger.write() as transaction:
            pull_hints.keep(transaction, "eu", seconds(0, 0.5, 7, 10, 10.001, 25), {"kept": 6})
            pull_hints.keep(transaction, "us", [], {"foreign": 1})
    with any_ledger.read() as transaction:
        assert pull_hints.waiting(transaction) == {"eu": seconds(0, 10, 20, 30)}
        assert pull_hints.oldest(transaction) == {"eu": START}
        assert counters.counted(transaction, counters.HINTS) == {"eu": {"kept": 12}, "us": {"foreign": 2}}


def test_what_has_been_read_goes_and_what_came_since_stays(any_ledger):
    with any_ledger.write() as transaction:
        pull_hints.keep(transaction, "eu", seconds(0, 10, 20), {})
        pull_hints.keep(transaction, "us", seconds(0), {})
        pull_hints.forget(transaction, "eu", seconds(0, 10))
        pull_hints.forget(transaction, "us", [])
        assert pull_hints.waiting(transaction) == {"eu": seconds(20), "us": seconds(0)}


def test_the_last_pull_of_each_connection(any_ledger):
    with any_ledger.write() as transaction:
        for code in ("eu", "us", "never"):
            connection = channels.Connection(code=code, kind="amazon", label=code)
            channels.save_connection(transaction, connection, START)
        for code, moment in (("eu", 1), ("us", 2), ("eu", 3)):
            (at,) = seconds(moment)
            start = raw_orders.PullStart(
                connection=code, kind="tick", channels=[], since=START, until=START, started_at=at
            )
            raw_orders.begin_pull(transaction, start)
        found = pull_hints.last_pulls(transaction, ["eu", "us", "never"])
    assert found == {"eu": seconds(3)[0], "us": seconds(2)[0]}
