"""Incidents and the log: what is wrong, what to do, what happened around it, and closing by hand."""

from __future__ import annotations

import re

import pytest

from tests.console.conftest import NOW
from tests.console.test_log_in import form_token
from tests.console.test_orders import LARGEST_PAGE, statements
from warehouse.ledger.watch import incidents
from warehouse.ledger.watch.incidents import IncidentReport

MOST_STATEMENTS = 6


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
        assert f">{channel.capitalize()} refuses.</a>" in answer.text
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


@pytest.mark.parametrize("path", ["/incidents", "/logs"])
def test_lists_take_few_statements(console, anna, path) -> None:
    anna.get(path)
    few, many = (statements(console, lambda n=n: anna.get(f"{path}?limit={n}")) for n in (1, 100))
    assert len(few) == len(many) <= MOST_STATEMENTS
