"""Coverage says only what was asked for, and a clock that was wrong for a while stops nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from orders_pipeline.sandbox.engine import AdvanceRequest, GenerateRequest
from orders_pipeline.sandbox.faults import Fault, FaultKind
from orders_pipeline.stages import normalise, pull
from warehouse.ledger.base import leases, schema
from warehouse.ledger.book import raw_orders
from warehouse.ledger.settings import channels

SPAIN, AMERICA = "A1RKKUPIHCS9HS", "ATVPDKIKX0DER"


def covered(installation) -> dict:
    with installation.ledger.read() as transaction:
        return raw_orders.covered(transaction, ["amazon_fr", "amazon_de", "amazon_more", "mirakl", "mirakl_more"])


def add(installation, code: str, connection: str, selector: str | None) -> None:
    channel = channels.ConfiguredChannel(
        code=code, label=code, marketplace=code, connection=connection, selector=selector
    )
    with installation.ledger.write() as transaction:
        channels.save_channel(transaction, channel, installation.clock())


def problems(installation) -> list[tuple[str, str]]:
    table = schema.incidents
    with installation.ledger.read() as transaction:
        query = sa.select(table.c.subject, table.c.code).where(table.c.resolved_at.is_(None))
        return sorted(tuple(row) for row in transaction.execute(query))


def searches(marketplaces) -> list[str]:
    """Marketplace ids of every search, as they were asked for."""
    return [dict(each.query)["marketplaceIds"] for each in marketplaces.amazon.journal.read(operation="searchOrders")]


@pytest.mark.parametrize("selector", [None, AMERICA])
def test_a_channel_that_cannot_be_asked_for_is_covered_by_nothing(connected, marketplaces, selector):
    marketplaces.generate(6)
    add(connected, "amazon_more", "amazon_eu", selector)
    results = pull.pull_all(connected)
    assert [each.outcome for each in results] == ["complete", "complete"]
    assert "amazon_more" not in covered(connected)
    assert {"amazon_fr", "amazon_de"} <= covered(connected).keys()
    assert ("amazon_more", "selector_invalid") in problems(connected)
    assert all(AMERICA not in each for each in searches(marketplaces))
    add(connected, "amazon_more", "amazon_eu", SPAIN)
    pull.pull_all(connected)
    assert "amazon_more" in covered(connected)
    assert problems(connected) == []


def test_a_connection_of_which_no_channel_can_be_asked_for_fails(connected, marketplaces):
    for code in ("amazon_fr", "amazon_de"):
        add(connected, code, "amazon_eu", None)
    result = pull.pull_connection(connected, "amazon_eu")
    assert (result.outcome, result.error.code) == ("failed", "selector_invalid")
    assert covered(connected) == {}


def test_another_selector_is_not_covered_by_what_the_old_one_was_asked_for(connected, marketplaces, clock):
    marketplaces.generate(6)
    pull.pull_all(connected)
    add(connected, "amazon_fr", "amazon_eu", SPAIN)
    assert "amazon_fr" not in covered(connected)
    marketplaces.amazon.generate(GenerateRequest(3, seed=77, days=0.5, channel=SPAIN, newest_seconds=900))
    clock.advance(minutes=5)
    pull.pull_all(connected)
    normalise.normalise_pending(connected)
    since, _ = covered(connected)["amazon_fr"]
    assert since <= clock() - timedelta(hours=23)
    with connected.ledger.read() as transaction:
        held = set(transaction.execute(sa.select(schema.orders.c.original_id)).scalars())
    spanish = {
        each["id"] for each in marketplaces.amazon.truth() if each["order"]["salesChannel"]["marketplaceId"] == SPAIN
    }
    assert spanish <= held


class ChangingKeys:
    """The key ring, with somebody who changes the channel while the first order of a page is sealed."""

    def __init__(self, installation) -> None:
        self.installation = installation
        self.is_changed = False

    def seal_compressed(self, *given):
        if not self.is_changed:
            self.is_changed = True
            add(self.installation, "amazon_fr", "amazon_eu", SPAIN)
        return self.installation.keys.seal_compressed(*given)

    def __getattr__(self, name: str):
        return getattr(self.installation.keys, name)


def test_a_selector_changed_during_the_pull_is_not_covered(connected, marketplaces):
    marketplaces.generate(6)
    keys = ChangingKeys(connected)
    assert pull.pull_connection(replace(connected, keys=keys), "amazon_eu").outcome == "complete"
    assert keys.is_changed
    assert "amazon_fr" not in covered(connected)
    assert "amazon_de" in covered(connected)


def test_a_whole_instance_is_asked_for_when_one_channel_takes_it_all(connected, marketplaces):
    add(connected, "mirakl_more", "mirakl_shop", "FR")
    pull.pull_connection(connected, "mirakl_shop")
    asked = [dict(each.query) for each in marketplaces.mirakl.journal.read(operation="OR11")]
    assert asked
    assert not any("channel_codes" in each for each in asked)


@pytest.mark.parametrize("is_on", [True, False])
def test_a_channel_for_the_rest_takes_no_order_of_a_channel_that_is_named(connected, marketplaces, is_on):
    add(connected, "mirakl_more", "mirakl_shop", "FR")
    with connected.ledger.write() as transaction:
        table = schema.channels
        transaction.execute(sa.update(table).where(table.c.code == "mirakl_more").values(retrieval=is_on))
    marketplaces.generate(24)
    pull.pull_connection(connected, "mirakl_shop")
    with connected.ledger.read() as transaction:
        table = schema.raw_orders
        kept = {(row.channel, row.original_id) for row in transaction.execute(sa.select(table))}
    french = {each["id"] for each in marketplaces.mirakl.truth() if each["channel"] == "FR"}
    rest = {each["id"] for each in marketplaces.mirakl.truth() if each["account"] == "2001"} - french
    assert french
    assert rest
    assert {order for channel, order in kept if channel == "mirakl"} == rest
    assert {order for channel, order in kept if channel == "mirakl_more"} == (french if is_on else set())


@pytest.mark.parametrize("days", [3, -3])
@pytest.mark.parametrize("connection", ["amazon_eu", "mirakl_shop"])
def test_a_clock_that_is_days_off_for_one_tick_stops_nothing(connected, marketplaces, clock, days, connection):
    marketplaces.generate(12)
    pull.pull_connection(connected, connection)
    clock.advance(minutes=5)
    jumped = replace(connected, clock=lambda: clock() + timedelta(days=days))
    assert pull.pull_connection(jumped, connection).outcome == "complete"
    assert (connection, "clock_skew") in problems(connected)
    newest = clock()
    clock.advance(minutes=5)
    result = pull.pull_connection(connected, connection)
    assert result.outcome == "complete"
    assert problems(connected) == []
    through = min(until for code, (_, until) in covered(connected).items())
    assert through >= newest - timedelta(minutes=5)
    assert through <= clock()


def test_a_clock_that_stays_wrong_is_told_and_nothing_is_missed(connected, marketplaces, clock):
    marketplaces.generate(6)
    wrong = replace(connected, clock=lambda: clock() + timedelta(hours=7))
    for _ in range(3):
        clock.advance(minutes=5)
        marketplaces.mirakl.advance(AdvanceRequest("ship", count=1, backdate_seconds=200))
        assert {each.outcome for each in pull.pull_all(wrong)} == {"complete"}
        assert all(clock() - timedelta(minutes=5) <= until <= clock() for _, until in covered(connected).values())
    assert {("amazon_eu", "clock_skew"), ("mirakl_shop", "clock_skew")} <= set(problems(connected))
    normalise.normalise_pending(connected)
    book = schema.orders
    with connected.ledger.read() as transaction:
        query = sa.select(book.c.original_id, book.c.marketplace_status).where(book.c.channel == "mirakl")
        held = {row.original_id: row.marketplace_status for row in transaction.execute(query)}
    assert held == {name: status for (owner, name), status in marketplaces.statuses().items() if owner == "mirakl_shop"}


def test_a_lease_of_a_clock_that_ran_ahead_is_not_believed(connected, marketplaces, clock):
    with connected.ledger.write() as transaction:
        leases.acquire(transaction, "pull:amazon_eu", clock() + timedelta(days=3))
        transaction.execute(sa.update(schema.leases).values(holder="elsewhere:1:1"))
    assert pull.pull_connection(connected, "amazon_eu").outcome == "complete"


def test_since_reads_covered_time_again(connected, marketplaces, clock):
    marketplaces.generate(12)
    pull.pull_all(connected)
    normalise.normalise_pending(connected)
    with connected.ledger.write() as transaction:  # as if it had never come
        lost = transaction.execute(
            sa.select(schema.raw_orders.c.original_id).where(schema.raw_orders.c.connection == "amazon_eu").limit(1)
        ).scalar_one()
        transaction.execute(sa.delete(schema.raw_orders).where(schema.raw_orders.c.original_id == lost))
    clock.advance(minutes=30)
    pull.pull_all(connected)
    result = pull.pull_since(connected, "amazon_eu", clock() - timedelta(days=2))
    assert (result.outcome, result.missed) == ("complete", (lost,))
    with connected.ledger.read() as transaction:
        row = transaction.execute(
            sa.select(schema.raw_orders.c.is_historical).where(schema.raw_orders.c.original_id == lost)
        ).one()
    assert not row.is_historical


def test_since_before_what_is_covered_is_historical(connected, marketplaces, clock):
    marketplaces.generate(4)
    pull.pull_all(connected)
    start = min(since for since, _ in covered(connected).values())
    result = pull.pull_since(connected, "amazon_eu", start - timedelta(days=10))
    assert result.outcome == "complete"
    assert covered(connected)["amazon_fr"][0] == start - timedelta(days=10)
    assert result.missed == ()


def test_what_a_sweep_met_is_over_with_the_next_pull(connected, marketplaces, clock):
    marketplaces.generate(4)
    pull.pull_all(connected)
    marketplaces.mirakl.add_fault(Fault(FaultKind.ERROR_HTML, count=None))
    assert pull.sweep(connected, "mirakl_shop", []).outcome == "failed"
    assert [subject for subject, _ in problems(connected)] == ["mirakl_shop"]
    marketplaces.mirakl.clear_faults()
    clock.advance(minutes=5)
    pull.pull_all(connected)
    assert problems(connected) == []
