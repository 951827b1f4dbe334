"""Moving to PostgreSQL and S3 and back: everything is equal, nobody writes meanwhile, and what was killed is begun again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import pytest
import sqlalchemy as sa

from orders_api.app import create_app
from orders_pipeline.lake_access import publishing
from orders_pipeline.upkeep.doctor import examine
from orders_pipeline.upkeep.findings import DoctorVerdict
from tests.api.conftest import Api, issue
from tests.conftest import DATABASES, TEST_KEYS
from tests.pipeline.test_retiring import retire_old_orders
from warehouse import connect, moves
from warehouse.lake.attachment import LakeMovedError
from warehouse.lake.definitions import TABLES
from warehouse.lake.lake import open_lake
from warehouse.lake.publishing import publish
from warehouse.ledger.base import schema
from warehouse.ledger.base.database import Ledger, LedgerMovedError, make_engine, open_ledger
from warehouse.ledger.base.transfer import Contents, contents
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.watch import incidents
from warehouse.settings import Settings

PAGES = (
    "/v1/orders?limit=20",
    "/v1/orders/changes?after=0&limit=30",
    "/v1/orders/changes?after=30&limit=50",
    "/v1/coverage",
)


def nobody(_table: str, _rows: int) -> None:
    """Watches no progress."""


def everything(settings: Settings) -> dict[str, Contents]:
    with closing(Ledger(make_engine(settings.ledger_url))) as ledger, ledger.read() as transaction:
        return {table.name: contents(transaction, table) for table in schema.metadata.sorted_tables}


def published(settings: Settings) -> dict[str, list[tuple[object, ...]]]:
    with connect(settings) as lake:
        return {name: lake.sql(f"FROM {name} ORDER BY ALL").fetchall() for name in TABLES}


def differing(one: dict, other: dict) -> set[str]:
    return {name for name in one if one[name] != other[name]}


@pytest.fixture
def home(filled, clock) -> Settings:
    """A home with orders of two marketplaces, of which the lake has more than the ledger still has."""
    with filled.ledger.write() as transaction:
        transaction.execute(sa.delete(schema.order_versions).where(schema.order_versions.c.position <= 7))
        incidents.report(transaction, _problem("first"), clock())
    return filled.settings


@pytest.fixture
def on_postgresql(home, bucket, postgresql_url) -> Settings:
    return moves.new_home(home, postgresql_url, f"s3://{bucket}/lake")


@pytest.fixture
def serve(clock) -> Iterator[Callable[[Settings], object]]:
    """Makes the API of a home."""
    made = []

    def make(settings: Settings) -> object:
        made.append(create_app(settings, clock))
        return made[-1]

    yield make
    for each in made:
        each.state.installation.ledger.close()


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path) -> None:
    """In a folder without dagster.yaml."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.chdir(tmp_path)


def _problem(subject: str) -> incidents.IncidentReport:
    return incidents.IncidentReport(
        scope="system", subject=subject, stage="test", code="timeout", message="No answer.", hint=""
    )


def test_there_and_back_everything_is_equal(home, filled, on_postgresql, serve, clock, tmp_path):
    with closing(open_ledger(home)) as ledger:
        token = issue(ledger, clock(), "erp", Scope.ORDERS_READ_PII, Scope.SHIPMENTS_WRITE)
    before = Api(serve(home), token)
    pages = {path: before.get(path).content for path in PAGES}
    assert [before.get(path).status_code for path in PAGES] == [200] * len(PAGES)
    left, tables = everything(home), published(home)
    assert left["order_versions"].rows < len(tables["order_versions"])

    plan = moves.move(home, on_postgresql, clock(), nobody)

    assert plan.rows["orders"] == left["orders"].rows > 100
    assert plan.settings["ORDERS_DATABASE_URL"] == on_postgresql.database_url
    arrived = everything(on_postgresql)
    assert differing(left, arrived) == set()
    assert published(on_postgresql) == tables
    after = Api(serve(on_postgresql), token)
    assert {path: after.get(path).content for path in PAGES} == pages
    found = examine(on_postgresql, clock)
    assert [each for each in found if each.verdict is DoctorVerdict.FAIL] == []

    line = next(each for each in before.walk("/v1/orders?limit=200") if each["status"] == "WAITING_FOR_SHIPMENT")
    shipment = {"order_id": line["id"], "tracking_number": "T1", "carrier_code": "dhl"}
    refused = before.post("/v1/shipments", {"shipments": [shipment]}, headers={"Idempotency-Key": "one"})
    assert (refused.status_code, refused.json()["code"]) == (503, "ledger_moved")
    assert refused.headers["Retry-After"] == "60"
    assert {path: before.get(path).content for path in PAGES} == pages
    with pytest.raises(LedgerMovedError, match=r"was moved to postgresql://"):
        open_ledger(home)

    with closing(open_ledger(on_postgresql)) as ledger:
        with ledger.write() as transaction:
            incidents.report(transaction, _problem("second"), clock())  # counters of ids go on
        number = sa.select(sa.func.max(schema.incidents.c.id), sa.func.count()).select_from(schema.incidents)
        with ledger.read() as transaction:
            assert transaction.execute(number).one()[0] == left["incidents"].rows + 1
        moved = replace(filled, settings=on_postgresql, ledger=ledger)
        with publishing(moved) as lake:
            assert set(publish(ledger, lake, clock()).counts) == {"incidents", "channels"}
    elsewhere = on_postgresql.model_copy(update={"home": tmp_path / "other"})
    back = moves.new_home(elsewhere, "sqlite", str(tmp_path / "other" / "lake" / "data"))
    left = everything(on_postgresql)
    moves.move(elsewhere, back, clock(), nobody)
    assert differing(left, everything(back)) == set()
    assert differing(tables, published(back)) <= {"incidents", "published"}
    with pytest.raises(LedgerMovedError, match=r"other/ledger\.sqlite"):
        open_ledger(on_postgresql)


KILLED_AT = """
import os, signal, sys
from pathlib import Path
from datetime import datetime, UTC
from warehouse import moves
from warehouse.settings import Settings

home, keys, url, lake, table, times = sys.argv[1:]
old = Settings(_env_file=None, home=Path(home), keys=keys)
left = int(times)

def progress(name, rows):
    global left
    if name == table:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

moves.move(old, moves.new_home(old, url, lake), datetime.now(UTC), progress)
"""


def test_a_killed_move_is_begun_again(home, on_postgresql, clock):
    left, tables = everything(home), published(home)
    for table, times in (
        ("connections", 1),
        ("orders", 1),
        ("order_lines", 2),
        ("published", 1),
    ):  # the latter in the lake
        given = (str(home.home), TEST_KEYS, on_postgresql.database_url, on_postgresql.lake_data, table, str(times))
        killed = subprocess.run([sys.executable, "-c", KILLED_AT, *given], capture_output=True, check=False)
        assert killed.returncode == -9, killed.stderr
        with pytest.raises(LedgerMovedError, match="until `orders move` has ended"):
            open_ledger(home)
        with pytest.raises(LedgerMovedError, match="run `orders move` there again"):
            open_ledger(on_postgresql)
    moves.move(home, on_postgresql, clock(), nobody)
    arrived = everything(on_postgresql)
    assert differing(left, arrived) <= {"leases"}
    assert published(on_postgresql) == tables
    with pytest.raises(moves.MoveError, match=r"was moved to postgresql://.* already"):
        moves.move(home, on_postgresql, clock(), nobody)


def test_a_move_that_is_given_up_leaves_the_old_home_as_it_was(home, on_postgresql, clock):
    def broken(table: str, _rows: int) -> None:
        if table == "orders":
            raise KeyboardInterrupt

    left = everything(home)
    with pytest.raises(KeyboardInterrupt):
        moves.move(home, on_postgresql, clock(), broken)
    with pytest.raises(moves.MoveError, match=r"a move to postgresql://.* is under way"):
        moves.plan(home, moves.new_home(home, "postgresql://nobody@127.0.0.1:1/nowhere", None))
    moves.give_up(home)
    assert differing(left, everything(home)) == set()
    with closing(open_ledger(home)) as ledger, ledger.write() as transaction:
        incidents.report(transaction, _problem("later"), clock())
    with pytest.raises(moves.MoveError, match="no move of this ledger is under way"):
        moves.give_up(home)


def test_what_is_not_empty_is_not_moved_into(home, on_postgresql, clock, tmp_path):
    open_ledger(on_postgresql).close()
    for each in (moves.plan, lambda old, new: moves.move(old, new, clock(), nobody)):
        with pytest.raises(moves.MoveError, match="is not empty: name another database"):
            each(home, on_postgresql)
    open_ledger(home).close()  # nothing has changed
    for wrong in ("mysql://x/y", "sqlite"):
        with pytest.raises(moves.MoveError):
            moves.new_home(home, wrong, None)


@pytest.fixture
def orders(home, monkeypatch, capfd) -> Callable[..., tuple[int, str]]:
    """The command as a shell runs it in the old home: its exit code, and all that it says."""
    from orders_pipeline.cli import main  # noqa: PLC0415 - what it loads is loaded where it is used

    monkeypatch.setenv("ORDERS_HOME", str(home.home))
    monkeypatch.setenv("ORDERS_KEYS", TEST_KEYS)

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["orders", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return int(ended.value.code or 0), out + err

    return run


def test_the_command_tells_its_plan_and_then_what_to_set(orders, on_postgresql, monkeypatch):
    with_password = on_postgresql.database_url.replace("postgres@", "postgres:canary-password@")
    monkeypatch.setenv("NEW_DATABASE", with_password)
    lake = ("--to-lake", on_postgresql.lake_data)
    code, said = orders("move", "--to-database", "env:NEW_DATABASE", *lake, "--dry-run")
    assert code == 0
    assert "archive, key ring" in said
    code, planned = orders("move", "--to-database", "env:NEW_DATABASE", *lake, "--dry-run", "--json")
    assert json.loads(planned)["target"] == on_postgresql.database_url
    code, done = orders("move", "--to-database", "env:NEW_DATABASE", *lake)
    assert code == 0, done
    assert f"ORDERS_DATABASE_URL={on_postgresql.database_url}" in done
    assert f"ORDERS_LAKE_DATA={on_postgresql.lake_data}" in done
    assert "canary-password" not in said + done
    code, after = orders("list")
    assert code != 0
    assert "the ledger was moved to postgresql://" in after
    assert orders("move", "--to-database", "env:NOT_SET_ANYWHERE")[0] != 0
    assert orders("move")[0] != 0


@pytest.mark.parametrize("database", DATABASES)
def test_the_files_of_the_lake_move_alone(request, home, bucket, clock, database):
    if database == "postgresql":
        on_server = moves.new_home(home, request.getfixturevalue("postgresql_url"), None)
        moves.move(home, on_server, clock(), nobody)
        home = on_server
    tables, left = published(home), everything(home)
    new = moves.new_home(home, None, f"s3://{bucket}/lake")

    def broken(table: str, _rows: int) -> None:
        if table == "orders":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        moves.move(home, new, clock(), broken)
    with pytest.raises(LedgerMovedError):
        open_ledger(home)
    moves.give_up(home)
    assert published(home) == tables
    with pytest.raises(KeyboardInterrupt):
        moves.move(home, new, clock(), broken)
    assert moves.move(home, new, clock(), nobody).settings == {"ORDERS_LAKE_DATA": new.lake_data}
    assert published(new) == tables
    assert differing(left, everything(new)) == set()
    with pytest.raises(LakeMovedError, match="set it back"), connect(home):
        pass
    with closing(open_ledger(new)) as ledger, open_lake(new) as lake:
        assert set(publish(ledger, lake, clock()).counts) <= {"channels", "incidents"}
    with pytest.raises(moves.MoveError, match="name where they go"):
        moves.new_home(new, None, new.lake_data)


def test_retired_orders_are_answered_from_the_new_lake(filled, bucket, postgresql_url, serve, clock):
    clock.advance(days=400)
    assert retire_old_orders(filled) > 0
    token = issue(filled.ledger, clock(), "erp", Scope.ORDERS_READ)
    read = Api(serve(filled.settings), token).get("/v1/orders?limit=100")
    assert any(each.get("is_retired") for each in read.json()["orders"])
    new = moves.new_home(filled.settings, postgresql_url, f"s3://{bucket}/lake")
    moves.move(filled.settings, new, clock(), nobody)
    assert Api(serve(new), token).get("/v1/orders?limit=100").content == read.content
