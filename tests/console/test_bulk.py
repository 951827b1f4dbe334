"""Many orders at once: a preview that changes nothing, what is left out and why, and doing it once however often it is sent."""

from __future__ import annotations

import csv
import io
import re
from datetime import timedelta
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa

from orders_api.console import bulk
from tests.console.conftest import NOW
from warehouse.ledger.base import schema
from warehouse.ledger.bulk import requests
from warehouse.ledger.people import operator_requests
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


def run(client, do: str, ids, *, listed: str = "", **fields):
    """Preview, and then do it, as the form of the preview does."""
    preview = send(client, "", do=do, ids=ids)
    selection = re.search(r'name="selection" value="([^"]+)"', preview.text)
    return send(client, "/run", do=do, list=listed, selection=selection[1] if selection else "", **fields)


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
    selection = re.search(r'name="selection" value="([^"]+)"', preview.text)[1]
    form = {"do": "acknowledge", "consumer": erp, "prefix": "SO-", "list": "status=SHIPPED&evil=//x"}
    form["selection"] = selection
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
    assert "Say why" in notice(anna, run(anna, "resolve", ids))
    assert "done for 1 order" in notice(anna, run(anna, "resolve", ids, reason="the carrier called"))
    found = [each for each in rows(console, schema.incidents) if each.id == number]
    assert [each.resolution for each in found] == ["the carrier called"]


def follow(client, answer) -> str:
    """The page of the request that a form has led to."""
    assert answer.status_code == 303, answer.text
    path = answer.headers["location"].removeprefix("/console")
    assert path.startswith("/requests/"), path
    return path.partition("?")[0]


def test_orders_are_read_again_by_a_request(console, anna, fred, ids) -> None:
    assert heading(send(fred, "", do="fetch", ids=ids)) == "Read again at the marketplace: 3 of 3"
    path = follow(fred, run(fred, "fetch", ids))
    assert "Read again at the marketplace: 3 orders" in fred.get(path).text
    [asked] = [each for each in rows(console, schema.operator_requests) if each.id in path]
    assert (asked.kind, asked.subject, asked.asked_by) == ("bulk", "amazon_fr", "fred")


def test_many_orders_are_done_in_the_background(console, anna, fred, ids, erp, monkeypatch) -> None:
    monkeypatch.setattr(bulk, "MOST_AT_ONCE", 3)
    foreign = [each["id"] for each in anna.get("/orders.json?channel=mirakl_fr&limit=1").json()["orders"]]
    chosen = [*ids, *foreign]
    preview = send(anna, "", do="acknowledge", ids=chosen)
    assert "The pipeline does it" in preview.text
    selection = re.search(r'name="selection" value="([^"]+)"', preview.text)[1]
    form = {"do": "acknowledge", "selection": selection, "consumer": erp, "list": "status=SHIPPED"}
    paths = {follow(anna, send(anna, "/run", **form)) for _ in range(2)}
    [path] = paths
    assert rows(console, schema.acknowledgements) == []
    assert "Acknowledge: 4 orders" in anna.get(path).text
    with console.ledger.write() as transaction:
        request = operator_requests.find(transaction, selection)
        assert requests.do_next_chunk(transaction, request, NOW, timedelta(minutes=1))
    assert {each.order_id for each in rows(console, schema.acknowledgements)} == set(chosen)
    shown = anna.get(path).text
    assert re.search(r"<dt>done</dt><dd>4</dd>", shown)
    token = re.search(r'name="form_token" value="([^"]+)"', shown)[1]
    file = anna.post(f"{path}/orders", data={"form_token": token})
    assert file.headers["content-type"].startswith("text/csv")
    assert {row["fate"] for row in csv.DictReader(io.StringIO(file.text))} == {"done"}
    assert file.text.splitlines()[0] == "order,id,channel,fate,code,reason"
    # Another channel is in it: nothing of it is for somebody who does not see that one.
    assert fred.get(path).status_code == 404
    token = re.search(r'name="form_token" value="([^"]+)"', fred.get("/orders?limit=1").text)[1]
    assert fred.post(f"{path}/orders", data={"form_token": token}).status_code == 404
    assert "over an hour old" in notice(fred, send(fred, "/run", do="acknowledge", selection=selection, consumer=erp))


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
    assert 'name="selection"' not in preview.text


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
