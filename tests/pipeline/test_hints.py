"""Amazon's notifications bring a pull forward, and do nothing else: read by AWS's own client from the stand-in's queue."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import dagster as dg
import pytest
import sqlalchemy as sa

from orders_pipeline.definitions import build_defs
from orders_pipeline.marketplaces.amazon.notifications import OrderChangeQueue
from orders_pipeline.sandbox.amazon.notifications import order_change
from orders_pipeline.sandbox.amazon.state import SEARCH, SELLER
from orders_pipeline.sandbox.engine import GenerateRequest
from orders_pipeline.sensors import change_hints
from orders_pipeline.stages import hints, pull
from orders_pipeline.stages.connection_test import try_connection
from tests.conftest import START
from tests.pipeline.conftest import FRANCE
from warehouse.ledger.base import quotas
from warehouse.ledger.base.schema import incidents, orders, pull_hints
from warehouse.ledger.settings import channels
from warehouse.ledger.status.channel_status import next_tick
from warehouse.ledger.status.measures import measured

AMAZON = "amazon_eu"


def _order():
    return {"orderId": "408-0000000-0000000", "salesChannel": {"marketplaceId": FRANCE}}


class Market:
    """Amazon's stand-in that tells of changes, and an installation that listens."""

    def __init__(self, installation, amazon, url, clock):
        self.installation, self.amazon, self.amazon_url, self.clock = installation, amazon, url, clock

    def order(self, channel=FRANCE):
        """An order that is made now, of which Amazon tells."""
        return self.amazon.generate(GenerateRequest(1, days=0.001, channel=channel, newest_seconds=0.0))[0]

    def to_tick(self, **after):
        """So long after a tick, three minutes from now at the soonest."""
        self.clock.now = next_tick(self.clock() + timedelta(minutes=3)) + timedelta(**after)

    def look(self):
        return hints.look(self.installation)

    def pulled(self):
        return [(each.connection, each.outcome, each.new) for each in hints.pull_hinted(self.installation)]

    def searches(self):
        return sum(entry.operation == SEARCH for entry in self.amazon.journal)

    def messages(self):
        return len(self.amazon.changes.messages)

    def kept(self):
        with self.installation.ledger.read() as transaction:
            return list(transaction.execute(sa.select(pull_hints.c.changed_at)).scalars())

    def measure(self, name):
        with self.installation.ledger.read() as transaction:
            return next(each.values for each in measured(transaction, self.clock()) if each.name == name)

    def open_incidents(self):
        query = sa.select(incidents.c.stage, incidents.c.code, incidents.c.occurrences)
        with self.installation.ledger.read() as transaction:
            return [tuple(row) for row in transaction.execute(query.where(incidents.c.resolved_at.is_(None)))]

    def change(self, **settings):
        with self.installation.ledger.write() as transaction:
            found = channels.find_connection(transaction, AMAZON)
            channels.save_connection(transaction, replace(found, settings={**found.settings, **settings}), self.clock())


@pytest.fixture
def market(connected, marketplaces, clock, monkeypatch):
    told = marketplaces.amazon.telling(marketplaces.amazon_url)
    for name, value in told.credentials.items():
        monkeypatch.setenv(f"TEST_{name.upper()}", value)
    with connected.ledger.write() as transaction:
        found = channels.find_connection(transaction, AMAZON)
        listening = replace(
            found,
            settings={**found.settings, **told.settings},
            credentials={**found.credentials, **{each: f"env:TEST_{each.upper()}" for each in told.credentials}},
        )
        channels.save_connection(transaction, listening, clock())
    made = Market(connected, marketplaces.amazon, marketplaces.amazon_url, clock)
    assert pull.pull_connection(connected, AMAZON).error is None
    clock.advance(minutes=1)
    return made


def test_an_order_is_pulled_as_soon_as_it_can_be_read(market):
    market.order()
    before = market.searches()
    assert not market.look()
    assert (market.messages(), len(market.kept())) == (0, 1)
    market.clock.advance(minutes=2, seconds=55)
    assert not market.look()
    market.clock.advance(seconds=20)
    assert market.look()
    assert market.pulled() == [(AMAZON, "complete", 1)]
    assert market.searches() == before + 1
    assert not market.look()
    assert market.kept() == []
    assert market.pulled() == []


def test_a_sensor_starts_a_run_that_pulls_what_was_told_of_and_nothing_else(market, source, instance):
    def ask():
        with dg.build_sensor_context(instance=instance) as context:
            return change_hints(context, source=source)

    own_id = market.order()
    assert isinstance(ask(), dg.SkipReason)
    market.clock.advance(minutes=4)
    assert isinstance(ask(), dg.RunRequest)
    job = build_defs(source=source).resolve_job_def("pull_hinted")
    result = job.execute_in_process(instance=instance)
    tags = instance.get_run_by_id(result.run_id).tags
    assert (tags["orders/connections"], tags["orders/new"]) == (AMAZON, "1")
    with market.installation.ledger.read() as transaction:
        assert own_id in transaction.execute(sa.select(orders.c.original_id)).scalars().all()
    assert isinstance(ask(), dg.SkipReason)


def test_many_hints_are_one_pull(market):
    before = market.searches()
    for _ in range(35):
        market.order()
    market.look()
    assert market.messages() == 0
    assert market.measure("orders_hints") == {(AMAZON, "kept"): 35.0}
    market.clock.advance(minutes=4)
    assert market.measure("orders_hint_oldest_waiting_seconds")[AMAZON,] >= 230
    assert market.look()
    assert market.pulled() == [(AMAZON, "complete", 35)]
    assert market.searches() == before + 1
    assert not market.look()


def test_a_tick_that_has_read_the_change_leaves_nothing_to_pull(market):
    market.order()
    market.look()
    market.clock.advance(minutes=4)
    pull.pull_connection(market.installation, AMAZON)
    assert not market.look()
    assert market.kept() == []


def test_changes_that_keep_coming_do_not_put_the_first_one_off(market):
    market.order()
    for _ in range(12):
        market.look()
        market.clock.advance(seconds=16)
        market.order()
    assert market.look()
    assert market.pulled()[0][2] >= 1
    market.clock.advance(seconds=30)
    assert not market.look()  # the last pull was just now
    market.clock.advance(minutes=3)
    assert market.look()


def test_the_ticks_keep_half_of_the_burst(market):
    market.change(rate_factor=0.001)
    now = market.clock()
    with market.installation.ledger.write() as transaction:
        while quotas.shares_left(transaction, now)[AMAZON, SEARCH] > 0.56:
            quotas.take(transaction, AMAZON, SEARCH, 0.0000056, 20, now)
    market.order()
    market.look()
    market.to_tick(minutes=4, seconds=50)
    assert not market.look()  # a tick reads it in ten seconds
    market.to_tick(seconds=5)
    assert market.look()
    assert market.pulled() == [(AMAZON, "complete", 1)]
    with market.installation.ledger.write() as transaction:
        quotas.take(transaction, AMAZON, SEARCH, 0.0000056, 20, market.clock())
    market.order()
    market.look()
    market.to_tick(seconds=5)
    assert not market.look()
    assert pull.pull_connection(market.installation, AMAZON).new == 1


def test_a_pull_that_fails_is_not_tried_at_every_look(market):
    market.order()
    market.look()
    market.clock.advance(minutes=4)
    market.amazon.revoke("default")
    assert market.look()
    assert [outcome for _, outcome, _ in market.pulled()] == ["failed"]
    assert not market.look()
    market.amazon.restore()
    market.clock.advance(minutes=1)
    assert market.look()
    assert market.pulled() == [(AMAZON, "complete", 1)]


def test_a_crash_before_the_message_is_deleted_loses_nothing_and_does_no_harm(market, monkeypatch):
    market.order()
    with monkeypatch.context() as patched:
        patched.setattr(OrderChangeQueue, "discard", _killed)
        with pytest.raises(KeyboardInterrupt):
            market.look()
    assert (market.messages(), len(market.kept())) == (1, 1)
    market.clock.advance(minutes=4)
    assert market.look()
    assert market.messages() == 0
    assert market.pulled() == [(AMAZON, "complete", 1)]
    assert not market.look()


def _killed(*_):
    raise KeyboardInterrupt


def test_what_is_not_ours_is_counted_and_deleted(market):
    body = order_change(1, SELLER, _order(), market.clock())
    for foreign in (
        body | {"NotificationType": "FEED_PROCESSING_FINISHED"},
        {"NotificationType": "LISTINGS_ITEM_STATUS_CHANGE"},
        _with(body, SellerId="A2SOMEBODYELSE"),
        _with(body, Summary={"MarketplaceId": "A1F83G8C2ARO7P"}),
    ):
        market.amazon.put_hint(json.dumps(foreign))
    market.look()
    assert (market.messages(), market.kept(), market.open_incidents()) == (0, [], [])
    assert market.measure("orders_hints") == {(AMAZON, "foreign"): 4.0}


def _with(body, **members):
    change = {**body["Payload"]["OrderChangeNotification"], **members}
    return body | {"Payload": {"OrderChangeNotification": change}}


def test_what_cannot_be_read_is_told_once_and_deleted(market):
    dateless = order_change(1, SELLER, _order(), START) | {"EventTime": "soon"}
    for content in ("not json", "[]", '"text"', "{}", '{"NotificationType": "ORDER_CHANGE"}', json.dumps(dateless)):
        market.amazon.put_hint(content)
        market.look()
    assert (market.messages(), market.kept()) == (0, [])
    assert market.open_incidents() == [("hints", "hint_unreadable", 6)]
    assert market.measure("orders_hints") == {(AMAZON, "unreadable"): 6.0}
    market.order()
    market.look()
    assert market.open_incidents() == []


def test_a_change_that_is_told_ahead_of_its_time_happened_now(market):
    body = order_change(1, SELLER, _order(), market.clock() + timedelta(days=400))
    market.amazon.put_hint(json.dumps(body))
    market.look()
    (kept,) = market.kept()
    assert kept - market.clock() <= timedelta(seconds=10)


def test_a_queue_that_fails_is_an_incident_and_rests(market):
    market.order()
    market.change(notifications_queue=f"{market.amazon_url}/000000000000/no-such-queue")
    market.look()
    market.look()
    assert market.open_incidents() == [("hints", "hints_no_queue", 1)]
    assert pull.pull_connection(market.installation, AMAZON).outcome == "complete"
    market.clock.advance(minutes=5, seconds=1)
    market.change(**market.amazon.telling(market.amazon_url).settings)
    market.look()
    assert (market.open_incidents(), market.messages()) == ([], 0)


def test_a_key_of_the_queue_that_is_missing_stops_no_pull(market, monkeypatch):
    monkeypatch.delenv("TEST_AWS_SECRET_ACCESS_KEY")
    assert pull.pull_connection(market.installation, AMAZON).outcome == "complete"
    market.look()
    assert market.open_incidents() == [("hints", "credential_missing", 1)]


def test_nobody_listens_unless_it_is_switched_on(market):
    market.change(notifications_queue=None)
    market.order()
    market.clock.advance(minutes=4)
    assert not market.look()
    assert market.messages() == 1
    assert market.measure("orders_hints") == {}


def test_hints_of_a_connection_that_is_no_longer_listened_to_are_let_go(market):
    market.order()
    market.look()
    market.change(notifications_queue=None)
    market.look()
    assert market.kept() == []


@pytest.mark.parametrize(
    ("environment", "is_ok", "said"),
    [
        ({}, True, "about 1 notifications wait"),
        ({"TEST_AWS_ACCESS_KEY_ID": "AKIAWRONG"}, False, "InvalidClientTokenId"),
        ({"TEST_AWS_SECRET_ACCESS_KEY": " "}, False, "are both needed"),
    ],
)
def test_the_connection_test_tries_the_queue(market, monkeypatch, environment, is_ok, said):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    market.order()
    finding = try_connection(market.installation, AMAZON)[-1]
    assert (finding.part, finding.is_ok) == ("hints", is_ok)
    assert said in finding.message
    assert market.messages() == 1


def test_the_machines_own_aws_settings_do_not_count(market, monkeypatch, tmp_path):
    (tmp_path / "config").write_text("[default]\nregion = mars\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
    market.order()
    market.look()
    assert (market.messages(), market.open_incidents()) == (0, [])
