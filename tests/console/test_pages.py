"""What must hold of every page: it is described, it is accessible, it is well guarded, and nothing on it is dead."""

from __future__ import annotations

import gzip
import os
import re
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path

import pytest
from starlette.routing import Route

from orders_api import console as package
from orders_api.console.app import NOUNS
from orders_api.console.kit.assets import assets
from orders_api.console.navigation import GROUPS

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(package.__file__).parent
LARGEST_STATIC = 60_000
AXE = ROOT / ".venv/clients/node/node_modules/axe-core/axe.min.js"


def routes() -> list[Route]:
    return [route for noun in NOUNS for route in noun.pages.routes]


def described() -> set[str]:
    text = (ROOT / "docs/console.md").read_text(encoding="utf-8")
    return {each.partition("?")[0] for each in re.findall(r"^#+ .*`/console(/[^`]*)`", text, re.MULTILINE)}


def test_every_page_is_described_and_no_other() -> None:
    shown = {each.path for each in routes() if "GET" in each.methods and not each.path.endswith((".json", ".csv"))}
    assert described() == shown | {"/log-in", "/account"}


def test_the_navigation_leads_to_pages() -> None:
    paths = {each.path for each in routes()}
    assert {entry.path for _, entries in GROUPS for entry in entries} <= paths


def test_every_member_of_a_view_model_is_read_by_a_template() -> None:
    read = " ".join(each.read_text(encoding="utf-8") for each in (FOLDER / "templates").glob("*.html"))
    read += " ".join(each.read_text(encoding="utf-8") for each in (FOLDER / "kit").glob("*.py"))
    read += " ".join(re.findall(r"self\.\w+", "".join(each.read_text() for each in (FOLDER / "views").glob("*.py"))))
    dead = [
        f"{model.__name__}.{each.name}"
        for path in sorted((FOLDER / "views").glob("[a-z]*.py"))
        for model in vars(import_module(f"orders_api.console.views.{path.stem}")).values()
        if is_dataclass(model)
        for each in fields(model)
        if not re.search(rf"\.{each.name}\b|each\.{each.name}\b", read)
    ]
    assert dead == []


def test_what_pages_load_is_small() -> None:
    assert sum(len(gzip.compress(each.content)) for each in assets().values()) <= LARGEST_STATIC


def test_templates_escape_everything_and_hold_no_script_or_style() -> None:
    for path in (FOLDER / "templates").glob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\|\s*safe|autoescape|\son[a-z]+=|\sstyle=|<style|javascript:", text), path.name
        assert not re.search(r"<script(?! src=)", text), path.name


def test_every_page_has_the_headers_of_the_console(anna, stranger) -> None:
    for client, path in ((anna, "/orders"), (stranger, "/log-in"), (anna, "/nowhere")):
        headers = client.get(path).headers
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self'; style-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"


def test_static_files_are_kept_for_good(stranger) -> None:
    for each in assets().values():
        answer = stranger.get(f"/static/{each.name}")
        assert (answer.status_code, answer.content) == (200, each.content)
        assert "immutable" in answer.headers["cache-control"]
    assert stranger.get("/static/console.css").status_code == 404


def test_a_token_of_the_api_is_nothing_here_and_a_cookie_nothing_there(console, stranger, anna) -> None:
    headers = {"Authorization": "Bearer orders_000000000000_" + "x" * 43}
    assert stranger.get("/orders", headers=headers).status_code == 303
    answer = anna.get(f"{console.url}/v1/orders")
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


def test_every_form_of_a_page_needs_our_own_origin(console, anna) -> None:
    posts = [each.path for each in routes() if "POST" in each.methods]
    for path in [*posts, "/account/password", "/account/sessions", "/log-out", "/theme", "/log-in"]:
        answer = anna.post(re.sub(r"{\w+}", "x", path), data={"a": "b"}, headers={"Sec-Fetch-Site": "cross-site"})
        assert (path, answer.status_code) == (path, 403)


PAGES = [
    "/orders",
    "/orders?search=nothing-at-all&colour=x",
    "/orders/{order}",
    "/orders/{order}/explain",
    "/orders/{order}/payload",
    "/incidents",
    "/incidents?code=never_seen",
    "/incidents/{incident}",
    "/logs",
    "/logs?stage=purge",
    "/logs/{entry}",
    "/account",
    "/nowhere",
]
"""Every page, filled, empty and wrong."""


@pytest.fixture(scope="module")
def ids(console) -> dict[str, str]:
    """An order with errors, an incident, an entry of the log."""
    with console.client("anna") as client:
        found = {
            "order": client.get("/orders.json?has_errors=true&limit=1").json()["orders"],
            "incident": client.get("/incidents.json?limit=1").json()["incidents"],
            "entry": client.get("/logs.json?limit=1").json()["entries"],
        }
    return {name: rows[0]["id"] for name, rows in found.items()}


@pytest.mark.parametrize("width", [1280, 375])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(open_page, ids, scheme, width) -> None:
    if not AXE.exists():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(
            "axe-core is missing: install node and npm, then run `make test`"
        )
    page = open_page("/log-in", None, color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True)
    found = {"/log-in": violations(page)}
    page = open_page("/", color_scheme=scheme, viewport={"width": width, "height": 800}, bypass_csp=True)
    for path in PAGES:
        page.goto(f"/console{path.format(**ids)}")
        found[path] = violations(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    assert {path: each for path, each in found.items() if each} == {}


def violations(page) -> list[str]:
    page.evaluate(AXE.read_text(encoding="utf-8"))
    results = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [f"{each['id']}: {node['target']}" for each in results["violations"] for node in each["nodes"]]
