"""What marketplaces and machines do wrong during a pull: the right incident opens, nothing is lost, and it closes by itself.

Every scenario: something goes wrong, a tick, it ends, another tick; then the book holds the marketplaces' truth.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from orders_pipeline.sandbox.engine import AdvanceRequest
from orders_pipeline.sandbox.faults import Damage, Fault, FaultKind
from orders_pipeline.stages import normalise, pull, pull_result, reading, sweep
from warehouse.clock import utc_now
from warehouse.ledger.base import schema
from warehouse.ledger.base.database import open_ledger
from warehouse.ledger.book import quarantine_queries, raw_orders
from warehouse.ledger.settings import channels
from warehouse.ledger.watch.incident_queries import find_incidents


@pytest.fixture
def settings(settings):
    """A new channel is read from a day back: one window, so that a fault meets a listing with orders in it."""
    return settings.model_copy(update={"pull_first_days": 1})


LISTINGS = {"amazon_eu": "searchOrders", "mirakl_shop": "OR11"}


def tick(installation) -> dict[str, pull_result.PullResult]:
    results = pull.pull_all(installation)
    normalise.normalise_pending(installation)
    return {each.connection: each for each in results}


def settle(installation, clock) -> None:
    """Tick until everything is caught up: after a throttled window the windows are shorter for a while."""
    for _ in range(3):
        clock.advance(minutes=5)
        tick(installation)


def booked(installation) -> dict[tuple[str, str], str]:
    with installation.ledger.read() as transaction:
        owners = dict(transaction.execute(sa.select(schema.channels.c.code, schema.channels.c.connection)).all())
        columns = (schema.orders.c.channel, schema.orders.c.original_id, schema.orders.c.marketplace_status)
        return {(owners[row[0]], row[1]): row[2] for row in transaction.execute(sa.select(*columns))}


def open_incidents(installation) -> set[tuple[str, str]]:
    with installation.ledger.read() as transaction:
        return {(each.subject, each.code) for each in find_incidents(transaction)}


def cursors(installation) -> dict[str, object]:
    with installation.ledger.read() as transaction:
        return {
            code: pair[1]
            for code, pair in raw_orders.covered(transaction, ["amazon_fr", "amazon_de", "mirakl"]).items()
        }


def sandbox(marketplaces, connection: str):
    return marketplaces.amazon if connection == "amazon_eu" else marketplaces.mirakl


def in_short_windows(installation):
    """The same installation, reading two hours at a time: things can happen between two windows."""
    return replace(
        installation,
        settings=installation.settings.model_copy(update={"pull_window_hours": 2, "pull_windows_per_tick": 50}),
    )


@pytest.mark.parametrize("connection", sorted(LISTINGS))
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault(FaultKind.THROTTLED, seconds=30), "throttled"),
        (Fault(FaultKind.ERROR_JSON, status=503), "marketplace_unavailable"),
        (Fault(FaultKind.ERROR_HTML, status=502), "marketplace_unavailable"),
        (Fault(FaultKind.ERROR_EMPTY, status=500), "marketplace_unavailable"),
        (Fault(FaultKind.OK_HTML), None),
        (Fault(FaultKind.OK_EMPTY), None),
        (Fault(FaultKind.TRUNCATED), None),
        (Fault(FaultKind.DROPPED), None),
        (Fault(FaultKind.DROPPED_BEFORE), None),
        (Fault(FaultKind.REPEATED_PAGE), None),
    ],
    ids=lambda value: value.kind.value if isinstance(value, Fault) else None,
)
def test_a_listing_that_goes_wrong_loses_nothing(connected, marketplaces, clock, connection, fault, code) -> None:
    marketplaces.generate(12 if fault.kind is not FaultKind.REPEATED_PAGE else 120)
    sandbox(marketplaces, connection).add_fault(replace(fault, operation=LISTINGS[connection], count=None))
    before = cursors(connected)
    result = tick(connected)[connection]
    assert result.outcome == "failed"
    assert code in {None, result.error.code}
    assert open_incidents(connected) == {(connection, result.error.code)}
    others = [each for each in booked(connected) if each[0] != connection]
    assert sorted(others) == sorted(each for each in marketplaces.statuses() if each[0] != connection)
    assert [
        name for name in cursors(connected) if name.startswith(connection.split("_")[0]) and name not in before
    ] == []
    sandbox(marketplaces, connection).clear_faults(())
    settle(connected, clock)
    assert open_incidents(connected) == set()
    assert booked(connected) == marketplaces.statuses()


@pytest.mark.slow
def test_windows_that_a_refusal_has_shortened_grow_back_to_their_length_and_no_further(
    connected, marketplaces, clock
) -> None:
    marketplaces.amazon.add_fault(Fault(FaultKind.THROTTLED, operation="searchOrders", seconds=30))
    assert tick(connected)["amazon_eu"].error.code == "throttled"
    for _ in range(50):  # doubled as often, it would be longer than time can be told
        clock.advance(minutes=5)
        outcome = tick(connected)["amazon_eu"]
    assert outcome.outcome == "complete"
    with connected.ledger.read() as transaction:
        learnt = channels.find_connection(transaction, "amazon_eu").state["window_minutes"]
    assert learnt == connected.settings.pull_window_hours * 60


def test_a_window_length_that_was_learnt_beyond_all_bounds_is_the_longest(connected, marketplaces) -> None:
    with connected.ledger.write() as transaction:
        channels.remember(transaction, "amazon_eu", {"window_minutes": 1e300})
    assert tick(connected)["amazon_eu"].outcome == "complete"


def test_a_slow_answer_is_no_failure(connected, marketplaces) -> None:
    marketplaces.generate(4)
    marketplaces.mirakl.add_fault(Fault(FaultKind.SLOW, operation="OR11", seconds=0.5))
    assert {each.outcome for each in tick(connected).values()} == {"complete"}
    assert booked(connected) == marketplaces.statuses()


def test_an_order_that_the_listing_hides_is_found_by_the_sweep(connected, marketplaces, clock) -> None:
    marketplaces.generate(6)
    hidden = marketplaces.amazon.order_ids()[0]
    marketplaces.amazon.add_fault(
        Fault(FaultKind.MISSING_ORDER, operation="searchOrders", order_ids=(hidden,), count=None)
    )
    tick(connected)
    marketplaces.amazon.clear_faults(())
    clock.advance(minutes=30)
    tick(connected)
    assert ("amazon_eu", hidden) not in booked(connected)
    sweep.sweep_all(connected)
    normalise.normalise_pending(connected)
    assert booked(connected) == marketplaces.statuses()
    assert ("amazon_eu", "missed_by_listing") in open_incidents(connected)


def test_an_update_that_shows_late_is_not_lost(connected, marketplaces, clock) -> None:
    """Changed before the window's end, told only after it: the windows' overlap reads it again."""
    marketplaces.generate(6)
    tick(connected)
    clock.advance(minutes=5)
    changed = next(each["id"] for each in marketplaces.mirakl.truth() if each["status"] == "SHIPPING")
    marketplaces.mirakl.add_fault(Fault(FaultKind.LATE_UPDATE, order_ids=(changed,), seconds=400, count=1))
    marketplaces.mirakl.advance(AdvanceRequest("ship", order_ids=(changed,), backdate_seconds=60))
    tick(connected)
    clock.advance(minutes=10)
    tick(connected)
    assert booked(connected) == marketplaces.statuses()


def test_one_malformed_order_is_put_aside_and_the_rest_goes_on(connected, marketplaces, clock) -> None:
    marketplaces.generate(8)
    broken = marketplaces.amazon.order_ids()[0]
    marketplaces.amazon.add_fault(
        Fault(
            FaultKind.MALFORMED_ORDER,
            operation="searchOrders",
            order_ids=(broken,),
            field="lastUpdatedTime",
            damage=Damage.WRONG_TYPE,
            count=None,
        )
    )
    tick(connected)
    truth = marketplaces.statuses()
    assert booked(connected) == {key: value for key, value in truth.items() if key != ("amazon_eu", broken)}
    with connected.ledger.read() as transaction:
        assert [each.original_id for each in quarantine_queries.quarantined(transaction)] == [broken]
    assert len(open_incidents(connected)) == 1
    marketplaces.amazon.clear_faults(())
    clock.advance(minutes=1)
    sweep.sweep_all(connected)
    normalise.normalise_pending(connected)
    assert booked(connected) == truth
    with connected.ledger.read() as transaction:
        assert quarantine_queries.quarantined(transaction) == []


def test_a_replay_heals_what_a_mapping_could_not_read(connected, marketplaces, monkeypatch) -> None:
    """The payload is kept as it came: after a fix nothing has to be pulled again."""
    marketplaces.generate(4)
    pull.pull_all(connected)
    known = reading.MARKETPLACES
    monkeypatch.setattr(reading, "MARKETPLACES", {name: each for name, each in known.items() if name != "mirakl"})
    normalise.normalise_pending(connected)
    assert {code for _, code in open_incidents(connected)} == {"unknown_connection"}
    monkeypatch.setattr(reading, "MARKETPLACES", known)
    calls = len(marketplaces.mirakl.journal)
    normalise.replay(connected)
    normalise.normalise_pending(connected)
    assert booked(connected) == marketplaces.statuses()
    assert open_incidents(connected) == set()
    assert len(marketplaces.mirakl.journal) == calls


class Doubling:
    """A kind of marketplace that reads every order twice."""

    def __init__(self, whole) -> None:
        self.whole = whole

    def __getattr__(self, name: str):
        return getattr(self.whole, name)

    def normalise(self, payload, channel):
        return [*self.whole.normalise(payload, channel)] * 2


def test_a_payload_that_gives_an_order_twice_stops_no_other(connected, marketplaces, monkeypatch) -> None:
    marketplaces.generate(4)
    pull.pull_all(connected)
    known = reading.MARKETPLACES
    monkeypatch.setattr(reading, "MARKETPLACES", {**known, "mirakl": Doubling(known["mirakl"])})
    tally = normalise.normalise_pending(connected)
    assert {code for _, code in open_incidents(connected)} == {"internal_error"}
    assert tally["new"] > 0 < tally["quarantined"]
    monkeypatch.setattr(reading, "MARKETPLACES", known)
    normalise.replay(connected)
    assert booked(connected) == marketplaces.statuses()


@pytest.mark.parametrize(("connection", "account"), [("amazon_eu", "default"), ("mirakl_shop", "2001")])
def test_a_credential_revoked_in_the_middle_of_a_pull(connected, marketplaces, clock, connection, account) -> None:
    marketplaces.generate(12)
    sandbox(marketplaces, connection).add_fault(
        Fault(FaultKind.REVOKE_TOKEN, operation=LISTINGS[connection], after=2, account=account)
    )
    result = tick(in_short_windows(connected))[connection]
    assert result.outcome == "failed"
    assert result.windows > 0
    assert open_incidents(connected) == {(connection, result.error.code)}
    sandbox(marketplaces, connection).restore()
    sandbox(marketplaces, connection).clear_faults(())
    settle(connected, clock)
    assert (open_incidents(connected), booked(connected)) == (set(), marketplaces.statuses())


def test_a_channel_switched_off_during_the_pull_gets_nothing_more(connected, marketplaces, clock) -> None:
    """Somebody switches it off while the third of the pull's windows is being answered; it is not covered any further."""
    marketplaces.generate(12)
    marketplaces.amazon.add_fault(Fault(FaultKind.SLOW, operation="searchOrders", after=2, seconds=0.5, count=1))

    def searches() -> int:
        return len(marketplaces.amazon.journal.read(0, 100, "searchOrders"))

    def switch(*, retrieval: bool) -> None:
        with connected.ledger.write() as transaction:
            french = schema.channels.c.code == "amazon_fr"
            transaction.execute(sa.update(schema.channels).where(french).values(retrieval=retrieval))

    with ThreadPoolExecutor(1) as operator:
        pulled = operator.submit(tick, in_short_windows(connected))
        while searches() < 2 and not pulled.done():
            time.sleep(0.005)
        switch(retrieval=False)
        pulled.result()
    ends = cursors(connected)
    assert ends["amazon_fr"] < ends["amazon_de"]
    switch(retrieval=True)
    settle(connected, clock)
    assert booked(connected) == marketplaces.statuses()


@pytest.mark.parametrize("minutes", [-90, 90], ids=["back", "forward"])
def test_a_clock_that_steps_loses_nothing(connected, marketplaces, clock, minutes) -> None:
    """Only our clock steps; the marketplaces go on with theirs."""
    marketplaces.generate(6)
    tick(connected)
    stepped = replace(connected, clock=lambda: clock() + timedelta(minutes=minutes))
    for _ in range(3):
        clock.advance(minutes=5)
        marketplaces.mirakl.advance(AdvanceRequest("ship", count=1, backdate_seconds=200))
        tick(stepped)
    for _ in range(3):
        clock.advance(minutes=5)
        tick(connected)
    assert booked(connected) == marketplaces.statuses()
    assert open_incidents(connected) == set()


@pytest.mark.slow
def test_no_space_for_the_ledger(real_time_marketplaces, ticker_in) -> None:
    """No write log can grow: a clean failure, the cursor where it was, the ledger sound, and with space the tick goes on."""
    real_time_marketplaces.generate(60, days=0.8)
    ticker = ticker_in("full", pull_first_days=1)
    ledger = open_ledger(ticker.settings)
    real_time_marketplaces.connect(ledger, utc_now())
    ledger.close()
    largest = max(each.stat().st_size for each in ticker.settings.home.iterdir() if each.is_file())
    ticker.begin(limit_bytes=largest // 2)
    assert ticker.server.end() >= 0, "a full disk must not crash the process"
    ledger = open_ledger(ticker.settings)
    with ledger.read() as transaction:
        assert transaction.execute(sa.text("PRAGMA integrity_check")).scalar() == "ok"
        incomplete = {
            row.connection
            for row in transaction.execute(
                sa.select(schema.pulls.c.connection).where(schema.pulls.c.outcome != "complete")
            )
        }
        assert incomplete
        uncovered = [each.code for each in channels.all_channels(transaction) if each.connection in incomplete]
        assert raw_orders.covered(transaction, uncovered) == {}
    ticker.tick()
    with ledger.read() as transaction:
        held = transaction.execute(sa.select(schema.orders.c.original_id)).scalars().all()
    ledger.close()
    assert set(held) == {original_id for _, original_id in real_time_marketplaces.statuses()}
