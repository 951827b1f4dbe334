"""The archive: bytes in and out, encrypted, whole or not at all, and noticed when they are altered."""

from __future__ import annotations

import hashlib
import os

import pytest

from warehouse.archive import PIECE_BYTES, Archive, ArchiveError, FolderShelf
from warehouse.privacy import KeyRingError

SECRET = b"Zo\xc3\xab Canari; "


@pytest.fixture
def archive(tmp_path, keys) -> Archive:
    return Archive(tmp_path / "archive", keys, FolderShelf(tmp_path / "archive"))


def keep(archive: Archive, data: bytes) -> str:
    with archive.writing() as writing:
        for start in range(0, len(data), 100_000):
            writing.write(data[start : start + 100_000])
        return writing.keep().sha256


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES + 7])
def test_what_goes_in_comes_out(archive, size):
    data = (SECRET * (size // len(SECRET) + 1))[:size]
    sha256 = keep(archive, data)
    assert sha256 == hashlib.sha256(data).hexdigest()
    assert b"".join(archive.read(sha256)) == data
    with archive.opened(sha256) as path:
        assert path.read_bytes() == data
        assert path.stat().st_size == size
    assert archive.has(sha256)


def test_nothing_is_readable_on_the_disk(archive):
    sha256 = keep(archive, SECRET * 10)
    (path,) = [each for each in archive.folder.rglob("*") if each.is_file()]
    assert path == archive.shelf.path(sha256)
    assert b"Canari" not in path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0


def test_what_is_not_kept_leaves_nothing(archive):
    with archive.writing() as writing:
        writing.write(b"half")
    assert [each for each in archive.folder.rglob("*") if each.is_file()] == []


def test_the_same_bytes_again_are_one_file(archive):
    assert keep(archive, SECRET) == keep(archive, SECRET)
    assert len([each for each in archive.folder.rglob("*") if each.is_file()]) == 1


def test_an_altered_name_of_the_key_changes_no_byte(archive):
    """It only says which key to try first."""
    content = os.urandom(PIECE_BYTES * 2)
    path = archive.shelf.path(keep(archive, content))
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    assert b"".join(archive.read(path.name)) == content


@pytest.mark.parametrize("place", [80, 200, -40])
def test_an_altered_byte_is_noticed(archive, place):
    sha256 = keep(archive, os.urandom(PIECE_BYTES * 2))
    path = archive.shelf.path(sha256)
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises((KeyRingError, ArchiveError)):
        list(archive.read(sha256))


@pytest.mark.parametrize("cut", [3, 30, 5_000, PIECE_BYTES + 100])
def test_a_cut_is_noticed(archive, cut):
    sha256 = keep(archive, os.urandom(PIECE_BYTES * 2))
    path = archive.shelf.path(sha256)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises((KeyRingError, ArchiveError)):
        list(archive.read(sha256))


def test_a_file_under_another_name_is_noticed(archive):
    first, second = keep(archive, b"one"), keep(archive, b"two")
    archive.shelf.path(first).write_bytes(archive.shelf.path(second).read_bytes())
    with pytest.raises(ArchiveError, match="damaged"):
        list(archive.read(first))


def test_a_missing_file_says_so(archive):
    with pytest.raises(ArchiveError, match="not in the archive"):
        list(archive.read("0" * 64))


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "A" * 64, "0" * 63])
def test_only_a_digest_is_a_name(archive, name):
    with pytest.raises(ValueError, match="SHA-256"):
        archive.shelf.path(name)
