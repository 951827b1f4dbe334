"""Disks and shares that fail: they refuse, they are full, or they break off in the middle of a file.

What lives here: the state of one disk, and the module `os` as a module of the product sees it while its files lie there. What
does not: when a disk fails (`events`).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, BinaryIO, Self


@dataclass
class Disk:
    """Where files lie.

    Attributes:
        name: What it is called.
        reach: Is told of every access: a place where a process may be killed.
        refusal: The error that every access gets at present; one for want of room is for writers only.
        breaks_after: After so many more accesses one gets `breaks_with`, in its middle; None: none does.
        breaks_with: Its error.
    """

    name: str
    reach: Callable[[str], None]
    refusal: int | None = None
    breaks_after: int | None = None
    breaks_with: int = errno.EIO

    def access(self, *, is_writing: bool) -> None:
        """Come to an access, which may fail before anything has happened."""
        self.reach(f"at {self.name}")
        if self.refusal is not None and (is_writing or self.refusal != errno.ENOSPC):
            raise _error(self.refusal)
        if self.is_breaking(is_writing=is_writing):
            raise _error(self.breaks_with)

    def is_breaking(self, *, is_writing: bool) -> bool:
        """Count an access; whether it is the one that breaks off."""
        if self.breaks_after is None or (self.breaks_with == errno.ENOSPC and not is_writing):
            return False
        self.breaks_after -= 1
        if self.breaks_after > 0:
            return False
        self.breaks_after = None
        return True

    def mend(self) -> None:
        """Work again."""
        self.refusal = self.breaks_after = None


class System:
    """The module `os` of those who use a disk."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def open(self, path: Any, flags: int, mode: int = 0o777) -> int:
        """As `os.open`."""
        self._disk.access(is_writing=bool(flags & (os.O_WRONLY | os.O_RDWR)))
        return os.open(path, flags, mode)

    def fdopen(self, descriptor: int, mode: str) -> _File:
        """As `os.fdopen`, for bytes."""
        return _File(self._disk, os.fdopen(descriptor, mode))

    def scandir(self, path: Any) -> Any:
        """As `os.scandir`."""
        self._disk.access(is_writing=False)
        return os.scandir(path)

    def link(self, source: Any, goal: Any, **more: Any) -> None:
        """As `os.link`, which may be done although it says that it failed."""
        self._disk.access(is_writing=True)
        os.link(source, goal, **more)
        self._disk.reach(f"at {self._disk.name}")
        if self._disk.is_breaking(is_writing=True):
            raise _error(self._disk.breaks_with)

    def fsync(self, descriptor: int) -> None:
        """As `os.fsync`; nothing is to be kept from the loss of power here."""
        self._disk.access(is_writing=True)


class _File:
    """An open file of which a transfer may break off in the middle of a block."""

    def __init__(self, disk: Disk, file: BinaryIO) -> None:
        self._disk = disk
        self._file = file

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def read(self, size: int = -1) -> bytes:
        """A block, or half of it and an error with the next."""
        if self._disk.is_breaking(is_writing=False):
            raise _error(self._disk.breaks_with)
        return self._file.read(size)

    def write(self, block: bytes) -> None:
        """A block, or half of it and an error."""
        half = len(block) // 2
        self._file.write(block[:half])
        self._file.flush()
        self._disk.access(is_writing=True)
        self._file.write(block[half:])


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
