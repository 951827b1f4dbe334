"""A reader of the tables sees one snapshot or an error, never fewer rows, whatever maintenance does meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from warehouse.lake import maintenance
from warehouse.lake.attachment import METADATA
from warehouse.lake.publishing import publish

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
LATER = datetime.now(UTC) + timedelta(days=30)

OPEN_READER = """
import json, sys
from pathlib import Path
import duckdb
import warehouse
from warehouse.settings import Settings

settings = Settings(_env_file=None, home=Path(sys.argv[1]), database_url=sys.argv[2] or None)
ASKED = {
    "orders": "SELECT count(*), sum(total) FROM orders",
    "order_lines": "SELECT count(*), sum(quantity_ordered) FROM order_lines",
    "order_versions": "SELECT count(*), sum(position) FROM order_versions",
    "published": "SELECT count(*), count(DISTINCT name) FROM published",
}
duck = warehouse.connect(settings)
duck.execute("BEGIN TRANSACTION")
for _ in sys.stdin:
    try:
        print(json.dumps({name: [str(x) for x in duck.execute(sql).fetchone()] for name, sql in ASKED.items()}), flush=True)
    except duckdb.Error as error:
        print(json.dumps({"error": str(error)}), flush=True)
"""

CHECKING_READER = """
import sys
from pathlib import Path
import warehouse
from warehouse.settings import Settings

settings = Settings(_env_file=None, home=Path(sys.argv[1]), database_url=sys.argv[2] or None)
reads = wrong = 0
while reads < 60:
    with warehouse.connect(settings) as duck:
        for _ in range(10):
            orders, lines, marks = duck.execute(
                "SELECT (SELECT count(*) FROM orders), (SELECT count(DISTINCT order_id) FROM order_lines),"
                " (SELECT count(*) FROM published)"
            ).fetchone()
            reads += 1
            wrong += orders < 40 or orders != lines or marks < 5
print(reads, wrong, flush=True)
"""


@contextmanager
def reading(settings, program: str):
    command = [sys.executable, "-c", program, str(settings.home), settings.database_url or ""]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as reader:
        yield reader
        out, err = reader.communicate(timeout=90)
        assert (reader.returncode, err) == (0, ""), out


def ask(reader) -> dict:
    reader.stdin.write("\n")
    reader.stdin.flush()
    return json.loads(reader.stdout.readline())


def churn(shop, lake, number: int) -> None:
    later = shop.order(0).marketplace_updated_at + timedelta(hours=number + 1)
    shop.settle(*(shop.order(n) for n in range(10 * number, 10 * number + 10)))
    shop.settle(*(shop.order(n, total=Decimal(number), marketplace_updated_at=later) for n in range(3)))
    publish(shop.ledger, lake, NOW)


@pytest.mark.slow
def test_an_open_transaction_keeps_its_numbers_through_every_step(any_shop, any_settings, any_lake, monkeypatch):
    for number in range(8):
        churn(any_shop, any_lake, number)
    with reading(any_settings, OPEN_READER) as reader:
        before = ask(reader)
        assert before["orders"][0] == "80"
        seen = []
        real = type(any_lake).statement

        def watched(lake, sql):
            outcome = real(lake, sql)
            if sql.startswith("CALL "):
                seen.append((sql.partition("(")[0], ask(reader)))
            return outcome

        monkeypatch.setattr(type(any_lake), "statement", watched)
        done = maintenance.maintain(any_lake, LATER, keep_days=0, grace=timedelta(days=60))
        assert done.files_merged > 0
        churn(any_shop, any_lake, 8)
        seen.append(("publish", ask(reader)))
    assert len(seen) > 3
    assert [(step, told) for step, told in seen if told != before and "error" not in told] == []


@pytest.mark.slow
def test_self_checking_reads_while_publishing_and_maintenance_go_on(any_shop, any_settings, any_lake):
    for number in range(4):
        churn(any_shop, any_lake, number)
    rounds = 4
    with reading(any_settings, CHECKING_READER) as reader:
        while reader.poll() is None:
            churn(any_shop, any_lake, rounds)
            maintenance.maintain(any_lake, datetime.now(UTC), keep_days=0)
            rounds += 1
        reads, wrong = map(int, reader.stdout.read().split())
    assert (reads, wrong) == (60, 0)
    assert rounds > 4


def stamps(lake, query: str) -> list:
    schema = "main" if lake.is_on_sqlite else "lake"
    return lake.statement(query.format(catalog=f"{METADATA}.{schema}"))


@pytest.mark.slow
def test_what_is_younger_than_the_threshold_on_the_same_day_survives(any_shop, any_lake):
    for number in range(5):
        churn(any_shop, any_lake, number)
    maintenance.maintain(any_lake, LATER, keep_days=0, grace=timedelta(days=60))  # leaves files that nothing needs
    waiting = "SELECT count(*) FROM {catalog}.ducklake_files_scheduled_for_deletion"
    snapshots = any_lake.statement("SELECT count(*) FROM lake.snapshots()")
    ((oldest,),) = any_lake.statement("SELECT min(snapshot_time) FROM lake.snapshots()")
    # the threshold is a second before the snapshots were made, on their own day
    threshold = oldest - timedelta(seconds=1) + timedelta(days=1)
    done = maintenance.maintain(any_lake, threshold, keep_days=1)
    assert done.snapshots_expired == 0
    assert any_lake.statement("SELECT count(*) FROM lake.snapshots()") >= snapshots
    maintenance._expire(any_lake, LATER)
    before = stamps(any_lake, waiting)
    assert before[0][0] > 0
    done = maintenance.maintain(any_lake, threshold, keep_days=1)
    assert done.files_deleted == 0
    assert stamps(any_lake, waiting) >= before


@pytest.mark.slow
@pytest.mark.parametrize("days", [1, 7])
def test_at_least_a_day_is_kept(shop, lake, days):
    churn(shop, lake, 0)
    churn(shop, lake, 1)
    assert maintenance.maintain(lake, datetime.now(UTC) + timedelta(hours=23), keep_days=0).snapshots_expired == 0
    assert maintenance.maintain(
        lake, datetime.now(UTC) + timedelta(days=days, hours=1), keep_days=days
    ).snapshots_expired
