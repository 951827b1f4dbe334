"""OTTO from end to end: units that are not released stay here, and a package that does not show yet is not told again."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import pytest

from orders_pipeline.sandbox import server
from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.engine import AdvanceRequest, GenerateRequest
from orders_pipeline.sandbox.faults import Fault, FaultKind
from orders_pipeline.sandbox.otto.state import OttoQuirks, OttoSandbox
from orders_pipeline.stages.confirm import confirm_all
from tests.pipeline.confirming_shop import Shop, whole
from tests.pipeline.conftest import GENEROUS, SETTLED_SECONDS
from warehouse.ledger.settings import channels


class OttoShop(Shop):
    """An installation with orders of OTTO, and an ERP that ships them."""

    def sandbox(self, channel: str) -> OttoSandbox:
        return self.marketplaces

    def calls(self) -> int:
        return sum(each.operation == "shipment" for each in self.marketplaces.journal)

    def an_order(self, units: int = 2) -> dict:
        """One that waits to be shipped, of several units."""
        return next(
            each for each in self.waiting("otto") if len(self.marketplaces.records[each["original_id"]].items) >= units
        )

    def later(self, minutes: float) -> None:
        self.clock.advance(minutes=minutes)
        self.pull()
        confirm_all(self.installation)


@pytest.fixture
def shop(installation, clock, monkeypatch):
    sandbox = OttoSandbox(seed=2, rate_factor=math.inf, clock=clock)
    sandbox.generate(GenerateRequest(40, days=0.9, newest_seconds=SETTLED_SECONDS))
    access = sandbox.access()
    with server.running(create_app(sandbox)) as url:
        for name, value in access.credentials.items():
            monkeypatch.setenv(f"TEST_OTTO_{name.upper()}", value)
        connection = channels.Connection(
            code="otto_shop",
            kind="otto",
            label="OTTO",
            endpoint=url,
            settings={"rate_factor": GENEROUS, **access.settings},
            credentials={name: f"env:TEST_OTTO_{name.upper()}" for name in access.credentials},
        )
        channel = channels.ConfiguredChannel(
            code="otto",
            label="otto",
            marketplace="otto",
            connection="otto_shop",
            confirmation=True,
            settings=dict(access.channel_settings),
        )
        with installation.ledger.write() as transaction:
            channels.save_connection(transaction, connection, clock())
            channels.save_channel(transaction, channel, clock())
        made = OttoShop(installation, sandbox, clock)
        made.pull()
        yield made


def labelled(order: dict):
    return replace(whole(order["id"]), return_tracking_number="R1")


def test_all_that_remains_leaves_out_what_is_only_announced(shop):
    order = shop.an_order()
    record = shop.marketplaces.records[order["original_id"]]
    first, *others = record.items
    first["fulfillmentStatus"] = "ANNOUNCED"
    shop.marketplaces.advance(AdvanceRequest("touch", (record.id,)))
    shop.later(16)
    (own_id,) = shop.ship(labelled(order))
    shop.later(1)
    assert [each["fulfillmentStatus"] for each in record.items] == ["ANNOUNCED", *["SENT"] * len(others)]
    shop.later(16)
    assert (shop.row(own_id)["status"], shop.order(own_id)["status"]) == ("verified", "PARTIALLY_SHIPPED")


def test_a_lost_answer_waits_until_the_units_can_show(shop):
    shop.marketplaces.quirks = OttoQuirks(sent_after_seconds=timedelta(minutes=25).total_seconds())
    shop.marketplaces.add_fault(Fault(FaultKind.DROPPED, operation="shipment"))
    (own_id,) = shop.ship(labelled(shop.an_order()))
    confirm_all(shop.installation)
    for _ in range(3):
        shop.later(9)
        assert shop.row(own_id)["status"] == "in_doubt"
    shop.later(4)
    assert (shop.row(own_id)["status"], shop.calls()) == ("verified", 1)


def test_units_that_show_even_later_are_not_sent_twice(shop):
    shop.marketplaces.quirks = OttoQuirks(sent_after_seconds=timedelta(minutes=70).total_seconds())
    shop.marketplaces.add_fault(Fault(FaultKind.DROPPED, operation="shipment"))
    (own_id,) = shop.ship(labelled(shop.an_order()))
    confirm_all(shop.installation)
    for _ in range(4):
        shop.later(31)
    assert (shop.row(own_id)["status"], len(shop.marketplaces.shipments)) == ("verified", 1)
    assert shop.problems() == []


def test_a_lost_call_is_made_again_after_that(shop):
    shop.marketplaces.add_fault(Fault(FaultKind.DROPPED_BEFORE, operation="shipment"))
    (own_id,) = shop.ship(labelled(shop.an_order()))
    confirm_all(shop.installation)
    shop.later(29)
    assert (shop.row(own_id)["status"], shop.calls()) == ("in_doubt", 1)
    shop.later(2)
    shop.later(16)
    assert (shop.row(own_id)["status"], shop.calls(), len(shop.marketplaces.shipments)) == ("verified", 2, 1)
