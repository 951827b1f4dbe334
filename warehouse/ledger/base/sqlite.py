"""Connections to SQLite: how they are set up, how their transactions begin, and how much of the file each keeps in memory.

What holds for both databases is in `database`, what for PostgreSQL alone in `postgresql`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from warehouse.kept_documents import unpack
from warehouse.ledger.base.schema import UNPACK

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Transaction
    from sqlalchemy.engine import Engine

BUSY_TIMEOUT_MS = 15_000
CACHE_KILOBYTES = 32_000
"""What a chunk of orders changes fits in, so that nothing is written twice."""
PAGES_BETWEEN_CHECKPOINTS = 4_000
"""Most pages of indexes change in every commit: they are written to their place once for several."""


def make_sqlite_engine(url: str, cache_kilobytes: int, **options: Any) -> Engine:  # noqa: ANN401 - SQLAlchemy's own
    """An engine whose connections have so much cache, and while something is written as much as that takes."""
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000}, **options)
    sa.event.listen(engine, "connect", partial(_configure, cache_kilobytes))
    sa.event.listen(engine, "begin", _begin)
    if cache_kilobytes < CACHE_KILOBYTES:
        sa.event.listen(engine, "begin", _enlarge_cache)
        sa.event.listen(engine, "checkin", partial(_shrink_cache, cache_kilobytes))
    return engine


def _configure(cache_kilobytes: int, raw: Any, _record: Any) -> None:  # noqa: ANN401 - SQLAlchemy's event signature
    raw.isolation_level = None  # the driver would otherwise begin transactions at moments of its own
    raw.create_function(UNPACK, 1, unpack, deterministic=True)
    cursor = raw.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute(f"PRAGMA wal_autocheckpoint={PAGES_BETWEEN_CHECKPOINTS}")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute(f"PRAGMA cache_size=-{cache_kilobytes}")
    cursor.execute("PRAGMA secure_delete=ON")  # what is deleted is overwritten: it may be personal
    cursor.close()


def _begin(transaction: Transaction) -> None:
    is_write = transaction.get_execution_options().get("ledger_write", False)
    transaction.exec_driver_sql("BEGIN IMMEDIATE" if is_write else "BEGIN")


def _enlarge_cache(transaction: Transaction) -> None:
    if transaction.get_execution_options().get("ledger_write", False):
        transaction.exec_driver_sql(f"PRAGMA cache_size=-{CACHE_KILOBYTES}")


def _shrink_cache(cache_kilobytes: int, raw: Any, _record: Any) -> None:  # noqa: ANN401 - SQLAlchemy's event signature
    if raw is not None:
        raw.execute(f"PRAGMA cache_size=-{cache_kilobytes}")
