"""The list of orders: what it finds, counts and shows; the same with JavaScript, without it, and for programs."""

from __future__ import annotations

import csv
import io
import re

import pytest
import sqlalchemy as sa

from tests.console.conftest import NOW
from warehouse.ledger.base import schema
from warehouse.ledger.book import order_tally
from warehouse.ledger.book.order_filter import OrderFilter
from warehouse.ledger.settings import tokens
from warehouse.ledger.settings.tokens import Scope

LARGEST_PAGE = 50_000
MOST_STATEMENTS = 8
"""The session and the channels among them; begin and end are none."""


def ids(client, path: str) -> list[str]:
    return [each["original_id"] for each in client.get(path).json()["orders"]]


def count_of(text: str) -> str:
    return re.search(r'role="status">\s*([\d,]+ orders?)', text)[1]


def test_the_page_is_small_and_holds_nothing_personal(anna) -> None:
    answer = anna.get("/orders")
    assert answer.status_code == 200
    assert len(answer.content) <= LARGEST_PAGE
    assert count_of(answer.text) == "101 orders"
    assert "Zoë" not in answer.text
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("status=SHIPPED&status=CANCELED", {"statuses": ("SHIPPED", "CANCELED")}),
        ("marketplace=Amazon+FR", {"marketplaces": ("Amazon FR",)}),
        ("channel=mirakl_fr&has_errors=true", {"channels": ("mirakl_fr",), "has_errors": True}),
        ("cancellation_requested=true", {"cancellation_requested": True}),
        ("country=de,+FR&historical=false", {"countries": ("DE", "FR")}),
        ("confirmation=none&personal_data_purged=false", {"confirmations": ("none",)}),
        ("fulfilled_by=marketplace&status=SHIPPED", {"fulfilled_by": "marketplace", "statuses": ("SHIPPED",)}),
    ],
)
def test_filters_find_and_count_the_same(console, anna, query, wanted) -> None:
    with console.ledger.read() as transaction:
        expected = order_tally.count(transaction, OrderFilter(**wanted))
    assert expected > 0
    assert count_of(anna.get(f"/orders?{query}").text).split()[0] == str(expected)
    assert len(ids(anna, f"/orders.json?{query}&limit=1000")) == expected


def test_how_long_there_is_to_ship_can_be_asked_for(anna) -> None:
    text = anna.get("/orders?ship_by=overdue&ship_by=next_24_hours").text
    shown = re.findall(r'class="badge \w+" title="[^"]*">(overdue|in) \d+ (h|d|min)<', text)
    assert f"{len(shown)} order" in count_of(text)
    assert {each for each, _ in shown} == {"overdue", "in"}
    assert 'aria-current="true">Due or overdue' in text


@pytest.fixture
def readers(console):
    """Consumers of all channels, and of one."""
    names = {"erp": None, "shop": ["mirakl_fr"]}
    with console.ledger.write() as transaction:
        for name, channels in names.items():
            tokens.create(transaction, name, [Scope.ORDERS_READ], channels, None, NOW)
    yield
    with console.ledger.write() as transaction:
        for table, column in ((schema.tokens, "consumer"), (schema.consumers, "name")):
            transaction.execute(sa.delete(table).where(table.c[column].in_(names)))


def test_who_took_an_order_over_can_be_asked_for(readers, anna, fred) -> None:
    text = anna.get("/orders?acknowledged=erp:no").text
    assert count_of(text) == "101 orders"
    assert "Acknowledged: erp has said nothing" in text
    assert ids(anna, "/orders.json?acknowledged=erp:error") == []
    assert "shop has said nothing" in anna.get("/orders").text
    assert "shop" not in fred.get("/orders").text
    assert fred.get("/orders?acknowledged=shop:yes").status_code == 404


def test_an_empty_value_is_no_filter_and_a_wrong_one_is_left_out(anna) -> None:
    assert count_of(anna.get("/orders?status=&has_errors=").text) == "101 orders"
    broken = anna.get("/orders?status=LOST&limit=abc&colour=red").text
    assert count_of(broken) == "101 orders"
    assert "colour, limit, status" in broken


def test_pages_follow_each_other_without_gap(anna) -> None:
    path, seen = "/orders.json?limit=40", []
    while path:
        answer = anna.get(path).json()
        seen += [each["original_id"] for each in answer["orders"]]
        path = answer["next"] and answer["next"].replace("/orders?", "/orders.json?")
    assert len(seen) == len(set(seen)) == 101


def test_errors_come_first_when_asked(anna) -> None:
    flags = [each["has_errors"] for each in anna.get("/orders.json?sort=-has_errors&limit=200").json()["orders"]]
    assert flags == sorted(flags, reverse=True)
    assert any(flags)


@pytest.mark.parametrize(
    ("term", "numbers"),
    [("402-0000005", [5]), ("402-0000005, 402-0000006\n402-0000007", [5, 6, 7]), ("402-0000005;nothing", [5])],
)
def test_a_search_takes_pasted_ids(anna, term, numbers) -> None:
    found = anna.get("/orders.json", params={"search": term, "limit": 50}).json()["orders"]
    assert sorted(each["original_id"] for each in found) == [f"402-{each:07d}" for each in numbers]


def test_an_exact_search_with_one_hit_goes_to_the_order(anna) -> None:
    answer = anna.get("/orders?search=402-0000005")
    assert answer.status_code == 303
    assert re.fullmatch(r"/console/orders/[0-9a-f-]{36}", answer.headers["location"])


def test_the_beginning_of_an_id_finds_a_list(anna) -> None:
    assert count_of(anna.get("/orders?search=402-000009").text) == "10 orders"
    assert count_of(anna.get("/orders?search=402-00000999 402-00000").text) == "100 orders"
    assert count_of(anna.get("/orders", params={"search": "402-0000010", "status": "SHIPPED"}).text) == "1 order"


def test_what_is_not_here_can_be_asked_for(console, fred, vera) -> None:
    path = "/orders?search=902-1+902-2"
    text = fred.get(path).text
    assert re.findall("Ask ([^<]*)<", text) == ["amazon_fr for them"]
    assert 'name="original_ids" value="902-2"' in text
    assert "Ask " not in vera.get(path).text
    token = re.search(r'name="form_token" value="([^"]+)"', text)[1]
    form = {"form_token": token, "kind": "fetch", "original_ids": ["902-1", "902-2"], "back": path}
    answer = fred.post("/requests", data={**form, "subject": "amazon_fr_seller"})
    asked = fred.get(answer.headers["location"].removeprefix("/console")).text
    assert "Read orders again" in asked
    assert f'href="/console{path}">Back' in asked
    assert fred.post("/requests", data={**form, "subject": "mirakl_fr_seller"}).status_code == 404


def test_a_sku_finds_every_order_that_has_it(anna) -> None:
    assert count_of(anna.get("/orders?search=LAMP-12").text) == "100 orders"


def test_nothing_found_can_be_cleared(anna) -> None:
    text = anna.get("/orders?search=no-such-thing").text
    assert "No order matches." in text
    assert 'href="/console/orders">Clear filters' in text


def test_columns_are_chosen(anna) -> None:
    text = anna.get("/orders?columns=received,+errors&columns=channel").text
    heads = re.findall(r'<th scope="col"[^>]*>(?:<a[^>]*>)?([^<]+)<', text)
    assert heads == ["Order", "Channel", "Received", "Errors"]
    assert "cancel" not in "".join(heads)
    assert 'badge over">Item canceled' in text
    assert "badge failed" in anna.get("/orders?columns=errors&has_errors=true").text
    assert 'name="columns" value="received"' in text  # a filter that is changed keeps them
    assert "columns=" not in text.partition("/v1/orders")[2][:40]


def test_a_reader_of_one_channel_sees_nothing_of_another(console, fred) -> None:
    with console.ledger.read() as transaction:
        own = order_tally.count(transaction, OrderFilter(visible_channels=("amazon_fr",)))
    text = fred.get("/orders").text
    assert count_of(text).split()[0] == str(own)
    assert "Mirakl" not in text
    assert "mirakl_fr" not in text
    assert {each["channel"] for each in fred.get("/orders.json?limit=200").json()["orders"]} == {"amazon_fr"}
    assert fred.get("/orders?channel=mirakl_fr").status_code == 404
    foreign = anna_finds(console, "402-0000001")
    assert ids(fred, "/orders.json?search=402-0000001&limit=50") == []
    assert fred.get(f"/orders/{foreign}").status_code == 404


def anna_finds(console, term: str) -> str:
    with console.client("anna") as client:
        return client.get(f"/orders.json?search={term}&limit=50").json()["orders"][0]["id"]


def test_the_csv_is_safe_for_table_programs(anna) -> None:
    rows = list(csv.DictReader(io.StringIO(anna.get("/orders.csv?limit=1000").text)))
    assert len(rows) == 101
    assert rows[0]["status"] == anna.get("/orders.json").json()["orders"][0]["status"]
    assert [each for row in rows for each in row.values() if each.startswith(("=", "+", "-", "@"))] == []


def test_the_statements_of_a_page_do_not_grow_with_its_rows(console, anna) -> None:
    anna.get("/orders")  # what is cached is there now
    few, many = (statements(console, lambda n=n: anna.get(f"/orders?limit={n}")) for n in (1, 100))
    assert len(few) == len(many) <= MOST_STATEMENTS


def statements(console, act) -> list[str]:
    seen: list[str] = []
    engine = console.app.state.installation.ledger.engine

    def note(_connection, _cursor, statement, *_) -> None:
        if not statement.startswith(("BEGIN", "SAVEPOINT", "RELEASE")):
            seen.append(statement)

    sa.event.listen(engine, "before_cursor_execute", note)
    act()
    sa.event.remove(engine, "before_cursor_execute", note)
    return seen


def test_the_list_can_be_copied_as_a_call_of_the_api_and_as_sql(anna, console) -> None:
    text = anna.get("/orders?status=SHIPPED&channel=amazon_fr").text
    assert f"{console.url}/v1/orders?status=SHIPPED&amp;channel=amazon_fr" in text
    assert "where status in (&#39;SHIPPED&#39;) and channel in (&#39;amazon_fr&#39;)" in text


def test_days_are_those_of_the_merchants_zone(console, anna) -> None:
    text = anna.get("/orders?received=this_week").text
    assert "Received (Europe/Paris)" in text
    assert "2026-11-02 00:00 to 2026-11-09 00:00" in text
    assert NOW.isoweekday() == 1
