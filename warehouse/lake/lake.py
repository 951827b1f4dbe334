"""The lake as an object: opening it for writing, and transactions that are tried again when another writer was first.

How it is reached is in `attachment`, what is in it in `definitions`, what is written to it in `publishing`.
"""

from __future__ import annotations

import random
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self, TypeVar

import duckdb

from warehouse.lake import definitions
from warehouse.lake.attachment import CATALOG, connect_writer, is_collision, is_made
from warehouse.lake.outages import LakeError, unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

    from duckdb import DuckDBPyConnection

    from warehouse.settings import Settings

Outcome = TypeVar("Outcome")

ATTEMPTS = 10
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 3.0
RETIRED_TOGETHER = 2_048
"""Retired orders in one group of rows, the fewest that DuckDB takes: whoever looks for one of them reads a group."""
MARKS_INLINED = 100
"""Rows of marks that a catalog in PostgreSQL keeps itself."""


class LakeBusyError(LakeError):
    """Other writers were first every time."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before another try: full jitter over a doubling bound. `pause` takes seconds."""

    pause: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = field(default=random.random)

    def wait(self, attempt: int) -> None:
        """Wait before try number `attempt` (the second is 1)."""
        self.pause(self.chance() * min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**attempt))


@dataclass(frozen=True, slots=True)
class Lake:
    """An attached lake, for one thread; short-lived. Its catalog is in SQLite or in PostgreSQL."""

    duck: DuckDBPyConnection
    backoff: Backoff
    is_on_sqlite: bool

    def transaction(self, work: Callable[[DuckDBPyConnection], Outcome]) -> Outcome:
        """Run `work` in one DuckLake transaction; run it again from its start when another writer was first.

        Raises:
            LakeBusyError: Others were first every time.
        """

        def attempt() -> Outcome:
            self.duck.execute("BEGIN TRANSACTION")
            try:
                outcome = work(self.duck)
                self.duck.execute("COMMIT")
            except BaseException:
                _roll_back(self.duck)
                raise
            return outcome

        return _again_on_collision(attempt, self.backoff)

    def statement(self, sql: str) -> list[tuple[object, ...]]:
        """Run one statement that is its own transaction, with the same retries."""
        return _again_on_collision(lambda: self.duck.execute(sql).fetchall(), self.backoff)

    def close(self) -> None:
        """Let go of the lake."""
        self.duck.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_lake(
    settings: Settings, backoff: Backoff | None = None, old: Settings | None = None, catalog: str = CATALOG
) -> Lake:
    """Open the lake for writing, made or brought up to this release's definitions first. Use it in a `with` block.

    Args:
        settings: Where the catalog and the files are.
        backoff: How to wait for other writers.
        old: Where another lake is, to be read as `old_lake` beside it.
        catalog: What that one's catalog is called.

    Raises:
        LakeError: It cannot be reached, or its files are elsewhere.
    """
    backoff = backoff or Backoff()
    lake = Lake(
        _again_on_collision(lambda: connect_writer(settings, old, catalog), backoff),
        backoff,
        not settings.is_postgresql,
    )
    if _again_on_collision(lambda: _defined(lake.duck), backoff) != definitions.digest():
        _define(lake)
    return lake


def _define(lake: Lake) -> None:
    """Tables and views, then the options of the tables, which DuckLake takes only once they are there, then the stamp."""
    lake.transaction(definitions.define)
    # The marks move with every publish: as rows of the catalog they cost a tenth of a Parquet file. Data goes to files at
    # once, so that the catalog stays small. In SQLite rows of the catalog could never be let go of: see `maintenance`.
    marks = 0 if lake.is_on_sqlite else MARKS_INLINED
    for option in ("0", f"{marks}, table_name => 'published'"):
        lake.statement(f"CALL {CATALOG}.set_option('data_inlining_row_limit', {option})")
    lake.statement(
        f"CALL {CATALOG}.set_option('parquet_row_group_size', '{RETIRED_TOGETHER}', table_name => 'retired_orders')"
    )
    lake.statement(f"CALL {CATALOG}.set_option('parquet_compression', 'zstd', table_name => 'retired_orders')")
    lake.transaction(definitions.stamp)


def _defined(duck: DuckDBPyConnection) -> str | None:
    if not is_made(duck):
        return None
    row = duck.execute(f"SELECT content_hash FROM published WHERE name = '{definitions.DEFINITIONS}'").fetchone()  # noqa: S608
    return row[0] if row else None


def _roll_back(duck: DuckDBPyConnection) -> None:
    with suppress(duckdb.TransactionException):  # a failed COMMIT has ended the transaction already
        duck.execute("ROLLBACK")


def _again_on_collision(work: Callable[[], Outcome], backoff: Backoff) -> Outcome:
    attempt = 1
    while True:
        try:
            return work()
        except duckdb.Error as error:
            if not is_collision(error):
                if isinstance(error, duckdb.IOException):
                    raise unreachable(error) from None
                raise
            if attempt == ATTEMPTS:
                raise LakeBusyError(f"other writers were first {ATTEMPTS} times: {error}") from error
        backoff.wait(attempt)
        attempt += 1
