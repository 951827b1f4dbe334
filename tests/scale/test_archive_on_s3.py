"""The archive of exchanged files in a bucket: the same seals, whole or not at all, and what an outage is called."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import pytest

from orders_pipeline.file_jobs.job_run import attempt
from orders_pipeline.upkeep.doctor import examine
from tests.conftest import TEST_KEYS
from warehouse.archive import PIECE_BYTES, Archive, ArchiveError, open_archive, shelf_of
from warehouse.ledger.book import personal_data
from warehouse.object_storage import ObjectStorageError
from warehouse.privacy import KeyRingError, open_key_ring
from warehouse.settings import Settings

CONTENT = b"order_id;name\n" + bytes(range(256)) * (3 * PIECE_BYTES // 256) + "Zoë Canari".encode()


@pytest.fixture
def on_s3(bucket: str, tmp_path) -> Settings:
    return Settings(_env_file=None, home=tmp_path / "home", keys=TEST_KEYS, archive_data=f"s3://{bucket}/files")


@pytest.fixture
def archive(on_s3: Settings) -> Archive:
    return open_archive(on_s3, open_key_ring(on_s3))


def keep(archive: Archive, content: bytes = CONTENT) -> str:
    with archive.writing() as writing:
        writing.write(content)
        return writing.keep().sha256


def test_files_stand_sealed_in_the_bucket_and_nowhere_else(archive, on_s3, object_store, bucket):
    sha256 = keep(archive)
    keep(archive)
    assert b"".join(archive.read(sha256)) == CONTENT
    assert archive.has(sha256)
    with archive.opened(sha256) as path:
        assert path.read_bytes() == CONTENT
    assert object_store.keys(bucket) == [f"files/{sha256[:2]}/{sha256}"]
    sealed = object_store.client().get_object(Bucket=bucket, Key=f"files/{sha256[:2]}/{sha256}")["Body"].read()
    assert b"Canari" not in sealed
    assert list(archive.folder.iterdir()) == []
    elsewhere = open_archive(on_s3.model_copy(update={"home": on_s3.home / "other"}), archive.keys)
    assert b"".join(elsewhere.read(sha256)) == CONTENT


def test_what_is_broken_off_leaves_nothing(archive, object_store, bucket):
    with archive.writing() as writing:
        writing.write(CONTENT)
    assert object_store.keys(bucket) == []
    with pytest.raises(ArchiveError, match="is not in the archive"):
        b"".join(archive.read("0" * 64))
    assert not archive.has("0" * 64)


def test_an_altered_object_is_noticed(archive, object_store, bucket):
    first, second = keep(archive), keep(archive, CONTENT[:-1])
    name, other = (f"files/{each[:2]}/{each}" for each in (first, second))
    client = object_store.client()
    whole = client.get_object(Bucket=bucket, Key=name)["Body"].read()
    client.copy_object(Bucket=bucket, Key=name, CopySource=f"{bucket}/{other}")
    with pytest.raises(ArchiveError, match="damaged"):
        b"".join(archive.read(first))
    for harmed in (whole[:-9], whole[: len(whole) // 2], b""):
        client.put_object(Bucket=bucket, Key=name, Body=harmed)
        with pytest.raises((ArchiveError, KeyRingError)):
            b"".join(archive.read(first))


def test_files_go_by_their_age(archive, on_s3, ledger, object_store, bucket):
    sha256 = keep(archive)
    for before, left in ((-timedelta(hours=1), 1), (timedelta(hours=1), 0)):
        gone = personal_data.purge(ledger, shelf_of(on_s3), datetime.now(UTC) + before, datetime.now(UTC))
        assert gone.files == 1 - left
        assert len(object_store.keys(bucket)) == left
    assert not archive.has(sha256)


def test_a_server_that_is_not_well_is_told_without_its_key(archive, on_s3, clock, monkeypatch):
    sha256 = keep(archive)
    assert next(each.verdict for each in examine(on_s3, clock) if each.part == "archive") == "ok"
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret-canary")
    with pytest.raises(ObjectStorageError, match="refuses the key") as refused:
        archive.has(sha256)
    assert "canary" not in str(refused.value)
    assert os.environ["AWS_ACCESS_KEY_ID"] not in str(refused.value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    failure = attempt(lambda: keep(archive))
    assert failure is not None
    assert (failure.code, failure.message) == (
        "archive_failed",
        "the S3 server http://127.0.0.1:9 does not answer (EndpointConnectionError)",
    )
    assert list(archive.folder.iterdir()) == []
    [finding] = [each for each in examine(on_s3, clock) if each.part == "archive"]
    assert finding.verdict == "fail"
    assert "does not answer" in finding.seen
