"""Processes of our machine that can die: at every commit, before and after it, and at every call, before and after it.

A process that dies raises `Killed` where it stands, which nothing in the product catches. Whatever its clean-up tries on the
way out (a lease to release, a row to correct) fails as well: a dead process does nothing. Between two transactions somebody
else may act in the middle of a process: that is how things happen at the same time in one thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine


class Killed(BaseException):
    """The end of a process, as a signal would bring it."""


@dataclass(frozen=True)
class Fate:
    """What happens to one process on its way. Places are numbered from 1 in the order in which they are reached.

    Attributes:
        dies_at: The commit or call where it is killed.
        meets_at: The first place from which on, outside of transactions, `meeting` happens in its middle.
        meeting: What others do there.
        fails_at: The statement that the database refuses.
        failure: In what words.
    """

    dies_at: int | None = None
    meets_at: int | None = None
    meeting: Callable[[], None] | None = None
    fails_at: int | None = None
    failure: str = "disk I/O error"


@dataclass
class Process:
    """One process while it lives."""

    name: str
    fate: Fate = field(default_factory=Fate)
    places: int = 0
    statements: int = 0
    is_dead: bool = False
    has_met: bool = False
    died_at: str = ""

    def reach(self, place: str, *, is_free: bool) -> None:
        """Come to a place where it may die, or, free of transactions, where others may act."""
        if self.is_dead:
            raise Killed(self.name)
        self.places += 1
        if self.places == self.fate.dies_at:
            self.is_dead = True
            self.died_at = place
            raise Killed(self.name)
        if is_free and self.fate.meeting and not self.has_met and self.places >= (self.fate.meets_at or 0):
            self.has_met = True
            self.fate.meeting()

    def execute(self) -> None:
        """Send a statement, which a dead process does not, and which the database may refuse."""
        if self.is_dead:
            raise Killed(self.name)
        self.statements += 1
        if self.statements == self.fate.fails_at:
            raise sqlite3.OperationalError(self.fate.failure)


def watch(engine: Engine, at_work: Callable[[], Process | None]) -> None:
    """Make a database a place of the process that is at work: its commits, and its statements."""
    commit = engine.dialect.do_commit

    def do_commit(connection: Any) -> None:
        process = at_work()
        if process:
            process.reach("before a commit", is_free=False)
        commit(connection)
        if process:
            process.reach("after a commit", is_free=True)

    def execute(*_: Any) -> None:
        process = at_work()
        if process:
            process.execute()

    engine.dialect.do_commit = do_commit  # type: ignore[method-assign]
    sa.event.listen(engine, "do_execute", execute)
