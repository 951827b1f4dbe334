"""A folder of this machine as a storage. Nothing outside its root is read or written, whatever links there are."""

from __future__ import annotations

import os
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from orders_pipeline.storages.errors import (
    AlreadyThere,
    FileMissing,
    FolderMissing,
    NameRefused,
    TooLarge,
    TransferCut,
    from_os_error,
)
from orders_pipeline.storages.names import PART_SUFFIX, checked_file, checked_folder, split
from orders_pipeline.storages.own_files import OwnFile, opened_source, size_of
from orders_pipeline.storages.registry import RemoteFile, StorageFinding, StorageVerdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from warehouse.storages import FolderSettings

CHUNK_BYTES = 1024 * 1024


class FolderStorage:
    """Files below one folder."""

    def __init__(self, settings: FolderSettings) -> None:
        self._root = settings.path
        self._mode = 0o600 if settings.mode is None else int(settings.mode, 8)

    def connect(self) -> list[StorageFinding]:
        """See that the root is a folder."""
        if not self._root.is_dir():
            raise FolderMissing(f"{self._root} is no folder", "create the folder, or correct the storage's path")
        return [StorageFinding(part="root", verdict=StorageVerdict.OK, message=f"{self._root} is a folder")]

    def list(self, folder: str) -> tuple[RemoteFile, ...]:
        """The plain files of a folder, by name."""
        place = self._folder(folder)
        found = []
        with _judged(folder or "."), os.scandir(place) as entries:
            for entry in entries:
                if not entry.is_file(follow_symlinks=False):
                    continue
                try:
                    seen = entry.stat(follow_symlinks=False)
                except FileNotFoundError:  # taken away since the folder was read
                    continue
                # A name that is no text shows its bytes; the backslash in it keeps every other call from using it.
                name = os.fsencode(entry.name).decode(errors="backslashreplace")
                found.append(
                    RemoteFile(name=name, size=seen.st_size, modified_at=datetime.fromtimestamp(seen.st_mtime, UTC))
                )
        return tuple(sorted(found, key=lambda each: each.name))

    def folders(self, folder: str) -> tuple[str, ...]:
        """Names of the folders in a folder."""
        place = self._folder(folder)
        with _judged(folder or "."), os.scandir(place) as entries:
            found = [each.name for each in entries if each.is_dir(follow_symlinks=False)]
        return tuple(sorted(os.fsencode(each).decode(errors="backslashreplace") for each in found))

    def exists(self, path: str) -> int | None:
        """Size of the file; None when there is none."""
        place = self._file(path)
        with _judged(path):
            return place.stat().st_size if place.is_file() else None

    def look(self, path: str) -> RemoteFile | None:
        """A file as `list` shows it; None when there is none."""
        place = self._file(path)
        with _judged(path):
            if not place.is_file():
                return None
            seen = place.stat()
        return RemoteFile(name=place.name, size=seen.st_size, modified_at=datetime.fromtimestamp(seen.st_mtime, UTC))

    def read(self, path: str, sink: BinaryIO, limit_bytes: int) -> int:
        """Copy a file into `sink`."""
        place = self._file(path)
        copied, own = 0, OwnFile(sink)
        with _judged(path), os.fdopen(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as source:
            size = os.fstat(source.fileno()).st_size
            if size > limit_bytes:
                raise TooLarge(f"{path} has {size} bytes, more than {limit_bytes}")
            while chunk := source.read(CHUNK_BYTES):
                copied += len(chunk)
                if copied > limit_bytes:
                    raise TooLarge(f"{path} has more than {limit_bytes} bytes")
                own.write(chunk)
        if copied != size:
            raise TransferCut(f"{path} had {size} bytes and {copied} while it was read")
        return copied

    def write(self, path: str, source: Path) -> None:
        """Put a file there, whole or not at all."""
        with self._written(path, source) as (part, place), _judged(path):
            _appear(part, place)

    def write_again(self, path: str, source: Path) -> None:
        """Put a file there, whole or not at all, in the place of an earlier one."""
        with self._written(path, source) as (part, place), _judged(path):
            part.replace(place)

    def move(self, path: str, new_path: str) -> None:
        """Give a file another path."""
        place, folder = self._file(path), split(checked_file(new_path))[0]
        with _judged(path):
            if not place.is_file():
                raise FileMissing(f"{path} does not exist")
        self.make_folder(folder)
        goal = self._file(new_path)
        with _judged(new_path):
            _appear(place, goal)
            _keep(place.parent)
            _keep(goal.parent)

    def make_folder(self, folder: str) -> None:
        """Make a folder and those above it, where they are missing."""
        place = self._inside(checked_folder(folder))
        if not self._root.is_dir():
            raise FolderMissing(f"{self._root} is no folder", "create the folder, or correct the storage's path")
        with _judged(folder):
            place.mkdir(parents=True, exist_ok=True, mode=0o700)

    def remove(self, path: str) -> None:
        """Delete a file."""
        place = self._file(path)
        with _judged(path):
            place.unlink()
            _keep(place.parent)

    def close(self) -> None:
        """Nothing is held open."""

    @contextmanager
    def _written(self, path: str, source: Path) -> Iterator[tuple[Path, Path]]:
        """Its bytes as `.part` on the disk, of the right size; what is left of it goes when the rest fails."""
        place = self._file(path)
        self._folder(split(checked_file(path))[0])
        part = place.with_name(place.name + PART_SUFFIX)
        try:
            with _judged(path):
                flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
                with opened_source(source) as given, os.fdopen(os.open(part, flags, 0o600), "wb") as taken:
                    os.fchmod(taken.fileno(), self._mode)  # whatever the umask, and whoever left a part of that name
                    while chunk := given.read(CHUNK_BYTES):
                        taken.write(chunk)
                    taken.flush()
                    os.fsync(taken.fileno())
                if part.stat().st_size != size_of(source):
                    raise TransferCut(f"{path}: the sizes differ after writing")
            yield part, place
            with _judged(path):
                _keep(place.parent)
        finally:
            part.unlink(missing_ok=True)

    def _file(self, path: str) -> Path:
        return self._inside(checked_file(path))

    def _folder(self, folder: str) -> Path:
        place = self._inside(checked_folder(folder))
        if not place.is_dir():
            raise FolderMissing(f"there is no folder {place}")
        return place

    def _inside(self, path: str) -> Path:
        """Where a checked path leads, links followed; still inside the root."""
        try:
            root = self._root.resolve()
            place = (root / path).resolve()
        except (OSError, RuntimeError):  # RuntimeError: links that go round in a circle
            raise NameRefused(f"{path} cannot be followed") from None
        if not place.is_relative_to(root):
            raise NameRefused(f"{path} leads out of the storage's folder", "remove the link")
        return place


@contextmanager
def _judged(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise from_os_error(error, path) from error


def _appear(place: Path, goal: Path) -> None:
    """Rename, but never over another file: a link fails when the name is taken, a rename would replace it."""
    try:
        os.link(place, goal, follow_symlinks=False)
    except FileExistsError:
        raise AlreadyThere(f"{goal.name} is there already") from None
    except OSError:  # a file system without hard links
        if goal.exists():
            raise AlreadyThere(f"{goal.name} is there already") from None
        place.rename(goal)
    else:
        place.unlink()


def _keep(folder: Path) -> None:
    """Have the folder itself on the disk, so that a name survives the loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
