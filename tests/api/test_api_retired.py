"""Retired orders in the API: answered from the lake, marked, and never made up when it cannot be read."""

from __future__ import annotations

import csv
import io
import json
import shutil
from datetime import timedelta

import pytest
import sqlalchemy as sa

from orders_api.schemas.orders import OrderDocument
from warehouse.lake.lake import open_lake
from warehouse.lake.publishing import publish, published_through
from warehouse.lake.retirement import retire
from warehouse.ledger.base.database import RAW_SEQ, next_values
from warehouse.ledger.base.schema import order_versions, raw_orders
from warehouse.ledger.book.retirement import Ripeness
from warehouse.order_parts import Address, Customer
from warehouse.order_states import Status


@pytest.fixture
def half(any_book, any_settings, any_ledger, order, clock):
    """Six orders, of which the older half is retired; their ids."""
    made = [
        order(
            number,
            status=Status.SHIPPED if number <= 3 else Status.PENDING,
            customer=Customer(),
            shipping_address=Address(country_code="FR"),
        )
        for number in range(1, 7)
    ]
    rows = [
        {
            "seq": seq,
            "connection": "amazon_fr_seller",
            "channel": "amazon_fr",
            "original_id": each.original_id,
            "content_hash": bytes(32),
            "pull_id": 0,
            "page": 1,
            "received_at": each.marketplace_updated_at,
            "is_historical": False,
            "payload": f'{{"orderId":"{each.original_id}","price":1.10}}'.encode(),
        }
        for seq, each in enumerate(made, 1)
    ]
    with any_ledger.write() as transaction:
        next_values(transaction, RAW_SEQ, len(rows))
        transaction.execute(sa.insert(raw_orders), rows)
    ids = any_book.put(*made)
    now = clock() + timedelta(days=100)
    with open_lake(any_settings) as lake:
        publish(any_ledger, lake, now)
        with any_ledger.write() as transaction:
            transaction.execute(sa.delete(order_versions))  # as the daily maintenance does after some time
        ripe = Ripeness.of(now - timedelta(days=30), published_through(lake))
        assert retire(any_ledger, lake, ripe, now) == 3
    return ids


def test_every_read_has_them_and_says_so(any_erp, half):
    retired = set(half[:3])
    listed = any_erp.walk("/v1/orders?limit=2&sort=purchased_at")
    assert [each["id"] for each in listed] == half
    assert {each["id"] for each in listed if each.get("is_retired")} == retired
    assert any_erp.get("/v1/orders/changes").json()["orders"] == listed
    for own_id, whole in zip(half, listed, strict=True):
        assert any_erp.get(f"/v1/orders/{own_id}").json() == whole
        assert OrderDocument.model_validate(whole).is_retired is (own_id in retired)
        assert whole["total"] == "124.60"
        assert whole["redacted"] is True
        sent = any_erp.get(f"/v1/orders/{own_id}/payload").json()["payload"]
        assert sent == {"orderId": whole["original_id"], "price": 1.1}
        assert any_erp.get(f"/v1/orders/{own_id}/events").json()["events"][0]["kind"] == "received"
        assert any_erp.get(f"/v1/orders/{own_id}/explanation").status_code == 200


def test_downloads_have_them_as_the_others(any_erp, half):
    listed = any_erp.walk("/v1/orders?sort=purchased_at")
    lines = any_erp.get("/v1/orders/export?format=ndjson&sort=purchased_at").text.splitlines()
    assert [json.loads(line) for line in lines] == listed
    rows = list(csv.DictReader(io.StringIO(any_erp.get("/v1/orders/export?format=csv&sort=purchased_at").text)))
    assert [row["order_id"] for row in rows] == [each["original_id"] for each in listed for _ in each["lines"]]
    assert any_erp.get("/v1/orders/export?format=parquet").status_code == 200


def test_while_the_lake_is_away_the_others_are_answered(any_erp, any_settings, half):
    (any_settings.home / "lake").rename(any_settings.home / "away")
    refused = any_erp.get(f"/v1/orders/{half[0]}")
    assert (refused.status_code, refused.json()["code"]) == (503, "retired_orders_unreadable")
    assert int(refused.headers["Retry-After"]) > 0
    assert any_erp.get("/v1/orders?sort=purchased_at").json()["code"] == "retired_orders_unreadable"
    assert any_erp.get(f"/v1/orders/{half[3]}").status_code == 200
    assert [each["id"] for each in any_erp.get("/v1/orders?limit=3").json()["orders"]] == half[:2:-1]

    shutil.move(any_settings.home / "away", any_settings.home / "lake")
    assert any_erp.get(f"/v1/orders/{half[0]}").json()["is_retired"] is True
