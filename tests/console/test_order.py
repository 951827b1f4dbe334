"""One order: what its page says, who may see its buyer, why it is as it is, and trying a shipment again."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from html import escape, unescape
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from tests.api.conftest import CANARY, Book, make_order, set_up
from tests.console.conftest import HOSTILE, NOW, nth_order
from tests.console.test_log_in import form_token
from tests.console.test_orders import LARGEST_PAGE, anna_finds, statements
from warehouse.ids import order_id
from warehouse.ledger.base import schema
from warehouse.ledger.book import order_queries
from warehouse.ledger.people import audit
from warehouse.ledger.shipping.shipments import report
from warehouse.ledger.status.explanation import explain, read_case, sentence
from warehouse.order_states import Status
from warehouse.privacy import open_key_ring
from warehouse.shipment_reports import Item, Sender, ShipmentReport, Source

MOST_STATEMENTS = 14
MOST_OF_THE_LIST = 7
"""More, where the page was opened from a list: its neighbours there."""
KNOWN = "402-0000001"


@pytest.fixture
def book(any_settings, any_ledger, clock):
    set_up(any_ledger, clock())
    return Book(any_ledger, open_key_ring(any_settings))


@pytest.fixture(scope="module")
def known(console) -> str:
    return anna_finds(console, KNOWN)


def test_the_page_says_everything_but_who_bought(anna, known) -> None:
    answer = anna.get(f"/orders/{known}")
    text = answer.text
    assert answer.status_code == 200
    assert len(answer.content) <= LARGEST_PAGE
    for title in ("Order IDs", "Dates", "Status", "Payment and taxes", "Buyer and addresses", "Ordered products"):
        assert f"{title}</h2>" in text
    assert {KNOWN, known, "124.60\xa0EUR", "119.70\xa0EUR", "LAMP-12", "VAT on line 1 (20 %)"} <= set(
        re.findall(r"[^<>\n]+", text)
    ) | {each for each in (KNOWN, known, "LAMP-12") if each in text}
    assert "Zoë" not in text
    assert "Canari" not in text


def test_the_page_takes_few_statements(console, anna, known) -> None:
    anna.get(f"/orders/{known}")
    assert len(statements(console, lambda: anna.get(f"/orders/{known}"))) <= MOST_STATEMENTS
    found = statements(console, lambda: anna.get(f"/orders/{known}?list=received%3Dthis_month%26status%3DSHIPPED"))
    assert len(found) <= MOST_STATEMENTS + MOST_OF_THE_LIST


def test_an_order_is_found_by_the_marketplaces_id(anna, known) -> None:
    assert anna.get(f"/orders/by/amazon_de/{KNOWN}").headers["location"] == f"/console/orders/{known}"
    assert anna.get("/orders/by/amazon_de/unknown").status_code == 404


def test_what_is_not_there_or_not_to_be_seen_is_answered_alike(fred, known) -> None:
    foreign, unknown = (fred.get(f"/orders/{each}") for each in (known, "nothing"))
    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert "There is no such order" in foreign.text
    for part in ("explain", "payload"):
        assert fred.get(f"/orders/{known}/{part}").status_code == 404
    token = form_token(fred.get("/account").text)
    assert fred.post(f"/orders/{known}/reveal", data={"form_token": token}).status_code == 404


def test_personal_data_is_shown_after_reveal_for_five_minutes_and_that_is_written_down(console, anna, known) -> None:
    page = anna.get(f"/orders/{known}").text
    before = entries(console)
    answer = anna.post(f"/orders/{known}/reveal", data={"form_token": form_token(page)})
    assert answer.headers["location"] == f"/console/orders/{known}#buyer"
    assert CANARY in anna.get(f"/orders/{known}").text
    assert CANARY not in anna.get(f"/orders/{anna_finds(console, '402-0000002')}").text
    written = entries(console)[len(before) :]
    assert [(each.actor, each.action, each.subject) for each in written] == [("anna", "personal_data_revealed", known)]
    console.clock.advance(minutes=5)
    try:
        assert CANARY not in anna.get(f"/orders/{known}").text
    finally:
        console.clock.now = NOW


def entries(console) -> list:
    with console.ledger.read() as transaction:
        assert audit.verify(transaction).broken_at is None
        return list(transaction.execute(sa.select(schema.audit_entries).order_by(schema.audit_entries.c.id)))


def test_who_has_no_right_to_personal_data_reveals_nothing(console, vera, known) -> None:
    page = vera.get(f"/orders/{known}").text
    before = entries(console)
    assert "/reveal" not in page
    assert vera.post(f"/orders/{known}/reveal", data={"form_token": form_token(page)}).status_code == 403
    assert CANARY not in vera.get(f"/orders/{known}").text
    assert entries(console) == before


def test_reading_changes_nothing(console, anna, known) -> None:
    before = entries(console)
    assert anna.get(f"/orders/{known}/reveal").status_code == 405
    assert entries(console) == before


@pytest.mark.parametrize(
    "query", ["", "status=SHIPPED&status=PENDING", "sort=-has_errors", "sort=purchased_at", "sort=has_errors"]
)
def test_an_order_leads_to_its_neighbours_in_the_list(anna, query) -> None:
    """Page by page through the whole list, forwards by what stands behind each order and back by what stands before it."""
    listed = [each["id"] for each in anna.get(f"/orders.json?limit=200&{query}").json()["orders"]]
    first = re.search(rf'href="/console(/orders/{listed[0]}[^"]*)"', anna.get(f"/orders?{query}").text)
    assert first is not None
    path, walked = unescape(first[1]), []
    while path:
        walked.append(path.removeprefix("/orders/").partition("?")[0])
        text = anna.get(path).text
        before, path = (leads(text, rel) for rel in ("prev", "next"))
        assert (before or "").partition("?")[0] == (f"/orders/{walked[-2]}" if len(walked) > 1 else "")
        if len(walked) == 12:  # enough of the beginning; the end is looked at below
            break
    assert walked == listed[:12]
    last = anna.get(f"/orders/{listed[-1]}?{urlencode({'list': query})}").text
    assert (leads(last, "next"), leads(last, "prev").partition("?")[0]) == ("", f"/orders/{listed[-2]}")
    assert f'href="/console/orders{"?" if query else ""}{escape(query)}">Back to the list' in last


def leads(text: str, rel: str) -> str:
    found = re.search(rf'href="/console([^"]*)" rel="{rel}"', text)
    return unescape(found[1]) if found else ""


def test_a_revision_shows_what_it_changed_and_people_what_they_did(console, anna, vera, fred) -> None:
    book = Book(console.ledger, console.app.state.installation.keys)
    book.raw_seq = 9200
    made = nth_order(30)
    line = replace(made.lines[0], quantity_shipped=2)
    later = made.marketplace_updated_at + timedelta(hours=1)
    (own_id,) = book.put(
        replace(made, total=Decimal("12.00"), lines=(line, made.lines[1]), marketplace_updated_at=later)
    )
    page = anna.get(f"/orders/{own_id}").text
    for path, before, after in (("total", "124.60", "12.00"), ("lines[0].quantity_shipped", "1", "2")):
        assert f"<code>{path}</code></th><td>{before}</td><td>{after}</td>" in page
    anna.post(f"/orders/{own_id}/reveal", data={"form_token": form_token(page)})
    people, ours = (anna.get(f"/orders/{own_id}?side={side}").text for side in ("people", "ours"))
    assert ("anna looked at buyer" in people, "Received from" in people, "anna looked" in ours) == (True, False, False)
    assert CANARY not in people.partition('id="timeline"')[2]
    data = {
        "form_token": form_token(page),
        "kind": "fetch",
        "subject": "amazon_fr_seller",
        "original_ids": made.original_id,
    }
    assert 'name="kind" value="fetch"' in page
    assert 'name="kind" value="fetch"' in fred.get(f"/orders/{own_id}").text
    assert 'name="kind" value="fetch"' not in vera.get(f"/orders/{own_id}").text
    asked = anna.post("/requests", data=data).headers["location"]
    assert made.original_id in anna.get(asked.removeprefix("/console")).text


def test_the_payload_stands_beside_what_was_read_from_it(anna) -> None:
    own_id = anna.get("/orders.json?original_id=402-0000000").json()["orders"][0]["id"]
    text = anna.get(f"/orders/{own_id}/payload").text
    rows = dict(re.findall(r"<th scope=.row.><code>([^<]*)</code></th>(.*?)</tr>", text, re.DOTALL))
    assert "<td>LAMP-12<br>BULB-1</td>" in rows["lines.sku"]
    assert ("<td>402-0000000</td>" in rows["original_id"], "<code>" in rows["original_id"]) == (True, True)
    assert "personal, hidden" in rows["shipping_address.city"]
    assert CANARY not in text


def test_what_could_not_be_read_is_put_aside_and_read_again(anna, vera, fred) -> None:
    rows = {each["original_id"]: each["id"] for each in anna.get("/quarantine.json").json()["quarantined"]}
    path = f"/quarantine/{rows['MIRAKL-ASIDE']}"
    page = anna.get(path).text
    assert "$.order_date" in page
    assert ("<script>alert" in page, escape(HOSTILE)[:20] in page) == (False, True)
    data = {
        "form_token": form_token(page),
        "kind": "replay",
        "subject": "mirakl_fr_seller",
        "original_ids": "MIRAKL-ASIDE",
    }
    assert anna.post("/requests", data=data).headers["location"].startswith("/console/requests/")
    assert "<button>Read what is kept again" not in vera.get(path).text
    assert [each["channel"] for each in fred.get("/quarantine.json").json()["quarantined"]] == ["amazon_fr"]
    assert fred.get(path).status_code == 404
    assert "MIRAKL-ASIDE" not in fred.get("/quarantine").text


def test_the_timeline_can_be_one_side_only(anna, known) -> None:
    whole, theirs, ours = (anna.get(f"/orders/{known}{query}").text for query in ("", "?side=marketplace", "?side=erp"))
    assert "Received from" in whole
    assert "Received from" in theirs
    assert "Received from" not in ours


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (Status.PENDING, "Amazon FR has not released it yet: do not ship."),
        (Status.WAITING_FOR_SHIPMENT, "Ship it."),
        (Status.SHIPPED, "Shipped. Amazon FR says so; no shipment was reported here."),
        (Status.CANCELED, "Canceled: nothing is to be shipped."),
        (Status.UNKNOWN, "Amazon FR calls it Unshipped, a word that is not known here."),
    ],
)
def test_an_order_is_said_in_one_sentence(book, clock, status, said) -> None:
    book.put(make_order(1, status=status, lines=()))
    with book.ledger.read() as transaction:
        row = order_queries.by_id(order_queries.MEMBERS, transaction, order_id("amazon_fr", "402-0000001"), None)
        assert sentence(read_case(transaction, row), clock()) == said


def test_an_explanation_names_what_holds_and_what_does_not(book, clock) -> None:
    book.put(make_order(1))
    with book.ledger.write() as transaction:
        sender = Sender(consumer="erp", source=Source.API, report_id="r-1")
        given = ShipmentReport(
            id=order_id("amazon_fr", "402-0000001"),
            package_id="P1",
            items=(Item(item_original_id="L1", item_quantity_shipped=1),),
            tracking_number="T1",
            carrier_code="UPS",
            shipping_date=clock(),
        )
        (answer,) = report(transaction, sender, [given], clock())
        assert answer.faults == ()
        row = order_queries.by_id(order_queries.MEMBERS, transaction, order_id("amazon_fr", "402-0000001"), None)
        said, answers = explain(transaction, row, clock())
    by_question = {each.question: each for each in answers}
    assert said == "Shipped. Amazon FR is not told of the shipment: the channel does not confirm."
    known_there = by_question["Does the marketplace know of the shipment?"]
    assert [each.holds for each in known_there.grounds] == [False, False]
    assert by_question["Has the ERP taken it over?"].answer == "No consumer has acknowledged it."
    assert by_question["What is wrong with it?"].grounds == ()


def test_an_operator_tries_a_refused_shipment_again(console, fred, vera) -> None:
    own_id = anna_finds(console, "402-0000015")
    with console.ledger.write() as transaction:
        line = transaction.execute(sa.select(schema.order_lines).where(schema.order_lines.c.order_id == own_id)).first()
        sender = Sender(consumer="erp", source=Source.API, report_id="r-1")
        given = ShipmentReport(
            id=own_id,
            package_id="P-15",
            items=(Item(item_id=line.id, item_quantity_shipped=1),),
            tracking_number="T-15",
            carrier_code="UPS",
            shipping_date=NOW,
        )
        report(transaction, sender, [given], NOW)
        refused = {
            "status": "rejected",
            "code": "shipment_refused",
            "message": "the carrier is unknown",
            "due_at": None,
        }
        transaction.execute(sa.update(schema.shipments).where(schema.shipments.c.order_id == own_id).values(refused))
        shipment = transaction.execute(
            sa.select(schema.shipments.c.id).where(schema.shipments.c.order_id == own_id)
        ).scalar()
    page = fred.get(f"/orders/{own_id}").text
    assert "Amazon FR refused the shipment: the carrier is unknown." in page
    path = f"/orders/{own_id}/shipments/{shipment}/retry"
    assert "/retry" not in vera.get(f"/orders/{own_id}").text
    assert vera.post(path, data={"form_token": form_token(vera.get("/account").text)}).status_code == 403
    assert fred.post(path, data={"form_token": form_token(page)}).status_code == 303
    again = fred.get(f"/orders/{own_id}").text
    assert "The pipeline tells the marketplace again" in again
    assert "refused the shipment" not in again
    assert "The pipeline tells the marketplace again" not in fred.get(f"/orders/{own_id}").text
    assert ("fred", "shipment_retried", shipment) in {
        (each.actor, each.action, each.subject) for each in entries(console)
    }
