"""The standing watch: what opens, what closes it again, and what is no reason to alarm anybody."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from orders_pipeline import follow_up
from orders_pipeline.alerts import conditions
from warehouse.ledger.base.database import POSITION, set_mark
from warehouse.ledger.base.schema import coverage, orders, shipments
from warehouse.ledger.book import consumers
from warehouse.ledger.settings import tokens
from warehouse.ledger.settings.channels import ConfiguredChannel, Connection, remember, save_channel, save_connection
from warehouse.ledger.watch.incident_queries import find_incidents


class Disk(NamedTuple):
    """As `shutil.disk_usage` answers."""

    total: int
    used: int
    free: int


class Watched:
    """An installation with one channel that is up to date, and what the watch makes of changes to it."""

    def __init__(self, installation, clock) -> None:
        self.installation, self.clock = installation, clock

    def look(self) -> list[str]:
        """Codes of the open incidents of the watch after it has looked."""
        conditions.watch(self.installation)
        with self.installation.ledger.read() as transaction:
            return sorted(row.code for row in find_incidents(transaction))

    def cover(self, until) -> None:
        with self.installation.ledger.write() as transaction:
            transaction.execute(sa.delete(coverage))
            row = {"channel": "shop_fr", "complete_from": until, "complete_through": until, "updated_at": until}
            transaction.execute(sa.insert(coverage).values(**row))

    def buy(self, count: int, at) -> None:
        """Orders of the channel, straight into the book: only their time matters here."""
        rows = [
            {
                "id": f"{at:%m%d%H%M}-{number}",
                "original_id": "x",
                "channel": "shop_fr",
                "marketplace": "M",
                "status": "SHIPPED",
                "purchased_at": at,
                "marketplace_updated_at": at,
                "received_at": at,
                "has_errors": False,
                "has_cancellation_request": False,
                "is_historical": False,
                "confirmation_status": "none",
                "pii_state": "withheld",
                "revision": 1,
                "position": int(at.timestamp()) * 100 + number,
                "content_hash": b"",
                "raw_seq": 1,
                "facts": "",
                "acknowledgements": "[]",
            }
            for number in range(count)
        ]
        with self.installation.ledger.write() as transaction:
            transaction.execute(sa.insert(orders), rows)

    def connect(self, **changes) -> None:
        with self.installation.ledger.write() as transaction:
            save_connection(
                transaction, Connection(code="shop", **({"kind": "mirakl", "label": "Shop"} | changes)), self.clock()
            )
            channel = ConfiguredChannel(code="shop_fr", label="Shop", marketplace="Shop", connection="shop")
            save_channel(transaction, channel, self.clock())


@pytest.fixture
def watched(any_settings, open_installation, clock) -> Watched:
    made = Watched(open_installation(any_settings), clock)
    made.connect()
    made.cover(clock())
    return made


def test_when_all_is_well_nothing_is_opened(watched):
    assert watched.look() == []


def test_a_channel_is_stale_after_three_intervals_and_well_after_the_next_pull(watched, clock):
    clock.advance(minutes=15)
    assert watched.look() == []
    clock.advance(minutes=5)
    assert watched.look() == ["stale"]
    watched.cover(clock())
    assert watched.look() == []


def test_a_channel_that_was_never_pulled_is_stale_only_once_it_could_have_been(watched, clock):
    with watched.installation.ledger.write() as transaction:
        transaction.execute(sa.delete(coverage))
    assert watched.look() == []
    clock.advance(minutes=20)
    assert watched.look() == ["stale"]


def test_a_channel_that_is_not_retrieved_is_not_watched(watched, clock):
    with watched.installation.ledger.write() as transaction:
        transaction.execute(sa.text("UPDATE channels SET retrieval = false"))
    clock.advance(days=1)
    assert watched.look() == []


def test_a_condition_that_goes_on_is_one_occurrence(watched, clock):
    clock.advance(minutes=20)
    for _ in range(5):
        watched.look()
        clock.advance(minutes=5)
    with watched.installation.ledger.read() as transaction:
        (row,) = find_incidents(transaction)
    assert row.occurrences == 1
    assert row.last_seen_at > row.first_seen_at


def test_no_orders_where_there_always_are_some_is_silence_until_the_next_one(watched, clock):
    for week in range(1, 5):
        watched.buy(3, clock() - timedelta(weeks=week, hours=1))
    assert watched.look() == ["silent"]
    clock.advance(minutes=5)
    watched.buy(1, clock())
    assert watched.look() == []


def test_a_week_without_orders_at_this_hour_makes_silence_usual(watched, clock):
    for week in (1, 2, 4):
        watched.buy(9, clock() - timedelta(weeks=week, hours=1))
    assert watched.look() == []


@given(st.lists(st.integers(0, 50), min_size=5, max_size=5))
def test_silence_needs_nothing_now_and_enough_in_every_week(counts):
    expected = counts[0] == 0 and min(counts[1:]) >= conditions.USUALLY_AT_LEAST
    assert (conditions.is_silent(counts) is not None) == expected


@pytest.mark.parametrize(
    ("settings", "days", "codes"),
    [
        ({"credentials_expire_at": "2026-12-15"}, 0, []),
        ({"credentials_expire_at": "2026-12-01"}, 0, ["credential_expires"]),
        ({"credentials_expire_at": "2026-11-01T00:00:00+02:00"}, 0, ["credential_expired"]),
        ({"credentials_set_at": "2026-05-20"}, 0, ["credential_expires"]),
        ({"credentials_set_at": "2026-10-20"}, 0, []),
        ({"credentials_expire_at": "soon"}, 0, []),
    ],
)
def test_credentials_are_told_before_they_expire(watched, settings, days, codes):
    watched.connect(kind="amazon", settings=settings)
    assert watched.look() == codes


def test_a_typed_secret_of_amazon_ages_and_a_new_one_ends_it(watched, clock):
    watched.connect(kind="amazon")
    with watched.installation.ledger.write() as transaction:
        remember(transaction, "shop", {"secret_set_at": (clock() - timedelta(days=160)).isoformat()})
    assert watched.look() == ["credential_expires"]
    with watched.installation.ledger.write() as transaction:
        remember(transaction, "shop", {"secret_set_at": clock().isoformat()})
    assert watched.look() == []


def test_an_expired_credential_is_one_incident_and_not_two(watched, clock):
    watched.connect(settings={"credentials_expire_at": (clock() + timedelta(days=1)).isoformat()})
    assert watched.look() == ["credential_expires"]
    clock.advance(days=2)
    watched.cover(clock())
    assert watched.look() == ["credential_expired"]


def test_a_full_disk_is_told(watched, monkeypatch):
    monkeypatch.setattr(conditions.shutil, "disk_usage", lambda _: Disk(100_000_000_000, 99_500_000_000, 500_000_000))
    assert watched.look() == ["disk_low"]
    monkeypatch.undo()
    assert watched.look() == []


def test_a_shipment_that_waits_for_hours_is_told(watched, clock):
    watched.buy(1, clock())
    with watched.installation.ledger.write() as transaction:
        order_id = transaction.execute(sa.select(orders.c.id)).scalar_one()
        row = {
            "id": "s1",
            "order_id": order_id,
            "channel": "shop_fr",
            "package_id": "1",
            "reference": 1,
            "shipped_at": clock(),
            "version": 1,
            "status": "queued",
            "source": "api",
            "consumer": "erp",
            "report_id": "r",
            "reported_at": clock(),
            "updated_at": clock(),
            "due_at": clock(),
            "attempts": 0,
            "fence": 0,
        }
        transaction.execute(sa.insert(shipments).values(**row))
    assert watched.look() == []
    clock.advance(hours=5)
    watched.cover(clock())
    assert watched.look() == ["unsent_too_long"]
    with watched.installation.ledger.write() as transaction:
        transaction.execute(sa.update(shipments).values(status="sent"))
    assert watched.look() == []


def test_without_ticks_the_follow_up_watches(watched, clock):
    assert follow_up.is_due(watched.installation)
    watched.look()
    assert not follow_up.is_due(watched.installation)
    clock.advance(minutes=10)
    assert follow_up.is_due(watched.installation)
    watched.look()
    clock.advance(days=-3)
    assert follow_up.is_due(watched.installation)  # a clock that ran ahead has watched


def test_a_consumer_that_stops_reading_is_told_while_there_is_news_for_it(installation, clock):
    settings = installation.settings.model_copy(update={"consumer_alert_hours": 6.0})
    watched = replace(installation, settings=settings)
    with installation.ledger.write() as transaction:
        own_id = tokens.create(transaction, "erp", [tokens.Scope.ORDERS_READ], None, None, clock())[0].id
        consumers.note_position(transaction, "erp", 4, clock())
        set_mark(transaction, POSITION, 4)
    clock.advance(hours=8)
    assert "consumer_stopped" not in conditions.watch(watched)
    with installation.ledger.write() as transaction:
        set_mark(transaction, POSITION, 9)
    assert "consumer_stopped" in conditions.watch(watched)
    assert "consumer_stopped" not in conditions.watch(
        replace(watched, settings=settings.model_copy(update={"consumer_alert_hours": 0}))
    )
    with installation.ledger.write() as transaction:
        consumers.note_position(transaction, "erp", 9, clock())
    assert "consumer_stopped" not in conditions.watch(watched)
    with installation.ledger.write() as transaction:
        set_mark(transaction, POSITION, 12)
        tokens.revoke(transaction, own_id, clock())
    clock.advance(hours=8)
    assert "consumer_stopped" not in conditions.watch(watched)
