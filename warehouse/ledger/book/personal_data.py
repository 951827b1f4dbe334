"""The clock of personal data: whose time is over, and taking it out of the ledger, of the archive, and off the disk.

An order's time begins when it was shipped, canceled or refused, or with its ship-by time when that is later. Then its parties
go, and the encrypted exact bytes of its payloads: the clear payload without personal data stays, so that everything can still
be read and replayed. An order that is still open keeps what is needed to ship it. Encryption is in `warehouse.privacy`; backups
are beyond reach: they are the operator's to delete.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import orjson
import sqlalchemy as sa

from warehouse import documents
from warehouse.ledger.base.database import POSITION, TRACES, mark, next_values, set_mark
from warehouse.ledger.base.schema import TIME_BEGAN, Instant, order_versions, orders, parties, raw_orders
from warehouse.ledger.base.sqlite import BUSY_TIMEOUT_MS
from warehouse.ledger.book.orders import lock_book
from warehouse.order_parts import Address
from warehouse.order_states import CLOSED_STATUSES, PiiState
from warehouse.personal import Personal
from warehouse.personal import parties as parties_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction
    from sqlalchemy.engine import RowMapping

    from warehouse.ledger.base.database import Ledger

ROWS_PER_COMMIT = 100
UNREAD_GRACE = timedelta(days=60)
"""A payload that gave no order has no status to go by: it is given this much longer to be repaired and replayed."""

PURGED_TABLES = ("orders", "order_versions", "parties", "raw_orders", "account_deletions")
BEGAN: sa.ColumnElement[datetime] = sa.literal_column(TIME_BEGAN, Instant)
CHANGED = ("pii_state",)
"""What the version that a purge writes says has changed: no marketplace told anything."""


@dataclass(frozen=True, slots=True)
class Purge:
    """How much has to go, or went: orders' parties, payloads' exact bytes, archived files."""

    orders: int
    payloads: int
    files: int

    def __bool__(self) -> bool:
        return bool(self.orders or self.payloads or self.files)


class ArchivedFiles(Protocol):
    """What is in the archive, as its shelves tell it."""

    def older_than(self, before: datetime) -> list[str]:
        """The names of what was kept before a moment."""

    def remove(self, name: str) -> None:
        """Delete what has this name."""


class TracesRemain(Exception):
    """What was deleted may still stand in unused parts of the database's files; the message says why."""


def due(ledger: Ledger, archive: ArchivedFiles, before: datetime) -> Purge:
    """What `purge` would take out now.

    Args:
        ledger: Only read.
        archive: The archived files.
        before: Whose time began earlier than this is due.
    """
    with ledger.read() as transaction:
        return Purge(*count_due(transaction, before), len(archive.older_than(before)))


def count_due(transaction: Transaction, before: datetime) -> tuple[int, int]:
    """How many orders and payloads are due."""
    book = transaction.execute(sa.select(sa.func.count()).select_from(orders).where(*_due_orders(before)))
    raws = transaction.execute(sa.select(sa.func.count()).select_from(raw_orders).where(*_due_payloads(before)))
    return book.scalar_one(), raws.scalar_one()


def purge(ledger: Ledger, archive: ArchivedFiles, before: datetime, now: datetime) -> Purge:
    """Take out what is due, in small transactions; safe to stop anywhere and to run again. Arguments as in `due`.

    Each order gets a new revision, so that readers and the order tables learn that its personal data is gone.

    Raises:
        TracesRemain: Everything is deleted, but could not be overwritten on the disk; the next purge tries again.
    """
    gone = Purge(_purge_orders(ledger, before, now), _purge_payloads(ledger, before), _purge_files(archive, before))
    with ledger.read() as transaction:
        has_traces = mark(transaction, TRACES) > 0  # also those of a purge that was killed
    if has_traces:
        _erase_traces(ledger)
        with ledger.write() as transaction:
            set_mark(transaction, TRACES, 0)
    return gone


def _erase_traces(ledger: Ledger) -> None:
    """Overwrite what deleted rows have left in the database's files.

    SQLite: the file is written anew and its write-ahead log emptied, while no other process writes. PostgreSQL: the rows are
    given up for overwriting; what it has written to its log and to old blocks is its administrator's.

    Raises:
        TracesRemain: SQLite's file was in use all the time, or the disk has no room to write it anew.
    """
    if ledger.engine.dialect.name == "postgresql":
        with ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text(f"VACUUM (ANALYZE) {', '.join(PURGED_TABLES)}"))
        return
    path = Path(str(ledger.engine.url.database))
    try:
        with closing(sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000)) as database:
            database.execute("VACUUM")
            is_busy, _, _ = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError as error:
        raise TracesRemain(f"{path.name} could not be written anew: {error}") from None
    if is_busy:
        raise TracesRemain(f"{path.name} is being read all the time")


def oldest(transaction: Transaction) -> datetime | None:
    """When the order was received that has had personal data for the longest time; one look into an index."""
    query = sa.select(sa.func.min(orders.c.received_at)).where(sa.text("pii_state = 'present'"))
    found: datetime | None = transaction.execute(query).scalar()
    return found


def _is_over(before: datetime) -> sa.ColumnElement[bool]:
    return before > BEGAN  # null where it does not run yet


def _due_orders(before: datetime) -> list[sa.ColumnElement[bool]]:
    # The literal lets both databases use the index of these orders; a parameter would not.
    return [sa.literal_column("orders.pii_state = 'present'"), _is_over(before)]


def _due_payloads(before: datetime) -> list[sa.ColumnElement[bool]]:
    own = sa.and_(orders.c.channel == raw_orders.c.channel, orders.c.original_id == raw_orders.c.original_id)
    is_free = sa.or_(orders.c.pii_state == PiiState.EXPIRED, sa.func.coalesce(_is_over(before), sa.false()))
    return [
        raw_orders.c.body.is_not(None),
        ~sa.exists().where(own, ~is_free),
        sa.or_(sa.exists().where(own), raw_orders.c.received_at < before - UNREAD_GRACE),
    ]


def _batches(
    ledger: Ledger,
    key: sa.Column[Any],
    moment: sa.ColumnElement[datetime],
    conditions: list[sa.ColumnElement[bool]],
) -> Iterator[list[Any]]:
    """Keys of what is due, the oldest first, found in short read transactions: the write lock is not held to search."""
    last: tuple[datetime, Any] | None = None
    while True:
        query = sa.select(moment, key).where(*conditions).order_by(moment, key).limit(ROWS_PER_COMMIT)
        if last is not None:
            query = query.where(sa.tuple_(moment, key) > sa.tuple_(*last, types=[moment.type, key.type]))
        with ledger.read() as transaction:
            rows = transaction.execute(query).all()
        if not rows:
            return
        yield [row[1] for row in rows]
        last = (rows[-1][0], rows[-1][1])


def _purge_orders(ledger: Ledger, before: datetime, now: datetime) -> int:
    gone = 0
    for ids in _batches(ledger, orders.c.id, BEGAN, _due_orders(before)):
        with ledger.write() as transaction:
            lock_book(transaction)
            # asked again: an order may have been opened again meanwhile
            query = sa.select(orders).where(orders.c.id.in_(ids), *_due_orders(before)).order_by(orders.c.id)
            rows = transaction.execute(query).mappings().all()
            if rows:
                _expire(transaction, rows, now)
                set_mark(transaction, TRACES, 1)
        gone += len(rows)
    return gone


def expire_orders(ledger: Ledger, ids: Sequence[str], now: datetime) -> int:
    """Take the parties of closed orders out before their time; the next purge empties their payloads and the disk's traces.

    Returns how many had any; those that were opened again meanwhile keep theirs.
    """
    gone = 0
    for start in range(0, len(ids), ROWS_PER_COMMIT):
        is_closed = orders.c.status.in_(sorted(CLOSED_STATUSES))
        has_any: sa.ColumnElement[bool] = sa.literal_column("orders.pii_state = 'present'")
        with ledger.write() as transaction:
            lock_book(transaction)
            query = sa.select(orders).where(orders.c.id.in_(ids[start : start + ROWS_PER_COMMIT]), has_any, is_closed)
            rows = transaction.execute(query.order_by(orders.c.id)).mappings().all()
            if rows:
                _expire(transaction, rows, now)
                set_mark(transaction, TRACES, 1)
        gone += len(rows)
    return gone


def _expire(transaction: Transaction, rows: Sequence[RowMapping], now: datetime) -> None:
    first = next_values(transaction, POSITION, len(rows))
    transaction.execute(sa.delete(parties).where(parties.c.order_key.in_([row["key"] for row in rows])))
    changes: list[dict[str, Any]] = []
    versions: list[dict[str, Any]] = []
    for position, row in enumerate(rows, first):
        country = Address(country_code=row["shipping_country_code"])
        bare = parties_text(Personal(members={"shipping_address": country}))
        half = documents.HASH_BYTES  # the first half is what the marketplace said, which our shipments may have raised
        content_hash = bytes(row["content_hash"])[:half] + documents.content_hash(row["facts"], bare)[half:]
        revision = row["revision"] + 1
        changes.append({"own_id": row["id"], "at": position, "version": revision, "digest": content_hash})
        versions.append(
            {
                "position": position,
                "order_id": row["id"],
                "order_key": row["key"],
                "revision": revision,
                "status": row["status"],
                "marketplace_updated_at": row["marketplace_updated_at"],
                "recorded_at": now,
                "raw_seq": row["raw_seq"],
                "changed": orjson.dumps(CHANGED).decode(),
            }
        )
    expired = (
        sa.update(orders)
        .where(orders.c.id == sa.bindparam("own_id"))
        .values(
            pii_state=PiiState.EXPIRED.value,
            position=sa.bindparam("at"),
            revision=sa.bindparam("version"),
            content_hash=sa.bindparam("digest"),
        )
    )
    transaction.execute(expired, changes)
    transaction.execute(sa.insert(order_versions), versions)


def _purge_payloads(ledger: Ledger, before: datetime) -> int:
    gone = 0
    conditions = _due_payloads(before)
    for seqs in _batches(ledger, raw_orders.c.seq, raw_orders.c.received_at, conditions):
        with ledger.write() as transaction:
            emptied = sa.update(raw_orders).where(raw_orders.c.seq.in_(seqs), *conditions).values(body=None)
            gone += int(transaction.execute(emptied).rowcount)
            set_mark(transaction, TRACES, 1)
    return gone


def _purge_files(archive: ArchivedFiles, before: datetime) -> int:
    gone = archive.older_than(before)
    for name in gone:
        archive.remove(name)
    return len(gone)
