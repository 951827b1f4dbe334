"""Many orders at once: a preview that changes nothing, what is left out and why, and doing it once however often it is sent."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa

from tests.console.conftest import NOW
from warehouse.ledger.base import schema
from warehouse.ledger.settings import tokens
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.watch import incidents
from warehouse.ledger.watch.incidents import IncidentReport

NUMBERS = ("402-0000093", "402-0000096", "402-0000099")
BEFORE = NOW - timedelta(hours=5 * 93)


@pytest.fixture
def ids(anna) -> list[str]:
    """The three oldest orders of a channel, which no other test is about."""
    found = anna.get("/orders.json?channel=amazon_fr&sort=purchased_at&limit=3").json()["orders"][::-1]
    assert tuple(each["original_id"] for each in found) == NUMBERS
    return [each["id"] for each in found]


@pytest.fixture
def erp(console):
    """A consumer, for as long as the test."""
    with console.ledger.write() as transaction:
        tokens.create(transaction, "erp", [Scope.ORDERS_READ], None, None, NOW)
    yield "erp"
    with console.ledger.write() as transaction:
        transaction.execute(sa.delete(schema.acknowledgements))
        transaction.execute(sa.update(schema.orders).values(acknowledgements="[]"))
        for table, column in ((schema.tokens, "consumer"), (schema.consumers, "name")):
            transaction.execute(sa.delete(table).where(table.c[column] == "erp"))


def send(client, path: str, **fields):
    token = re.search(r'name="form_token" value="([^"]+)"', client.get("/orders?limit=1").text)[1]
    return client.post(f"/orders/bulk{path}", data={"form_token": token, "list": "", **fields})


def heading(answer) -> str:
    assert answer.status_code == 200, answer.text
    return re.search("<h1>([^<]+)</h1>", answer.text)[1]


def notice(client, answer) -> str:
    assert answer.status_code == 303, answer.text
    text = client.get(answer.headers["location"].removeprefix("/console")).text
    return re.search(r'<p class="notice[^>]*>([^<]+)</p>', text)[1]


def rows(console, table) -> list:
    with console.ledger.read() as transaction:
        return transaction.execute(sa.select(table)).all()


def test_orders_are_acknowledged_once(console, anna, ids, erp) -> None:
    preview = send(anna, "", do="acknowledge", ids=ids)
    assert heading(preview) == "Acknowledge: 3 of 3"
    assert rows(console, schema.acknowledgements) == []
    form = {"do": "acknowledge", "ids": ids, "consumer": erp, "prefix": "SO-", "list": "status=SHIPPED&evil=//x"}
    done = send(anna, "/run", **form)
    assert done.headers["location"] == "/console/orders?status=SHIPPED&evil=%2F%2Fx"
    assert notice(anna, done) == "Acknowledge: done for 3 orders."
    assert {each.order_number for each in rows(console, schema.acknowledgements)} == {f"SO-{each}" for each in NUMBERS}
    assert notice(anna, send(anna, "/run", **form)) == (
        "Acknowledge: done for 0 orders. 3 left out: erp has it already"
    )
    assert "Left out" in send(anna, "", do="acknowledge", ids=ids, consumer=erp).text


def test_errors_are_marked_handled_with_a_reason(console, anna, ids) -> None:
    problem = IncidentReport(
        scope="channel", subject="amazon_fr", stage="confirm", code="bulk", message="No.", order_id=ids[0]
    )
    with console.ledger.write() as transaction:
        number = incidents.report(transaction, problem, NOW)
    preview = send(anna, "", do="resolve", ids=ids)
    assert heading(preview) == "Mark errors handled: 1 of 3"
    assert "2: no incident about it is open" in preview.text
    assert f"{NUMBERS[1]}, {NUMBERS[2]}" in preview.text
    assert "Say why" in notice(anna, send(anna, "/run", do="resolve", ids=ids))
    assert "done for 1 order" in notice(anna, send(anna, "/run", do="resolve", ids=ids, reason="the carrier called"))
    found = [each for each in rows(console, schema.incidents) if each.id == number]
    assert [each.resolution for each in found] == ["the carrier called"]


def test_orders_are_read_again_by_their_connection(console, anna, fred, ids) -> None:
    assert heading(send(fred, "", do="fetch", ids=ids)) == "Read again at the marketplace: 3 of 3"
    for _ in range(2):
        assert "done for 3 orders" in notice(fred, send(fred, "/run", do="fetch", ids=ids))
    asked = [each for each in rows(console, schema.operator_requests) if NUMBERS[0] in each.arguments]
    assert [(each.kind, each.subject, each.asked_by) for each in asked] == [("fetch", "amazon_fr_seller", "fred")]


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("retry", "no shipment of it was rejected or is in doubt"),
        ("accept", "Orders of this channel are not accepted by the seller."),
        ("refuse", "Orders of this channel are not accepted by the seller."),
        ("next_file", "its channel writes no order files"),
    ],
)
def test_what_cannot_be_done_is_left_out_and_says_why(anna, ids, action, reason) -> None:
    preview = send(anna, "", do=action, ids=ids)
    assert heading(preview).endswith(": 0 of 3")
    assert f"3: {reason}" in preview.text
    assert f"3 left out: {reason}" in notice(anna, send(anna, "/run", do=action, ids=ids))


def test_all_of_a_list_are_chosen_and_its_export_keeps_the_filter(anna, ids) -> None:
    listed = urlencode({"channel": "amazon_fr", "purchased_before": BEFORE.isoformat()})
    assert heading(send(anna, "", do="fetch", all="yes", list=listed)).endswith(": 3 of 3")
    led = send(anna, "", do="export", all="yes", list=listed).headers["location"]
    assert led == f"/console/orders/export?{urlencode({'list': listed})}"
    chosen = anna.get(send(anna, "", do="export", ids=ids[:2]).headers["location"].removeprefix("/console"))
    assert heading(chosen) == "Export 2 orders"
    assert "Tick the orders first." in notice(anna, send(anna, "", do="retry"))


def test_nobody_acts_on_what_they_may_not_see_or_do(anna, fred, vera, ids) -> None:
    foreign = [each["id"] for each in anna.get("/orders.json?channel=mirakl_fr&limit=2").json()["orders"]]
    assert "Tick the orders first." in notice(fred, send(fred, "", do="fetch", ids=foreign))
    assert heading(send(fred, "", do="fetch", ids=[*foreign, ids[0]])).endswith(": 1 of 1")
    assert 'name="ids"' not in vera.get("/orders").text
    token = re.search(r'name="form_token" value="([^"]+)"', vera.get("/orders/views").text)[1]
    assert vera.post("/orders/bulk", data={"form_token": token, "do": "retry", "ids": ids}).status_code == 403
    assert send(anna, "", do="explode", ids=ids).status_code == 404
