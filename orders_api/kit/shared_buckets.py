"""Buckets of requests that the processes of one `orders api` share: a file in memory, one writer at a time.

What is counted is in `rate_limits`; who makes the folder of the file, and takes it away, is `orders_api.workers`.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
import threading
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

from orders_api.kit.rate_limits import BUCKETS_KEPT, Bucket

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Self

FILE = "limits"
SHAPE = struct.Struct("<8sdd")
"""Of a bucket: whose it is, what was left, and when; the clock is that of the machine, which all processes share."""
NOBODY = bytes(8)
NEIGHBOURS = 8
"""Places that a bucket may have. Where others have all of them, the one that was idle the longest gives way."""


@dataclass(frozen=True, slots=True)
class SharedBuckets:
    """The buckets of one folder."""

    _memory: mmap.mmap
    _file: int
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def below(cls, folder: Path) -> Self:
        """Those of a folder; the first process makes them."""
        file = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        size = SHAPE.size * (BUCKETS_KEPT + NEIGHBOURS)
        os.ftruncate(file, size)
        return cls(mmap.mmap(file, size), file)

    def change(self, name: str, change: Callable[[Bucket | None], Bucket]) -> None:
        """As `Buckets` says; a process that dies meanwhile lets go of the file."""
        owner = blake2b(name.encode(), digest_size=len(NOBODY)).digest()
        with self._lock:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                place, bucket = self._find(owner)
                SHAPE.pack_into(self._memory, place, owner, *change(bucket))
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def _find(self, owner: bytes) -> tuple[int, Bucket | None]:
        first = int.from_bytes(owner, "big") % BUCKETS_KEPT
        idle_longest, place = float("inf"), first * SHAPE.size
        for at in range(first * SHAPE.size, (first + NEIGHBOURS) * SHAPE.size, SHAPE.size):
            whose, left, seconds = SHAPE.unpack_from(self._memory, at)
            if whose == owner:
                return at, Bucket(left, seconds)
            if seconds < idle_longest:  # nobody's is the oldest of all
                idle_longest, place = seconds, at
        return place, None
