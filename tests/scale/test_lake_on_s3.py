"""The lake on a real S3 server: everything that is done with order tables, and what is said when the server is not well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.conftest import DATABASES, TEST_KEYS
from tests.lake.conftest import NOON, Shop
from warehouse import connect
from warehouse.lake.lake import open_lake
from warehouse.lake.maintenance import maintain
from warehouse.lake.publishing import publish, rebuild
from warehouse.privacy import open_key_ring
from warehouse.settings import Settings

LATER = datetime.now(UTC) + timedelta(days=30)
"""DuckLake stamps snapshots and files with the machine's clock."""


@pytest.fixture
def on_s3(bucket: str, tmp_path) -> Settings:
    """A fresh installation on SQLite whose order tables are in a bucket."""
    return Settings(_env_file=None, home=tmp_path / "home", keys=TEST_KEYS, lake_data=f"s3://{bucket}/lake")


@pytest.fixture(params=DATABASES)
def any_on_s3(request: pytest.FixtureRequest, on_s3: Settings) -> Settings:
    url = None if request.param == "sqlite" else request.getfixturevalue("postgresql_ledger_url")
    return on_s3.model_copy(update={"database_url": url})


@pytest.fixture
def shop(any_on_s3: Settings, open_new_ledger):
    ledger = open_new_ledger(any_on_s3)
    yield Shop(ledger, open_key_ring(any_on_s3))
    ledger.close()


def asked(settings: Settings, query: str) -> list[tuple[object, ...]]:
    with connect(settings) as lake:
        return lake.sql(query).fetchall()


def test_orders_are_published_read_tidied_up_and_published_anew(any_on_s3, shop, object_store, bucket):
    with open_lake(any_on_s3) as lake:
        for round_ in range(6):
            changed_at = shop.order(0).marketplace_updated_at + timedelta(hours=round_)
            first = shop.order(0, total=Decimal(round_), marketplace_updated_at=changed_at)
            shop.settle(first, *(shop.order(number) for number in range(1, round_ + 2)))
            publish(shop.ledger, lake, NOON)
        published = asked(any_on_s3, "SELECT id, total, revision FROM orders ORDER BY ALL")
        assert len(published) == 7
        before = object_store.keys(bucket, "lake/")
        assert before
        assert not list(any_on_s3.home.rglob("*.parquet"))
        assert maintain(lake, LATER, keep_days=0).files_deleted > 0
        assert len(object_store.keys(bucket, "lake/")) < len(before)
        assert asked(any_on_s3, "SELECT id, total, revision FROM orders ORDER BY ALL") == published
        rebuild(shop.ledger, lake, NOON)
    assert asked(any_on_s3, "SELECT id, total, revision FROM orders ORDER BY ALL") == published
    assert asked(any_on_s3, "SELECT count(*) FROM raw_orders JOIN orders USING (channel)") != [(0,)]
