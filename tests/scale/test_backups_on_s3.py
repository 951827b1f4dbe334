"""Backups in a bucket: made, checked and put back from there, never half, and large objects in parts or not at all."""

from __future__ import annotations

import io
import os
import sys

import pytest

from tests.conftest import TEST_KEYS
from warehouse import backup_buckets, backups, object_storage
from warehouse.backup_contents import MANIFEST, BackupError
from warehouse.ledger.base.database import open_ledger
from warehouse.object_storage import ObjectStorageError, bucket_of
from warehouse.privacy import open_key_ring
from warehouse.settings import Settings


@pytest.fixture
def home(filled) -> Settings:
    return filled.settings


def test_a_backup_is_put_checked_and_put_back(home, filled, bucket, object_store, clock, tmp_path):
    address = f"s3://{bucket}/backups/monday"
    made = backup_buckets.put_backup(address, lambda folder: backups.backup(home, folder, clock()))
    assert len(object_store.keys(bucket)) == len(made.files) + 1
    with backup_buckets.fetched(address) as folder:
        findings = backups.verify(folder, open_key_ring(home))
        assert [each for each in findings if not each.is_ok] == []
        elsewhere = Settings(_env_file=None, home=tmp_path / "elsewhere", keys=TEST_KEYS)
        backups.restore(folder, elsewhere, clock())
    assert not folder.exists()
    open_ledger(elsewhere).close()
    with pytest.raises(BackupError, match="is there already"):
        backup_buckets.put_backup(address, lambda folder: backups.backup(home, folder, clock()))


def test_a_backup_that_was_broken_off_is_none(home, bucket, object_store, clock, monkeypatch):
    address, put = f"s3://{bucket}/backups/tuesday", object_storage.ObjectBucket.put

    def broken(self: object_storage.ObjectBucket, key: str, content: io.BufferedReader) -> None:
        if key == MANIFEST:
            raise KeyboardInterrupt
        put(self, key, content)

    with monkeypatch.context() as patch:
        patch.setattr(object_storage.ObjectBucket, "put", broken)
        with pytest.raises(KeyboardInterrupt):
            backup_buckets.put_backup(address, lambda folder: backups.backup(home, folder, clock()))
    assert object_store.keys(bucket)
    with pytest.raises(BackupError, match="is no backup"), backup_buckets.fetched(address):
        pass
    backup_buckets.put_backup(address, lambda folder: backups.backup(home, folder, clock()))
    harmed = next(each for each in object_store.keys(bucket) if each.endswith(".parquet"))
    object_store.client().put_object(Bucket=bucket, Key=harmed, Body=b"other bytes")
    with backup_buckets.fetched(address) as folder:
        assert not backups.verify(folder, open_key_ring(home))[0].is_ok
    object_store.client().delete_object(Bucket=bucket, Key=harmed)
    with pytest.raises(BackupError, match="is harmed: it lacks"), backup_buckets.fetched(address):
        pass


def test_a_server_that_is_away_is_told(home, bucket, clock, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    with pytest.raises(BackupError, match=r"the S3 server http://127\.0\.0\.1:9 does not answer"):
        backup_buckets.put_backup(f"s3://{bucket}/x", lambda folder: backups.backup(home, folder, clock()))


class _Breaking(io.BytesIO):
    """A file whose disk fails behind the second part."""

    def read(self, count: int | None = -1) -> bytes:
        if self.tell() >= 2 * object_storage.PART_BYTES:
            raise OSError("the disk is gone")
        return super().read(count)


def test_what_is_large_goes_in_parts_or_not_at_all(bucket, object_store, monkeypatch):
    monkeypatch.setattr(object_storage, "PART_BYTES", 5 * 2**20)
    place, content = bucket_of(f"s3://{bucket}/large"), os.urandom(11 * 2**20)
    place.put("whole", io.BytesIO(content))
    with pytest.raises(OSError, match="the disk is gone"):
        place.put("broken", _Breaking(content))
    assert object_store.keys(bucket) == ["large/whole"]
    assert object_store.client().list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []
    assert place.read("whole").read() == content
    with pytest.raises(ObjectStorageError, match="has no bucket"):
        bucket_of("s3://no-such-bucket-here/x").put("any", io.BytesIO(b"bytes"))


def test_the_commands_take_an_address(home, bucket, monkeypatch, capfd):
    from orders_pipeline.cli import main  # noqa: PLC0415 - what it loads is loaded where it is used

    monkeypatch.setenv("ORDERS_HOME", str(home.home))
    monkeypatch.setenv("ORDERS_KEYS", TEST_KEYS)
    address = f"s3://{bucket}/backups/wednesday"
    for command, code in (("backup", 0), ("verify", 0), ("backup", 1)):
        monkeypatch.setattr(sys, "argv", ["orders", command, address])
        with pytest.raises(SystemExit) as ended:
            main()
        assert int(ended.value.code or 0) == code, capfd.readouterr()
    assert "is there already" in "".join(capfd.readouterr())
