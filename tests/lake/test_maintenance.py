"""Maintenance: the same rows in fewer files, nothing left on the disk, and nobody disturbed."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from warehouse.lake.maintenance import maintain
from warehouse.lake.publishing import publish

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
LATER = datetime.now(UTC) + timedelta(days=30)
"""DuckLake stamps snapshots and files with the machine's clock."""

READER = """
import sys
from pathlib import Path
import warehouse
from warehouse.settings import Settings

settings = Settings(_env_file=None, home=Path(sys.argv[1]), database_url=sys.argv[2] or None)
print("ready", flush=True)
scans = 0
while True:
    with warehouse.connect(settings) as duck:
        for _ in range(5):
            orders, lines = duck.sql(
                "SELECT (SELECT count(*) FROM orders), (SELECT count(DISTINCT order_id) FROM order_lines)"
            ).fetchone()
            assert orders == lines > 0, (orders, lines)
            duck.sql("FROM orders_to_ship").fetchall()
            scans += 1
    if Path(sys.argv[1], "stop").exists():
        break
print(scans, flush=True)
"""


def parquet_files(settings) -> int:
    return len(list((settings.home / "lake" / "data").rglob("*.parquet")))


def churn(shop, lake, rounds: int) -> None:
    for number in range(rounds):
        later = shop.order(0).marketplace_updated_at + timedelta(hours=number)
        shop.settle(
            shop.order(0, total=Decimal(number), marketplace_updated_at=later),
            *(shop.order(n) for n in range(1, number)),
        )
        publish(shop.ledger, lake, NOW)


@pytest.mark.slow
def test_rows_stay_and_files_go(any_shop, any_settings, any_lake):
    churn(any_shop, any_lake, 6)
    before = any_lake.duck.sql("SELECT * FROM orders ORDER BY ALL").fetchall()
    files = parquet_files(any_settings)
    done = maintain(any_lake, LATER, keep_days=0)
    assert any_lake.duck.sql("SELECT * FROM orders ORDER BY ALL").fetchall() == before
    assert done.snapshots_expired > 6
    assert done.files_merged > 0
    assert done.files_deleted > 0
    assert parquet_files(any_settings) < files / 2
    churn(any_shop, any_lake, 7)
    assert any_lake.duck.sql("SELECT count(*) FROM orders").fetchall() == [(6,)]


@pytest.mark.slow
def test_nothing_grows_with_the_number_of_publishes_once_maintained(shop, settings, lake):
    sizes = []
    for _ in range(3):
        for _ in range(5):
            with shop.ledger.write() as connection:
                connection.exec_driver_sql("UPDATE marks SET value = value + 1 WHERE name = 'position'")
                connection.exec_driver_sql(
                    "UPDATE orders SET position = (SELECT value FROM marks WHERE name = 'position')"
                )
            shop.settle(shop.order(1))
            publish(shop.ledger, lake, NOW)
        maintain(lake, LATER, keep_days=0)
        snapshots = lake.duck.sql("SELECT count(*) FROM lake.snapshots()").fetchone()
        sizes.append((parquet_files(settings), snapshots))
    assert sizes[1] == sizes[2]


@pytest.mark.slow
def test_snapshots_younger_than_asked_for_stay(shop, lake):
    churn(shop, lake, 2)
    assert maintain(lake, datetime.now(UTC), keep_days=7).snapshots_expired == 0


def test_files_that_a_running_query_may_read_stay_for_the_grace(shop, settings, lake):
    churn(shop, lake, 4)
    files = parquet_files(settings)
    done = maintain(lake, datetime.now(UTC), keep_days=0)
    assert (done.files_deleted, parquet_files(settings) >= files) == (0, True)


def test_leftovers_of_a_killed_publish_are_deleted(shop, settings, lake):
    churn(shop, lake, 1)
    leftover = settings.home / "lake" / "data" / "main" / "orders" / "ducklake-leftover.parquet"
    leftover.write_bytes((next(leftover.parent.glob("*.parquet"))).read_bytes())
    maintain(lake, LATER, keep_days=0)
    assert not leftover.exists()


@pytest.mark.slow
def test_a_reader_in_another_process_is_not_disturbed(any_shop, any_settings, any_lake):
    any_shop.settle(any_shop.order(0))
    publish(any_shop.ledger, any_lake, NOW)
    command = [sys.executable, "-c", READER, str(any_settings.home), any_settings.database_url or ""]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        for number in range(4):
            any_shop.settle(any_shop.order(number + 1))
            later = any_shop.order(0).marketplace_updated_at + timedelta(hours=number)
            any_shop.settle(any_shop.order(0, total=Decimal(number), marketplace_updated_at=later))
            publish(any_shop.ledger, any_lake, NOW)
            maintain(any_lake, datetime.now(UTC), keep_days=0)
        (any_settings.home / "stop").touch()
        out, err = reader.communicate(timeout=60)
    assert (reader.returncode, err) == (0, "")
    assert int(out) > 0
