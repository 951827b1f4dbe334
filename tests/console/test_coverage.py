"""Coverage: what is claimed of each hour and no more, and who sees the pulls behind it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from orders_api.console.coverage import _sentence
from tests.api.conftest import set_up
from warehouse.ledger.base import schema
from warehouse.ledger.status import coverage_history
from warehouse.ledger.status.channel_status import ChannelState, Standing, standings
from warehouse.ledger.status.coverage_history import HourState, LateRead, stretches

FIRST = datetime(2026, 11, 1, tzinfo=UTC)
UTC_ZONE = ZoneInfo("UTC")
NOW = FIRST + timedelta(hours=10, minutes=20)
CHANNEL = Standing(
    channel="fr", label="FR", connection="seller", state=ChannelState.OK, created_at=FIRST, last_success_at=NOW,
    complete_from=FIRST + timedelta(hours=2), complete_through=FIRST + timedelta(hours=8, minutes=30),
    open_orders_only=False, lag_seconds=0.0, next_run_at=NOW, backlog=0, quarantined=0, held=0, confirmation=True,
)  # fmt: skip


def lengths(found) -> list[tuple[int, HourState]]:
    return [(int((each.until - each.since) / timedelta(hours=1)), each.state) for each in found]


def test_an_hour_is_what_was_asked_and_read_of_it() -> None:
    late = [
        LateRead("seller", FIRST + timedelta(hours=4), FIRST + timedelta(hours=6)),
        LateRead("other", FIRST, FIRST + timedelta(hours=9)),
    ]
    expected = [
        *((2, HourState.NOT_ASKED), (2, HourState.PROVEN), (2, HourState.LATER)),
        *((2, HourState.PROVEN), (2, HourState.GAP)),
    ]
    assert lengths(stretches(replace(CHANNEL, state=ChannelState.LATE), late, FIRST, NOW)) == expected
    assert lengths(stretches(CHANNEL, [], FIRST, NOW))[-1] == (2, HourState.NOT_ASKED)  # its turn is yet to come
    never = replace(CHANNEL, complete_from=None, complete_through=None)
    of_open_orders = replace(CHANNEL, open_orders_only=True)
    for each in (never, of_open_orders):
        assert lengths(stretches(each, late, FIRST, NOW)) == [(10, HourState.NOT_ASKED)]


def test_a_sentence_claims_no_more_than_was_read() -> None:
    said = {
        "No gap since 2026-11-01 02:00: nothing is missing through 2026-11-01 08:30.": CHANNEL,
        "No gap since 2026-11-01 02:00: nothing is missing through 2026-11-01 08:30. What came after is not read yet.": replace(
            CHANNEL, state=ChannelState.LATE
        ),
        "The marketplace lists open orders alone: none of those was missing at 2026-11-01 08:30. No time is claimed.": replace(
            CHANNEL, open_orders_only=True
        ),
        "Nothing was read yet, and nothing is claimed.": replace(CHANNEL, complete_through=None),
        "Its orders are given to us: nobody can tell whether any are missing.": replace(
            CHANNEL, state=ChannelState.GIVEN
        ),
    }
    assert {_sentence(each, UTC_ZONE): each for each in said.values()} == said


def pull(
    transaction, connection: str, since: datetime, until: datetime, started_at: datetime, outcome="complete"
) -> None:
    row = {
        "connection": connection, "kind": "tick", "channels": ["amazon_fr"], "since": since, "until": until,
        "started_at": started_at, "finished_at": started_at, "outcome": outcome, "pages": 1, "orders_seen": 3,
        "orders_new": 2, "orders_skipped": 0, "error_code": None, "error": None, "missing_data": [],
    }  # fmt: skip
    transaction.execute(sa.insert(schema.pulls), [row])


def test_what_was_first_read_hours_after_it_happened_was_read_late(any_ledger, clock) -> None:
    set_up(any_ledger, clock())
    hour = timedelta(hours=1)
    with any_ledger.write() as transaction:
        pull(transaction, "amazon_fr_seller", FIRST, FIRST + hour, FIRST + hour)
        pull(transaction, "amazon_fr_seller", FIRST + hour, FIRST + 5 * hour, FIRST + 5 * hour, "failed")
        pull(
            transaction, "amazon_fr_seller", FIRST, FIRST + 6 * hour, FIRST + 6 * hour
        )  # reaches back over what is known
        pull(transaction, "amazon_fr_seller", FIRST + 5 * hour, FIRST + 7 * hour, FIRST + 7 * hour)
        pull(transaction, "mirakl_de_seller", FIRST, FIRST + hour, FIRST + hour)
    with any_ledger.read() as transaction:
        found = coverage_history.late_reads(transaction, FIRST)
        rows = coverage_history.pulls_between(transaction, "amazon_fr_seller", FIRST + 6.5 * hour, FIRST + 8 * hour)
        assert {each.complete_from for each in standings(transaction, None, clock())} == {None}
    assert found == [LateRead("amazon_fr_seller", FIRST + hour, FIRST + 6 * hour)]
    assert [each.until for each in rows] == [FIRST + 7 * hour]


def test_the_pages_show_own_channels_alone(console, anna, fred) -> None:
    with console.ledger.write() as transaction:
        since = console.clock() - timedelta(hours=1)
        pull(transaction, "amazon_fr_seller", since, console.clock(), console.clock())
        pull(transaction, "mirakl_fr_seller", since, console.clock(), console.clock(), "failed")
    day = console.clock().date().isoformat()
    assert "Complete" in anna.get(f"/coverage/amazon_fr/{day}").text
    assert "Failed" in anna.get(f"/coverage/mirakl_fr/{day}").text
    assert "Complete" in fred.get(f"/coverage/amazon_fr/{day}").text
    assert fred.get(f"/coverage/mirakl_fr/{day}").status_code == 404
    assert anna.get("/coverage/amazon_fr/nonsense").status_code == 404
    text, rows = fred.get("/coverage").text, fred.get("/coverage.json").json()["coverage"]
    assert ("Amazon FR" in text, "Mirakl FR" in text) == (True, False)
    assert {(each["channel"], each["state"]) for each in rows} == {("amazon_fr", "not_asked")}
