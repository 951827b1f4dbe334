"""This process and what it has in memory; and processes by name: who holds a lease or a run, and whether it has ended here.

When one that is watched is started again is here too; watching is `orders up`'s, and that of the API's workers.
"""

from __future__ import annotations

import gc
import os
import socket
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
MOST_ENDS = 5
"""In a row, each within `STEADY_SECONDS` of its start: after them nothing is started again."""
STEADY_SECONDS = 60.0


@dataclass(slots=True)
class Restarts:
    """How often a process that is watched has ended in a row."""

    ends: int = 0

    def pause(self, lived_seconds: float) -> float | None:
        """Count an end: how many seconds later it is started again, or None: it has ended too often."""
        self.ends = self.ends + 1 if lived_seconds < STEADY_SECONDS else 1
        if self.ends >= MOST_ENDS:
            return None
        return min(FIRST_PAUSE_SECONDS * 2.0 ** (self.ends - 1), LONGEST_PAUSE_SECONDS)


def write_privately() -> None:
    """Whatever this process makes from now on belongs to its user alone: folders 0700, files 0600, whatever its umask was."""
    os.umask(0o077)


def this_process() -> str:
    """This process as `host:pid`."""
    return f"{socket.gethostname()}:{os.getpid()}"


def is_gone(process: str | None) -> bool:
    """Whether a process was on this machine and is no more; what cannot be known is taken for alive."""
    host, _, pid = (process or "").rpartition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


@contextmanager
def heap_at_rest() -> Iterator[None]:
    """What is in memory now is not looked through for cycles meanwhile; in work on many rows that takes a sixth of the time."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
