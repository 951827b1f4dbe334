"""Raw orders, pulls, coverage and quarantine, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from warehouse.ledger.book import quarantine_queries, raw_orders
from warehouse.ledger.book.raw_orders import Payload, PullStart
from warehouse.ledger.settings import channels


@pytest.fixture
def pull(any_ledger, clock):
    """Begin a pull of connection `c` with channel `ch`; answers its id."""
    with any_ledger.write() as connection:
        channels.save_connection(connection, channels.Connection(code="c", kind="amazon", label="C"), clock())
        channels.save_channel(
            connection, channels.ConfiguredChannel(code="ch", label="Ch", marketplace="Ch", connection="c"), clock()
        )

    def begin() -> int:
        with any_ledger.write() as connection:
            start = PullStart(
                connection="c", kind="tick", channels=["ch"], since=clock(), until=clock(), started_at=clock()
            )
            return raw_orders.begin_pull(connection, start)

    return begin


def payload(original_id: str, content: str) -> Payload:
    return Payload(original_id, "ch", content.encode().ljust(32), b"sealed", b"{}")


def keep(ledger, pull_id, clock, *payloads):
    with ledger.write() as connection:
        return raw_orders.keep_page(connection, "c", pull_id, payloads, 0, clock(), is_historical=False)


def test_only_content_that_is_not_the_latest_is_kept(any_ledger, pull, clock):
    number = pull()
    assert keep(any_ledger, number, clock, payload("1", "a"), payload("2", "a")) == ["1", "2"]
    assert keep(any_ledger, number, clock, payload("1", "a"), payload("2", "b")) == ["2"]
    assert keep(any_ledger, number, clock, payload("2", "a")) == ["2"]


def test_pending_is_in_order_of_arrival(any_ledger, pull, clock):
    number = pull()
    keep(any_ledger, number, clock, payload("1", "a"), payload("2", "a"))
    keep(any_ledger, number, clock, payload("1", "b"))
    with any_ledger.read() as connection:
        seqs = raw_orders.pending(connection, 0, 10)
        rows = raw_orders.by_seqs(connection, seqs)
    assert seqs == [1, 2, 3]
    assert [(each.seq, each.original_id) for each in rows] == [(1, "1"), (2, "2"), (3, "1")]


def test_a_replay_reads_the_newest_payload_of_each_order(any_ledger, pull, clock):
    number = pull()
    keep(any_ledger, number, clock, payload("1", "a"), payload("2", "a"))
    keep(any_ledger, number, clock, payload("1", "b"))
    with any_ledger.read() as connection:
        chunks = list(raw_orders.newest(connection, "c", None, 1))
    assert chunks == [[2], [3]]


def test_a_pull_that_was_killed_is_abandoned_by_the_next(any_ledger, pull, clock):
    first = pull()
    pull()
    with any_ledger.read() as connection:
        outcome = connection.exec_driver_sql(f"SELECT outcome FROM pulls WHERE id = {first}").scalar()
    assert outcome == "abandoned"


def test_coverage_grows_with_adjacent_windows_and_never_over_a_gap(any_ledger, pull, clock):
    pull()
    start = clock()
    hour = timedelta(hours=1)
    with any_ledger.write() as connection:
        raw_orders.cover(connection, ["ch"], start, start + hour, clock())
        raw_orders.cover(connection, ["ch"], start + hour, start + 2 * hour, clock())
        raw_orders.cover(connection, ["ch"], start + 5 * hour, start + 6 * hour, clock())
        assert raw_orders.covered(connection, ["ch"])["ch"] == (start, start + 2 * hour)
        raw_orders.cover(connection, ["ch"], start - hour, start, clock())
        assert raw_orders.covered(connection, ["ch"])["ch"] == (start - hour, start + 2 * hour)


def test_quarantine_holds_one_row_an_order_until_it_is_released(any_ledger, pull, clock):
    keep(any_ledger, pull(), clock, payload("1", "a"))
    with any_ledger.write() as connection:
        (raw,) = raw_orders.by_seqs(connection, [1])
        raw_orders.quarantine_order(connection, raw, "missing", "$.orderId", "required", clock())
        raw_orders.quarantine_order(connection, raw, "wrong_type", "$.x", "expected text", clock())
        assert [each.code for each in quarantine_queries.quarantined(connection)] == ["wrong_type"]
        assert raw_orders.release_orders(connection, "c", ["1"]) == 1
        assert quarantine_queries.quarantined(connection) == []
