"""Settings in the console: saved as they are changed, refused with a reason, never overwritten unseen, and audited."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest

from orders_api.console.channel_files import unmapped_words
from tests.api.conftest import CANARY, Book, make_order, set_up
from warehouse.ledger.people import audit, operator_requests
from warehouse.ledger.settings import carriers, remote_changes, tokens
from warehouse.ledger.shipping.shipments import report
from warehouse.operator_requests import LIGHT, RequestProgress
from warehouse.privacy import open_key_ring
from warehouse.shipment_reports import Sender, ShipmentReport, Source
from warehouse.shipments import Carrier, CarrierRule, Requirements


def form_token(client, path: str) -> str:
    return re.search(r'name="form_token" value="([^"]+)"', client.get(path).text)[1]


def before(client, path: str, action: str) -> str:
    text = client.get(path).text
    return re.search(rf'action="/console{action}".*?name="before" value="([^"]+)"', text, re.DOTALL)[1].replace(
        "&#34;", '"'
    )


def post(client, page: str, path: str, **fields):
    return client.post(path, data={"form_token": form_token(client, page), **fields})


def told(client, answer) -> str:
    """What the page after an action says."""
    assert answer.status_code == 303, answer.text
    text = client.get(answer.headers["location"].removeprefix("/console")).text
    found = re.search(r'<p class="notice[^>]*>([^<]*)', text)
    return found[1] if found else ""


def configuration(console) -> dict:
    with console.ledger.read() as transaction:
        return remote_changes.shown_configuration(transaction)


def audited(console) -> list[tuple[str, str]]:
    with console.ledger.read() as transaction:
        return [(each.entry.action, each.entry.subject) for each in audit.newest(transaction, 20)]


def test_a_switch_is_saved_as_it_is_changed(console, open_page):
    page = open_page("/channels/mirakl_fr")
    switch = page.get_by_label("Retrieve its orders")
    for is_on in (False, True):
        with page.expect_response("**/channels/mirakl_fr"):
            switch.set_checked(is_on)
        page.get_by_role("status").filter(has_text="Saved.").wait_for()
        assert switch.is_checked() is is_on
        assert configuration(console)["channels"]["mirakl_fr"]["retrieval"] is is_on
    assert audited(console)[:2] == [("channel_changed", "mirakl_fr")] * 2


def test_a_file_job_is_set_up_without_javascript(console, open_page, anna):
    page = open_page("/channels/amazon_de", java_script_enabled=False)
    page.get_by_role("link", name="+ Another storage").first.click()
    page.get_by_label("Code: lower-case").fill("depot")
    page.get_by_label("Name", exact=True).fill("The depot")
    page.get_by_label("Host", exact=True).fill("depot.example")
    page.get_by_label("User").fill("orders")
    page.get_by_label("Password; a private").fill("canary-password-of-the-depot")
    page.get_by_role("button", name="Add").click()
    assert page.url.endswith("/channels/amazon_de")
    export = page.get_by_role("region", name="Order files")
    export.get_by_label("Storage").select_option("depot")
    export.get_by_label("Folder", exact=True).fill("out")
    export.get_by_label("How often").select_option("daily")
    export.get_by_label("Time of a daily").fill("06:30")
    export.get_by_label("Waiting for shipment").check()
    export.get_by_label("On", exact=True).check()
    export.get_by_role("button", name="Save").click()
    job = configuration(console)["channels"]["amazon_de"]["export"]
    assert (job["storage"], job["folder"], job["enabled"]) == ("depot", "out", True)
    assert (job["frequency"], job["at"], job["statuses"]) == ("daily", "06:30", ["WAITING_FOR_SHIPMENT"])
    assert configuration(console)["storages"]["depot"]["credentials"] == {"password": "sealed"}
    shown = anna.get("/channels/amazon_de").text
    assert re.search(r"<code>orders_export_amazon_de_2026[^<]*.csv</code></th><td class=.number.>\d", shown)
    assert ">LAMP-12</td>" in shown
    assert CANARY not in shown
    assert "It was not asked yet" in shown
    assert "Carriers that it knows" in anna.get("/channels/mirakl_fr").text
    for path in ("/storages/depot", "/channels/amazon_de", "/audit", "/audit.json"):
        answer = anna.get(path)
        assert (answer.status_code, "canary-password" in answer.text) == (200, False), path


def test_words_for_carriers_that_nobody_understands_are_named(any_ledger, any_settings, clock):
    set_up(any_ledger, clock())
    own_ids = Book(any_ledger, open_key_ring(any_settings)).put(*(make_order(number) for number in range(3)))
    needs = Requirements(
        needs_tracking_number=False,
        needs_carrier=True,
        carrier_rule=CarrierRule.LISTED,
        carriers=(Carrier(code="UPS", label="United Parcel"),),
    )
    with any_ledger.write() as transaction:
        for own_id, word in zip(own_ids, ("UPS", "POSTX", "MAPPED"), strict=True):
            sender = Sender(consumer="erp", source=Source.API, report_id=word)
            report(transaction, sender, [ShipmentReport(id=own_id, carrier_code=word)], clock())
        assert unmapped_words(transaction, "amazon_fr") == ()  # nobody knows what it understands
        carriers.save_requirements(transaction, "amazon_fr", needs, clock())
        entry = carriers.CarrierEntry(channel="amazon_fr", code="MAPPED", carrier_code="UPS")
        carriers.save_carrier(transaction, entry, clock())
        assert unmapped_words(transaction, "amazon_fr") == ("POSTX",)
        assert unmapped_words(transaction, "mirakl_de") == ()


def test_a_connection_is_set_up_by_the_command_that_the_page_writes(anna, fred):
    text = anna.get(
        "/connections/new?code=shop&kind=mirakl&label=My+shop&endpoint=https://shop.example&channel=shop_fr"
    ).text
    commands = unescape(
        text.partition('aria-label="What to type at the machine">')[2].partition("</pre>")[0]
    ).splitlines()
    assert commands[0] == "orders connections add shop --kind mirakl --label 'My shop' --endpoint https://shop.example"
    assert "orders connections secret shop api_key" in commands
    assert commands[-2:] == ["orders channels add shop_fr --connection shop", "orders connections test shop"]
    hostile = unescape(anna.get("/connections/new?code=x;rm&kind=mirakl&label=$(id)").text)
    assert ("add CODE --kind mirakl" in hostile, "--label '$(id)'" in hostile) == (True, True)
    assert "orders connections authorise" not in text
    assert anna.get("/connections/new").status_code == 200
    assert fred.get("/connections/new").status_code == 403
    folder = unescape(anna.get("/storages/new?kind=folder&code=share&path=/srv/my+orders").text)
    assert "orders storages add share --kind folder --setting 'path=/srv/my orders'" in folder


def test_a_job_without_a_storage_is_refused_with_the_reason(console, anna):
    path = "/channels/mirakl_fr"
    fields = {"before": before(anna, path, f"{path}/import"), "import.enabled": "on"}
    assert "storage" in told(anna, post(anna, path, f"{path}/import", **fields))
    assert "import" not in configuration(console)["channels"]["mirakl_fr"]


def test_of_two_editors_the_second_is_told_and_overwrites_nothing(console, anna):
    path = "/channels/amazon_de"
    seen = before(anna, path, f"{path}/general")
    assert told(anna, post(anna, path, f"{path}/general", before=seen, label="First")) == "Saved."
    assert "meanwhile" in told(anna, post(anna, path, f"{path}/general", before=seen, label="Second"))
    assert configuration(console)["channels"]["amazon_de"]["label"] == "First"
    back = before(anna, path, f"{path}/general")
    told(anna, post(anna, path, f"{path}/general", before=back, label="Amazon DE"))


def test_what_may_send_secrets_elsewhere_is_not_changed_here(console, anna):
    post(anna, "/storages/new", "/storages/new", code="etc", kind="folder", host="x", user="x")
    assert "etc" not in configuration(console)["storages"]
    answer = post(anna, "/storages/new", "/storages/new", code="evil", kind="sftp", host="x@evil.example", user="x")
    assert "Not saved" in told(anna, answer)


@pytest.fixture
def asked_for(console, anna):
    """Asks for a test of a connection; gives its page."""
    page = "/connections/mirakl_fr_seller"
    fields = {"kind": "test_connection", "subject": "mirakl_fr_seller", "back": page}
    answer = post(anna, page, "/requests", **fields)
    assert answer.status_code == 303
    return answer.headers["location"].removeprefix("/console")


def test_a_request_is_followed_to_its_end(console, open_page, asked_for):
    page = open_page(asked_for)
    page.get_by_text("Waiting for the pipeline").wait_for()
    page.get_by_text("No pipeline runs at the moment").wait_for()
    with console.ledger.write() as transaction:
        operator_requests.note_pipeline(transaction, console.clock())
        claimed = operator_requests.claim(transaction, LIGHT, console.clock(), timedelta(minutes=1))
        finding = {"part": "credential", "verdict": "wrong", "message": "It is refused.", "hint": "Type it again."}
        operator_requests.finish(transaction, claimed, RequestProgress.DONE, {"findings": [finding]}, console.clock())
    page.get_by_text("Type it again.").wait_for()
    assert page.get_by_role("link", name="Back").get_attribute("href") == "/console/connections/mirakl_fr_seller"
    assert ("request_asked", "mirakl_fr_seller") in audited(console)


def test_a_token_is_shown_once_and_works(console, open_page, anna):
    page = open_page("/tokens")
    page.get_by_label("Consumer").fill("robot")
    page.get_by_role("button", name="Generate").click()
    secret = page.locator("#secret").inner_text()
    with console.ledger.read() as transaction:
        made = tokens.verify(transaction, secret, console.clock())
    assert (made.consumer, made.channels) == ("robot", None)
    assert secret not in anna.get("/tokens").text
    answer = post(anna, "/tokens", f"/tokens/{made.id}/rotate", grace_hours="0")
    assert answer.status_code == 200
    post(anna, "/tokens", f"/tokens/{made.id}/revoke")
    with console.ledger.read() as transaction:
        assert tokens.verify(transaction, secret, console.clock()) is None
    assert [each for each, _ in audited(console)[:3]] == ["token_ended", "token_replaced", "token_made"]
    assert secret not in anna.get("/audit").text


def test_nobody_gives_away_what_they_lack(console, anna):
    with console.client("carl") as carl:  # a configurator of one channel, without personal data
        for fields in (
            {"scope": "orders:read:pii"},
            {"scope": "admin"},
            {"scope": "configuration:write"},
            {"scope": "orders:read", "channel": "mirakl_fr"},
        ):
            answer = post(carl, "/tokens", "/tokens", consumer="x", **fields)
            assert (answer.status_code, "not_yours_to_give" in answer.text) == (403, True)
        post(carl, "/tokens", "/tokens", consumer="mine", scope="orders:read")
        assert "mine" in carl.get("/tokens").text
        assert "amazon_de" not in carl.get("/tokens").text
    with console.ledger.read() as transaction:
        [made] = [each for each in tokens.listed(transaction) if each.consumer == "mine"]
    assert made.channels == ("amazon_fr",)


def test_recipients_are_added_tested_and_removed(console, anna):
    answer = post(anna, "/alerts", "/alerts", code="crew", email="crew@shop.example", summary="on")
    assert told(anna, answer) == "Saved."
    assert "crew@shop.example" in anna.get("/alerts").text
    assert told(anna, post(anna, "/alerts", "/alerts/crew/summary")) == "Saved."
    assert configuration(console)["alerts"]["crew"]["summary"] is False
    answer = post(anna, "/alerts", "/requests", kind="test_recipient", subject="crew", back="/alerts")
    assert anna.get(answer.headers["location"].removeprefix("/console")).status_code == 200
    assert "nothing any more" in told(anna, post(anna, "/alerts", "/alerts/crew/remove"))
    assert "Not saved" in told(anna, post(anna, "/alerts", "/alerts", code="crew", email="nobody"))


def test_a_secret_is_typed_and_never_shown(console, anna):
    path = "/connections/mirakl_fr_seller"
    answer = post(anna, path, f"{path}/credentials/api_key", secret="canary-secret-of-mirakl")
    assert "Kept, encrypted" in told(anna, answer)
    assert configuration(console)["connections"]["mirakl_fr_seller"]["credentials"]["api_key"] == "sealed"
    for each in (path, "/audit", "/audit.csv"):
        assert "canary-secret" not in anna.get(each).text
    assert "no credential" in told(anna, post(anna, path, f"{path}/credentials/token", secret="x"))


def test_a_user_of_one_channel_sees_and_changes_that_one(console):
    with console.client("carl") as carl:
        assert "mirakl_fr" not in carl.get("/channels").text
        assert carl.get("/channels/amazon_fr").status_code == 200
        assert carl.get("/channels/mirakl_fr").status_code == 404
        assert post(carl, "/channels/amazon_fr", "/channels/mirakl_fr/general", label="x").status_code == 404
        for path in ("/storages", "/storages/new", "/connections", "/connections/mirakl_fr_seller", "/alerts"):
            assert carl.get(path).status_code == 403
        for path in ("/storages/new", "/alerts", "/connections/mirakl_fr_seller/credentials/api_key"):
            assert post(carl, "/channels/amazon_fr", path, code="x").status_code == 403
        answer = post(carl, "/channels/amazon_fr", "/requests", kind="pull", subject="mirakl_fr_seller")
        assert answer.status_code == 404


def test_who_only_looks_changes_nothing(vera):
    page = "/account"
    for path in ("/channels/amazon_fr/general", "/tokens", "/alerts", "/storages/new", "/requests"):
        answer = post(vera, page, path, label="x")
        assert (answer.status_code, "missing_role" in answer.text) == (403, True)
    assert vera.get("/audit").status_code == 403


def test_the_audit_log_is_filtered_and_paged(console, anna):
    text = anna.get("/audit?action=secret_typed").text
    assert "channel_changed" not in text
    page = anna.get("/audit.json?limit=2").json()
    assert len(page["audit"]) == 2
    older = anna.get(page["next"].replace("/audit?", "/audit.json?")).json()
    assert older["audit"][0]["id"] == page["audit"][-1]["id"] - 1
