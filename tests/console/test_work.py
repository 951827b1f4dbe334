"""Shipments, requests to cancel, files: lists of work, deciding, and reporting a shipment by hand."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.api.conftest import Book, make_order
from tests.console.test_settings import audited, post, told
from warehouse.ledger.book import cancellation_queries
from warehouse.ledger.book.cancellation_queries import RequestFilter
from warehouse.ledger.exchange import files
from warehouse.ledger.exchange.file_records import NewFile
from warehouse.ledger.settings.file_jobs import JobKind
from warehouse.ledger.shipping import acceptances, shipment_queries, shipments
from warehouse.ledger.shipping.acceptances import AcceptanceStatus, Ending
from warehouse.ledger.shipping.shipment_queries import ShipmentFilter
from warehouse.order_states import Status
from warehouse.shipment_reports import Item, ReportResult, Sender, ShipmentReport, Source


def open_order(client, channel="mirakl_fr") -> str:
    """Internal id of an order of which something is to be shipped."""
    found = client.get(
        f"/orders.json?status={Status.WAITING_FOR_SHIPMENT}&channel={channel}&cancellation_requested=false"
    )
    return found.json()["orders"][-1]["id"]


def reported(console, order: str):
    with console.ledger.read() as transaction:
        return shipment_queries.page(transaction, ShipmentFilter(order_id=order), None, 10).rows


@pytest.mark.parametrize("has_script", [True, False])
def test_a_shipment_is_checked_before_it_is_reported_once(console, open_page, anna, has_script):
    order = open_order(anna, "mirakl_fr" if has_script else "amazon_de")
    page = open_page(f"/orders/{order}/ship", java_script_enabled=has_script)
    assert page.get_by_role("button", name="Report").count() == 0
    units = page.get_by_role("spinbutton").first
    most = int(units.get_attribute("max"))
    units.evaluate("field => field.removeAttribute('max')") if has_script else None
    if has_script:
        units.fill(str(most + 1))
        page.get_by_role("button", name="Check").click()
        page.get_by_text("It would not be taken").wait_for()
        page.get_by_role("spinbutton").first.fill(str(most))
    page.get_by_label("Carrier").fill("DPD")
    page.get_by_label("Tracking number").fill("HAND-1")
    page.get_by_role("button", name="Check").click()
    page.get_by_text("It would be taken as it stands").wait_for()
    assert reported(console, order) == []
    page.get_by_role("button", name="Report").click()
    page.get_by_text("Reported:").wait_for()
    assert [each.shipment.tracking_number for each in reported(console, order)] == ["HAND-1"]
    assert audited(console)[0][0] == "shipment_reported"
    assert "HAND-1" in anna.get(f"/shipments?tracking_number=HAND-1&order_id={order}").text


def test_only_what_was_checked_is_reported(console, anna):
    order = open_order(anna)
    page = f"/orders/{order}/ship"
    answer = post(anna, page, page, do="report", checked="", tracking_number="UNSEEN")
    assert "no unit is to be shipped" in answer.text.lower()
    assert [each for each in reported(console, order) if each.shipment.tracking_number == "UNSEEN"] == []


def test_the_form_changes_no_package_that_was_reported_before(console, anna):
    """The ERP's package of one of three units: another one of its name, or of none, would overwrite it."""
    made = make_order(9001, channel="mirakl_fr", marketplace="Mirakl FR")
    line = replace(made.lines[0], quantity_ordered=3, quantity_shipped=0, quantity_cancelled=0)
    keys = console.app.state.installation.keys
    (order,) = Book(console.ledger, keys).put(replace(made, lines=(line,)))
    (own_line,) = anna.get(f"/orders/{order}/ship").text.split('name="units.')[1:]
    units = "units." + own_line.partition('"')[0]
    given = ShipmentReport(
        id=order,
        tracking_number="THEIRS",
        carrier_code="DPD",
        items=(Item(item_id=units[6:], item_quantity_shipped=1),),
    )
    with console.ledger.write() as transaction:
        sender = Sender(consumer="erp", source=Source.API, report_id="r")
        (answer,) = shipments.report(transaction, sender, [given], console.clock())
    assert answer.result is ReportResult.ACCEPTED
    page, typed = f"/orders/{order}/ship", {"carrier_code": "DPD", "tracking_number": "MINE", units: "2"}
    (theirs,) = reported(console, order)
    for name, said in (("", "say by package_id"), (theirs.shipment.package_id, "give this one a name of its own")):
        same = {**typed, "package_id": name}
        checked = post(anna, page, page, do="check", **same)
        refused = post(anna, page, page, do="report", checked=checked_value(checked), **same)
        assert (said in checked.text, said in refused.text) == (True, True)
    assert [each.shipment.tracking_number for each in reported(console, order)] == ["THEIRS"]
    named = {**typed, "package_id": "second"}
    fit = post(anna, page, page, do="check", **named)
    assert "It would be taken" in fit.text
    sent = {**named, "do": "report", "checked": checked_value(fit)}
    for _ in range(2):
        assert post(anna, "/account", page, **sent).status_code == 303
    assert sorted(each.shipment.tracking_number for each in reported(console, order)) == ["MINE", "THEIRS"]


def checked_value(answer) -> str:
    return answer.text.partition('name="checked" value="')[2].partition('"')[0]


def test_a_request_to_cancel_is_decided(console, anna, vera):
    with console.ledger.read() as transaction:
        first, second, *_ = cancellation_queries.find_requests(transaction, RequestFilter(states=("open",)))
    assert ">Accept<span" in anna.get("/cancellations").text
    assert ">Accept<span" not in vera.get("/cancellations").text
    assert "held" in told(anna, post(anna, "/cancellations", f"/cancellations/{first.id}/decline"))
    answer = post(anna, "/cancellations", f"/cancellations/{second.id}/accept", reason="The buyer asked")
    assert told(anna, answer) != ""
    listed = {each["id"]: each["state"] for each in anna.get("/cancellations.json").json()["cancellation_requests"]}
    assert listed[first.id] == "declined"
    assert ("cancellation_decided", first.id) in audited(console)
    assert post(anna, "/cancellations", f"/cancellations/{first.id}/explode").status_code == 404


def waiting(client) -> list[dict]:
    return client.get("/acceptances.json").json()["acceptances"]


@pytest.mark.parametrize("has_script", [True, False])
def test_an_order_is_accepted_or_refused(console, open_page, anna, has_script):
    first, *others = waiting(anna)
    badge = f'aria-label="{len(others) + 1} open"'
    assert badge in fresh(console, anna)
    page = open_page("/acceptances", java_script_enabled=has_script)
    row = page.locator("tbody tr", has_text=first["original_id"])
    if has_script:
        row.get_by_text("Line by line").click()
        row.get_by_role("combobox").first.select_option("Refuse")
        row.get_by_role("button", name="Decide").click()
        page.get_by_text("1 accepted, 1 refused").wait_for()
    else:
        row.get_by_role("button", name="Accept").click()
        page.get_by_text("2 accepted, 0 refused").wait_for()
    assert [each["order_id"] for each in waiting(anna)] == [each["order_id"] for each in others]
    assert ">Mirakl FR</a> by hand." in anna.get("/acceptances").text
    told = anna.get("/acceptances.json?stage=queued").json()["acceptances"][0]
    assert (told["order_id"], told["decided_by"]) == (first["order_id"], "anna")
    assert audited(console)[0] == ("acceptance_decided", first["order_id"])


def fresh(console, client) -> str:
    console.clock.advance(seconds=11)
    return client.get("/acceptances").text


def test_a_decision_that_the_marketplace_did_not_take_waits_again_with_the_reason(console, anna, vera):
    (first, *_), path = waiting(anna), "/acceptances"
    assert "Every line must be decided" in told(anna, post(anna, path, f"{path}/{first['order_id']}"))
    assert "the pipeline tells" in told(anna, post(anna, path, f"{path}/{first['order_id']}", do="refuse"))
    with console.ledger.write() as transaction:
        (due,) = [
            each
            for each in acceptances.claim(transaction, ["mirakl_fr"], 10, console.clock())
            if each.order_id == first["order_id"]
        ]
        ending = Ending(status=AcceptanceStatus.REJECTED, code="partial_refused", message="The whole order or nothing.")
        acceptances.conclude(transaction, due, ending, console.clock())
    assert waiting(anna)[0]["code"] == "partial_refused"
    assert "The whole order or nothing." in anna.get(path).text
    assert 'value="accept"' not in vera.get(path).text
    assert post(vera, "/account", f"{path}/{first['order_id']}", do="accept").status_code == 403


def test_who_sees_one_channel_decides_and_ships_there_alone(console, anna, fred):
    foreign = open_order(anna)
    assert fred.get(f"/orders/{foreign}/ship").status_code == 404
    assert post(fred, "/account", f"/orders/{foreign}/ship", do="check").status_code == 404
    with console.ledger.read() as transaction:
        rows = cancellation_queries.find_requests(transaction, RequestFilter(channels=("mirakl_fr", "amazon_de")))
    assert rows
    assert post(fred, "/account", f"/cancellations/{rows[0].id}/accept").status_code == 404
    order = anna.get("/acceptances.json").json()["acceptances"][0]["order_id"]
    assert post(fred, "/account", f"/acceptances/{order}", do="accept").status_code == 404
    assert 'open"' not in fred.get("/orders").text.partition('href="/console/acceptances"')[2].partition("</a>")[0]
    for path in ("/shipments", "/cancellations", "/acceptances", "/acceptances?stage=queued", "/files"):
        assert not {"Mirakl FR", "Amazon DE"} & set(fred.get(path).text.split(">"))


def test_a_file_is_shown_with_what_became_of_it(console, anna):
    with console.ledger.write() as transaction:
        new = NewFile(direction=JobKind.IMPORT, channel="amazon_fr", storage="", folder="in", name="shipped.csv")
        files.receive(transaction, new, None, console.clock())
    row = anna.get("/files.json").json()["files"][0]
    assert (row["name"], row["direction"]) == ("shipped.csv", "import")
    assert "shipped.csv" in anna.get(f"/files/{row['id']}").text
    assert anna.get("/files/nothing").status_code == 404
