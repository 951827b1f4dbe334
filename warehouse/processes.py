"""This process and what it has in memory; and processes by name: who holds a lease or a run, and whether it has ended here.

When one that is watched is started again is here too; watching is `orders up`'s, and that of the API's workers.
"""

from __future__ import annotations

import gc
import os
import socket
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
MADE_BETWEEN_LOOKS = 50_000
"""Objects that are made between two looks for cycles; by itself Python looks after 700."""
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
    """This process as `host:pid:birth`; no other one is ever called that."""
    pid = os.getpid()
    return f"{socket.gethostname()}:{pid}:{_place()}-{_began(pid)}"


def is_gone(process: str | None) -> bool:
    """Whether a process was on this machine and is no more; what cannot be known is taken for alive.

    A number says little: containers number their processes from 1, and so does the same one after a restart. So a process is
    looked for only where it was, and only one that began when it did is taken for it.
    """
    host, _, rest = (process or "").partition(":")
    pid, _, birth = rest.partition(":")
    place, _, began = birth.rpartition("-")
    if host != socket.gethostname() or not pid.isdigit() or (place and place != _place()):
        return False
    try:
        found = _began(int(pid))
    except ProcessLookupError:
        return True
    return bool(began and found) and found != began


@cache
def _place() -> str:
    """Since which start of which machine process ids are counted here, and in which container; empty where nobody tells."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")[:8]
        return f"{boot}-{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return ""


def _began(pid: int) -> str:
    """When a process began, in ticks since its machine did; empty where nobody tells.

    Raises:
        ProcessLookupError: There is none, or all that is left of it is its number.
    """
    try:
        about = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        with suppress(PermissionError):
            os.kill(pid, 0)
        return ""
    if about[0] == "Z":
        raise ProcessLookupError
    return about[19]


@contextmanager
def heap_at_rest() -> Iterator[None]:
    """What is in memory now is not looked through for cycles meanwhile, and what is new seldom: work on many rows takes a fifth
    of its time for that.
    """
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(MADE_BETWEEN_LOOKS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
