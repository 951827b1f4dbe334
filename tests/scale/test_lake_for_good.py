"""What leaves the ledger or the lake's own format for a bucket: retired orders, and the mirror for other engines."""

from __future__ import annotations

from datetime import timedelta

import orjson
import pyarrow.dataset as ds
import pytest
from pyarrow import fs
from pyiceberg.table import StaticTable

from tests.conftest import TEST_KEYS
from tests.lake.conftest import NOON, Shop, make_order
from tests.lake.test_retirement import own, publish_and_prune, read, ripeness
from warehouse import connect
from warehouse.lake.lake import open_lake
from warehouse.lake.mirror import MirrorError, MirrorFormat, write_mirror
from warehouse.lake.retirement import retire
from warehouse.ledger.book.retired_orders import RetiredOrdersUnreadable
from warehouse.order_states import Status
from warehouse.privacy import open_key_ring
from warehouse.settings import Settings


@pytest.fixture
def on_s3(bucket: str, tmp_path) -> Settings:
    return Settings(_env_file=None, home=tmp_path / "home", keys=TEST_KEYS, lake_data=f"s3://{bucket}/lake")


@pytest.fixture
def shop(on_s3: Settings, open_new_ledger):
    """Two orders, of which the first is retired to the bucket."""
    ledger = open_new_ledger(on_s3)
    filled = Shop(ledger, open_key_ring(on_s3))
    filled.settle(make_order(1, status=Status.SHIPPED), make_order(2))
    with open_lake(on_s3) as lake:
        publish_and_prune(filled, lake)
        assert retire(ledger, lake, ripeness(lake), NOON + timedelta(days=100)) == 1
    yield filled
    ledger.close()


def test_retired_orders_are_read_from_the_bucket(shop, monkeypatch):
    assert read(shop, 1)["is_retired"] is True
    shop.ledger.retired.close()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(RetiredOrdersUnreadable) as refused:
        read(shop, 1)
    assert "another" not in str(refused.value)
    assert read(shop, 2)["id"] == own(2)


def test_other_engines_read_a_mirror_in_a_bucket(shop, on_s3, bucket, object_store):
    with connect(on_s3) as lake:
        plain = write_mirror(lake, f"s3://{bucket}/plain", MirrorFormat.PARQUET, NOON)
        iceberg = write_mirror(lake, f"s3://{bucket}/iceberg", MirrorFormat.ICEBERG, NOON)
        assert write_mirror(lake, f"s3://{bucket}/plain", MirrorFormat.PARQUET, NOON) == plain
    told = orjson.loads(object_store.client().get_object(Bucket=bucket, Key="plain/mirror.json")["Body"].read())
    assert told["snapshot"] == plain.snapshot

    environment = object_store.environment()
    server = environment["AWS_ENDPOINT_URL_S3"]
    key, secret = environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
    files = fs.S3FileSystem(access_key=key, secret_key=secret, endpoint_override=server)
    found = ds.dataset([f"{bucket}/plain/{each}" for each in plain.tables["orders"].files], filesystem=files).to_table()
    options = {"s3.endpoint": server, "s3.access-key-id": key, "s3.secret-access-key": secret}
    table = StaticTable.from_metadata(f"s3://{bucket}/iceberg/{iceberg.tables['orders'].metadata}", options)
    assert (
        sorted(found["id"].to_pylist()) == sorted(table.scan().to_arrow()["id"].to_pylist()) == sorted([own(1), own(2)])
    )

    with connect(on_s3) as lake, pytest.raises(MirrorError, match="s3://nowhere-at-all/x cannot be written"):
        write_mirror(lake, "s3://nowhere-at-all/x", MirrorFormat.PARQUET, NOON)
