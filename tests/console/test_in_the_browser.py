"""The console in a real browser, with JavaScript and without: the ways that people take, and what axe finds on every page."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.api.conftest import CANARY
from tests.console.conftest import HOSTILE
from tests.console.pseudo_language import RIGHT_TO_LEFT
from tests.console.test_incidents import open_one
from warehouse.ledger.base import schema

AXE = Path(__file__).resolve().parents[2] / ".venv/clients/node/node_modules/axe-core/axe.min.js"
PAGES = [
    "/",
    "/orders",
    "/orders?search=nothing-at-all&colour=x",
    "/orders?country=FR&columns=errors,received&view=all",
    "/orders/views",
    "/orders/export",
    "/orders/{order}",
    "/orders/{order}/explain",
    "/orders/{order}/payload",
    "/coverage",
    "/coverage/amazon_fr/2026-11-01",
    "/quarantine",
    "/quarantine/{payload}",
    "/incidents",
    "/incidents?code=never_seen",
    "/incidents/{incident}",
    "/logs",
    "/logs/requests",
    "/logs?stage=purge",
    "/logs/{entry}",
    "/orders/{order}/ship",
    "/shipments",
    "/cancellations",
    "/acceptances",
    "/acceptances?stage=done",
    "/cancellations?shipped_despite=true",
    "/files",
    "/channels",
    "/channels/amazon_fr",
    "/connections",
    "/connections/new?kind=mirakl&code=shop",
    "/connections/mirakl_fr_seller",
    "/storages",
    "/storages/new",
    "/tokens",
    "/alerts",
    "/users",
    "/users/vera",
    "/audit",
    "/account",
    "/nowhere",
]
"""Every page, filled, empty and wrong."""


@pytest.mark.parametrize("java_script_enabled", [True, False])
def test_filters_are_set_combined_and_cleared(open_page, java_script_enabled) -> None:
    page = open_page("/orders", java_script_enabled=java_script_enabled)
    everything = page.locator(".total").inner_text()

    def show() -> None:
        if not java_script_enabled:
            page.locator(".filters .apply").click()

    page.locator("summary", has_text="Status").click()
    page.get_by_label("Shipped", exact=True).check()
    show()
    page.wait_for_url("**status=SHIPPED*")
    page.get_by_role("combobox", name="Errors").select_option("No errors")
    show()
    page.wait_for_url("**has_errors=false*")
    assert page.locator("tbody tr").count() == int(page.locator(".total").inner_text().split()[0])
    assert set(page.locator("tbody td:nth-child(3)").all_inner_texts()) == {"Shipped"}
    page.get_by_role("link", name="Clear all").click()
    page.wait_for_url("**/console/orders")
    assert page.locator(".total").inner_text() == everything


def test_back_brings_the_filtered_list_again(open_page) -> None:
    page = open_page("/orders")
    page.get_by_role("combobox", name="Cancellation").select_option("Requested")
    page.wait_for_url("**cancellation_requested=true*")
    filtered = page.locator(".total").inner_text()
    page.locator("tbody a").first.click()
    page.wait_for_url(re.compile(r".*/orders/[0-9a-f-]{36}"))
    page.go_back()
    page.wait_for_url("**cancellation_requested=true*")
    assert page.locator(".total").inner_text() == filtered != "101 orders"


def tab_to(page, name: str) -> None:
    """Press Tab until the focus is on what is called so."""
    said = "e => [e.ariaLabel, e.labels?.[0]?.innerText, e.innerText].find(each => each?.trim())?.trim() ?? ''"
    for _ in range(150):
        page.keyboard.press("Tab")
        if page.evaluate_handle("document.activeElement").evaluate(said).startswith(name):
            return
    pytest.fail(f"no key leads to {name}")


def test_a_shipment_is_reported_by_keys_alone(console, open_page) -> None:
    """From the list to the order, the form, the check, the report, and what became of it."""
    page = open_page("/orders?status=PARTIALLY_SHIPPED&channel=mirakl_fr")
    keys = page.keyboard
    keys.press("j")
    keys.press("j")
    keys.press("k")
    keys.press("x")
    assert page.locator("tbody input:checked").count() == 1
    assert page.get_by_role("button", name="Preview").is_visible()
    keys.press("Enter")
    page.wait_for_url(re.compile(r".*/orders/[0-9a-f-]{36}.*"))
    tab_to(page, "Report a shipment")
    keys.press("Enter")
    page.wait_for_url("**/ship")
    tab_to(page, "Carrier")
    keys.type("DPD")
    tab_to(page, "Tracking number")
    keys.type("KEYS-1")
    tab_to(page, "Check")
    keys.press("Enter")
    page.get_by_text("It would be taken as it stands").wait_for()
    tab_to(page, "Report")
    keys.press("Enter")
    page.get_by_text("Reported:").wait_for()
    keys.press("g")
    keys.press("s")
    page.wait_for_url("**/console/shipments")
    assert page.get_by_text("KEYS-1").is_visible()
    keys.press("/")
    assert page.evaluate("document.activeElement.id") == "find"
    keys.type("?/gs")
    assert page.locator("#find").input_value() == "?/gs"


def test_a_row_leads_where_its_link_does(open_page) -> None:
    page = open_page("/orders?limit=5")
    row = page.locator("tbody tr").first
    row.locator("input").check()
    word = row.locator("td[data-label=Channel]").bounding_box()
    page.mouse.move(word["x"] + 10, word["y"] + 15)
    page.mouse.down()
    page.mouse.move(word["x"] + 60, word["y"] + 15)
    page.mouse.up()
    assert page.evaluate("String(getSelection())")
    page.mouse.click(5, 5)
    assert page.url.endswith("/orders?limit=5")
    row.locator("td[data-label=Purchased]").click()
    page.wait_for_url(re.compile(r".*/orders/[0-9a-f-]{36}.*"))


def test_keys_are_listed_and_can_be_switched_off(open_page) -> None:
    page = open_page("/account")
    page.keyboard.press("?")
    assert page.get_by_role("dialog", name="Keys").get_by_text("Next row").is_visible()
    page.keyboard.press("Escape")
    page.get_by_label("Single keys do something").uncheck()
    page.get_by_role("button", name="Save keys").click()
    page.locator("html[data-keys=off]").wait_for()
    page.keyboard.press("?")
    page.keyboard.press("/")
    assert page.get_by_role("dialog").count() == 0
    assert page.evaluate("document.activeElement.id") != "find"


def test_hostile_words_stay_words_in_the_list(open_page) -> None:
    page = open_page("/orders?limit=200")
    assert page.locator("tbody a", has_text="<script>").inner_text() == HOSTILE
    assert page.locator("td script, td img, th script, th img").count() == 0


@pytest.mark.parametrize("java_script_enabled", [True, False])
def test_from_the_list_to_why(open_page, java_script_enabled) -> None:
    page = open_page("/orders?has_errors=true&limit=5", java_script_enabled=java_script_enabled)
    page.locator("tbody a").first.click()
    assert page.locator("article.error strong").first.inner_text() == "The total is not the sum."
    page.get_by_text("Error details").first.click()
    assert "payload: total_mismatch: $.total" in page.locator("pre").first.inner_text()
    page.get_by_role("link", name="Explain").click()
    assert page.locator("h1").inner_text() == "Why is it so?"
    assert page.get_by_text("It has errors.").is_visible()


def test_error_details_are_copied(open_page, console) -> None:
    page = open_page("/orders?has_errors=true&limit=5", permissions=["clipboard-read", "clipboard-write"])
    page.locator("tbody a").first.click()
    page.get_by_role("button", name="Copy error details").first.click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "total_mismatch" in copied
    assert CANARY not in copied


def test_an_order_prints_as_its_packing_list(open_page, ids) -> None:
    page = open_page(f"/orders/{ids['order']}")
    page.emulate_media(media="print")
    for shown in ("h1", "#ids", "#buyer-title", "#products", "td[data-label=Ordered]"):
        assert page.locator(shown).first.is_visible(), shown
    for hidden in (".top", ".side", "#payment", "#timeline", "td[data-label='Line total']", "button"):
        assert not page.locator(hidden).first.is_visible(), hidden


def test_a_browser_reports_what_it_has_refused_to_load(chromium, console, caplog) -> None:
    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(f"{console.url}/console/log-in")
        with page.expect_request("**/console/csp") as reported:
            page.evaluate("document.body.append(Object.assign(new Image(), {src: 'https://tracker.example/a?b=402'}))")
        assert reported.value.response().status == 204
    (line,) = [each for each in caplog.records if each.msg == "content_refused"]
    assert (line.directive, line.source) == ("img-src", "tracker.example")


def test_hostile_words_stay_words_on_the_page(open_page, console) -> None:
    with console.ledger.read() as transaction:
        own_id = transaction.execute(
            sa.select(schema.orders.c.id).where(schema.orders.c.original_id == HOSTILE)
        ).scalar()
    page = open_page(f"/orders/{own_id}")
    assert HOSTILE in page.locator("h1").inner_text()
    assert page.locator("main script, main img").count() == 0
    assert page.locator('a[href^="javascript"]').count() == 0
    page.goto(f"/console/orders/{own_id}/explain")
    assert page.locator("main script, main img").count() == 0


@pytest.mark.parametrize("java_script_enabled", [True, False])
def test_an_operator_closes_an_incident_with_a_reason(console, open_page, anna, java_script_enabled) -> None:
    code = f"closed_{java_script_enabled}".lower()
    path = open_one(console, code)
    page = open_page(path, "fred", java_script_enabled=java_script_enabled)
    assert page.locator("h1").inner_text() == f"{code} happened".capitalize()
    assert page.get_by_text("Ask the carrier", exact=True).is_visible()
    page.get_by_label("Why is it over?").fill("the carrier was called")
    page.get_by_role("button", name="Close the incident").click()
    page.get_by_text("The incident is closed.").wait_for()
    assert page.get_by_text("the carrier was called").first.is_visible()
    rows = anna.get(f"/incidents.json?state=resolved&code={code}").json()["incidents"]
    assert [each["resolution"] for each in rows] == ["the carrier was called"]


@pytest.mark.parametrize("path", ["/", "/orders", "/orders/{order}", "/channels/amazon_fr", "/account"])
def test_longer_texts_fit_and_pages_turn_round(open_page, ids, path) -> None:
    page = open_page(path.format(**ids), locale=RIGHT_TO_LEFT, viewport={"width": 375, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    page.set_viewport_size({"width": 1280, "height": 800})
    left, right = (page.locator(each).bounding_box()["x"] for each in ("main", "nav.side"))
    assert left < right


WIDTHS = (1280, 375)
RULES = {"light": {}, "dark": {"runOnly": ["color-contrast", "link-in-text-block"]}}
"""Of the dark theme only what depends on colours: nothing else differs."""


def test_axe_finds_nothing(open_page, ids) -> None:
    if not AXE.exists():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(
            "axe-core is missing: install node and npm, then run `make test`"
        )
    source = AXE.read_text(encoding="utf-8")
    found = violations(open_page("/log-in", None, bypass_csp=True), source)
    page = open_page("/", bypass_csp=True)
    for path in PAGES:
        page.goto(f"/console{path.format(**ids)}")
        found += violations(page, source)
    assert found == []


def violations(page, source: str) -> list[str]:
    """What axe finds on a page in both themes at both widths, and whether it is wider than the screen."""
    page.evaluate(source)
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        found += (
            [f"{page.url} at {width}: wider"] if page.evaluate("document.documentElement.scrollWidth") > width else []
        )
        for scheme, rules in RULES.items():
            if (scheme, width) == ("dark", min(WIDTHS)):
                continue  # colours are the same at every width
            page.emulate_media(color_scheme=scheme)
            results = page.evaluate("options => axe.run(document, options)", rules | {"resultTypes": ["violations"]})
            found += [
                f"{page.url} {scheme} at {width}: {each['id']} of {node['target']}"
                for each in results["violations"]
                for node in each["nodes"]
            ]
    return found
