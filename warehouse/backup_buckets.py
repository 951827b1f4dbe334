"""Backups in a bucket: a whole backup's files go there one by one, its manifest last, and come back into a folder.

An address without a manifest is no backup: what a broken-off upload has left is replaced by the next one of that name. What is
in a backup, and whether it is any good, is in `backups`.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.backup_contents import MANIFEST, BackupError, Manifest, read_manifest
from warehouse.object_storage import ObjectStorageError, bucket_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from warehouse.object_storage import ObjectBucket

READ_BYTES = 1 << 20


def is_in_bucket(address: str) -> bool:
    """Whether a backup's place is a bucket and not a folder."""
    return address.startswith("s3://")


def put_backup(address: str, make: Callable[[Path], Manifest]) -> Manifest:
    """Make a backup in a folder of this machine, and put it into a bucket.

    Args:
        address: `s3://bucket/name`; no backup may be there yet.
        make: Writes the backup to a folder that is not there yet.

    Raises:
        BackupError: One is there, or the server does not keep what it is given.
    """
    bucket = bucket_of(address)
    with _telling(), tempfile.TemporaryDirectory(prefix="orders-backup-") as scratch:
        if bucket.has(MANIFEST):
            raise BackupError(f"{address} is there already: name a new place")
        folder = Path(scratch) / "backup"
        manifest = make(folder)
        for name in (*(each.path for each in manifest.files), MANIFEST):
            with (folder / name).open("rb") as content:
                bucket.put(name, content)
    return manifest


@contextmanager
def fetched(address: str) -> Iterator[Path]:
    """A backup of a bucket in a folder that lasts as long as the block; only its owner may read it.

    Raises:
        BackupError: There is none, or the server does not give it.
    """
    bucket = bucket_of(address)
    with tempfile.TemporaryDirectory(prefix="orders-backup-") as scratch:
        folder = Path(scratch) / "backup"
        folder.mkdir(mode=0o700)
        with _telling():
            _fetch(bucket, MANIFEST, folder, address)
            for each in read_manifest(folder).files:
                _fetch(bucket, each.path, folder, address)
        yield folder


def _fetch(bucket: ObjectBucket, name: str, folder: Path, address: str) -> None:
    target = (folder / name).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise BackupError(f"{address} names a file outside of itself: {name}")
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        content = bucket.read(name)
    except FileNotFoundError:
        missing = "is no backup: it has no" if name == MANIFEST else "is harmed: it lacks"
        raise BackupError(f"{address} {missing} {name}") from None
    with target.open("wb") as file:
        while piece := content.read(READ_BYTES):
            file.write(piece)
    content.close()


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except ObjectStorageError as error:
        raise BackupError(str(error)) from None
