"""The API's own description: complete, stable names, and true (a fuzzer compares it with what the server does)."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from orders_api import reference_page
from orders_api.app import create_app
from tests.api.conftest import Api
from tests.conftest import TEST_KEYS
from warehouse.clock import utc_now
from warehouse.settings import Settings

OPERATIONS = {
    "acknowledge_incident",
    "list_acceptances",
    "accept_cancellation_request",
    "ask_pipeline",
    "change_orders",
    "download_fates",
    "cancel_order",
    "change_configuration",
    "create_token",
    "get_configuration",
    "get_request",
    "list_tokens",
    "revoke_token",
    "rotate_token",
    "type_connection_secret",
    "type_storage_secret",
    "list_requests",
    "decline_cancellation_request",
    "get_cancellation_request",
    "get_incident",
    "list_cancellation_requests",
    "list_logs",
    "list_api_requests",
    "resolve_incident",
    "list_orders",
    "read_order_changes",
    "get_order",
    "give_order",
    "get_order_payload",
    "list_order_events",
    "acknowledge_orders",
    "decide_order",
    "report_shipments",
    "retry_shipment",
    "list_shipments",
    "get_shipment",
    "get_channel_requirements",
    "explain_order",
    "export_orders",
    "list_channels",
    "list_marketplace_kinds",
    "list_files",
    "get_file",
    "list_file_rows",
    "download_file",
    "get_coverage",
    "list_incidents",
    "answer_deletion_challenge",
    "take_deletion_notice",
    "get_health",
    "get_readiness",
    "get_status",
    "get_metrics",
}


@pytest.fixture(scope="module")
def description(tmp_path_factory):
    """As a new installation gives it; made once, because writing it takes longer than any of these tests."""
    settings = Settings(_env_file=None, home=tmp_path_factory.mktemp("described"), keys=TEST_KEYS)
    app = create_app(settings, utc_now)
    yield Api(app, None).get("/openapi.json").json()
    app.state.installation.ledger.close()


def operations(description: dict):
    for path, item in description["paths"].items():
        for method, operation in item.items():
            yield f"{method} {path}", operation


def test_the_names_of_operations_are_stable(description):
    assert {operation["operationId"] for _, operation in operations(description)} == OPERATIONS


def needs_token(name: str) -> bool:
    return ("/v1/" in name or "/metrics" in name) and "/account-deletions/" not in name


def test_every_operation_says_what_it_does_and_which_token_it_needs(description):
    for name, operation in operations(description):
        assert operation["summary"], name
        assert operation["description"], name
        assert bool(operation["security"]) == needs_token(name), name
        assert ("401" in operation["responses"]) == needs_token(name), name


def test_the_token_is_described_and_each_operation_names_a_scope(description):
    schemes = description["components"]["securitySchemes"]
    for name, operation in operations(description):
        for demanded in operation["security"]:
            ((scheme, scopes),) = demanded.items()
            assert schemes[scheme]["scheme"] == "bearer"
            assert len(scopes) == 1, name


def test_every_error_is_told_as_a_problem(description):
    for name, operation in operations(description):
        errors = {status: told for status, told in operation["responses"].items() if status >= "400"}
        assert {"422", "500"} <= set(errors), name
        assert {"408", "413", "415"} <= set(errors) or "requestBody" not in operation, name
        for status, told in errors.items():
            ((media_type, content),) = told["content"].items()
            assert media_type == "application/problem+json", (name, status)
            assert content["schema"] == {"$ref": "#/components/schemas/ProblemDocument"}, (name, status)


def test_a_component_has_a_name_of_its_own_that_says_nothing_of_our_modules(description):
    schemas = description["components"]["schemas"]
    assert [name for name in schemas if not re.fullmatch(r"[A-Z][A-Za-z]+", name)] == []
    titles = [schema["title"] for schema in schemas.values()]
    assert sorted(titles) == sorted(schemas)


def test_no_member_of_a_shape_has_a_default_which_generators_take_for_a_promise(description):
    for name, schema in description["components"]["schemas"].items():
        for place, described in every_property(name, schema):
            assert "default" not in described, place


ALTERNATIVES = {
    "AcknowledgementRequestItem": ("oneOf", [["id"], ["channel", "original_id"]]),
    "ReportedShipment": ("anyOf", [["id"], ["original_id"]]),
    "ReportedItem": ("anyOf", [["item_id"], ["item_original_id"], ["item_sku"]]),
    "LineDecision": ("oneOf", [["item_id"], ["item_original_id"]]),
    "OrderCancellationLine": ("oneOf", [["item_id"], ["item_original_id"]]),
    "AcceptanceRequest": ("oneOf", [["accepted"], ["lines"]]),
}


@pytest.mark.parametrize("name", ALTERNATIVES)
def test_the_ways_to_name_a_thing_are_alternatives(description, name):
    kind, members = ALTERNATIVES[name]
    found = description["components"]["schemas"][name][kind]
    for alternative, needed in zip(found, members, strict=True):
        assert set(needed) <= set(alternative["required"])
        assert all(alternative["properties"][each]["type"] != "null" for each in needed)
    if kind == "oneOf":
        barred = [{name for name, each in one["properties"].items() if each.get("type") == "null"} for one in found]
        assert barred == [set(members[1]), set(members[0])]


def every_property(name: str, schema: dict):
    """The members of a shape and of its alternatives."""
    for alternative in [schema, *schema.get("oneOf", ()), *schema.get("anyOf", ())]:
        for field, described in alternative.get("properties", {}).items():
            yield (name, field), described


def test_every_parameter_has_a_description_and_an_example(description):
    for name, operation in operations(description):
        for parameter in operation.get("parameters", ()):
            assert parameter["description"], (name, parameter["name"])
            assert parameter["example"] is not None, (name, parameter["name"])
            assert "null" not in str(parameter["schema"]), (name, parameter["name"])


def test_every_field_has_a_description_and_an_example(description):
    for name, schema in description["components"]["schemas"].items():
        for place, described in every_property(name, schema):
            assert described.get("description"), place
            assert described.get("examples"), place


def test_every_reference_leads_somewhere(description):
    known = description["components"]["schemas"]

    found = set(re.findall(r"#/components/schemas/(\w+)", str(description)))

    assert found <= set(known)
    assert "AcknowledgementRequest" in found


def test_the_documentation_page_asks_no_other_host_and_runs_nothing_inline(stranger):
    page = stranger.get("/docs")

    policy = page.headers["content-security-policy"]
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "unsafe" not in policy
    assert "://" not in policy + page.text
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) == page.text.count("src=") + page.text.count("href=") == 4
    assert not re.search(r"<script>|<style|style=|\bon\w+=", page.text)
    for path in loaded:
        answer = stranger.get(f"/{path}")
        assert (answer.status_code, answer.headers["content-security-policy"]) == (200, policy)
    start = stranger.get("/docs/reference.js").text
    assert "validatorUrl: null" in start
    assert stranger.get("/openapi.json").status_code == 200
    outside = re.compile(r'url\(["\']?(?!["\']?data:)|@import')
    assert not outside.search(stranger.get("/docs/swagger-ui.css").text)


@pytest.mark.parametrize("name", ["package.json", "reference.html", "..%2Fapp.py", "nothing.js"])
def test_the_documentation_page_serves_what_it_loads_and_nothing_else(stranger, name):
    assert stranger.get(f"/docs/{name}").status_code == 404


def test_swagger_ui_stands_there_with_its_licence_and_version():
    folder = reference_page.STATIC / "swagger-ui"
    assert json.loads((folder / "package.json").read_text())["version"]
    assert "Apache License" in (folder / "LICENSE").read_text()
    assert (folder / "NOTICE").exists()


EACH_ON_ITS_OWN = """
[[operations]]
include-name = ["POST /v1/orders/acknowledgements", "POST /v1/shipments"]
checks.negative_data_rejection.enabled = false
"""
"""A wrong element refuses itself, so that a request with a sound one beside it is answered 200: their own tests say so."""


@pytest.mark.slow
def test_a_fuzzer_finds_no_answer_that_is_not_described(live, erp, book, order, tmp_path):
    book.put(*(order(n) for n in range(5)))
    program = Path(sys.executable).with_name("schemathesis")
    (tmp_path / "schemathesis.toml").write_text(EACH_ON_ITS_OWN)
    command = [
        *(str(program), "run", f"{live}/openapi.json", "--header", f"Authorization: Bearer {erp.token}"),
        *("--max-examples", "2", "--phases", "examples,coverage,fuzzing", "--seed", "7"),
        # a cursor, a position or two names of one order may have the right form and still be refused: their own tests say when
        *("--exclude-checks", "positive_data_acceptance", "--no-color"),
    ]

    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False, timeout=300)

    assert done.returncode == 0, done.stdout[-6000:]
