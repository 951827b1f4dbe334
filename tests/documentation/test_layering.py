"""Who may import whom, and what every module and every file of the repository must and must not hold."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from fastapi import APIRouter
from fastapi.routing import APIRoute

from orders_api.kit.fast_lane import FastLane
from orders_api.kit.routes import AdmittingRoute

ROOT = Path(__file__).resolve().parents[2]
_NO_SHELL = {"dagster", "fastapi", "orders_api"}
FORBIDDEN = {
    "warehouse": {"dagster", "fastapi", "starlette", "orders_pipeline", "orders_api"},
    "orders_api": {"dagster", "orders_pipeline", "sp_api"},
    "orders_pipeline/marketplaces": _NO_SHELL | {"starlette"},
    "orders_pipeline/stages": _NO_SHELL,
    "orders_pipeline/alerts": _NO_SHELL,
    "orders_pipeline/file_jobs": _NO_SHELL,
    "orders_pipeline/storages": _NO_SHELL,
    "orders_pipeline/sandbox": {"dagster", "orders_api", "warehouse"},
}
LEDGER_ROOMS = ("base", "settings", "people", "watch", "exchange", "book", "shipping", "bulk", "status")
"""From the ground up: a room of the ledger imports those before it."""
CATCH_ALLS = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers", "tools"}
LOCKED = re.compile(r"^[\w.\-]+(\[[\w,\-]+\])?==\S+")

# Assembled from pieces, so that this file does not hold what it forbids.
HOST_WORDS = "|".join(("py" + "pi", "python" + "hosted", "arti" + "factory", "ne" + "xus", "dev" + "pi"))
SCHEME = "https?:" + "//"
INDEX_HOST = re.compile(
    rf"{SCHEME}[^\s/'\")]*(?:{HOST_WORDS})|{SCHEME}\S+/sim{'ple'}\b|--(?:extra-)?index-{'url'}[= ]+\S|--find-{'links'}[= ]+\S",
    re.IGNORECASE,
)
MACHINE_PATH = re.compile(
    "(?:" + "|".join(f"/{each}/" for each in ("work", "root", "home" + "/[a-z]+", "Us" + "ers")) + ")"
)


def modules(place: str) -> list[Path]:
    path = ROOT / place
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Top-level packages that a module imports anywhere, also inside functions and under TYPE_CHECKING."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {each.name.partition(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def text_files() -> list[Path]:
    """Every text file that is in the repository."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    paths = [ROOT / name for name in listed.decode().split("\0") if name]
    return [path for path in paths if path.is_file() and b"\0" not in path.read_bytes()[:8000]]


@pytest.mark.parametrize("place", FORBIDDEN)
def test_imports_keep_to_their_layer(place) -> None:
    assert modules(place)
    found = {str(path.relative_to(ROOT)): imported(path) & FORBIDDEN[place] for path in modules(place)}
    assert {path: names for path, names in found.items() if names} == {}


def imported_modules(path: Path) -> set[str]:
    """Every module or member that a module imports anywhere, with dots."""
    return {
        f"{node.module}.{each.name}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module
        for each in node.names
    }


def imports_of(place: str, forbidden: tuple[str, ...]) -> dict[str, list[str]]:
    found = {
        str(path.relative_to(ROOT)): sorted(each for each in imported_modules(path) if each.startswith(forbidden))
        for path in modules(place)
    }
    return {path: names for path, names in found.items() if names}


@pytest.mark.parametrize("room", LEDGER_ROOMS)
def test_the_rooms_of_the_ledger_stand_on_those_below(room) -> None:
    above = LEDGER_ROOMS[LEDGER_ROOMS.index(room) + 1 :]
    assert imports_of(f"warehouse/ledger/{room}", tuple(f"warehouse.ledger.{each}." for each in above)) == {}


def test_every_room_of_the_ledger_has_its_place() -> None:
    rooms = {path.parent.name for path in (ROOT / "warehouse/ledger").glob("*/__init__.py")}
    assert rooms - {"migrations"} == set(LEDGER_ROOMS)


def test_the_kit_of_the_api_knows_no_resource() -> None:
    assert imports_of("orders_api/kit", ("orders_api.v1",)) == {}


def test_every_endpoint_is_an_operation_of_one_kind_and_three_go_the_fast_lane() -> None:
    routes = [
        route
        for path in modules("orders_api")
        for each in vars(import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))).values()
        if isinstance(each, APIRouter)
        for route in each.routes
        if isinstance(route, APIRoute) and route.include_in_schema
    ]
    assert {type(each) for each in routes} == {AdmittingRoute, FastLane}
    fast = {each.path for each in routes if isinstance(each, FastLane)}
    assert fast == {"/v1/orders", "/v1/orders/changes", "/v1/orders/{id}"}


@pytest.mark.parametrize(
    ("load", "absent"),
    [
        ("from orders_api.app import create_app; create_app()", {"dagster", "orders_pipeline", "duckdb", "sp_api"}),
        (
            "from orders_api.app import create_app, Settings; create_app(Settings(console=False))",
            {"babel", "jinja2", "httpx", "pyarrow"},
        ),
        (
            "import warehouse.ledger.book.orders, warehouse.settings",
            {"dagster", "fastapi", "duckdb", "orders_pipeline"},
        ),
        ("import orders_pipeline.marketplaces.registry", {"dagster", "fastapi", "orders_api"}),
        ("import orders_pipeline.stages.pull, orders_pipeline.stages.normalise", {"dagster", "fastapi", "orders_api"}),
    ],
)
def test_what_a_process_has_loaded(load, absent, tmp_path) -> None:
    script = f"import sys; {load}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    environment = {**os.environ, "ORDERS_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment, cwd=tmp_path
    )
    loaded = set(done.stdout.split())
    assert "warehouse" in loaded
    assert loaded & absent == set()


def test_packages_at_the_top_are_three() -> None:
    found = {path.parent.name for path in ROOT.glob("*/__init__.py") if not path.parent.name.startswith(".")}
    assert found == {"warehouse", "orders_api", "orders_pipeline"}


@pytest.mark.parametrize("place", ["warehouse", "orders_api", "orders_pipeline", "tests"])
def test_every_module_says_what_it_is(place) -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in modules(place)
        if not ast.get_docstring(ast.parse(path.read_text("utf-8")))
    ]
    assert silent == []


@pytest.mark.parametrize("place", ["warehouse", "orders_api", "orders_pipeline", "tests"])
def test_no_module_is_a_catch_all(place) -> None:
    assert [str(path.relative_to(ROOT)) for path in modules(place) if path.stem in CATCH_ALLS] == []


LONGEST = 500
LONGER = ("orders_pipeline/sandbox/",)
"""Stand-ins: each plays the whole memory of a marketplace, and ships to nobody."""


@pytest.mark.parametrize("place", ["warehouse", "orders_api", "orders_pipeline"])
def test_a_module_has_one_job_and_so_few_lines(place) -> None:
    lines = {str(path.relative_to(ROOT)): path.read_text("utf-8").count("\n") for path in modules(place)}
    assert {path: n for path, n in lines.items() if n > LONGEST and not path.startswith(LONGER)} == {}


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt", "deploy/requirements.txt"])
def test_every_requirement_is_locked_by_hashes(name) -> None:
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    entries = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert len(entries) > 20
    assert [line[:60] for line in entries if not LOCKED.match(line) or "--hash=sha256:" not in line] == []
    assert "://" not in text


def test_no_file_names_a_package_index() -> None:
    assert findings(INDEX_HOST) == []


def test_no_file_names_a_path_of_a_development_machine() -> None:
    assert findings(MACHINE_PATH) == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (INDEX_HOST, SCHEME.replace("?", "") + "py" + "pi.org/project/x"),
        (INDEX_HOST, SCHEME.replace("?", "") + "packages.corp.example/sim" + "ple/"),
        (INDEX_HOST, "--index-" + "url=x"),
        (MACHINE_PATH, "/wo" + "rk/main/orders"),
        (MACHINE_PATH, "/ho" + "me/someone/project"),
    ],
)
def test_the_search_finds_what_it_is_for(pattern, text) -> None:
    assert pattern.search(text)


def findings(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in text_files():
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    return found


def test_the_architecture_names_every_room_and_no_other() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    table = text[text.index("## The rooms") : text.index("## The way of an order")]
    named = {
        each.removesuffix("/") for each in re.findall(r"`((?:warehouse|orders_api|orders_pipeline)[\w/]*/)`", table)
    }
    rooms = {
        str(path.parent.relative_to(ROOT))
        for package in ("warehouse", "orders_api", "orders_pipeline")
        for path in (*(ROOT / package).glob("*/__init__.py"), *(ROOT / package).glob("ledger/*/__init__.py"))
    }
    left_out = {"warehouse/ledger", "warehouse/ledger/migrations", "orders_pipeline/commands"}
    assert named - {"warehouse"} == rooms - left_out


def test_queries_live_in_the_ledger_and_in_the_lake() -> None:
    asking = [
        str(path.relative_to(ROOT))
        for place in ("orders_api", "orders_pipeline")
        for path in modules(place)
        if re.search(r"\bsa\.(select|insert|update|delete)\b", path.read_text(encoding="utf-8"))
    ]
    assert asking == []


NAMES_OF_OTHERS = re.compile(r"Amazon (FR|ES|DE|UK|France)|amazon_(fr|eu)|^ *(Example: )?orders .*", re.MULTILINE)
"""A merchant's own labels and codes, and commands, as examples."""


WORDS_OF_OURS = {"manual"}
"""Kinds whose word says something else too: who accepts orders."""


def test_no_module_but_the_registry_names_a_kind_of_marketplace() -> None:
    kinds = [path.parent.name for path in (ROOT / "orders_pipeline/marketplaces").glob("*/__init__.py")]
    assert len(kinds) > 1
    every, plain = "|".join(kinds), "|".join(sorted({*kinds} - WORDS_OF_OURS))
    named = re.compile(rf"\b({plain})\b|({every})_|marketplaces(\.| import )({every})\b", re.IGNORECASE)
    own = [f"orders_pipeline/{room}/{kind}/" for room in ("marketplaces", "sandbox") for kind in kinds]
    left_out = (*own, "orders_pipeline/marketplaces/registry.py", "warehouse/ledger/migrations/")
    found = {
        name: match.group()
        for place in ("warehouse", "orders_api", "orders_pipeline")
        for path in modules(place)
        if not (name := str(path.relative_to(ROOT))).startswith(left_out)
        and (match := named.search(NAMES_OF_OTHERS.sub("", path.read_text(encoding="utf-8"))))
    }
    assert found == {}


UNTYPED = re.compile(r"\bRowMapping\b|\b(?:Mapping|dict)\[str, Any\]")


def test_rows_leave_the_ledger_as_records() -> None:
    """JSON is `Json`; a row of a table is a record, which says what is in it. What makes a record of a row takes one."""
    found = []
    for path in modules("warehouse/ledger"):
        if "migrations" in path.parts:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        untyped = {
            target.id
            for each in tree.body
            if isinstance(each, ast.Assign) and UNTYPED.search(ast.unparse(each.value))
            for target in each.targets
            if isinstance(target, ast.Name)
        }
        classes = {each.name for each in tree.body if isinstance(each, ast.ClassDef)}
        public = [each for each in tree.body if isinstance(each, ast.FunctionDef) and not each.name.startswith("_")]
        for each in public:
            notes = [each.returns, *(given.annotation for given in (*each.args.args, *each.args.kwonlyargs))]
            words = " ".join(ast.unparse(note) for note in notes if note is not None)
            if isinstance(each.returns, ast.Name) and each.returns.id in classes:
                words = words.replace("RowMapping", "")
            if UNTYPED.search(words) or untyped & set(re.findall(r"\w+", words)):
                found.append(f"{path.relative_to(ROOT)}: {each.name}")
    assert found == []
