"""Shipments in the lake: published once, replaced when they change with what is in them, and what the view makes of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from warehouse.ids import line_id
from warehouse.lake.publishing import publish, rebuild
from warehouse.ledger.base.schema import shipments
from warehouse.ledger.shipping import claims, confirmations
from warehouse.ledger.shipping.shipments import report
from warehouse.shipment_reports import Item, Sender, ShipmentReport, Source
from warehouse.shipments import AttemptOutcome, Receipt

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=10)


def ship(shop, *given: ShipmentReport, now: datetime = NOW) -> list[str]:
    """Report shipments; their ids."""
    sender = Sender(consumer="erp", source=Source.API, report_id="r-1")
    with shop.ledger.write() as connection:
        answers = report(connection, sender, given, now)
    assert [each.faults for each in answers] == [()] * len(given)
    return [each.shipment_id or "" for each in answers]


def attempt(shop, receipt: Receipt, now: datetime) -> None:
    """Claim what is due, and record what came of it."""
    with shop.ledger.write() as connection:
        taken = claims.claim(connection, ["amazon_fr"], 10, now)
        confirmations.record(connection, [(each, replace(receipt, shipment_id=each.id)) for each in taken], now)
    assert taken


SENT = Receipt(
    shipment_id="", outcome=AttemptOutcome.SENT, operation="confirmShipment", http_status=204, request_id="req-1"
)


def columns(lake, query: str) -> list[tuple]:
    return lake.duck.sql(query).fetchall()


@pytest.fixture
def open_order(any_shop):
    """An order of two lines of 2 units, in a channel that confirms."""
    any_shop.add_channel()
    order = any_shop.order(1)
    any_shop.settle(order)
    return order


def test_a_shipment_is_published_with_its_lines_and_attempts(any_shop, any_lake, open_order):
    item = Item(item_original_id="L1", item_quantity_shipped=2)
    given = ShipmentReport(id=open_order.id, package_id="P", tracking_number="T1", carrier_code="UPS", items=(item,))
    (own_id,) = ship(any_shop, given)
    attempt(any_shop, SENT, LATER)

    publish(any_shop.ledger, any_lake, LATER)

    assert columns(
        any_lake,
        "SELECT id, order_id, package_id, tracking_number, carrier_code, status, shipping_date, sent_at, consumer, "
        "sent_version, attempt_count, difference FROM shipments",
    ) == [(own_id, open_order.id, "P", "T1", "UPS", "sent", NOW, LATER, "erp", 1, 0, None)]
    assert columns(any_lake, "FROM shipment_lines") == [(own_id, line_id(open_order.id, "L1"), 2, 0)]
    assert columns(any_lake, "SELECT shipment_id, outcome, http_status, request_id FROM confirmation_attempts") == [
        (own_id, "sent", 204, "req-1")
    ]


def test_a_corrected_shipment_replaces_its_row_and_its_lines(any_shop, any_lake, open_order):
    first = ShipmentReport(
        id=open_order.id, package_id="P", items=(Item(item_original_id="L1", item_quantity_shipped=2),)
    )
    other = ShipmentReport(
        id=open_order.id, package_id="Q", items=(Item(item_original_id="L2", item_quantity_shipped=1),)
    )
    own, kept = ship(any_shop, first, other)
    publish(any_shop.ledger, any_lake, NOW)
    corrected = ShipmentReport(
        id=open_order.id, package_id="P", items=(Item(item_original_id="L2", item_quantity_shipped=1),)
    )
    ship(any_shop, corrected, now=LATER)

    assert publish(any_shop.ledger, any_lake, LATER).counts["shipments"] == 1

    line = line_id(open_order.id, "L2")
    assert sorted(columns(any_lake, "FROM shipment_lines")) == sorted([(own, line, 1, 0), (kept, line, 1, 0)])
    assert sorted(columns(any_lake, "SELECT id, version FROM shipments")) == sorted([(own, 2), (kept, 1)])


def test_a_difference_is_published_as_json(any_shop, any_lake, open_order):
    ship(any_shop, ShipmentReport(id=open_order.id))
    with any_shop.ledger.write() as connection:
        connection.execute(sa.update(shipments).values(difference={"tracking_number": ["T1", "T2"]}))
    publish(any_shop.ledger, any_lake, NOW)
    assert columns(any_lake, "SELECT difference ->> '$.tracking_number[1]' FROM shipments") == [("T2",)]


def test_an_attempt_that_ended_is_renewed_and_nothing_new_writes_nothing(any_shop, any_lake, open_order):
    ship(any_shop, ShipmentReport(id=open_order.id))
    with any_shop.ledger.write() as connection:
        taken = claims.claim(connection, ["amazon_fr"], 1, NOW)
    publish(any_shop.ledger, any_lake, NOW)
    assert columns(any_lake, "SELECT outcome FROM confirmation_attempts") == [("running",)]
    with any_shop.ledger.write() as connection:
        confirmations.record(connection, [(taken[0], SENT)], LATER)
    publish(any_shop.ledger, any_lake, LATER)
    assert columns(any_lake, "SELECT outcome, finished_at FROM confirmation_attempts") == [("sent", LATER)]
    assert publish(any_shop.ledger, any_lake, LATER + timedelta(minutes=5)).counts == {}


def test_a_rebuild_has_the_same_shipments(any_shop, any_lake, open_order):
    ship(any_shop, ShipmentReport(id=open_order.id))
    attempt(any_shop, SENT, NOW)
    publish(any_shop.ledger, any_lake, NOW)
    tables = ("shipments", "shipment_lines", "confirmation_attempts")
    before = [columns(any_lake, f"FROM {name} ORDER BY ALL") for name in tables]
    assert all(before)
    rebuild(any_shop.ledger, any_lake, NOW)
    assert [columns(any_lake, f"FROM {name} ORDER BY ALL") for name in tables] == before


def test_the_latency_of_confirmations(shop, lake):
    shop.add_channel()
    shop.add_channel("amazon_de", confirmation=False)
    orders = [shop.order(number, channel="amazon_fr" if number < 3 else "amazon_de") for number in range(1, 5)]
    shop.settle(*orders)
    ship(shop, *(ShipmentReport(id=each.id) for each in orders[:2]))
    attempt(shop, SENT, LATER)
    ship(shop, *(ShipmentReport(id=each.id) for each in orders[2:]))
    publish(shop.ledger, lake, LATER)
    assert columns(
        lake,
        "SELECT channel, day, shipments, sent, held, median_seconds_to_sent, p95_seconds_to_sent, "
        "median_seconds_to_verified, oldest_waiting_since FROM confirmation_latency",
    ) == [
        ("amazon_de", date(2026, 11, 2), 2, 0, 2, None, None, None, None),
        ("amazon_fr", date(2026, 11, 2), 2, 2, 0, 600.0, 600.0, None, None),
    ]
