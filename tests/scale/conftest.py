"""A real S3 server for whatever is kept in buckets, started by the first test that asks for it."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest

from tests.pipeline.conftest import (  # noqa: F401 - an installation with orders, as the tests of the pipeline have it
    credentials,
    filled,
    filled_template,
    open_installation,
)
from tests.scale import object_store as s3

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.ObjectStore]:
    missing = s3.missing_programs()
    if missing:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(
            f"{', '.join(missing)} not installed: S3 is tested on a real server "
            "(Debian: radosgw ceph-mon ceph-osd ceph-common)"
        )
    with s3.serving(tmp_path_factory.mktemp("object-store")) as running:
        yield running


@pytest.fixture
def bucket(object_store: s3.ObjectStore, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an empty bucket; this process's environment leads to its server."""
    for name, value in object_store.environment().items():
        monkeypatch.setenv(name, value)
    name = f"orders-{uuid.uuid4().hex[:12]}"
    object_store.client().create_bucket(Bucket=name)
    return name
