"""Incidents and the log: what is wrong, what to do, what happened around it, and closing by hand."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
import sqlalchemy as sa

from tests.console.conftest import NOW
from tests.console.test_log_in import form_token
from tests.console.test_orders import LARGEST_PAGE, statements
from warehouse.ledger.base import schema
from warehouse.ledger.settings import tokens
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.watch import incidents
from warehouse.ledger.watch.incidents import IncidentReport

MOST_STATEMENTS = 6
CONSUMERS = {"erp_all": None, "erp_fr": ["amazon_fr"], "erp_both": ["amazon_fr", "mirakl_fr"]}


def open_one(console, code: str, channel: str = "amazon_fr") -> str:
    """Opens an incident; returns its path."""
    problem = IncidentReport(
        scope="channel", subject=channel, stage="confirm", code=code, message=f"{code} happened", hint="Ask the carrier"
    )
    with console.ledger.write() as transaction:
        incidents.report(transaction, problem, NOW)
    with console.client("anna") as client:
        rows = client.get(f"/incidents.json?code={code}&limit=10").json()["incidents"]
    return f"/incidents/{rows[0]['id']}"


def test_the_list_says_what_is_wrong_and_what_to_do(anna) -> None:
    answer = anna.get("/incidents?code=confirmation_rejected")
    assert answer.status_code == 200
    assert len(answer.content) <= LARGEST_PAGE
    for channel in ("amazon_fr", "amazon_de", "mirakl_fr"):
        assert f">{channel.capitalize()} refuses.</span></a>" in answer.text
    assert "Look at the order." in answer.text


def test_a_reader_of_one_channel_sees_its_own(fred, console) -> None:
    foreign = open_one(console, "seen_elsewhere", "mirakl_fr")
    text = fred.get("/incidents").text
    assert "Amazon_fr refuses." in text
    assert "irakl" not in text
    assert fred.get(foreign).status_code == 404
    assert {each["subject"] for each in fred.get("/incidents.json").json()["incidents"]} == {"amazon_fr"}
    assert {each["channel"] for each in fred.get("/logs.json").json()["entries"]} == {"amazon_fr"}


def test_filters_and_pages_walk_the_list(anna, console) -> None:
    for number in range(3):
        open_one(console, f"walked_{number}")
    query = "code=walked_0&code=walked_1&code=walked_2&limit=1"
    path, seen = f"/incidents.json?{query}", []
    while path:
        page = anna.get(path).json()
        seen += [each["code"] for each in page["incidents"]]
        path = page["next"] and page["next"].replace("/incidents?", "/incidents.json?")
    assert seen == ["walked_2", "walked_1", "walked_0"]
    assert "No incident matches." in anna.get("/incidents?code=never_seen").text


def test_a_second_close_says_that_it_was_closed(console, fred) -> None:
    path = open_one(console, "closed_twice")
    token = form_token(fred.get(path).text)
    sent = {"form_token": token, "reason": "done"}
    assert [fred.post(f"{path}/resolve", data=sent).status_code for _ in range(2)] == [303, 303]
    assert "was closed already" in fred.get(path).text


def test_somebody_looks_after_one_and_writes_notes(console, anna, fred, vera) -> None:
    path = open_one(console, "looked_after")
    page = fred.get(path).text
    token, own = form_token(page), f'action="/console{path}'
    assert ("Test the connection</button>" in page, "Open the channel" in page, 'aria-label="Seen in' in page) == (
        True,
    ) * 3
    for hours, said in (("9", "Choose for how long"), ("24", "nobody is alerted of it for a day")):
        answer = fred.post(f"{path}/acknowledge", data={"form_token": token, "hours": hours})
        assert (answer.status_code, said in fred.get(path).text) == (303, True)
    for text in ("", "the carrier will call back"):
        fred.post(f"{path}/note", data={"form_token": token, "text": text})
    page = vera.get(path).text
    assert ("fred looks after it" in page, own in page) == (True, False)
    assert "fred wrote: the carrier will call back" in page
    assert "Acknowledged</span>" in anna.get("/incidents?code=looked_after").text
    assert "looked_after" in anna.get("/incidents.json?state=acknowledged").text
    assert vera.post(f"{path}/note", data={"form_token": form_token(page), "text": "x"}).status_code == 403


def test_incidents_in_the_same_trouble_lead_to_their_orders(console, anna) -> None:
    orders = [each["id"] for each in anna.get("/orders.json?limit=2&has_errors=false").json()["orders"]]
    with console.ledger.write() as transaction:
        for order in orders:
            problem = IncidentReport(
                scope="channel", subject="amazon_fr", stage="confirm", code="shared", message="No.", order_id=order
            )
            incidents.report(transaction, problem, NOW)
    found = anna.get("/incidents.json?code=shared").json()["incidents"]
    page = anna.get(f"/incidents/{found[0]['id']}").text
    path = unescape(re.search(r'href="/console(/orders\?search=[^"]*)">2 orders', page)[1])
    assert {each["id"] for each in anna.get(path.replace("/orders?", "/orders.json?")).json()["orders"]} == set(orders)
    with console.ledger.write() as transaction:
        incidents.resolve_order(transaction, orders, "confirm", NOW)


def test_a_viewer_closes_nothing(console, vera) -> None:
    path = open_one(console, "still_open")
    page = vera.get(path).text
    assert "Close it by hand" not in page
    answer = vera.post(f"{path}/resolve", data={"form_token": form_token(page), "reason": "x"})
    assert (answer.status_code, "operator" in answer.text) == (403, True)


def test_the_log_is_filtered_and_its_entries_have_addresses(anna) -> None:
    text = anna.get("/logs?level=error").text
    assert len(text.encode()) <= LARGEST_PAGE
    assert "Amazon_fr refuses." in text
    path = re.search(r'href="/console(/logs/entry_[a-z2-7]+)"', text)[1]
    entry = anna.get(path).text
    assert "Before and after" in entry
    assert anna.get("/logs/entry_none").status_code == 404


def test_the_log_is_searched_by_its_words_and_comes_a_line_each(console, anna) -> None:
    open_one(console, "searched_100%_once")
    query = "text=SEARCHED_100%25"
    assert [each["text"] for each in anna.get(f"/logs.json?{query}").json()["entries"]] == [
        "searched_100%_once happened"
    ]
    lines = anna.get(f"/logs.ndjson?{query}")
    assert [json.loads(each)["text"] for each in lines.text.splitlines()] == ["searched_100%_once happened"]
    assert lines.headers["content-disposition"] == 'attachment; filename="entries.ndjson"'
    assert anna.get("/logs.json?text=searchedx100").json()["entries"] == []
    assert "Searched_100%_once happened" in anna.get(f"/logs?{query}&limit=5").text


@pytest.mark.parametrize("path", ["/incidents", "/logs", "/logs/requests"])
def test_lists_take_few_statements(console, anna, path) -> None:
    anna.get(path)
    few, many = (statements(console, lambda n=n: anna.get(f"{path}?limit={n}")) for n in (1, 100))
    assert len(few) == len(many) <= MOST_STATEMENTS


def test_requests_to_the_api_are_told_by_the_minute_and_by_who_may_see_them(console, anna, fred, stranger) -> None:
    with console.ledger.write() as transaction:
        scopes = [Scope.ORDERS_READ]
        made = {name: tokens.create(transaction, name, scopes, own, None, NOW)[1] for name, own in CONSUMERS.items()}
    for name, token in made.items():
        headers = {"Authorization": f"Bearer {token}", "X-Request-ID": f"last-{name}"}
        for _ in range(3):
            assert stranger.get(f"{console.url}/v1/orders?search=Martin", headers=headers).status_code == 200
        assert stranger.get(f"{console.url}/v1/orders/nothing", headers=headers).status_code == 404
    assert stranger.get(f"{console.url}/v1/Martin").status_code == 404
    console.app.state.tally.write()
    rows = anna.get("/logs/requests.json?limit=100").json()["requests"]
    told = {(each["consumer"], each["route"], each["code"]): each for each in rows}
    assert told["erp_fr", "/v1/orders", ""]["requests"] == 3
    assert told["erp_fr", "/v1/orders/{id}", "unknown_order"]["request_id"] == "last-erp_fr"
    assert ("", "", "not_found") in told
    assert "Martin" not in str(rows)
    assert "unknown_order" in anna.get("/logs/requests?has_failed=true&consumer=erp_all").text
    assert {each["consumer"] for each in fred.get("/logs/requests.json").json()["requests"]} == {"erp_fr"}
    assert "erp_all" not in fred.get("/logs/requests").text
    first = anna.get("/logs/requests.json?limit=2").json()
    rest = anna.get(first["next"].replace("/requests?", "/requests.json?")).json()
    assert not {str(each) for each in first["requests"]} & {str(each) for each in rest["requests"]}
    with console.ledger.write() as transaction:
        for table, column in ((schema.tokens, "consumer"), (schema.consumers, "name")):
            transaction.execute(sa.delete(table).where(table.c[column].in_(CONSUMERS)))
