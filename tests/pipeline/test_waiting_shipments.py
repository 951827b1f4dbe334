"""No shipment waits in silence: who holds it is said at once, and an incident tells of what nobody decides."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from orders_pipeline.alerts.conditions import watch
from orders_pipeline.sandbox.engine import AdvanceRequest
from orders_pipeline.stages.confirm import confirm_all
from tests.pipeline.confirming_shop import ERP, Shop, whole
from warehouse.cancellations import Decision
from warehouse.ledger.base import schema
from warehouse.ledger.book import cancellation_queries, cancellations
from warehouse.ledger.book.orders import lock_book
from warehouse.ledger.settings import channels
from warehouse.ledger.shipping import held_shipments, shipments
from warehouse.shipment_reports import Item


@pytest.fixture
def shop(filled, trading, clock):
    made = Shop(filled, trading, clock)
    made.confirming()
    return made


def report(shop, given):
    with shop.installation.ledger.write() as connection:
        return shipments.report(connection, ERP, [given], shop.clock())[0]


def hold_hours(shop, hours: float) -> None:
    with shop.installation.ledger.write() as connection:
        for each in channels.all_channels(connection):
            channels.save_channel(connection, replace(each, settings={"cancellation_hold_hours": hours}), shop.clock())


def ask_to_cancel(shop, order: dict) -> None:
    request = AdvanceRequest("request_cancellation", order_ids=(order["original_id"],), by="BUYER", reason="mistake")
    assert shop.marketplaces.amazon.advance(request).advanced
    shop.clock.advance(minutes=10)
    shop.pull()


def one_unit(shop, order: dict) -> Item:
    with shop.installation.ledger.read() as connection:
        query = sa.select(schema.order_lines.c.id).where(schema.order_lines.c.order_id == order["id"]).limit(1)
        return Item(item_id=connection.execute(query).scalar_one(), item_quantity_shipped=1)


def decide(shop, decision: Decision) -> None:
    with shop.installation.ledger.write() as connection:
        lock_book(connection)
        (request,) = cancellation_queries.find_requests(
            connection, cancellation_queries.RequestFilter(states=("open",)), None, 10
        )
        cancellations.decide(connection, request.id, decision, "erp", None, None, shop.clock())


def open_requests_end(shop) -> None:
    """The requests that the made-up orders came with are none of this test's."""
    with shop.installation.ledger.write() as connection:
        connection.execute(sa.update(schema.cancellation_requests).values(state="expired"))


def test_what_the_channel_does_not_confirm_says_so_at_once(shop):
    shop.confirming(is_on=False)
    answer = report(shop, whole(shop.waiting("amazon_fr")[0]["id"]))
    assert (answer.status, answer.held_reason) == ("held", "confirmation_off")
    assert [each.code for each in answer.notices] == ["confirmation_off"]


def test_a_request_to_cancel_holds_with_its_reason_and_declining_it_sends(shop):
    open_requests_end(shop)
    hold_hours(shop, 48)
    order = shop.waiting("amazon_fr")[0]
    own_id = report(shop, whole(order["id"], items=(one_unit(shop, order),))).shipment_id
    ask_to_cancel(shop, order)
    row = shop.row(own_id)
    assert (row["status"], row["held_reason"], row["due_at"]) == ("held", "cancellation_requested", None)
    assert shop.order(own_id)["confirmation_status"] == "held"
    confirm_all(shop.installation)
    assert shop.applied("amazon_fr") == []
    decide(shop, Decision.DECLINE)
    row = shop.row(own_id)
    assert (row["status"], row["held_reason"], row["due_at"]) == ("queued", None, shop.clock())
    confirm_all(shop.installation)
    assert shop.row(own_id)["status"] in {"sent", "verified"}


def test_a_shipment_of_an_order_with_a_request_is_held_from_the_start_and_says_so(shop):
    open_requests_end(shop)
    hold_hours(shop, 2)
    order = shop.waiting("amazon_fr")[0]
    ask_to_cancel(shop, order)
    answer = report(shop, whole(order["id"]))
    assert (answer.status, answer.held_reason) == ("held", "cancellation_requested")
    assert [each.code for each in answer.notices] == ["cancellation_requested"]
    shop.clock.advance(hours=3)
    confirm_all(shop.installation)  # the hold has ended by the clock
    assert shop.row(answer.shipment_id)["status"] in {"sent", "verified"}


def test_a_request_that_holds_nothing_is_pointed_out(shop):
    open_requests_end(shop)
    order = shop.waiting("amazon_fr")[0]
    ask_to_cancel(shop, order)
    answer = report(shop, whole(order["id"]))
    assert (answer.status, [each.code for each in answer.notices]) == ("queued", ["cancellation_requested"])


def test_releasing_a_channel_leaves_alone_what_a_request_holds(shop):
    open_requests_end(shop)
    hold_hours(shop, 48)
    order = shop.waiting("amazon_fr")[0]
    ask_to_cancel(shop, order)
    own_id = report(shop, whole(order["id"])).shipment_id
    with shop.installation.ledger.write() as connection:
        assert held_shipments.release_held(connection, "amazon_fr", shop.clock()) == 0
        assert held_shipments.skip_held(connection, "amazon_fr", shop.clock()) == 0
    assert shop.row(own_id)["status"] == "held"


def test_held_for_hours_is_an_incident_until_somebody_decides(shop):
    open_requests_end(shop)
    shop.confirming(is_on=False)
    report(shop, whole(shop.waiting("amazon_fr")[0]["id"]))
    shop.clock.advance(hours=3)
    assert "shipments_held" not in watch(shop.installation)
    shop.clock.advance(hours=2)
    assert "shipments_held" in watch(shop.installation)
    never = shop.installation.settings.model_copy(update={"held_alert_hours": 0})
    assert "shipments_held" not in watch(replace(shop.installation, settings=never))
    assert ("amazon_fr", "shipments_held") not in shop.problems()


@pytest.mark.parametrize(("hours", "is_told"), [(0.25, False), (1.25, True)])
def test_a_confirmation_that_was_swallowed_is_told_before_the_order_is_late(shop, hours, is_told):
    order = shop.waiting("amazon_fr")[0]
    own_id = report(shop, whole(order["id"])).shipment_id
    with shop.installation.ledger.write() as connection:
        due = shop.clock() + timedelta(hours=2)
        connection.execute(sa.update(schema.orders).where(schema.orders.c.id == order["id"]).values(ship_by=due))
    confirm_all(shop.installation)
    forget(shop, order["original_id"], own_id)
    shop.clock.advance(minutes=int(hours * 60))
    confirm_all(shop.installation)
    assert (("amazon_fr", "confirmation_unverified") in shop.problems()) == is_told
    assert shop.clock() < due


def forget(shop, original_id: str, own_id: str) -> None:
    """The marketplace has answered 204, and shows nothing of it."""
    record = shop.marketplaces.amazon.records[original_id]
    record.order["packages"] = []
    record.order["fulfillment"]["fulfillmentStatus"] = "UNSHIPPED"
    for item in record.order["orderItems"]:
        item["fulfillment"] = {"quantityFulfilled": 0, "quantityUnfulfilled": item["quantityOrdered"]}
    with shop.installation.ledger.write() as connection:
        connection.execute(
            sa.update(schema.shipments)
            .where(schema.shipments.c.id == own_id)
            .values(status="sent", verified_at=None, due_at=None)
        )


def test_a_shipping_date_before_the_purchase_or_long_ago_is_pointed_out(shop):
    first, second = shop.waiting("amazon_fr")[:2]
    answer = report(shop, whole(first["id"], shipping_date=shop.clock() - timedelta(days=400)))
    assert answer.shipment_id is not None
    assert [(each.code, each.field) for each in answer.notices] == [("shipping_date_before_purchase", "shipping_date")]
    with shop.installation.ledger.write() as connection:
        old = shop.clock() - timedelta(days=90)
        connection.execute(sa.update(schema.orders).where(schema.orders.c.id == second["id"]).values(purchased_at=old))
    answer = report(shop, whole(second["id"], shipping_date=shop.clock() - timedelta(days=80)))
    assert [(each.code, each.field) for each in answer.notices] == [("shipping_date_long_ago", "shipping_date")]
