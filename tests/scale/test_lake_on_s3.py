"""The lake on a real S3 server: everything that is done with order tables, and what is said when the server is not well."""

from __future__ import annotations

import os
import socket
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa

from orders_pipeline.installation import Installation
from orders_pipeline.lake_access import publishing
from orders_pipeline.upkeep.doctor import examine
from tests.conftest import DATABASES, TEST_KEYS
from tests.lake.conftest import NOON, Shop, make_order
from warehouse import connect
from warehouse.lake import attachment
from warehouse.lake.attachment import LakeMovedError
from warehouse.lake.lake import open_lake
from warehouse.lake.maintenance import maintain
from warehouse.lake.outages import LakeUnreachableError
from warehouse.lake.publishing import publish, rebuild
from warehouse.ledger.base import schema
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


@pytest.fixture
def installation(on_s3: Settings, open_new_ledger, clock):
    """With one order published to the bucket."""
    with closing(open_new_ledger(on_s3)) as ledger:
        installation = Installation(on_s3, ledger, open_key_ring(on_s3), clock)
        Shop(ledger, installation.keys).settle(make_order(1))
        bring_in(installation)
        yield installation


def bring_in(installation: Installation) -> None:
    with publishing(installation) as lake:
        publish(installation.ledger, lake, installation.clock())


def open_incidents(installation: Installation) -> list[tuple[str, str]]:
    table = schema.incidents.c
    with installation.ledger.read() as transaction:
        asked = sa.select(table.code, table.message).where(table.resolved_at.is_(None))
        return [(code, message) for code, message in transaction.execute(asked)]


def told(settings: Settings, clock) -> str:
    return next(each.seen for each in examine(settings, clock) if each.part == "order tables")


def test_a_server_that_is_away_is_an_incident_and_the_next_tick_heals_it(installation, on_s3, clock, monkeypatch):
    well = os.environ["AWS_ENDPOINT_URL_S3"]
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    Shop(installation.ledger, installation.keys).settle(make_order(2))  # the ledger goes on
    with pytest.raises(LakeUnreachableError, match="cannot be connected to: see AWS_ENDPOINT_URL_S3"):
        bring_in(installation)
    [(code, message)] = open_incidents(installation)
    assert code == "lake_unreachable"
    assert "http://127.0.0.1:9 cannot be connected to" in message
    assert "cannot be connected to" in told(on_s3, clock)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", well)
    bring_in(installation)
    assert open_incidents(installation) == []
    assert asked(on_s3, "SELECT count(*) FROM orders") == [(2,)]
    assert told(on_s3, clock) == "0 changes behind the ledger"


def test_a_wrong_secret_is_told_and_in_no_message(installation, on_s3, clock, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret-canary")
    refused = r"refuses the key .*HTTP 403 SignatureDoesNotMatch"
    with pytest.raises(LakeUnreachableError, match=refused) as reading:
        asked(on_s3, "SELECT count(*) FROM orders")  # which DuckLake would answer without a look at any file
    with pytest.raises(LakeUnreachableError, match=refused) as publishing_:
        bring_in(installation)
    said = f"{reading.value}{publishing_.value}{open_incidents(installation)}{told(on_s3, clock)}"
    assert "not-the-secret-canary" not in said
    assert os.environ["AWS_ACCESS_KEY_ID"] not in said


def test_a_server_that_is_silent_is_waited_for_so_long_and_no_longer(installation, on_s3, monkeypatch):
    monkeypatch.setattr(attachment, "ANSWER_SECONDS", 1)
    monkeypatch.setattr(attachment, "TRIES", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(LakeUnreachableError, match="did not answer within"):
            asked(on_s3, "FROM orders")


def test_a_changed_place_is_one_sentence_with_the_way_out(installation, on_s3, clock, bucket):
    elsewhere = on_s3.model_copy(update={"lake_data": f"s3://{bucket}/other"})
    moved = replace(installation, settings=elsewhere)
    with pytest.raises(LakeMovedError) as publishing_:
        bring_in(moved)
    with pytest.raises(LakeMovedError) as rebuilding, publishing(moved) as lake:
        rebuild(moved.ledger, lake, clock())
    sentence = (
        f"the lake's files are not at s3://{bucket}/other/, where ORDERS_LAKE_DATA or ORDERS_HOME says; they were written to "
        f"s3://{bucket}/lake/: set it back, and `orders move --to-lake s3://{bucket}/other` carries them"
    )
    assert {str(publishing_.value), str(rebuilding.value), told(elsewhere, clock)} == {sentence}
    bring_in(installation)
    assert open_incidents(installation) == []
