"""What the README and the pages of docs/ tell to type works, and what they point at is there."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import duckdb
import orjson
import pytest
import typer
import yaml

import warehouse
from orders_api.schemas.acceptances import AcceptanceRequest
from orders_api.schemas.acknowledgements import AcknowledgementRequest
from orders_api.schemas.bulk import BulkRequest
from orders_api.schemas.configuration import ConfigurationChange
from orders_api.schemas.shipment_reports import ShipmentRequest
from orders_api.v1.exports import OrderExportQuery
from orders_api.v1.order_filters import ChangesQuery, OrderListQuery
from orders_pipeline.cli import app
from orders_pipeline.marketplaces.registry import MARKETPLACES
from tests.documentation import generate
from warehouse.clock import utc_now
from warehouse.given_orders import GivenOrder
from warehouse.lake import attachment
from warehouse.lake.lake import open_lake
from warehouse.lake.mirror import MirrorFormat, write_mirror
from warehouse.lake.publishing import publish
from warehouse.ledger.base.database import open_ledger
from warehouse.ledger.settings import configuration
from warehouse.ledger.settings.document import read_document
from warehouse.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
REPEATED = {"status", "channel"}
QUERIES = {
    "/v1/orders": OrderListQuery,
    "/v1/orders/changes": ChangesQuery,
    "/v1/orders/export": OrderExportQuery,
}
BODIES = {
    "/v1/configuration": ConfigurationChange,
    "/v1/orders/acknowledgements": AcknowledgementRequest,
    "/v1/orders": GivenOrder,
    "/v1/orders/$ID/acceptance": AcceptanceRequest,
    "/v1/orders/bulk": BulkRequest,
    "/v1/shipments": ShipmentRequest,
}


def blocks(language: str, *pages: Path) -> list[str]:
    """The fenced blocks of a language."""
    pattern = rf"```{language}\n(.*?)```"
    return [block for page in pages or PAGES for block in re.findall(pattern, page.read_text("utf-8"), re.DOTALL)]


def orders_commands() -> list[list[str]]:
    joined = "\n".join(blocks("sh")).replace("\\\n", " ")
    lines = re.findall(r"^orders (.+)$", joined, re.MULTILINE)
    return [shlex.split(re.split(r"\s[<>|] ", line)[0], comments=True) for line in lines]


def curls() -> list[list[str]]:
    joined = "\n".join(blocks("sh")).replace("\\\n", " ")
    joined = re.sub(r"-d '[^']*'", lambda body: body[0].replace("\n", " "), joined)
    return [shlex.split(line) for line in re.findall(r"^curl .+$", joined, re.MULTILINE)]


def address(call: list[str]) -> str:
    return next(each for each in call if each.startswith(("$API", "http"))).replace("$API", "http://api.test")


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Settings:
    """An empty installation in the folder data, published once."""
    home = tmp_path_factory.mktemp("reader") / "data"
    settings = Settings(_env_file=None, home=home)
    ledger = open_ledger(settings)
    with open_lake(settings) as lake:
        publish(ledger, lake, utc_now())
    ledger.close()
    return settings


@pytest.mark.parametrize("arguments", orders_commands(), ids=" ".join)
def test_a_command_parses(arguments) -> None:
    command, parent, name = typer.main.get_command(app), None, "orders"
    while True:
        context = command.make_context(name, list(arguments), parent=parent)
        if not hasattr(command, "commands"):
            break
        arguments = [*context._protected_args, *context.args]
        name, command, arguments = command.resolve_command(context, arguments)
        parent = context


def test_there_are_commands_and_calls() -> None:
    assert len(orders_commands()) > 20
    assert len(curls()) == 11
    assert {urlsplit(address(each)).path for each in curls() if "-X" in each} == set(BODIES)


@pytest.mark.parametrize("call", curls(), ids=lambda call: call[-1][:60])
def test_a_call_of_the_api_is_understood(call) -> None:
    url = urlsplit(address(call))
    if "-X" in call:
        BODIES[url.path].model_validate(orjson.loads(call[call.index("-d") + 1]))
        return
    values: dict[str, object] = {}
    for name, value in parse_qsl(url.query, strict_parsing=True):
        values[name] = [value] if name in REPEATED else value
    QUERIES[url.path].model_validate(values)


def test_sql_runs_in_any_duckdb(published, monkeypatch) -> None:
    monkeypatch.chdir(published.home.parent)
    scripts = [block for block in blocks("sql") if "needs PostgreSQL" not in block]
    assert len(scripts) == 1
    with duckdb.connect() as duck:
        for extension in ("ducklake", "sqlite_scanner"):
            duck.execute(f"LOAD '{attachment._in_wheel(extension)}'")  # in place of INSTALL, which asks the network
        for statement in duckdb.extract_statements(re.sub(r"^INSTALL \w+;$", "", scripts[0], flags=re.MULTILINE)):
            duck.execute(statement)


def test_sql_attaches_a_catalog_in_postgresql(postgresql_url, tmp_path, monkeypatch) -> None:
    settings = Settings(_env_file=None, home=tmp_path, database_url=postgresql_url)
    ledger = open_ledger(settings)
    with open_lake(settings) as lake:
        publish(ledger, lake, utc_now())
    ledger.close()
    url = urlsplit(postgresql_url)
    for name, value in (
        ("PGHOST", url.hostname),
        ("PGPORT", str(url.port)),
        ("PGUSER", url.username),
        ("PGDATABASE", url.path.strip("/")),
    ):
        monkeypatch.setenv(name, value)
    (script,) = [block for block in blocks("sql") if "needs PostgreSQL" in block]
    with duckdb.connect() as duck:
        for extension in ("ducklake", "postgres_scanner"):
            duck.execute(f"LOAD '{attachment._in_wheel(extension)}'")
        duck.execute(re.sub(r"^INSTALL \w+;$", "", script, flags=re.MULTILINE))
        assert duck.execute("SELECT count(*) FROM orders").fetchone() == (0,)


def test_queries_of_the_command_line_run(published) -> None:
    queries = [each for each in orders_commands() if each[0] == "sql" and len(each) > 1]
    texts = [next(word for word in each[1:] if " " in word) for each in queries]
    assert len(texts) > 3
    with warehouse.connect(published) as lake:
        for text in texts:
            lake.sql(text).fetchall()


# DuckDB 1.5 makes pandas frames by a call that pandas 3.1 deprecates
@pytest.mark.filterwarnings("ignore::pandas.errors.Pandas4Warning")
def test_python_runs(published, monkeypatch) -> None:
    script, _ = blocks("python")
    monkeypatch.setenv("ORDERS_HOME", str(published.home))
    names: dict[str, object] = {}
    exec(compile(ast.parse(script), "README.md", "exec"), names)  # noqa: S102 - the README's own lines
    assert list(names["frame"].columns) == ["day", "channel", "revenue"]
    assert names["table"].num_rows == 0
    names["lake"].close()


def test_a_mirror_is_read_as_described(published, tmp_path) -> None:
    _, script = blocks("python")
    with warehouse.connect(published) as lake:
        write_mirror(lake, str(tmp_path), MirrorFormat.PARQUET, utc_now())
    names: dict[str, object] = {}
    exec(script.replace("FOLDER", str(tmp_path)), names)  # noqa: S102 - the page's own lines
    assert names["orders"].column_names == ["original_id", "status", "total"]


@pytest.mark.parametrize("text", blocks("yaml"))
def test_a_configuration_is_valid(text, ledger) -> None:
    document = read_document(text)
    assert yaml.safe_load(text)["connections"].keys() == document.connections.keys()
    with ledger.read() as transaction:
        configuration.differences(transaction, document)
    for connection in document.connections.values():
        kind = MARKETPLACES[connection.kind]
        fetched = {
            each.name for each in kind.credentials if kind.consenting is not None and each.lifetime_days is not None
        }
        due = {each.name for each in kind.credentials if each.is_required} - fetched
        assert due <= set(connection.credentials) <= {each.name for each in kind.credentials}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page) -> None:
    text = page.read_text("utf-8")
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        aim = (page.parent / path).resolve() if path else page
        if not aim.is_file() or (anchor and anchor not in anchors(aim)):
            broken.append(target)
    assert broken == []


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def test_the_tests_that_prove_a_guarantee_are_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", (ROOT / "README.md").read_text("utf-8"))
    assert len(named) > 10
    missing = [
        f"{path}::{test}"
        for path, test in named
        if not (ROOT / path).is_file() or (test and f"def {test}(" not in (ROOT / path).read_text("utf-8"))
    ]
    assert missing == []


def test_paths_that_the_readme_names_are_there() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    named = re.findall(r"\| `([a-z_]+/[a-z_/]*)` \|", text)
    assert len(named) > 8
    assert [each for each in named if not (ROOT / each).is_dir()] == []


def test_pictures_are_small() -> None:
    pictures = sorted((generate.DOCS / "images").iterdir())
    consoles = {f"console-{page}.png" for page in ("overview", "orders", "order", "incidents", "channel")}
    assert {each.name for each in pictures} == {"flow.svg", "lineage.png", *consoles}
    assert [each.name for each in pictures if each.stat().st_size > 200_000] == []
