"""What must hold of every page: it is described, it is accessible, it is well guarded, and nothing on it is dead."""

from __future__ import annotations

import asyncio
import gzip
import re
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError
from starlette.routing import Route

from orders_api import console as package
from orders_api.app import create_app
from orders_api.console.app import NOUNS
from orders_api.console.kit.assets import assets
from orders_api.console.navigation import GROUPS
from tests.api.conftest import CANARY, Book, make_order, set_up
from warehouse.ledger.exchange.numbering import Numbered
from warehouse.ledger.people import sessions, users
from warehouse.ledger.watch import incidents
from warehouse.ledger.watch.incidents import IncidentReport
from warehouse.privacy import open_key_ring

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(package.__file__).parent
LARGEST_STATIC = 60_000


def routes() -> list[Route]:
    return [route for noun in NOUNS for route in noun.pages.routes]


def described() -> set[str]:
    text = (ROOT / "docs/console.md").read_text(encoding="utf-8")
    return {each.partition("?")[0] for each in re.findall(r"^#+ .*`/console(/[^`]*)`", text, re.MULTILINE)}


def test_every_page_is_described_and_no_other() -> None:
    shown = {
        each.path for each in routes() if "GET" in each.methods and not each.path.endswith((".json", ".ndjson", ".csv"))
    }
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
    for path in [*posts, "/account/password", "/account/sessions", "/log-out", "/theme", "/keys", "/log-in"]:
        answer = anna.post(re.sub(r"{\w+}", "x", path), data={"a": "b"}, headers={"Sec-Fetch-Site": "cross-site"})
        assert (path, answer.status_code) == (path, 403)


def test_pages_read_the_same_on_both_databases(any_settings, any_ledger, clock) -> None:
    set_up(any_ledger, clock())
    (own_id,) = Book(any_ledger, open_key_ring(any_settings)).put(make_order(1))
    problem = IncidentReport(
        scope="channel", subject="amazon_fr", stage="confirm", code="refused", message="No.", order_id=own_id
    )
    with any_ledger.write() as transaction:
        number = incidents.report(transaction, problem, clock())
        user = users.add(transaction, "anna", users.Role.ADMIN, None, clock(), may_see_personal_data=True)
        secret = sessions.open_session(transaction, user, "::1", clock())
    app = create_app(any_settings, clock)
    incident = app.state.installation.numbering.id(Numbered.INCIDENT, number)
    paths = ["orders", "orders?received=today&has_errors=true&sort=-has_errors", "orders?search=LAMP-12&status=SHIPPED"]
    paths += [f"orders/{own_id}{part}" for part in ("", "/explain", "/payload")]
    paths += ["incidents", f"incidents/{incident}", "logs", "account"]
    answers = {path: ask(app, secret, "GET", path) for path in paths}
    assert {path: each.status_code for path, each in answers.items()} == dict.fromkeys(paths, 200)
    token = answers["account"].text.partition('name="form_token" value="')[2].partition('"')[0]
    sent = ask(app, secret, "POST", f"incidents/{incident}/resolve", {"form_token": token, "reason": "over"})
    assert sent.status_code == 303
    assert "The incident is closed." in ask(app, secret, "GET", f"incidents/{incident}").text
    ask(app, secret, "POST", f"orders/{own_id}/reveal", {"form_token": token})
    assert CANARY in ask(app, secret, "GET", f"orders/{own_id}").text
    app.state.installation.ledger.close()


def ask(app, secret: str, method: str, path: str, form: dict[str, str] | None = None) -> httpx.Response:
    """A request to an application without a server."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        cookies, headers = {"orders_session": secret}, {"Sec-Fetch-Site": "same-origin"}
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", cookies=cookies) as client:
            return await client.request(method, f"/console/{path}", headers=headers, data=form)

    return asyncio.run(send())


@pytest.mark.parametrize(
    ("path", "method"), [("/orders", "GET"), ("/orders/x", "GET"), ("/incidents", "GET"), ("/account", "GET")]
)
def test_a_ledger_that_is_away_is_said_so(console, anna, monkeypatch, path, method) -> None:
    def fail(*_) -> None:
        raise OperationalError("SELECT", {}, Exception("gone"))

    monkeypatch.setattr("orders_api.console.kit.visits.find_visit", fail)
    answer = anna.request(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert "ledger_unavailable" in answer.text
    assert answer.headers["x-request-id"] in answer.text
    assert f'href="/console{path}">Try again' in answer.text


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_after_an_upgrade_pages_say_that_they_are_old(settings, clock, open_new_ledger, method) -> None:
    """Only the running process is of the release before: what it knows of the ledger need not hold any more."""
    ledger = open_new_ledger(settings)
    with ledger.write() as transaction:
        user = users.add(transaction, "anna", users.Role.ADMIN, None, clock())
        secret = sessions.open_session(transaction, user, "::1", clock())
    ledger.close()
    app = create_app(settings, clock)
    with app.state.installation.ledger.write() as transaction:
        transaction.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    answer = ask(
        app,
        secret,
        method,
        "orders" if method == "GET" else "account/sessions",
        {"form_token": ""} if method == "POST" else None,
    )
    assert (answer.status_code, "upgraded" in answer.text, "reload the page" in answer.text) == (503, True, True)
    app.state.installation.ledger.close()


def test_a_defect_shows_no_internals(console, anna, monkeypatch) -> None:
    def fail(*_) -> None:
        raise RuntimeError("a buyer's name")

    monkeypatch.setattr("orders_api.console.orders.order_row", fail)
    answer = anna.get("/orders")
    assert (answer.status_code, "internal_error" in answer.text, "buyer" in answer.text) == (500, True, False)


def test_the_console_and_the_api_can_run_apart(settings, clock, open_new_ledger) -> None:
    open_new_ledger(settings).close()
    for changes, codes in (({"console": False}, (404, 401)), ({"api": False}, (303, 404))):
        app = create_app(settings.model_copy(update=changes), clock)
        answers = [ask(app, "x", "GET", each).status_code for each in ("orders", "../v1/orders")]
        assert tuple(answers) == codes
        app.state.installation.ledger.close()
