"""Pages are told that the book has moved, each of its reader's channels alone."""

from __future__ import annotations

import threading

import orjson
import pytest

from orders_api.console import events
from tests.api.conftest import Book, make_order
from tests.console.conftest import NOW, running_console
from tests.console.test_log_in import make_user
from warehouse.ledger.book import news
from warehouse.ledger.people import sessions


@pytest.fixture(scope="module")
def console(new_sqlite_ledger, tmp_path_factory):
    """One of its own: orders come in."""
    with running_console(tmp_path_factory.mktemp("events"), new_sqlite_ledger) as started:
        yield started


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(events, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(events, "LASTS_SECONDS", 0.4)


def put(console, number: int, channel: str, **changes) -> None:
    order = make_order(number, channel=channel, purchased_at=NOW, marketplace_updated_at=NOW, **changes)
    Book(console.ledger, console.app.state.installation.keys).put(order, received_at=NOW)


def position(console) -> int:
    with console.ledger.read() as transaction:
        return news.newest_position(transaction)


def told(client, since: int) -> list[dict]:
    """What a stream says after a position, until it ends."""
    answer = client.get("/events", headers={"Last-Event-ID": str(since)})
    assert answer.headers["content-type"].startswith("text/event-stream")
    parts = [
        dict(line.split(": ", 1) for line in each.splitlines() if ": " in line) for each in answer.text.split("\n\n")
    ]
    return [orjson.loads(each["data"]) for each in parts if each.get("event") == "orders"]


def test_new_and_changed_orders_of_ones_channels_are_told(console, vera, fred) -> None:
    since = position(console)
    put(console, 7001, "amazon_fr")
    put(console, 7002, "mirakl_fr")
    put(console, 7002, "mirakl_fr", marketplace_status="SHIPPED")
    assert told(vera, since) == [{"new": 1, "changed": 1, "is_more": False}]
    assert told(fred, since) == [{"new": 1, "changed": 0, "is_more": False}]
    assert told(vera, position(console)) == []


def test_what_happens_while_somebody_listens_is_told(console, vera) -> None:
    since, heard = position(console), []
    with vera.stream("GET", "/events") as stream:
        for line in stream.iter_lines():
            if line == f"id: {since}":
                put(console, 7003, "amazon_fr")
            heard.append(line)
    assert 'data: {"new":1,"changed":0,"is_more":false}' in heard


def test_nobody_listens_without_a_session_nor_after_it(console, stranger) -> None:
    assert stranger.get("/events").status_code == 401
    user = make_user(console, "olga")
    with console.ledger.write() as transaction:
        console.people.secrets["olga"] = sessions.open_session(transaction, user, "::1", NOW)
    with console.client("olga") as client:
        assert client.get("/events").status_code == 200
        with console.ledger.write() as transaction:
            sessions.end_session(
                transaction, sessions.find_session(transaction, console.people.secrets["olga"], NOW).key
            )
        assert client.get("/events").status_code == 401


def test_only_so_many_listen_at_once(console, vera, monkeypatch) -> None:
    monkeypatch.setattr(events, "MOST_LISTENERS", 1)
    began, ended = threading.Event(), threading.Event()

    def listen() -> None:
        with console.client("anna") as client, client.stream("GET", "/events") as stream:
            for _ in stream.iter_lines():
                began.set()
        ended.set()

    thread = threading.Thread(target=listen)
    thread.start()
    assert began.wait(10)
    refused = vera.get("/events")
    thread.join()
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "60")
    assert ended.is_set()
    assert vera.get("/events").status_code == 200


def test_a_page_offers_what_is_new(console, open_page) -> None:
    page = open_page("/orders", "vera")
    page.get_by_role("button", name="Live").click()
    page.wait_for_function("document.getElementById('live').getAttribute('aria-pressed') === 'true'")
    before = page.locator("tbody tr").count()
    put(console, 7004, "amazon_de")
    page.locator("#news a").wait_for()
    assert page.locator("tbody tr").count() == before
    assert page.locator("#news a").inner_text() == "1 new: show"
    page.locator("#news a").click()
    page.wait_for_load_state()
    assert page.get_by_role("button", name="Live").get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Live").click()
