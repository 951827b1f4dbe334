"""This machine's own end of a transfer: its failures are told apart from those of the storage."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from orders_pipeline.storages.errors import OwnDiskFailed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class OwnFile:
    """An open file of this machine, with as much of a file as transfers use."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """Up to so many bytes."""
        with _own_disk():
            return self._file.read(size)

    def write(self, block: bytes) -> None:
        """Take a block."""
        with _own_disk():
            self._file.write(block)


@contextmanager
def opened_source(path: Path) -> Iterator[OwnFile]:
    """A file that is to be sent."""
    with _own_disk():
        file = path.open("rb")
    with file:
        yield OwnFile(file)


def size_of(path: Path) -> int:
    """Size of a file that is to be sent."""
    with _own_disk():
        return path.stat().st_size


@contextmanager
def _own_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OwnDiskFailed(f"this machine's own copy: {error.strerror or type(error).__name__}") from error
