"""How long this task waits for an answer of the database at most. What bounds a wait is in `postgresql`."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

STATEMENT_SECONDS = 60
LOCK_SECONDS = 15
IDLE_SECONDS = 30
"""Between two statements of a writing transaction: what a machine had locked that was lost in the middle is free then."""
GRACE_SECONDS = 5
"""So much longer than the server may take is waited for its answer."""

_longest: ContextVar[float | None] = ContextVar("longest", default=STATEMENT_SECONDS + GRACE_SECONDS)


def longest_wait() -> float | None:
    """In seconds; None: as long as it takes."""
    return _longest.get()


@contextmanager
def waiting_at_most(seconds: float | None) -> Iterator[None]:
    """Wait so long for each answer of the database; None: as long as it takes (a migration, a dump)."""
    before = _longest.set(seconds)
    try:
        yield
    finally:
        _longest.reset(before)
