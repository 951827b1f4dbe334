"""A given order goes the way of every other one: API, tick, order file, shipment file, verified; the feed tells each step."""

from __future__ import annotations

import asyncio

import httpx
import pytest
import sqlalchemy as sa

from orders_api.app import create_app
from orders_pipeline.file_jobs import export, ingest
from orders_pipeline.stages import cancel, confirm, normalise, pull
from tests.file_jobs.conftest import read_csv
from tests.given_orders import document, set_up
from warehouse.ledger.base.schema import incidents
from warehouse.ledger.settings import tokens
from warehouse.ledger.settings.file_jobs import JobKind
from warehouse.ledger.settings.tokens import Scope


@pytest.fixture
def ask(shop, clock):
    """One request to the API, as the ERP makes it."""
    set_up(shop.ledger, clock())
    with shop.ledger.write() as transaction:
        scopes = (Scope.ORDERS_READ_PII, Scope.ORDERS_WRITE, Scope.SHIPMENTS_WRITE)
        _, token = tokens.create(transaction, "erp", scopes, None, None, clock())
    app = create_app(shop.installation.settings, clock)

    def request(method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://api.test") as client:
                return await client.request(
                    method, path, json=body, headers={"Authorization": f"Bearer {token}", **headers}
                )

        return asyncio.run(send())

    yield request
    app.state.installation.ledger.close()


def tick(shop) -> None:
    assert [each.error for each in pull.pull_all(shop.installation, ["own"])] == []
    normalise.normalise_pending(shop.installation)
    assert [each.error for each in confirm.confirm_all(shop.installation, ["own"])] == [None]


def feed(ask, after: int = 0) -> tuple[list[dict], int]:
    answer = ask("GET", f"/v1/orders/changes?after={after}").json()
    return answer["orders"], answer["next_after"]


def test_the_whole_way_of_a_given_order(shop, ask):
    created = ask("POST", "/v1/orders", document())
    assert created.status_code == 201
    (order,), after = feed(ask)
    tick(shop)
    assert feed(ask, after) == ([], after)

    out = shop.declare(JobKind.EXPORT, channel="telephone")
    assert export.export_channel(shop.installation, out).error is None
    rows = [row for sheet in shop.sheets().values() for row in sheet]
    assert [(row["order_id"], row["product_sku"], row["quantity_remaining_to_ship"]) for row in rows] == [
        ("1001", "LAMP-12", "3"),
        ("1001", "BULB-1", "1"),
    ]

    reported = ask(
        "POST",
        "/v1/shipments",
        {
            "shipments": [
                {
                    "id": order["id"],
                    "package_id": "P1",
                    "items": [{"item_original_id": "1", "item_quantity_shipped": 2}],
                }
            ]
        },
    )
    assert reported.status_code == 202
    shop.drop("shipped.csv", "channel,original_id,package_id,tracking_number\ntelephone,1001,P2,TRK-2\n")
    into = shop.declare(JobKind.IMPORT, channel="telephone")
    ingest.import_channel(shop.installation, into)
    tick(shop)

    (found,), _ = feed(ask, after)
    assert (found["status"], found["confirmation_status"]) == ("SHIPPED", "verified")
    assert [each["quantity_shipped"] for each in found["lines"]] == [3, 1]
    packages = ask("GET", "/v1/shipments?status=verified").json()["shipments"]
    assert {each["package_id"] for each in packages} == {"P1", "P2"}
    texts = [each["text"] for each in ask("GET", f"/v1/orders/{order['id']}/events").json()["events"]]
    assert "Package P1: there is no marketplace to be told of the shipment" in texts
    acknowledged = {"channel": "telephone", "original_id": "1001", "revision": found["revision"], "outcome": "ok"}
    answer = ask("POST", "/v1/orders/acknowledgements", {"acknowledgements": [acknowledged]})
    assert answer.json()["results"][0]["result"] == "acknowledged"
    with shop.ledger.read() as transaction:
        assert transaction.execute(sa.select(incidents.c.code)).scalars().all() == []


def test_a_change_is_in_the_next_file(shop, ask):
    ask("POST", "/v1/orders", document())
    job = shop.declare(JobKind.EXPORT, channel="telephone")
    export.export_channel(shop.installation, job)
    before = set(shop.names("out"))
    changed = document()
    changed["lines"][0]["quantity_cancelled"] = 3
    assert ask("POST", "/v1/orders", changed, **{"If-Match": "*"}).status_code == 200
    tick(shop)
    export.export_channel(shop.installation, shop.declare(JobKind.EXPORT, channel="telephone"))
    (name,) = set(shop.names("out")) - before
    rows = read_csv((shop.folder / "out" / name).read_bytes())
    assert [
        (row["product_sku"], row["quantity_remaining_to_ship"]) for row in rows if row["product_sku"] == "BULB-1"
    ] == [("BULB-1", "1")]


def test_a_cancellation_that_the_erp_asks_for_is_carried_out_here(shop, ask):
    own_id = ask("POST", "/v1/orders", document()).json()["id"]
    assert ask("POST", f"/v1/orders/{own_id}/cancellation", {}).status_code in {200, 202}
    assert cancel.carry_out(shop.installation) == {"told": 1}
    assert ask("GET", f"/v1/orders/{own_id}").json()["status"] == "CANCELED"
