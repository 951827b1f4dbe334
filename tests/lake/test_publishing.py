"""Publishing: the lake holds what the ledger holds, once, whatever changes and whoever publishes; nothing new, no snapshot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import sqlalchemy as sa

from warehouse.lake.definitions import TABLES
from warehouse.lake.publishing import LakeAheadError, publish, published_through, rebuild
from warehouse.ledger.base.database import POSITION, set_mark
from warehouse.ledger.base.schema import acknowledgements, channels, consumers, order_versions, orders, pulls
from warehouse.ledger.watch import incidents
from warehouse.order_parts import (
    Address,
    Cancellation,
    Charge,
    Customer,
    DeliveryWindow,
    Gift,
    OrderProblem,
    RelatedOrder,
)
from warehouse.order_states import Status

if TYPE_CHECKING:
    from warehouse.lake.lake import Lake

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


def everything(lake: Lake) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables but the marks."""
    return {name: lake.duck.execute(f"SELECT * FROM {name} ORDER BY ALL").fetchall() for name in TABLES[:-1]}


def snapshots(lake: Lake) -> int:
    row = lake.duck.execute("SELECT count(*) FROM lake.snapshots()").fetchone()
    assert row is not None
    return row[0]


def add_pull(shop: Any, outcome: str = "complete", **changes: Any) -> int:
    row = {
        "connection": "amazon",
        "kind": "tick",
        "channels": ["amazon_fr"],
        "since": NOW - timedelta(minutes=10),
        "until": NOW,
        "started_at": NOW,
        "finished_at": None if outcome == "running" else NOW,
        "outcome": outcome,
        "pages": 1,
        "orders_seen": 2,
        "orders_new": 1,
        "orders_skipped": 0,
        "missing_data": [],
        **changes,
    }
    with shop.ledger.write() as connection:
        return connection.execute(sa.insert(pulls).values(**row).returning(pulls.c.id)).scalar_one()


def test_every_member_of_an_order_arrives_typed(any_shop, any_lake):
    order = any_shop.order(
        1,
        cancellation=Cancellation(requested_by="buyer", request_reason="too late"),
        problems=(OrderProblem(code="missing_price", path="$.x", message="no price"),),
        is_business=True,
        service_level="NEXT_DAY",
        deliver_by=DeliveryWindow(latest=datetime(2026, 11, 5, 20, tzinfo=UTC)),
        charges=(Charge(code="GIFT_WRAP", label="Gift wrap", amount=Decimal("4.99")),),
        related_order=RelatedOrder(original_id="402-0000000", relation="replacement_of"),
        marketplace_data={"priority": 1},
        personal_marketplace_data={"priority": 1, "wish": "For A."},
        delivery_instructions="Leave it with A.",
    )
    any_shop.settle(order)
    publish(any_shop.ledger, any_lake, NOW)
    (row,) = any_lake.duck.sql("SELECT * FROM orders").fetchall()
    got = dict(zip(any_lake.duck.sql("SELECT * FROM orders").columns, row, strict=True))
    assert got == dict.fromkeys(got) | {
        "id": order.id,
        "original_id": "402-0000001",
        "channel": "amazon_fr",
        "marketplace": "Amazon FR",
        "status": "WAITING_FOR_SHIPMENT",
        "marketplace_status": "UNSHIPPED",
        "fulfilled_by": "merchant",
        "purchased_at": order.purchased_at,
        "marketplace_updated_at": order.marketplace_updated_at,
        "received_at": datetime(2026, 11, 1, 12, tzinfo=UTC),
        "ship_by": order.ship_by,
        "accept_by": None,
        "service_level": "NEXT_DAY",
        "deliver_from": None,
        "deliver_until": datetime(2026, 11, 5, 20, tzinfo=UTC),
        "currency": "EUR",
        "total": Decimal("44.90"),
        "shipping_total": Decimal(5),
        "tax_total": Decimal("7.48"),
        "charges": [{"code": "GIFT_WRAP", "label": "Gift wrap", "amount": Decimal("4.99"), "tax": None}],
        "payment_method": "card",
        "payment_workflow": "PAY_ON_DELIVERY",
        "payment_paid_at": order.payment.paid_at,
        "is_business": True,
        "programs": ["prime", "business"],
        "shipping_country_code": "FR",
        "cancellation_requested_by": "buyer",
        "cancellation_request_reason": "too late",
        "cancellation_executed_by": None,
        "cancellation_execution_reason": None,
        "related_original_id": "402-0000000",
        "related_relation": "replacement_of",
        "may_ship": True,
        "may_not_ship_reason": None,
        "split_of": None,
        "confirmation_status": "none",
        "has_errors": True,
        "has_cancellation_request": True,
        "is_historical": False,
        "pii_state": "present",
        "revision": 1,
        "position": 1,
        "marketplace_data": '{"priority":1}',
        "problems": [{"code": "missing_price", "path": "$.x", "message": "no price"}],
    }


def test_every_member_of_a_line_arrives_typed(any_shop, any_lake):
    line = any_shop.line(
        1,
        cancellation=Cancellation(executed_by="seller"),
        marketplace_sku="B0TEST0001",
        condition="NEW",
        gift=Gift(message="For A.", wrap="Classic"),
        is_customised=True,
        customisation_url="https://custom.example/1",
        ship_from="WH-2",
        is_replacement=False,
    )
    order = any_shop.order(1, lines=(line,))
    any_shop.settle(order)
    publish(any_shop.ledger, any_lake, NOW)
    relation = any_lake.duck.sql("SELECT * EXCLUDE (id) FROM order_lines")
    got = dict(zip(relation.columns, relation.fetchall()[0], strict=True))
    assert got == dict.fromkeys(got) | {
        "order_id": order.id,
        "channel": "amazon_fr",
        "original_id": "L1",
        "number": 1,
        "sku": "SKU-1",
        "marketplace_sku": "B0TEST0001",
        "gtin": "4006381333931",
        "title": "Cushion cover",
        "product_url": None,
        "condition": "NEW",
        "quantity_ordered": 2,
        "quantity_shipped": 0,
        "quantity_cancelled": 0,
        "quantity_remaining_to_ship": 2,
        "currency": "EUR",
        "unit_price": Decimal("19.95"),
        "source_unit_price": Decimal("19.95"),
        "line_total": Decimal("39.90"),
        "taxes": [{"code": "VAT", "amount": Decimal("6.65"), "rate": Decimal(20)}],
        "quantity_refunded": None,
        "may_ship": True,
        "may_not_ship_reason": None,
        "kept_total": Decimal("39.90"),
        "refunded_total": None,
        "marketplace_status": "UNSHIPPED",
        "cancellation_requested_by": None,
        "cancellation_request_reason": None,
        "cancellation_executed_by": "seller",
        "cancellation_execution_reason": None,
        "gift_wrap": "Classic",
        "is_gift": True,
        "is_customised": True,
        "ship_from": "WH-2",
        "is_replacement": False,
        "purchased_at": order.purchased_at,
        "received_at": datetime(2026, 11, 1, 12, tzinfo=UTC),
    }


@pytest.mark.parametrize(
    ("column", "value"),
    [("total", None), ("currency", None), ("ship_by", None), ("fulfilled_by", None), ("programs", ()), ("lines", ())],
)
def test_what_the_marketplace_does_not_say_is_null_and_not_zero(shop, lake, column, value):
    shop.settle(shop.order(1, **{column: value}))
    publish(shop.ledger, lake, NOW)
    if column == "lines":
        assert lake.duck.sql("SELECT * FROM order_lines").fetchall() == []
    else:
        expected = [] if column == "programs" else None
        assert lake.duck.sql(f"SELECT {column} FROM orders").fetchall() == [(expected,)]


def test_an_absurd_amount_becomes_null_and_stops_nothing(shop, lake):
    shop.settle(shop.order(1, total=Decimal("1e30")), shop.order(2))
    publish(shop.ledger, lake, NOW)
    assert lake.duck.sql("SELECT total FROM orders ORDER BY original_id").fetchall() == [(None,), (Decimal("44.90"),)]
    assert f"{10**30}" in repr(lake.duck.sql("SELECT document FROM order_versions").fetchall())


def test_a_changed_order_replaces_its_row_and_lines_and_adds_a_version(any_shop, any_lake):
    any_shop.settle(any_shop.order(1), any_shop.order(2))
    publish(any_shop.ledger, any_lake, NOW)
    later = any_shop.order(1).marketplace_updated_at + timedelta(hours=1)
    changed = any_shop.order(1, status=Status.SHIPPED, marketplace_updated_at=later, lines=(any_shop.line(1),))
    any_shop.settle(changed)
    assert publish(any_shop.ledger, any_lake, NOW).counts == {
        "raw_orders": 1,
        "order_versions": 1,
        "orders": 1,
        "order_lines": 1,
    }
    by_id = "SELECT original_id, status, revision, position FROM orders ORDER BY original_id"
    assert any_lake.duck.sql(by_id).fetchall() == [
        ("402-0000001", "SHIPPED", 2, 3),
        ("402-0000002", "WAITING_FOR_SHIPMENT", 1, 2),
    ]
    lines = "SELECT original_id FROM order_lines WHERE order_id = ? ORDER BY number"
    assert any_lake.duck.execute(lines, [changed.id]).fetchall() == [("L1",)]
    versions = "SELECT revision, changed FROM order_versions WHERE order_id = ? ORDER BY revision"
    assert any_lake.duck.execute(versions, [changed.id]).fetchall() == [(1, []), (2, ["status", "lines"])]


def test_a_version_keeps_the_whole_document(shop, lake):
    shop.settle(shop.order(1))
    publish(shop.ledger, lake, NOW)
    (document,) = lake.duck.sql("SELECT document FROM order_versions").fetchone()
    assert orjson.loads(document)["lines"][0]["taxes"] == [{"code": "VAT", "amount": "6.65", "rate": "20"}]


def test_nothing_new_writes_no_snapshot(any_shop, any_lake):
    any_shop.add_channel()
    any_shop.settle(any_shop.order(1))
    add_pull(any_shop)
    with any_shop.ledger.write() as connection:
        incidents.report(connection, report(), NOW)
    publish(any_shop.ledger, any_lake, NOW)
    before = snapshots(any_lake)
    assert publish(any_shop.ledger, any_lake, NOW + timedelta(minutes=5)).counts == {}
    assert snapshots(any_lake) == before


def report(**changes: Any) -> incidents.IncidentReport:
    values = {"scope": "channel", "subject": "amazon_fr", "stage": "pull", "code": "throttled", "message": "slow down"}
    return incidents.IncidentReport(**{**values, **changes})


def test_a_pull_that_finishes_after_a_later_one_is_not_missed(any_shop, any_lake):
    early = add_pull(any_shop, "running")
    late = add_pull(any_shop)
    publish(any_shop.ledger, any_lake, NOW)
    assert any_lake.duck.sql("SELECT id FROM pulls").fetchall() == [(late,)]
    assert published_through(any_lake)["pulls"] == early - 1
    with any_shop.ledger.write() as connection:
        connection.execute(sa.update(pulls).where(pulls.c.id == early).values(outcome="failed", finished_at=NOW))
    assert publish(any_shop.ledger, any_lake, NOW).counts == {"pulls": 1}
    assert any_lake.duck.sql("SELECT id, outcome FROM pulls ORDER BY id").fetchall() == [
        (early, "failed"),
        (late, "complete"),
    ]


def test_an_incident_is_updated_and_resolved_in_place(any_shop, any_lake):
    with any_shop.ledger.write() as connection:
        incidents.report(connection, report(), NOW)
    publish(any_shop.ledger, any_lake, NOW)
    with any_shop.ledger.write() as connection:
        incidents.report(connection, report(), NOW + timedelta(hours=5))
        incidents.resolve(connection, "channel", ["amazon_fr"], ["pull"], NOW + timedelta(hours=6))
    publish(any_shop.ledger, any_lake, NOW + timedelta(hours=7))
    found = any_lake.duck.sql("SELECT code, occurrences, resolved_at, order_id FROM incidents").fetchall()
    assert found == [("throttled", 2, NOW + timedelta(hours=6), None)]


def test_an_acknowledgement_is_published_and_renewed(any_shop, any_lake):
    order = any_shop.order(1)
    any_shop.settle(order)
    row = {"order_id": order.id, "consumer": "erp", "revision": 1, "outcome": "error", "at": NOW}
    with any_shop.ledger.write() as connection:
        connection.execute(sa.insert(consumers), [{"name": "erp", "position": 0, "created_at": NOW}])
        connection.execute(sa.insert(acknowledgements), [row])
    publish(any_shop.ledger, any_lake, NOW)
    with any_shop.ledger.write() as connection:
        connection.execute(sa.update(acknowledgements).values(outcome="ok", order_number="4711", at=NOW))
    publish(any_shop.ledger, any_lake, NOW + timedelta(minutes=5))
    found = any_lake.duck.sql(
        "SELECT consumer, outcome, order_number, acknowledged_at FROM acknowledgements"
    ).fetchall()
    assert found == [("erp", "ok", "4711", NOW)]


def test_channels_are_replaced_when_one_changes(any_shop, any_lake):
    any_shop.add_channel("amazon_fr")
    any_shop.add_channel("amazon_de", label="Amazon Germany")
    publish(any_shop.ledger, any_lake, NOW)
    with any_shop.ledger.write() as connection:
        connection.execute(sa.update(channels).where(channels.c.code == "amazon_de").values(retrieval=False))
    assert publish(any_shop.ledger, any_lake, NOW).counts == {"channels": 2}
    found = any_lake.duck.sql("SELECT code, connection_kind, is_retrieved FROM channels ORDER BY code").fetchall()
    assert found == [("amazon_de", "amazon", False), ("amazon_fr", "amazon", True)]


def test_more_than_one_batch_arrives_whole(shop, lake, monkeypatch):
    monkeypatch.setattr("warehouse.lake.publishing.ORDERS_PER_BATCH", 3)
    shop.settle(*(shop.order(number) for number in range(10)))
    told: list[tuple[str, int]] = []
    assert publish(shop.ledger, lake, NOW, lambda table, rows: told.append((table, rows))).counts["orders"] == 10
    assert [rows for table, rows in told if table == "orders"] == [3, 6, 9, 10]
    assert lake.duck.sql("SELECT count(*), count(DISTINCT id) FROM orders").fetchall() == [(10, 10)]


def test_no_personal_data_and_no_sealed_body_reach_any_file(shop, settings, lake):
    address = {"name", "company", "line_1", "line_2", "line_3", "postal_code", "city", "state", "phone"}
    shop.settle(
        shop.order(
            1,
            customer=Customer(**{name: f"canary-customer-{name}" for name in ("name", "email", "phone", "company")}),
            shipping_address=Address(country_code="FR", **{name: f"canary-shipping-{name}" for name in address}),
            billing_address=Address(country_code="FR", **{name: f"canary-billing-{name}" for name in address}),
        )
    )
    publish(shop.ledger, lake, NOW)
    assert lake.duck.sql("SELECT pii_state FROM orders").fetchall() == [("present",)]
    shown = repr(everything(lake))
    assert "402-0000001" in shown
    assert "canary" not in shown
    files = [file for file in (settings.home / "lake").rglob("*") if file.is_file()]
    assert len(files) >= 5
    assert [file for file in files if b"canary" in file.read_bytes()] == []


@pytest.mark.slow
def test_a_rebuild_gives_the_same_as_publishing_bit_by_bit(any_shop, any_lake):
    any_shop.add_channel()
    for round_number in range(3):
        any_shop.settle(*(any_shop.order(number) for number in range(round_number * 5, round_number * 5 + 5)))
        changed = any_shop.order(0)
        later = changed.marketplace_updated_at + timedelta(hours=round_number)
        any_shop.settle(any_shop.order(0, total=Decimal(round_number), marketplace_updated_at=later))
        add_pull(any_shop)
        with any_shop.ledger.write() as connection:
            incidents.report(connection, report(), NOW + timedelta(hours=round_number))
        publish(any_shop.ledger, any_lake, NOW + timedelta(hours=round_number))
    bit_by_bit, through = everything(any_lake), published_through(any_lake)
    assert rebuild(any_shop.ledger, any_lake, NOW + timedelta(hours=2)).counts["orders"] == 15
    assert everything(any_lake) == bit_by_bit
    assert {
        name: published_through(any_lake)[name] for name in ("orders", "order_versions", "raw_orders", "pulls")
    } == {name: through[name] for name in ("orders", "order_versions", "raw_orders", "pulls")}
    assert publish(any_shop.ledger, any_lake, NOW + timedelta(hours=3)).counts == {}


@pytest.mark.slow
def test_a_rebuild_keeps_what_only_the_lake_still_has(any_shop, any_lake):
    any_shop.settle(any_shop.order(1), any_shop.order(2))
    add_pull(any_shop)
    publish(any_shop.ledger, any_lake, NOW)
    before = everything(any_lake)
    with any_shop.ledger.write() as connection:
        connection.execute(sa.delete(order_versions).where(order_versions.c.position == 1))
        connection.execute(sa.delete(pulls))
    rebuild(any_shop.ledger, any_lake, NOW)
    assert everything(any_lake) == before


def test_a_ledger_that_was_restored_is_not_published_over_a_newer_lake(any_shop, any_lake):
    any_shop.settle(any_shop.order(1), any_shop.order(2))
    publish(any_shop.ledger, any_lake, NOW)
    with any_shop.ledger.write() as connection:
        connection.execute(sa.delete(order_versions).where(order_versions.c.position == 2))
        connection.execute(sa.update(orders).values(position=1).where(orders.c.position == -1))
        set_mark(connection, POSITION, 1)
    with pytest.raises(LakeAheadError, match="rebuild the lake"):
        publish(any_shop.ledger, any_lake, NOW)


def test_requests_to_cancel_follow_the_ledger(any_shop, any_lake) -> None:
    asked = Cancellation(requested_by="BUYER", request_reason="CHANGED_MIND")
    any_shop.settle(any_shop.order(1, lines=(any_shop.line(1, cancellation=asked),)))
    publish(any_shop.ledger, any_lake, NOW)
    query = "SELECT requester, reason, request_state, closed_at IS NULL FROM cancellation_requests"
    assert any_lake.duck.execute(query).fetchall() == [("BUYER", "CHANGED_MIND", "open", True)]
    later = NOW + timedelta(hours=5)
    any_shop.settle(any_shop.order(1, status=Status.CANCELED, marketplace_updated_at=later), now=later)
    publish(any_shop.ledger, any_lake, later)
    assert any_lake.duck.execute(query).fetchall() == [("BUYER", "CHANGED_MIND", "executed", False)]


def test_incidents_are_published_with_kind_and_cause(any_shop, any_lake) -> None:
    with any_shop.ledger.write() as connection:
        incidents.report(connection, report(stage="pull", code="timeout"), NOW)
    publish(any_shop.ledger, any_lake, NOW)
    [(kind, cause)] = any_lake.duck.execute("SELECT kind, cause FROM incidents").fetchall()
    assert (kind, cause != "") == ("connectivity", True)
