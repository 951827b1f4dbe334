"""Genuine-shaped payload files through the whole product: sandbox, pull, order book, tables, API, each order followed.

The payloads are made up; their shapes are those that Amazon's Orders 2026-01-01 and Mirakl's OR11/ST11 answer with.
"""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import httpx
import orjson
import pytest
from typer.testing import CliRunner

from orders_api.app import create_app
from orders_pipeline.cli import app as cli
from orders_pipeline.installation import opened
from orders_pipeline.sandbox.amazon.state import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN
from orders_pipeline.sandbox.commands import build
from orders_pipeline.sandbox.mirakl.state import API_KEY
from orders_pipeline.sandbox.server import running
from orders_pipeline.stages import normalise, pull
from warehouse import connect
from warehouse.lake.lake import open_lake
from warehouse.lake.publishing import publish
from warehouse.ledger.settings import configuration, tokens
from warehouse.ledger.settings.document import read_document
from warehouse.settings import Settings

AMAZON_PAGE = {
    "orders": [
        {
            "orderId": "902-1845936-5435065",
            "createdTime": "2024-11-15T19:56:04.000Z",
            "lastUpdatedTime": "2024-11-16T08:12:40.512Z",
            "programs": ["AMAZON_BUSINESS"],
            "salesChannel": {
                "channelName": "AMAZON",
                "marketplaceId": "A13V1IB3VIYZZH",
                "marketplaceName": "Amazon.fr",
            },
            "buyer": {"buyerName": "Camille Martin", "buyerEmail": "x1@marketplace.example"},
            "recipient": {
                "deliveryAddress": {
                    "name": "Camille Martin",
                    "addressLine1": "13 place des Tilleuls",
                    "addressLine2": "2e étage",
                    "city": "Nantes",
                    "postalCode": "44000",
                    "countryCode": "FR",
                    "phone": "+33 2 00 00 00 00",
                }
            },
            "proceeds": {"grandTotal": {"amount": "124.70", "currencyCode": "EUR"}},
            "fulfillment": {
                "fulfillmentStatus": "PARTIALLY_SHIPPED",
                "fulfilledBy": "MERCHANT",
                "shipByWindow": {"latestDateTime": "2024-11-18T22:59:59Z"},
            },
            "orderItems": [
                {
                    "orderItemId": "10001",
                    "quantityOrdered": 3,
                    "product": {
                        "asin": "B000000001",
                        "title": "Lampe de bureau",
                        "sellerSku": "LAMP-01",
                        "price": {"unitPrice": {"amount": "39.90", "currencyCode": "EUR"}},
                    },
                    "proceeds": {
                        "proceedsTotal": {"amount": "124.70", "currencyCode": "EUR"},
                        "breakdowns": [
                            {"type": "ITEM", "subtotal": {"amount": "119.70", "currencyCode": "EUR"}},
                            {"type": "SHIPPING", "subtotal": {"amount": "5.00", "currencyCode": "EUR"}},
                        ],
                    },
                    "fulfillment": {"quantityFulfilled": 1, "quantityUnfulfilled": 2},
                    "cancellation": {
                        "cancellationRequest": {"requester": "BUYER", "cancelReason": "ORDERED_BY_MISTAKE"}
                    },
                }
            ],
        }
    ],
    "lastUpdatedBefore": "2024-11-17T00:00:00Z",
}
MIRAKL_PAGE = {
    "orders": [
        {
            "order_id": "SHOP_0001-A",
            "created_date": "2025-01-20T10:26:56Z",
            "last_updated_date": "2025-01-20T10:56:23Z",
            "order_state": "SHIPPING",
            "order_tax_mode": "TAX_EXCLUDED",
            "currency_iso_code": "EUR",
            "price": 100.0,
            "shipping_price": 4.5,
            "total_price": 104.5,
            "shipping_deadline": "2025-01-21T22:59:59.999Z",
            "channel": {"code": "FR", "label": "France"},
            "fulfillment": {"center": {"code": "DEFAULT"}},
            "customer": {
                "firstname": "Alex",
                "lastname": "Durand",
                "shipping_address": {
                    "firstname": "Alex",
                    "lastname": "Durand",
                    "street_1": "4 rue du Port",
                    "zip_code": "33000",
                    "city": "Bordeaux",
                    "country": "France",
                    "country_iso_code": None,
                    "phone": "0500000000",
                },
                "billing_address": None,
            },
            "order_lines": [
                {
                    "order_line_id": "SHOP_0001-A-1",
                    "order_line_index": 1,
                    "order_line_state": "SHIPPING",
                    "offer_sku": "CHAIR-7",
                    "product_title": "Chaise",
                    "quantity": 2,
                    "price": 100.0,
                    "price_unit": 50.0,
                    "taxes": [{"code": "VAT", "amount": 20.0, "rate": 20.0}],
                    "shipping_taxes": [],
                }
            ],
        }
    ],
    "total_count": 1,
}
CONFIGURATION = """
connections:
  amazon_eu:
    kind: amazon
    region: eu
    endpoint: {amazon}
    credentials: {{client_id: env:T_ID, client_secret: env:T_SECRET, refresh_token: env:T_TOKEN}}
  shop:
    kind: mirakl
    endpoint: {mirakl}
    credentials: {{api_key: env:T_KEY}}
channels:
  amazon_fr: {{connection: amazon_eu, label: Amazon FR, selector: A13V1IB3VIYZZH}}
  shop_fr: {{connection: shop, label: Shop FR, selector: FR}}
"""


@pytest.fixture
def product(any_settings: Settings, tmp_path, monkeypatch):
    """Both files loaded into running sandboxes, pulled, normalised, published; answers the settings and a token."""
    for name, value in (
        ("T_ID", CLIENT_ID),
        ("T_SECRET", CLIENT_SECRET),
        ("T_TOKEN", REFRESH_TOKEN),
        ("T_KEY", API_KEY),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("ORDERS_HOME", str(any_settings.home))
    _, amazon = build("amazon")
    _, mirakl = build("mirakl")
    with running(amazon) as amazon_url, running(mirakl) as mirakl_url:
        for kind, url, payload in (("amazon", amazon_url, AMAZON_PAGE), ("mirakl", mirakl_url, MIRAKL_PAGE)):
            file = tmp_path / f"{kind}.json"
            file.write_text(json.dumps(payload))
            loaded = CliRunner().invoke(cli, ["sandbox", "load", kind, str(file), "--url", url])
            assert loaded.exit_code == 0, loaded.output
        with opened(any_settings) as installation:
            text = CONFIGURATION.format(amazon=amazon_url, mirakl=mirakl_url)
            with installation.ledger.write() as transaction:
                configuration.apply(transaction, read_document(text), datetime.now(UTC))
                scopes = [tokens.Scope.ORDERS_READ, tokens.Scope.ORDERS_READ_PII]
                _, token = tokens.create(transaction, "erp", scopes, None, None, datetime.now(UTC))
            results = pull.pull_all(installation)
            assert [each.outcome for each in results] == ["complete", "complete"], results
            tally = normalise.normalise_pending(installation)
            assert (tally["new"], tally["quarantined"]) == (2, 0)
            with open_lake(any_settings) as lake:
                publish(installation.ledger, lake, datetime.now(UTC))
            yield any_settings, token


def api_orders(settings: Settings, token: str) -> dict[str, dict]:
    app = create_app(settings)

    async def ask() -> list[dict]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
            answer = await client.get("/v1/orders", headers={"Authorization": f"Bearer {token}"})
        app.state.installation.ledger.close()
        assert answer.status_code == 200, answer.text
        return answer.json()["orders"]

    return {each["original_id"]: each for each in asyncio.run(ask())}


@pytest.mark.slow
def test_each_order_reaches_the_api_and_the_tables(product):
    settings, token = product
    served = api_orders(settings, token)
    assert set(served) == {"902-1845936-5435065", "SHOP_0001-A"}

    amazon = served["902-1845936-5435065"]
    assert (amazon["status"], amazon["fulfilled_by"], amazon["channel"]) == (
        "PARTIALLY_SHIPPED",
        "merchant",
        "amazon_fr",
    )
    assert amazon["shipping_address"]["city"] == "Nantes"
    assert (amazon["total"], amazon["shipping_total"], amazon["is_business"]) == ("124.70", "5.00", True)
    line = amazon["lines"][0]
    assert (line["sku"], line["line_total"], line["source_unit_price"]) == ("LAMP-01", "119.70", "39.90")
    assert (line["quantity_ordered"], line["quantity_shipped"], line["quantity_remaining_to_ship"]) == (3, 1, 2)
    assert line["cancellation"]["requested_by"] == "BUYER"

    mirakl = served["SHOP_0001-A"]
    assert (mirakl["status"], mirakl["shipping_country_code"]) == ("WAITING_FOR_SHIPMENT", "FR")
    assert mirakl["lines"][0]["line_total"] == "120.0"
    assert (mirakl["shipping_total"], mirakl["tax_total"], mirakl["total"]) == ("4.5", "20.0", "124.5")

    with connect(settings) as lake:
        rows = lake.sql("select original_id, status, total from orders order by original_id").fetchall()
        lines = lake.sql("select sku, quantity_ordered, line_total from order_lines order by sku").fetchall()
    assert [(row[0], row[1], float(row[2])) for row in rows] == [
        ("902-1845936-5435065", "PARTIALLY_SHIPPED", 124.7),
        ("SHOP_0001-A", "WAITING_FOR_SHIPMENT", 124.5),
    ]
    assert [(row[0], row[1], float(row[2])) for row in lines] == [("CHAIR-7", 2, 120.0), ("LAMP-01", 3, 119.7)]


@pytest.mark.parametrize(("kind", "payload"), [("amazon", AMAZON_PAGE), ("mirakl", MIRAKL_PAGE)])
@pytest.mark.parametrize("wrap", ["page", "bare", "list", "recorded"])
def test_normalize_prints_the_same_order_for_every_form_of_file(kind, payload, wrap, tmp_path):
    order = payload["orders"][0]
    forms = {"page": payload, "bare": order, "list": [order], "recorded": {"request": {}, "response": payload}}
    file = tmp_path / "payload.json"
    file.write_text(json.dumps(forms[wrap]))
    result = CliRunner().invoke(cli, ["normalize", "--marketplace", kind, str(file)])
    assert result.exit_code == 0, result.output
    printed = [orjson.loads(line) for line in result.stdout.splitlines()]
    assert [each["original_id"] for each in printed] == [order.get("orderId") or order["order_id"]]
    assert printed[0]["customer"]["name"] in {"Camille Martin", "Alex Durand"}


def test_normalize_tells_what_it_cannot_read_and_prints_the_rest(tmp_path):
    broken = {**AMAZON_PAGE["orders"][0], "createdTime": "yesterday"}
    file = tmp_path / "page.json"
    file.write_text(json.dumps({"orders": [broken, AMAZON_PAGE["orders"][0]]}))
    result = CliRunner().invoke(cli, ["normalize", "--marketplace", "amazon", str(file)])
    assert result.exit_code == 3
    assert len(result.stdout.splitlines()) == 1
    assert "$.createdTime" in result.stderr
