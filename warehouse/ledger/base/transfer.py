"""All rows of a ledger into an empty one on another database, compared when they are there.

Rows travel as SQLite keeps them: times and JSON as their text, booleans as 0 and 1, so that equal rows are equal bytes on both;
what is packed there travels as text.
Who may write meanwhile is in `move_mark`; what else belongs to a move is in `warehouse.moves`.
"""

from __future__ import annotations

import hashlib
import marshal
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from warehouse.kept_documents import pack_text, unpack_text
from warehouse.ledger.base.bulk import copy_rows
from warehouse.ledger.base.postgresql import unbound
from warehouse.ledger.base.schema import Instant, Packed, PackedText, metadata

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection as Transaction

    Progress = Callable[[str, int], None]
    Row = tuple[Any, ...]

ROWS_AT_ONCE = 1_000
"""Payloads are ten kilobytes long: so many are in memory."""

DIGEST_BITS = 128


class TransferError(Exception):
    """What arrived is not what left; the message names the table."""


class Contents(NamedTuple):
    """What is in a table: how many rows, and the sum of their hashes, whatever their order."""

    rows: int
    digest: int


def transfer(source: Transaction, target: Transaction, progress: Progress) -> Mapping[str, Contents]:
    """Copy every table, in the order in which they refer to each other, in the target's one transaction.

    Args:
        source: A read of the ledger that is left; nobody writes it.
        target: A write of the other one; what its migrations have put there is replaced.
        progress: Told the table and how many rows were just written.

    Returns:
        What is in each table.

    Raises:
        TransferError: A table differs.
    """
    for transaction in (source, target):
        unbound(transaction)
    for table in metadata.sorted_tables[::-1]:
        target.execute(sa.delete(table))
    moved: dict[str, Contents] = {}
    for table in metadata.sorted_tables:
        left = _EMPTY
        for rows in _rows(source, table):
            _write(target, table, rows)
            left = _counted(left, rows)
            progress(table.name, len(rows))
        moved[table.name] = left
        arrived = contents(target, table)
        if arrived != left:
            raise TransferError(f"{table.name}: {left.rows} rows were sent and {arrived.rows} arrived, or they differ")
    _set_counters(source, target)
    return moved


def contents(transaction: Transaction, table: sa.Table) -> Contents:
    """What is in a table, the same on every database."""
    found = _EMPTY
    for rows in _rows(transaction, table):
        found = _counted(found, rows)
    return found


_EMPTY = Contents(0, 0)


def _counted(before: Contents, rows: Sequence[Row]) -> Contents:
    """Format 0 of marshal depends on values alone: later ones tell whether two are the same object."""
    hashes = (hashlib.blake2b(marshal.dumps(row, 0), digest_size=DIGEST_BITS // 8).digest() for row in rows)
    total = before.digest + sum(int.from_bytes(each) for each in hashes)
    return Contents(before.rows + len(rows), total % (1 << DIGEST_BITS))


def _rows(transaction: Transaction, table: sa.Table) -> Iterator[list[Row]]:
    quote = transaction.dialect.identifier_preparer.quote
    is_postgresql = transaction.dialect.name == "postgresql"
    read = _READ_POSTGRESQL if is_postgresql else _READ_SQLITE
    packed = _places(table, PackedText)
    columns = ", ".join(_as_sqlite(column, read).format(quote(column.name)) for column in table.columns)
    query = f"SELECT {columns} FROM {table.name}"  # noqa: S608 - our names
    with transaction.exec_driver_sql(query, execution_options={"yield_per": ROWS_AT_ONCE}) as result:
        for rows in result.partitions(ROWS_AT_ONCE):
            plain = [tuple(row) for row in rows]
            yield plain if is_postgresql else _converted(plain, packed, unpack_text)


def _write(transaction: Transaction, table: sa.Table, rows: list[Row]) -> None:
    if transaction.dialect.name == "postgresql":
        copy_rows(transaction, table, _converted(rows, _places(table, sa.Boolean), bool))
        return
    kept = _converted(rows, _places(table, PackedText), pack_text)
    quote = transaction.dialect.identifier_preparer.quote
    names, places = ", ".join(quote(each.name) for each in table.columns), ", ".join("?" * len(table.columns))
    transaction.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({places})", kept)  # noqa: S608 - our names


def _places(table: sa.Table, kind: type) -> frozenset[int]:
    return frozenset(place for place, column in enumerate(table.columns) if isinstance(column.type, kind))


def _converted(rows: list[Row], places: Collection[int], convert: Callable[[Any], Any]) -> list[Row]:
    """The rows with what is at these places converted, where there is anything."""
    if not places:
        return rows
    return [
        tuple(convert(each) if place in places and each is not None else each for place, each in enumerate(row))
        for row in rows
    ]


def _as_sqlite(column: sa.Column[Any], forms: Mapping[type, str]) -> str:
    return next((form for kind, form in forms.items() if isinstance(column.type, kind)), "{}")


_READ_POSTGRESQL = {
    Instant: """to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')""",
    sa.Boolean: "CAST({} AS integer)",
    sa.Date: "CAST({} AS text)",
    sa.JSON: "CAST({} AS text)",
}
_READ_SQLITE = {
    Packed: "CAST({} AS BLOB)",
    sa.JSON: "CAST({} AS TEXT)",  # SQLite takes what is only a number for one
}


def _set_counters(source: Transaction, target: Transaction) -> None:
    """Let PostgreSQL's counters of ids go on behind the last one given; SQLite goes on behind the largest."""
    if target.dialect.name != "postgresql":
        return
    counters = _counters(target)
    given = _counters(source) if source.dialect.name == "postgresql" else {}
    largest = ", ".join(f"(SELECT max({column}) FROM {table})" for table, column in counters)  # noqa: S608 - our names
    values = target.exec_driver_sql(f"SELECT {largest}").one()
    for (key, (sequence, _)), value in zip(counters.items(), values, strict=True):
        last = max(value or 0, given.get(key, (sequence, 0))[1])
        if last:
            target.execute(sa.select(sa.func.setval(sequence, last))).one()


def _counters(transaction: Transaction) -> dict[tuple[str, str], tuple[str, int]]:
    """By table and column: the name of its counter, and the last value that it gave."""
    rows = transaction.exec_driver_sql(
        "SELECT c.table_name, c.column_name, pg_get_serial_sequence(c.table_name, c.column_name), coalesce(s.last_value, 0) "
        "FROM information_schema.columns c JOIN pg_sequences s ON s.schemaname = c.table_schema "
        "AND pg_get_serial_sequence(c.table_name, c.column_name) = s.schemaname || '.' || s.sequencename "
        "WHERE c.table_schema = current_schema()"
    )
    ours = {table.name for table in metadata.sorted_tables}
    return {(table, column): (name, last) for table, column, name, last in rows if table in ours}
