"""Books that the benchmarks ask: filled with kinds of orders of which there are few, on SQLite and on PostgreSQL.

What is in an order is made in `filling`; a book that is kept is filled once (`--books`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa

from tests.benchmarks.filling import (
    BOOK_TABLES,
    CHANNELS,
    fill_book,
    installed,
    order_id,
    settings_of,
)
from tests.benchmarks.measuring import Workshop
from tests.benchmarks.normalising import postgresql
from warehouse.kept_documents import unpack_text
from warehouse.ledger.base.database import make_engine
from warehouse.ledger.base.schema import channels as channel_table
from warehouse.ledger.base.schema import connections as connection_table
from warehouse.ledger.base.schema import marks
from warehouse.ledger.base.schema.columns import PackedText
from warehouse.ledger.watch import incidents, order_counts

VARIED = """
UPDATE orders SET
    status = CASE WHEN position % ({count} / 150 + 1) = 0 THEN 'REFUSED' ELSE status END,
    has_errors = (position % 53 = 0 AND position > {count} / 2),
    has_problems = (position % 53 = 0 AND position > {count} / 2),
    has_cancellation_request = (position % 211 = 0),
    fulfilled_by = CASE WHEN position % 7 = 0 AND position < {count} / 4 THEN 'marketplace'
        WHEN position % 101 = 0 THEN NULL ELSE fulfilled_by END
"""
"""Kinds of which there are few, or none lately: what is rare costs most where it is looked for by walking. Of refused orders
there are as many in a book of any size, so that what is found grows with none."""


def filled_book(workshop: Workshop, count: int) -> Path:
    """The folder of a book with kinds of which there are few; filled when it is not kept from an earlier run."""
    home = workshop.kept(f"book-{count}")
    if (home / "ledger.sqlite").exists():
        return home
    with installed(home) as installation:
        fill_book(installation, count, workshop.say)
        with installation.ledger.write() as transaction:
            transaction.execute(sa.text(VARIED.format(count=count)))
            order_counts.rebuild(transaction, installation.settings.time_zone)
            for number in range(30):
                problem = incidents.IncidentReport(
                    scope="channel",
                    subject=CHANNELS[0],
                    stage="confirm",
                    code="timeout",
                    message="No answer.",
                    order_id=order_id(number),
                )
                incidents.report(transaction, problem, installation.clock())
    return home


def _for_postgresql(value: Any, is_flag: bool, is_text: bool) -> Any:  # noqa: FBT001 - what the column is
    if is_text and isinstance(value, bytes):
        return unpack_text(value)
    return bool(value) if is_flag else value


@contextlib.contextmanager
def on_postgresql(workshop: Workshop, home: Path, count: int) -> Iterator[str | None]:
    """The address of the same book on a PostgreSQL of our own, kept as the book is; None where none is installed."""
    kept = workshop.kept(f"postgresql-{count}")
    with postgresql(workshop, kept) as server:
        if server is None:
            yield None
            return
        url, filled = f"{server}/postgres", kept / "filled"
        if not filled.exists():
            _copy_book(workshop, home, url)
            filled.touch()
        yield url


def _copy_book(workshop: Workshop, home: Path, url: str) -> None:
    """The same book on PostgreSQL: its rows by COPY."""
    workshop.say("copying the book into PostgreSQL")
    with installed(home, url):
        pass
    source = make_engine(settings_of(home).ledger_url)
    tables = (connection_table, channel_table, *BOOK_TABLES)
    with source.connect() as rows, psycopg.connect(url) as target:
        for table in tables:
            flags = {number for number, each in enumerate(table.columns) if isinstance(each.type, sa.Boolean)}
            texts = {number for number, each in enumerate(table.columns) if isinstance(each.type, PackedText)}
            names = ", ".join(each.name for each in table.columns)
            with target.cursor().copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
                for row in rows.exec_driver_sql(f"SELECT {names} FROM {table.name}"):
                    copy.write_row([_for_postgresql(each, at in flags, at in texts) for at, each in enumerate(row)])
        for name, value in rows.execute(sa.select(marks.c.name, marks.c.value)):
            target.execute("UPDATE marks SET value = %s WHERE name = %s", (value, name))
    source.dispose()
    with installed(home, url) as installation, installation.ledger.write() as transaction:
        order_counts.rebuild(transaction, installation.settings.time_zone)
    with psycopg.connect(url, autocommit=True) as target:
        target.execute("VACUUM ANALYZE")
