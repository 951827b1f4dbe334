"""The console in a language that nobody speaks: no text of its own is bare on any page; and where one reads from the right."""

from __future__ import annotations

import ast
import re
from html.parser import HTMLParser

import orjson
import pytest
import sqlalchemy as sa

from orders_api.console.kit import rendering
from tests.console.conftest import CHANNELS, running_console
from tests.console.pseudo_language import LEFT_TO_RIGHT, RIGHT_TO_LEFT, SAID, pseudo
from tests.console.test_in_the_browser import PAGES
from tests.console.test_pages import FOLDER, routes
from warehouse.bulk_actions import BulkAction
from warehouse.ledger.base import schema

AS_THEY_ARE = frozenset({"code", "kbd", "pre", "time", "script", "style"})
SHOWN = frozenset({"title", "placeholder", "aria-label", "alt", "data-label"})
VOID = frozenset({"area", "br", "hr", "img", "input", "link", "meta"})
TYPED = {"Europe/Paris", "EUR", "FR", "FR, DE", "VAT", "SFTP", "colour", "never_seen", "nothing-at-all"} | {
    f"{each}_seller" for each in CHANNELS
}
"""What the settings, the fixtures and the addresses of the pages hold beside the ledger, and names that have no translation."""
WEEKDAY = r"(?:[a-zĵ]{2}) \d\d(?::00)?"
"""As the language's own calendar has it."""
WORD = re.compile(r"[^\W\d_]{2,}")


class Texts(HTMLParser):
    """What people read or hear of a page, but for what is marked as data: codes, times, and what says that it is English."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: set[str] = set()
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag, attrs) -> None:
        given = dict(attrs)
        is_data = tag in AS_THEY_ARE or given.get("translate") == "no" or (tag != "html" and given.get("lang") == "en")
        is_data = is_data or bool(self._open and self._open[-1][1])
        if not is_data:
            self.texts |= {value for name, value in attrs if name in SHOWN and value}
        if tag not in VOID:
            self._open.append((tag, is_data))

    handle_startendtag = handle_starttag

    def handle_endtag(self, tag) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data) -> None:
        if data.strip() and not (self._open and self._open[-1][1]):
            self.texts.add(" ".join(data.split()))


def words_of(value: object) -> set[str]:
    """Every text in a value of the ledger."""
    match value:
        case str() if value.startswith(("{", "[", '"')):
            return words_of(orjson.loads(f"{{{value}}}" if value.startswith('"') else value))
        case str():
            return {value}
        case dict():
            return {each for one in (*value, *value.values()) for each in words_of(one)}
        case list():
            return {each for one in value for each in words_of(one)}
        case _:
            return set()


@pytest.fixture(scope="module")
def console(new_sqlite_ledger, tmp_path_factory):
    """One of its own: what stands in its ledger is known."""
    with running_console(tmp_path_factory.mktemp("texts"), new_sqlite_ledger) as started:
        yield started


@pytest.fixture(scope="module")
def data(console) -> re.Pattern[str]:
    """What the ledger holds, but for words of ours such as `in_doubt`: these are given to gettext before they are shown."""
    with console.ledger.read() as transaction:
        kept = {
            text
            for table in schema.metadata.sorted_tables
            for row in transaction.execute(sa.select(table))
            for value in row
            for text in words_of(value)
        }
    known = {text for text in kept if not re.fullmatch("[a-z_]*|[A-Z_]*", text)} | {
        *CHANNELS,
        *console.people.secrets,
        *TYPED,
    }
    found = "|".join(re.escape(each) for each in sorted(known, key=len, reverse=True))
    return re.compile(rf"(?<!\w)(?:{found}|{WEEKDAY})(?!\w)")


def bare(html: str, data: re.Pattern[str]) -> list[str]:
    """What of a page was never given to gettext, and is no data either."""
    read = Texts()
    read.feed(html)
    return sorted(each for each in read.texts if WORD.search(data.sub("", SAID.sub(" ", each))))


def test_no_text_is_bare(anna, stranger, ids, data) -> None:
    speaking = {"Accept-Language": f"{LEFT_TO_RIGHT}, en;q=0.5"}
    shown = {path: anna.get(path.format(**ids), headers=speaking).text for path in PAGES}
    shown["/log-in"] = stranger.get("/log-in", headers=speaking).text
    token = re.search(r'name="form_token" value="([^"]+)"', shown["/orders"])[1]
    for action in BulkAction:
        sent = {"form_token": token, "do": action.value, "all": "yes", "list": ""}
        shown[action] = anna.post("/orders/bulk", data=sent, headers=speaking).text
    assert {path: found for path, html in shown.items() if (found := bare(html, data))} == {}
    assert all(f'<html lang="{LEFT_TO_RIGHT}" dir="ltr"' in html for path, html in shown.items() if html)


def test_a_bare_text_is_found(anna, data) -> None:
    page = anna.get("/users", headers={"Accept-Language": LEFT_TO_RIGHT}).text
    assert bare(page.replace(pseudo("Somebody new"), "Somebody new"), data) == ["Somebody new"]
    assert bare('<p title="Late">402-0000003 <code>in_doubt</code></p>', data) == ["Late"]


@pytest.mark.parametrize(
    ("header", "language"),
    [("", "en"), ("de", "en"), ("eo-AQ", "eo"), ("de, he;q=0.3, eo;q=0.2", "he"), ("en, eo", "en"), ("x;q=y, *", "en")],
)
def test_the_browser_chooses_the_language(stranger, header, language) -> None:
    answer = stranger.get("/log-in", headers={"Accept-Language": header})
    direction = "rtl" if language == RIGHT_TO_LEFT else "ltr"
    assert f'<html lang="{language}" dir="{direction}"' in answer.text
    assert "Accept-Language" in answer.headers["vary"]


def test_figures_and_days_are_written_as_the_language_does(anna) -> None:
    english, other = (anna.get("/orders", headers={"Accept-Language": each}).text for each in ("en", LEFT_TO_RIGHT))
    assert ("124.60\u00a0EUR" in english, "101 orders" in english) == (True, True)
    assert ("124,60\u00a0EUR" in other, f"101{pseudo(' orders')}" in other) == (True, True)
    turned = anna.get("/orders", headers={"Accept-Language": RIGHT_TO_LEFT}).text
    assert ("2026-11-02 09:30" in english, "2.11.2026, 9:30" in turned) == (True, True)


def test_programs_read_the_same_in_every_language(anna) -> None:
    listed = [each.path for each in routes() if each.path.endswith((".json", ".csv")) and "{" not in each.path]
    assert len(listed) > 10
    for path in listed:
        answers = {anna.get(path, headers={"Accept-Language": each}).content for each in ("en", LEFT_TO_RIGHT)}
        assert (path, len(answers)) == (path, 1)


def test_a_translation_brings_in_no_markup(monkeypatch) -> None:
    monkeypatch.setattr(rendering, "gettext", lambda _message: "<script>\"'")
    template = rendering._environment().from_string('{{ _("Search") }}{% trans %}Search{% endtrans %}')
    assert template.render() == "&lt;script&gt;&#34;&#39;" * 2


TAKERS = {"_", "Later", "counted"}
NO_TEXT = {
    "Answer",
    "Enter",
    "dense",
    "light dark",
    "Row",
    "Query",
    "Vary",
    '<span lang="en">{}</span>',
}
SENTENCE = re.compile(r"[a-z]{2,} [a-z]{2,}|^[A-Z][a-z]+$")


def test_modules_give_their_texts_to_gettext() -> None:
    """Whole texts: what is put together for a copy to be handed on stays English."""
    bare_ones = []
    for path in FOLDER.rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        given = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if isinstance(node, ast.JoinedStr):
                given |= {id(each) for each in node.values}
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in TAKERS:
                given |= {id(each) for each in node.args}
        texts = [node.value for node in nodes if isinstance(node, ast.Constant) and id(node) not in given]
        bare_ones += [f"{path.name}: {each}" for each in texts if isinstance(each, str) and SENTENCE.search(each)]
    assert {each for each in bare_ones if each.partition(": ")[2] not in NO_TEXT} == set()


def test_templates_give_their_texts_to_gettext() -> None:
    """Every template, also where no page of the tests gets to."""
    environment = rendering._environment()
    for name in environment.list_templates():
        source = environment.loader.get_source(environment, name)[0]
        html, before, is_text = "", [], False
        for _line, kind, value in environment.lex(source):
            if kind == "data" and not is_text:
                html += value
            elif (
                kind == "string"
                and before[-2:] not in (["_", "("], ["code", "("])
                and SENTENCE.search(value[1:-1])
                and value[1:-1] not in NO_TEXT
            ):
                pytest.fail(f"{name}: {value}")
            if kind == "name" and value in {"trans", "endtrans"}:
                is_text = value == "trans"
            if kind != "whitespace":
                before.append(value)
        read = Texts()
        read.feed(html)
        assert (name, {each for each in read.texts if WORD.search(each)} - NO_TEXT) == (name, set())
