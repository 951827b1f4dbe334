"""What the pages name is real: each code, event, setting, metric, member and column that a table of theirs explains.

That everything real is explained is in `test_coverage`. The generated parts of the pages are compared in `test_generated`.
"""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest
import typer

from orders_pipeline.cli import app
from tests.documentation import generate
from tests.documentation.test_coverage import ROOT
from warehouse.logs import Event
from warehouse.settings import Settings

PRODUCT = ("warehouse", "orders_api", "orders_pipeline")
PAGES = [ROOT / "README.md", *sorted(generate.DOCS.glob("*.md"))]
WORD = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def hand_written_rows(text: str) -> list[tuple[str, ...]]:
    """The rows of tables that no code has written, below their headings."""
    rows = re.findall(r"^\|(.*)\|$", generate.PART.sub("", text), re.MULTILINE)
    return [tuple(cell.strip() for cell in row.split(" | ")) for row in rows if not set(row) <= set("|-: ")]


def named(text: str) -> set[str]:
    """The words in code quotes in the first columns, those of `` `a.b` `` apart."""
    quoted = {each for row in hand_written_rows(text) for each in re.findall(r"`([^`]+)`", row[0])}
    return {word for each in quoted if " " not in each and "/" not in each for word in WORD.findall(each)}


@cache
def real() -> set[str]:
    """Every name and every word of a text in the product, its docstrings left out."""
    found: set[str] = set()
    for place in PRODUCT:
        for path in (ROOT / place).rglob("*.py"):
            if "migrations" in path.parts:
                continue
            tree = ast.parse(path.read_text(encoding="utf-8"))
            silent = {
                id(node.value)
                for node in ast.walk(tree)
                if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            }
            for node in ast.walk(tree):
                match node:
                    case ast.Constant(value=str(text)) if id(node) not in silent:
                        found.update(WORD.findall(text))
                    case ast.AnnAssign(target=ast.Name(id=name)) | ast.arg(arg=name) | ast.keyword(arg=str(name)):
                        found.add(name)
                    case ast.FunctionDef(name=name):
                        found.add(name)
        for path in (ROOT / place).rglob("*.sql"):
            found.update(WORD.findall(path.read_text(encoding="utf-8")))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_table_names_is_in_the_product(page) -> None:
    unknown = named(page.read_text(encoding="utf-8")) - real()
    # A counter is served with _total behind its name, and a check's failure is called by the check.
    assert {
        each for each in unknown if not {each.removesuffix("_total"), each.removesuffix("_check_failed")} & real()
    } == set()


def test_tables_are_found() -> None:
    found = set().union(*(named(page.read_text(encoding="utf-8")) for page in PAGES))
    assert {"requirements_not_asked", "unknown_cursor", "throttled", "tracking_number_missing"} <= found
    assert "never_heard_of" not in real()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_setting_that_a_page_names_is_one(page) -> None:
    told = set(re.findall(r"\bORDERS_[A-Z][A-Z_]*[A-Z]\b(?!_?\*)", page.read_text(encoding="utf-8")))
    known = {f"ORDERS_{name.upper()}" for name in Settings.model_fields}
    assert told - known == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_endpoint_that_a_page_names_is_one(page) -> None:
    served = {(method.upper(), re.sub(r"{\w+}", "{}", path)) for method, path, _ in generate.operations()}
    called = re.findall(r"`(GET|POST|PUT|PATCH|DELETE) (/[^`?\s]*)", page.read_text(encoding="utf-8"))
    ours = {(method, re.sub(r"{\w+}", "{}", path)) for method, path in called if path.startswith(("/v1", "/healthz"))}
    assert ours - served == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_names_is_one(page) -> None:
    paths = {path[1:] for path, _ in generate.walk(typer.main.get_command(app), ("orders",))}
    groups = {path[:1] for path in paths if len(path) > 1}
    called = [
        tuple(each.split()) for each in re.findall(r"`orders ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)?)", page.read_text())
    ]
    assert [each for each in called if each[:1] not in paths and each[:2] not in paths and each not in groups] == []


def emitted() -> set[str]:
    """Members of `Event` that a line of the product is written with."""
    found: set[str] = set()
    for place in PRODUCT:
        for path in (ROOT / place).rglob("*.py"):
            found.update(re.findall(r"\bEvent\.([A-Z_]+)", path.read_text(encoding="utf-8")))
    return found


def test_every_event_is_written_by_somebody() -> None:
    assert {event.name for event in Event} - emitted() == set()


def test_every_line_of_ours_is_an_event() -> None:
    told: dict[str, list[int]] = {}
    for place in PRODUCT:
        for path in (ROOT / place).rglob("*.py"):
            if "sandbox" not in path.parts:
                lines = [call.lineno for call in log_calls(path.read_text(encoding="utf-8")) if not is_event(call)]
                told |= {str(path.relative_to(ROOT)): lines} if lines else {}
    assert told == {}


LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}


def log_calls(source: str) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in LEVELS
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id.lower() in {"log", "logger", "_log", "_logger", "logging"}
    ]


def is_event(call: ast.Call) -> bool:
    """Whether the message is a member of `Event`: the first argument, or the one after the level."""
    said = call.args[1] if isinstance(call.func, ast.Attribute) and call.func.attr == "log" else call.args[0]
    return ast.unparse(said).startswith("Event.")


def test_a_line_of_another_kind_would_be_seen() -> None:
    calls = log_calls("logger.warning('a thing')\nLOG.info(Event.PULL_FINISHED)\nLOG.log(level, Event.PULL_FINISHED)")
    assert [is_event(call) for call in calls] == [False, True, True]
