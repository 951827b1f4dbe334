"""Target Plus from end to end: open orders are followed, acknowledged by themselves, and shipped once."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from orders_pipeline.marketplaces.registry import KINDS
from orders_pipeline.marketplaces.target_plus import MARKETPLACE
from orders_pipeline.sandbox import server
from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.engine import AdvanceRequest, GenerateRequest
from orders_pipeline.sandbox.faults import Fault, FaultKind
from orders_pipeline.sandbox.target_plus.state import TargetSandbox
from orders_pipeline.stages.accept import accept_all
from orders_pipeline.stages.confirm import confirm_all
from orders_pipeline.stages.pull import pull_since
from orders_pipeline.upkeep import doctor
from tests.pipeline.confirming_shop import Shop, whole
from tests.pipeline.conftest import GENEROUS, SETTLED_SECONDS
from warehouse.ledger.base import schema
from warehouse.ledger.settings import channels
from warehouse.ledger.settings.kinds import keep_kinds
from warehouse.ledger.status import channel_status


class TargetShop(Shop):
    """An installation with orders of Target Plus, and an ERP that ships them."""

    def sandbox(self, channel: str) -> TargetSandbox:
        return self.marketplaces

    def calls(self, operation: str = "fulfillment") -> int:
        return sum(each.operation == operation for each in self.marketplaces.journal)

    def later(self, minutes: float) -> None:
        self.clock.advance(minutes=minutes)
        self.pull()
        confirm_all(self.installation)

    def in_state(self, state: str):
        return next(each for each in self.marketplaces.records.values() if each.state == state)


@pytest.fixture
def shop(installation, clock, monkeypatch):
    sandbox = TargetSandbox(seed=2, rate_factor=math.inf, clock=clock)
    sandbox.generate(GenerateRequest(40, days=0.9, newest_seconds=SETTLED_SECONDS))
    access = sandbox.access()
    with server.running(create_app(sandbox)) as url:
        for name, value in access.credentials.items():
            monkeypatch.setenv(f"TEST_TARGET_{name.upper()}", value)
        connection = channels.Connection(
            code="target_shop",
            kind="target_plus",
            label="Target",
            endpoint=url,
            settings={"rate_factor": GENEROUS},
            credentials={name: f"env:TEST_TARGET_{name.upper()}" for name in access.credentials},
        )
        channel = channels.ConfiguredChannel(
            code="target",
            label="target",
            marketplace="target",
            connection="target_shop",
            confirmation=True,
            acceptance=MARKETPLACE.acceptance,
            settings=dict(access.channel_settings),
        )
        keep_kinds(installation.ledger, KINDS, clock())
        with installation.ledger.write() as transaction:
            channels.save_connection(transaction, connection, clock())
            channels.save_channel(transaction, channel, clock())
        made = TargetShop(installation, sandbox, clock)
        made.pull()
        yield made


def by_ups(order: dict):
    return replace(whole(order["id"]), carrier_code="UPS")


def status(shop, original_id: str) -> str:
    with shop.installation.ledger.read() as connection:
        query = sa.select(schema.orders.c.status).where(schema.orders.c.original_id == original_id)
        return connection.execute(query).scalar_one()


@pytest.mark.parametrize(("action", "found"), [("ship", "SHIPPED"), ("cancel", "CANCELED")])
def test_an_order_that_leaves_the_listing_is_followed(shop, action, found):
    record = shop.in_state("ACKNOWLEDGED_BY_SELLER")
    assert status(shop, record.id) == "WAITING_FOR_SHIPMENT"
    shop.marketplaces.advance(AdvanceRequest(action, (record.id,)))
    shop.later(5)
    assert status(shop, record.id) == found
    before = shop.calls("order")
    shop.later(5)
    assert shop.calls("order") == before


def test_an_order_is_acknowledged_by_itself(shop):
    record = shop.in_state("RELEASED_FOR_SHIPMENT")
    assert status(shop, record.id) == "PENDING"
    accept_all(shop.installation)
    assert {each.state for each in shop.marketplaces.records.values()}.isdisjoint({"RELEASED_FOR_SHIPMENT"})
    shop.later(5)
    assert status(shop, record.id) == "WAITING_FOR_SHIPMENT"


def test_a_package_is_verified_by_the_orders_fulfilments(shop):
    (own_id,) = shop.ship(by_ups(shop.waiting("target")[0]))
    confirm_all(shop.installation)
    shop.later(5)
    shop.later(31)
    assert (shop.row(own_id)["status"], shop.order(own_id)["status"]) == ("verified", "SHIPPED")
    assert shop.calls() == 1


@pytest.mark.parametrize(("kind", "calls"), [(FaultKind.DROPPED, 1), (FaultKind.DROPPED_BEFORE, 2)])
def test_a_lost_call_is_read_back_before_it_is_made_again(shop, kind, calls):
    shop.marketplaces.add_fault(Fault(kind, operation="fulfillment"))
    (own_id,) = shop.ship(by_ups(shop.waiting("target")[0]))
    confirm_all(shop.installation)
    shop.later(29)
    assert (shop.row(own_id)["status"], shop.calls()) == ("in_doubt", 1)
    shop.later(2)
    shop.later(31)
    assert (shop.row(own_id)["status"], shop.calls()) == ("verified", calls)
    (held,) = shop.marketplaces.held([shop.order(own_id)["original_id"]])
    assert sum(each.shipped for each in held.lines) == sum(each.ordered - each.cancelled for each in held.lines)


def test_no_time_is_claimed_where_only_open_orders_are_listed(shop):
    shop.pull()
    record = shop.in_state("ACKNOWLEDGED_BY_SELLER")
    gone = shop.marketplaces.generate(GenerateRequest(6, days=0, newest_seconds=0.0))
    shop.marketplaces.advance(AdvanceRequest("cancel", tuple(gone)))  # opened and closed between two ticks
    shop.clock.advance(minutes=2 * 24 * 60)
    before = sum(each.operation == "orders" for each in shop.marketplaces.journal)
    shop.pull()
    assert (
        sum(each.operation == "orders" for each in shop.marketplaces.journal) - before == 2
    )  # once, not once a window
    with shop.installation.ledger.read() as transaction:
        known = set(transaction.execute(sa.select(schema.orders.c.original_id)).scalars())
        (row,) = channel_status.coverages(transaction, None)
        pulls = transaction.execute(sa.select(schema.pulls.c.since, schema.pulls.c.until)).all()
    assert record.id in known
    assert not {each for each in gone if shop.marketplaces.records[each].state == "CANCELED"} & known
    assert row.open_orders_only
    assert row.complete_from == row.complete_through > shop.clock() - timedelta(hours=1)
    assert all(since == until for since, until in pulls)
    found = {each.part: each.seen for each in doctor.examine(shop.installation.settings, shop.clock)}
    assert found["channel target"].endswith("open orders only")
    assert pull_since(shop.installation, "target_shop", shop.clock() - timedelta(days=9)).outcome == "complete"
    with shop.installation.ledger.read() as transaction:
        (row,) = channel_status.coverages(transaction, None)
    assert row.complete_from == row.complete_through
