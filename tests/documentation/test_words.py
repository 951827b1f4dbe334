"""One word per thing: which names the code must not have, and which no two things may share."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("warehouse", "orders_api", "orders_pipeline")
NO_NOUN = re.compile(r"(?:^|_)(?:told|placed|let_go)(?:_|$)", re.IGNORECASE)
"""Participles say neither what a function does nor what a value is."""
PUBLISHED = {"told_at", "told_carrier"}
"""Members of the API and columns of the order tables that readers know."""


def trees() -> dict[str, ast.Module]:
    """Every module of the product but the migrations, by its path."""
    return {
        str(path.relative_to(ROOT)): ast.parse(path.read_text(encoding="utf-8"))
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        if "migrations" not in path.parts
    }


def test_no_two_public_classes_have_one_name() -> None:
    places: dict[str, list[str]] = {}
    for path, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(path)
    assert len(places) > 100
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def name_of(node: ast.AST) -> str:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name) | ast.alias(name=name):
            return name
        case ast.keyword(arg=str(name)) | ast.alias(asname=str(name)):
            return name
        case _:
            return ""


def test_functions_are_named_by_verbs_and_values_by_nouns() -> None:
    found = {
        (path, name)
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if NO_NOUN.search(name := name_of(node)) and name not in PUBLISHED
    }
    assert found == set()


def test_the_search_finds_what_it_is_for() -> None:
    found = [name for name in ("_told", "let_go", "WAS_PLACED", "displaced") if NO_NOUN.search(name)]
    assert found == ["_told", "let_go", "WAS_PLACED"]
