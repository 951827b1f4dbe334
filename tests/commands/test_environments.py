"""The `orders` command as a real process in the surroundings of real machines: other users, locales, zones and passwords."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from orders_pipeline.sandbox import server
from orders_pipeline.sandbox.application import create_app
from orders_pipeline.sandbox.engine import GenerateRequest
from orders_pipeline.sandbox.mirakl import state as mirakl
from tests.lake.conftest import Shop
from warehouse.clock import utc_now
from warehouse.lake.lake import open_lake
from warehouse.lake.publishing import publish
from warehouse.ledger.status.keys import open_keys

pytestmark = pytest.mark.slow

STRANGER = 12345
"""A user and group without an entry in the password file."""

ORDERS = 12
END_OF_ANSWER = "\0"
MAIN = f"""
import json, sys
from orders_pipeline.cli import main
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["orders", *arguments]
    try:
        main()
    except SystemExit as ended:
        if ended.code:
            raise
    print({END_OF_ANSWER!r}, end="", flush=True)
"""


def run(
    environment: dict[str, str], *commands: tuple[str, ...], folder: Path, before: tuple[str, ...] = ()
) -> list[str]:
    """What commands print, one after another in one process; its environment is what is given and nothing else."""
    done = subprocess.run(
        [*before, sys.executable, "-P", "-c", MAIN, json.dumps(commands)],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd()), "NO_COLOR": "1"} | environment,
        cwd=folder,
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout.decode().split(END_OF_ANSWER)[:-1]


@pytest.fixture
def filled(settings, clock, open_new_ledger):
    """An installation with some orders, in the ledger and in the tables."""
    ledger = open_new_ledger(settings)
    shop = Shop(ledger, open_keys(settings, ledger, clock()))
    shop.settle(*(shop.order(number) for number in range(ORDERS)), now=clock())
    with open_lake(settings) as lake:
        publish(ledger, lake, clock())
    ledger.close()
    return {"ORDERS_HOME": str(settings.home), "ORDERS_KEYS": settings.keys.get_secret_value()}


def as_stranger() -> tuple[str, ...]:
    """As the user without an entry; reading what Python is made of stays allowed. Who is not root stays who he is."""
    if os.geteuid() != 0:
        return ()
    user = (f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups")
    return ("setpriv", *user, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")


def test_without_home_and_locale_as_a_user_that_nobody_knows(filled, settings, tmp_path):
    if os.geteuid() == 0:
        for path in (settings.home, *settings.home.rglob("*")):
            shutil.chown(path, STRANGER, STRANGER)
    bare = filled | {"LC_ALL": "POSIX", "PYTHONUTF8": "0"}
    listed, counted, *named = run(
        bare,
        ("list", "--json"),
        ("sql", "--format", "csv", "select count(*) as orders from orders"),
        *(("sql", "--format", form, "select 'Zoë – 你好' as name") for form in ("table", "csv", "json")),
        folder=tmp_path,
        before=as_stranger(),
    )
    assert len(listed.splitlines()) == ORDERS
    assert counted.split() == ["orders", str(ORDERS)]
    assert ["Zoë" in each for each in named] == [True] * 3


def test_the_zone_of_the_process_changes_no_row(filled, tmp_path):
    questions = (
        ("list", "--json"),
        ("list", "--json", "--received", "this_month"),
        ("sql", "--format", "csv", "select *, purchased_at::text as written from orders order by id"),
        ("sql", "--format", "csv", "select count(*) as orders from orders where purchased_at >= '2026-11-01'"),
        (
            "sql",
            "--format",
            "csv",
            "select purchased_at::date as day, count(*) as orders from orders group by all order by 1",
        ),
    )
    zones = ("UTC", "America/Los_Angeles", "Asia/Tokyo")
    first, *others = (run(filled | {"TZ": zone}, *questions, folder=tmp_path) for zone in zones)
    assert all(first)
    assert len(first) == len(questions)
    assert others == [first, first]


PASSWORD = "p@ss/w:or#d%'x \"y;&?=+$\\"


@pytest.fixture
def strict_database(postgresql_server):
    """Name of a database and of its owner, who needs the password."""
    name = f"strict_{os.getpid()}"
    with psycopg.connect(f"{postgresql_server}/postgres", autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(name), PASSWORD))
        admin.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(sql.Identifier(name)))
        rules = Path(admin.execute("SHOW hba_file").fetchone()[0])
        before = rules.read_text()
        rules.write_text(f"host all {name} all scram-sha-256\n{before}")
        admin.execute("SELECT pg_reload_conf()")
    yield name
    rules.write_text(before)
    with psycopg.connect(f"{postgresql_server}/postgres", autocommit=True) as admin:
        admin.execute("SELECT pg_reload_conf()")
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_a_password_may_hold_every_character(settings, postgresql_server, strict_database, tmp_path, scheme):
    place = f"{postgresql_server.partition('@')[2]}/{strict_database}"
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"postgresql://{strict_database}:wrong@{place}")
    shop = mirakl.MiraklSandbox(seed=1, rate_factor=math.inf, clock=utc_now)
    shop.generate(GenerateRequest(ORDERS, seed=1, days=0.5, account="2001", newest_seconds=900.0))
    environment = {
        "ORDERS_HOME": str(tmp_path / "home"),
        "ORDERS_KEYS": settings.keys.get_secret_value(),
        "ORDERS_DATABASE_URL": f"{scheme}://{strict_database}:{quote(PASSWORD, safe='')}@{place}",
        "TEST_SHOP_KEY": mirakl.API_KEY,
    }
    with server.running(create_app(shop)) as address:
        (tmp_path / "orders.yaml").write_text(
            "connections:\n"
            f"  shop: {{kind: mirakl, endpoint: '{address}', credentials: {{api_key: env:TEST_SHOP_KEY}}}}\n"
            "channels:\n"
            "  shop: {connection: shop, label: Shop}\n"
        )
        since = (utc_now() - timedelta(days=1)).isoformat()
        # `pull` reads, writes the book and publishes
        run(environment, ("apply", "-f", "orders.yaml"), ("pull", "--since", since), folder=tmp_path)
    question = ("sql", "--format", "csv", "select count(*) as orders from orders")
    counted, status = run(environment, question, ("status",), folder=tmp_path)
    assert int(counted.split()[1]) >= ORDERS
    for each in (quote(PASSWORD, safe=""), PASSWORD):
        assert each not in status
