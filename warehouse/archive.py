"""The archive: the exact bytes of every file that was written to or read from a storage, compressed and encrypted, by SHA-256.

What a file was for and what became of it is in `warehouse.ledger.exchange.files`. A file is in the archive whole or not at
all: it is written under another name, flushed to the disk, and renamed, or put into a bucket as one object. It consists of
pieces that are each sealed for their place in this one file, the last one marked as such: pieces cannot be exchanged, left out
or cut off without being noticed.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
import tempfile
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Self
from urllib.parse import quote, unquote

from warehouse.object_storage import ObjectBucket, bucket_of
from warehouse.processes import is_gone, this_process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from io import BufferedWriter

    from warehouse.privacy import KeyRing
    from warehouse.settings import Settings

MAGIC = b"ORDA1\n"
ID_BYTES = 16
LENGTH_BYTES = 4
PIECE_BYTES = 1 << 18
"""A split export holds a piece of each of its files in memory."""
PIECE_PREFIX = ".writing-"
"""How files begin that are not whole yet; behind it stand an id and the process that writes."""
FORGOTTEN_SECONDS = 24 * 3600
SHA256 = re.compile(r"[0-9a-f]{64}")


class ArchiveError(Exception):
    """A file is not in the archive any more, or was damaged there.

    Attributes:
        message: Plain sentence.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class Kept:
    """What was put into the archive."""

    sha256: str
    size: int


class Sealed(Protocol):
    """The bytes of a file as they stand there."""

    def read(self, count: int = -1, /) -> bytes:
        """The next ones; fewer than asked for only at the end."""

    def close(self) -> None:
        """Let go of them."""


class Shelf(Protocol):
    """Where the files of the archive stand; each raises OSError when it cannot be reached."""

    def put(self, whole: Path, sha256: str) -> None:
        """Keep a file that is whole, safe against a power cut; the same once more replaces itself."""

    def read(self, sha256: str) -> Sealed:
        """The sealed bytes of a file; raises FileNotFoundError when there is none."""

    def has(self, sha256: str) -> bool:
        """Whether a file is there."""

    def older_than(self, before: datetime) -> list[str]:
        """The names of what was kept before a moment."""

    def remove(self, name: str) -> None:
        """Delete what has this name, if it is there."""


@dataclass(frozen=True, slots=True)
class FolderShelf:
    """Files in one folder. Processes on several machines need one that all of them see."""

    folder: Path

    def put(self, whole: Path, sha256: str) -> None:
        """As the protocol says."""
        final = self.path(sha256)
        final.parent.mkdir(exist_ok=True)
        whole.replace(final)
        for folder in (final.parent, self.folder):
            _sync_folder(folder)

    def read(self, sha256: str) -> Sealed:
        """As the protocol says."""
        return self.path(sha256).open("rb")

    def has(self, sha256: str) -> bool:
        """As the protocol says."""
        return self.path(sha256).exists()

    def older_than(self, before: datetime) -> list[str]:
        """As the protocol says; what killed writers have left is told too."""
        return [str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if _is_file_of(path, before)]

    def remove(self, name: str) -> None:
        """As the protocol says."""
        (self.folder / name).unlink(missing_ok=True)

    def path(self, sha256: str) -> Path:
        """Where a file is kept."""
        return self.folder / _name_of(sha256)


@dataclass(frozen=True, slots=True)
class BucketShelf:
    """Objects in a bucket."""

    bucket: ObjectBucket

    def put(self, whole: Path, sha256: str) -> None:
        """As the protocol says."""
        with whole.open("rb") as content:
            self.bucket.put(_name_of(sha256), content)

    def read(self, sha256: str) -> Sealed:
        """As the protocol says."""
        return self.bucket.read(_name_of(sha256))

    def has(self, sha256: str) -> bool:
        """As the protocol says."""
        return self.bucket.has(_name_of(sha256))

    def older_than(self, before: datetime) -> list[str]:
        """As the protocol says."""
        return self.bucket.older_than(before)

    def remove(self, name: str) -> None:
        """As the protocol says."""
        self.bucket.remove(name)


def shelf_of(settings: Settings) -> FolderShelf | BucketShelf:
    """Where the archive of an installation stands."""
    address = settings.archive_data or ""
    return BucketShelf(bucket_of(address)) if address.startswith("s3://") else FolderShelf(settings.archive)


@dataclass(frozen=True, slots=True)
class Archive:
    """The archive. Its folder takes what is on its way, and what is opened; the shelf what is whole."""

    folder: Path
    keys: KeyRing
    shelf: Shelf

    def writing(self) -> ArchiveWriting:
        """Begin a new file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return ArchiveWriting(self)

    def read(self, sha256: str) -> Iterator[bytes]:
        """The bytes of a file, a piece at a time.

        Raises:
            ArchiveError: It is not there, or damaged; told before the last piece is given.
            KeyRingError: The ring lacks its key, or a piece was altered.
        """
        try:
            sealed = self.shelf.read(sha256)
        except FileNotFoundError:
            raise ArchiveError(f"the file {sha256[:12]}… is not in the archive: it was purged, or never kept") from None
        digest = hashlib.sha256()
        with closing(sealed):
            if sealed.read(len(MAGIC)) != MAGIC:
                raise ArchiveError(f"the file {sha256[:12]}… in the archive is damaged")
            own_id = sealed.read(ID_BYTES)
            number, is_last = 0, False
            while not is_last:
                piece, is_last = self._piece(sealed, own_id, number, sha256)
                digest.update(piece)
                if is_last and digest.hexdigest() != sha256:
                    raise ArchiveError(f"the file {sha256[:12]}… in the archive is damaged")
                yield piece
                number += 1

    @contextmanager
    def opened(self, sha256: str) -> Iterator[Path]:
        """The bytes of a file in clear, under a path that lasts as long as the block.

        The file behind the path has no name and is gone with this process, however that ends. Raises like `read`.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self.folder) as plain:
            for piece in self.read(sha256):
                plain.write(piece)
            plain.flush()
            yield Path(f"/proc/self/fd/{plain.fileno()}")

    def sweep(self) -> None:
        """Remove what writers have left here that were killed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in self.folder.glob(f"{PIECE_PREFIX}*"):
            if is_gone(unquote(path.name.removeprefix(PIECE_PREFIX).partition(".")[2])):
                path.unlink(missing_ok=True)
        for path in self.folder.glob(
            ".[0-9a-f]*.[0-9]*"
        ):  # as releases before named them, which did not tell the machine
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > FORGOTTEN_SECONDS:
                    path.unlink()

    def has(self, sha256: str) -> bool:
        """Whether a file is there."""
        return self.shelf.has(sha256)

    def _piece(self, sealed: Sealed, own_id: bytes, number: int, sha256: str) -> tuple[bytes, bool]:
        head = sealed.read(LENGTH_BYTES + 1)
        if len(head) < LENGTH_BYTES + 1:
            raise ArchiveError(f"the file {sha256[:12]}… in the archive is cut off")
        is_last = head[-1] == 1
        body = sealed.read(int.from_bytes(head[:LENGTH_BYTES]))
        return self.keys.open_compressed(body, _bound(own_id, number, is_last=is_last)), is_last


class ArchiveWriting:
    """A file on its way into the archive, and a sink for downloads: a context that leaves nothing unless it was kept."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._own_id = secrets.token_bytes(ID_BYTES)
        self._path = archive.folder / f"{PIECE_PREFIX}{self._own_id.hex()}.{quote(this_process(), safe='')}"
        self._file: BufferedWriter = self._path.open("wb")
        self._path.chmod(0o600)
        self._file.write(MAGIC + self._own_id)
        self._digest = hashlib.sha256()
        self._pending = bytearray()
        self._number = 0
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Add bytes."""
        self._digest.update(data)
        self._pending += data
        self.size += len(data)
        while len(self._pending) > PIECE_BYTES:
            self._seal(bytes(self._pending[:PIECE_BYTES]), is_last=False)
            del self._pending[:PIECE_BYTES]
        return len(data)

    def keep(self) -> Kept:
        """Put the file into the archive, safe against a power cut; the same bytes again replace themselves."""
        self._seal(bytes(self._pending), is_last=True)
        self._file.flush()
        os.fsync(self._file.fileno())
        kept = Kept(self._digest.hexdigest(), self.size)
        self._archive.shelf.put(self._path, kept.sha256)
        return kept

    def _seal(self, piece: bytes, *, is_last: bool) -> None:
        sealed = self._archive.keys.seal_compressed(piece, _bound(self._own_id, self._number, is_last=is_last))
        self._file.write(len(sealed).to_bytes(LENGTH_BYTES) + bytes((is_last,)) + sealed)
        self._number += 1


def open_archive(settings: Settings, keys: KeyRing) -> Archive:
    """The archive of an installation."""
    return Archive(settings.archive, keys, shelf_of(settings))


def _name_of(sha256: str) -> str:
    """What a file is called on a shelf.

    Raises:
        ValueError: This is no SHA-256, and could be a path that leads anywhere.
    """
    if not SHA256.fullmatch(sha256):
        raise ValueError("not a SHA-256")
    return f"{sha256[:2]}/{sha256}"


def _is_file_of(path: Path, before: datetime) -> bool:
    try:
        about = path.stat()
    except FileNotFoundError:  # it was a file on its way to its final name
        return False
    return stat.S_ISREG(about.st_mode) and about.st_mtime < before.timestamp()


def _bound(own_id: bytes, number: int, *, is_last: bool) -> str:
    return f"archive:{own_id.hex()}:{number}:{'last' if is_last else 'more'}"


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
