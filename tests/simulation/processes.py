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

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import Engine

GONE = "server closed the connection unexpectedly"
FAILURES = ("disk I/O error", "database is locked", "database or disk is full", GONE)
"""What a database says."""


class Killed(BaseException):
    """The end of a process, as a signal would bring it."""


@dataclass(frozen=True)
class Fate:
    """What happens to one process on its way. Places are numbered from 1 in the order in which they are reached.

    Attributes:
        dies_at: The commit or call where it is killed.
        meets_at: The first place from which on, outside of transactions, `meeting` happens in its middle.
        meeting: What others do there.
        fails_at: The statement, or commit, that the database refuses.
        failure: In what words. After `GONE` the connection is lost; a commit that it hits has been done all the same.
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

    def execute(self, refuse: Callable[[], None]) -> None:
        """Send a statement, which a dead process does not, and which the database may refuse."""
        if self.is_dead:
            raise Killed(self.name)
        if self.is_refused():
            refuse()

    def is_refused(self) -> bool:
        """Count a statement; whether it is the one that the database refuses."""
        self.statements += 1
        return self.statements == self.fate.fails_at


def watch(engine: Engine, at_work: Callable[[], Process | None]) -> None:
    """Make a database a place of the process that is at work: its commits, and its statements."""
    commit = engine.dialect.do_commit

    def do_commit(connection: Any) -> None:
        process = at_work()
        if process is None:
            commit(connection)
            return
        process.reach("before a commit", is_free=False)
        is_refused = process.is_refused()
        if is_refused and process.fate.failure != GONE:
            _refuse(engine, connection, process.fate.failure)
        commit(connection)
        if is_refused:
            _refuse(engine, connection, GONE)
        process.reach("after a commit", is_free=True)

    def execute(cursor: Any, *_: Any) -> None:
        process = at_work()
        if process:
            process.execute(lambda: _refuse(engine, cursor.connection, process.fate.failure))

    def handle_error(context: Any) -> None:
        context.is_disconnect = context.is_disconnect or str(context.original_exception) == GONE

    engine.dialect.do_commit = do_commit  # type: ignore[method-assign]
    sa.event.listen(engine, "do_execute", execute)
    sa.event.listen(engine, "handle_error", handle_error)


def _refuse(engine: Engine, connection: Any, failure: str) -> None:
    """SQLite's failures are made up; PostgreSQL really ends the session, and what is asked of it next fails."""
    if engine.dialect.name != "postgresql":
        raise sqlite3.OperationalError(failure)
    url = engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.info.backend_pid])
