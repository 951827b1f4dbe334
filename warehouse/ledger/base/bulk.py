"""Rows in bulk: they go to the driver as they are, past the work that SQLAlchemy does for each of them.

SQLite takes new ones by its driver's `executemany`, PostgreSQL by COPY. What may be there already is overwritten by
`database.upsert`, what is there by `change_rows`.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy.engine import Connection as Transaction
    from sqlalchemy.engine import Dialect

    from warehouse.ledger.base.rows import Record

COPIED_FROM = 5
"""So many rows are worth a COPY, which takes two more answers of the server than an INSERT."""


class _Form(NamedTuple):
    """How rows of a table are written: the columns as SQL lists them, and what makes values of each the driver's (or None)."""

    columns: str
    converters: tuple[Callable[[Any], Any] | None, ...]


def add_rows(transaction: Transaction, table: sa.Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows, all with the same members in the same order; a column that they leave out has a default in the database.

    Raises:
        sqlalchemy.exc.DBAPIError: As every other statement does.
    """
    if rows:
        _add(transaction, table, tuple(rows[0]), [tuple(row.values()) for row in rows])


def add_records(transaction: Transaction, table: sa.Table, records: Sequence[Record]) -> None:
    """Insert records, each a row whose columns are called as its members.

    Raises:
        sqlalchemy.exc.DBAPIError: As every other statement does.
    """
    if records:
        _add(transaction, table, records[0]._fields, records)


def _add(transaction: Transaction, table: sa.Table, names: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> None:
    form = _form(transaction.dialect, table, names)
    values = _converted(rows, form.converters)
    is_postgresql = transaction.dialect.name == "postgresql"
    if is_postgresql and len(rows) >= COPIED_FROM:
        _copy(transaction, f"COPY {table.name} ({form.columns}) FROM STDIN", values)
        return
    places = ", ".join(["%s" if is_postgresql else "?"] * len(form.converters))
    transaction.exec_driver_sql(f"INSERT INTO {table.name} ({form.columns}) VALUES ({places})", values)  # noqa: S608 - names of ours


def copy_rows(transaction: Transaction, table: sa.Table, rows: Sequence[tuple[object, ...]]) -> None:
    """Copy whole rows into PostgreSQL, their values as its driver or as its text form has them.

    Raises:
        sqlalchemy.exc.DBAPIError: As every other statement does.
    """
    columns = ", ".join(transaction.dialect.identifier_preparer.quote(each.name) for each in table.columns)
    _copy(transaction, f"COPY {table.name} ({columns}) FROM STDIN", rows)


def change_rows(transaction: Transaction, table: sa.Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Overwrite members of rows, each found by its `id`; all rows with the same members in the same order, the id last.

    No two of them have the same id.

    Raises:
        sqlalchemy.exc.DBAPIError: As every other statement does.
    """
    if not rows:
        return
    names, dialect = tuple(rows[0]), transaction.dialect
    form = _form(dialect, table, names)
    quoted = form.columns.split(", ")
    values = _converted([tuple(row.values()) for row in rows], form.converters)
    if dialect.name == "postgresql":
        # one statement that is planned once: a statement for each row takes the server much longer
        changes = ", ".join(f"{each} = given.{each}" for each in quoted[:-1])
        # without the length of a type: a cast would cut text, where the column refuses it
        types = (table.c[each].type.compile(dialect).partition("(")[0] for each in names)
        lists = ", ".join(f"%b::{kind}[]" for kind in types)
        transaction.exec_driver_sql(
            f"UPDATE {table.name} SET {changes} FROM unnest({lists}) AS given({form.columns}) "  # noqa: S608 - names of ours
            f"WHERE {table.name}.{quoted[-1]} = given.{quoted[-1]}",
            tuple(map(list, zip(*values, strict=True))),
        )
        return
    changes = ", ".join(f"{each} = ?" for each in quoted[:-1])
    transaction.exec_driver_sql(f"UPDATE {table.name} SET {changes} WHERE {quoted[-1]} = ?", values)  # noqa: S608 - names of ours


@lru_cache(maxsize=64)
def _form(dialect: Dialect, table: sa.Table, names: tuple[str, ...]) -> _Form:
    quote = dialect.identifier_preparer.quote
    types = [table.c[name].type.dialect_impl(dialect) for name in names]
    return _Form(", ".join(map(quote, names)), tuple(map(_converter, types, repeat(dialect))))


def _converter(kind: sa.types.TypeEngine[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """What makes values the driver's; both drivers take booleans as they are."""
    return None if isinstance(kind, sa.Boolean) else kind.bind_processor(dialect)


def _converted(
    rows: Sequence[tuple[object, ...]], converters: Sequence[Callable[[Any], Any] | None]
) -> list[tuple[object, ...]]:
    """The rows with their values as the driver takes them, column by column."""
    columns = zip(*rows, strict=True)
    return list(
        zip(
            *(
                column if convert is None else _each(convert, column)
                for column, convert in zip(columns, converters, strict=True)
            ),
            strict=True,
        )
    )


def _each(convert: Callable[[Any], Any], column: Sequence[object]) -> Iterable[object]:
    """The values of a column as the driver takes them; one that stands in all rows is converted once."""
    first = column[0]
    if all(each is first for each in column):
        return repeat(convert(first), len(column))
    return map(convert, column)


def _copy(transaction: Transaction, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
    import psycopg  # noqa: PLC0415 - the driver is loaded where it is used

    try:
        with transaction.connection.cursor() as cursor, cursor.copy(statement) as copy:  # type: ignore[attr-defined]
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        raise sa.exc.DBAPIError.instance(
            statement, None, error, psycopg.Error, hide_parameters=True, dialect=transaction.dialect
        ) from error
