"""Which statements read a table that grows with the orders from its beginning, as SQLite's planner tells.

A new ledger has no statistics, so that it plans as for a book of any size. Statements are taken where SQLite runs them: whoever
sends one, it is seen.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa

from warehouse.kept_documents import unpack
from warehouse.ledger.base.schema import UNPACK, metadata

GROWING = {
    *(
        "orders",
        "order_lines",
        "order_versions",
        "parties",
        "raw_orders",
        "shipments",
        "shipment_lines",
        "acknowledgements",
    ),
    *("acceptances", "cancellation_requests", "files", "file_rows", "log_entries", "incidents"),
}
PARTIAL = frozenset(
    str(index.name)
    for table in metadata.tables.values()
    for index in table.indexes
    if index.dialect_options["sqlite"]["where"] is not None
)
"""Indexes of the few rows for which something holds: reading one of them whole is fine."""
ASKS = re.compile(r"\s*(SELECT|WITH|UPDATE|DELETE|INSERT)\b", re.IGNORECASE)
SCAN = re.compile(r"SCAN (\w+?)(?:_\d+)?(?: USING (?:COVERING )?INDEX (\w+))?$")


@contextmanager
def recorded() -> Iterator[list[str]]:
    """The statements, with their parameters, of every connection to SQLite that is opened meanwhile."""
    seen: list[str] = []

    def listen(driver: object, _record: object) -> None:
        if isinstance(driver, sqlite3.Connection):
            driver.set_trace_callback(seen.append)

    sa.event.listen(sa.pool.Pool, "connect", listen)
    try:
        yield seen
    finally:
        sa.event.remove(sa.pool.Pool, "connect", listen)


def scans(ledger: Path, statements: Iterable[str]) -> list[str]:
    """Those that read a growing table whole: all of it, or along an index past rows that are not wanted, or to sort it."""
    found = []
    with closing(sqlite3.connect(ledger)) as database:
        database.create_function(UNPACK, 1, unpack)
        known = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert known >= GROWING, GROWING - known
        for statement in sorted({each for each in statements if ASKS.match(each)}):
            try:
                plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {statement}")]
            except sqlite3.OperationalError as error:  # it was about another file
                if "no such table" not in str(error):
                    raise
                continue
            sorts = any("TEMP B-TREE" in each for each in plan)
            is_page = "LIMIT" in statement and not sorts and "WHERE" not in _without_parentheses(statement)
            read = [each for each in map(SCAN.match, plan) if each and each[1] in GROWING and each[2] not in PARTIAL]
            if read and not is_page:
                found.append(f"{read[0][0]}: {' '.join(statement.split())}")
    return found


def _without_parentheses(statement: str) -> str:
    while (shorter := re.sub(r"\([^()]*\)", "", statement)) != statement:
        statement = shorter
    return statement
