"""Statements that are asked all the time: written by SQLAlchemy once, and on SQLite run by the driver itself.

SQLite finds an order in fifteen microseconds; running the statement and its result through SQLAlchemy takes seventy more. Every
other statement goes the usual way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import sqlalchemy as sa
    from sqlalchemy.engine import Connection as Transaction
    from sqlalchemy.engine import Dialect

Conversion = Callable[[Any], Any]

LIST = re.compile(r"__\[POSTCOMPILE_[^\]]+\]")
"""Where SQLAlchemy leaves the places of a list to whoever runs the statement."""


class _Written(NamedTuple):
    """The statement as the driver takes it.

    Attributes:
        texts: With a place for each value; parted where the places of a list go, as many as it has values.
        places: Whose value it is, whether that is a list, and how the driver takes it.
        constants: Values that are the statement's own.
        columns: Those of a row that the driver does not give as they are wanted, by place.
    """

    texts: tuple[str, ...]
    places: tuple[tuple[str, bool, Conversion | None], ...]
    constants: Mapping[str, object]
    columns: tuple[tuple[int, Conversion], ...]


class Prepared:
    """A statement that is asked all the time; of its values some may be lists, of some thousands at most."""

    __slots__ = ("_written", "statement")

    def __init__(self, statement: sa.Select[Any]) -> None:
        self.statement = statement
        self._written: _Written | None = None

    def rows(self, transaction: Transaction, values: Mapping[str, object]) -> Sequence[Sequence[Any]]:
        """What it finds.

        Raises:
            SQLAlchemyError: As when SQLAlchemy runs it.
        """
        # whoever listens to statements, to count or to trace them, hears of those that SQLAlchemy runs
        if transaction.dialect.name != "sqlite" or transaction.dispatch.before_cursor_execute:
            return transaction.execute(self.statement, values).all()
        written = self._written
        if written is None:
            written = self._written = _write(self.statement, transaction.dialect)
        text, given = _filled(written, {**written.constants, **values})
        driver = driver_of(transaction)
        try:
            rows: list[Sequence[Any]] = driver.execute(text, given).fetchall()
        except driver.Error:  # once more, so that the error is SQLAlchemy's
            return transaction.execute(self.statement, values).all()
        return [_converted(row, written.columns) for row in rows] if written.columns else rows


def driver_of(transaction: Transaction) -> Any:  # noqa: ANN401 - the driver has no type in common
    """The driver's own connection."""
    return transaction.connection.driver_connection


def _write(statement: sa.Select[Any], dialect: Dialect) -> _Written:
    compiled: Any = statement.compile(dialect=dialect)
    binds = [compiled.binds[name] for name in compiled.positiontup]
    places = tuple(
        (bind.key, bind.expanding, bind.type.dialect_impl(dialect).bind_processor(dialect)) for bind in binds
    )
    constants = {bind.key: bind.effective_value for bind in binds if not bind.required}
    found = ((i, column.type.dialect_impl(dialect)) for i, column in enumerate(statement.selected_columns))
    processors = ((i, kind.result_processor(dialect, None)) for i, kind in found)
    columns = tuple((i, each) for i, each in processors if each is not None)
    return _Written(tuple(LIST.split(compiled.string)), places, constants, columns)


def _filled(written: _Written, values: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """The statement with as many places as its lists have values, and all values in the order of their places."""
    text, *others = written.texts
    given: list[Any] = []
    for name, is_list, convert in written.places:
        value = values[name]
        if is_list:
            given += value if convert is None else map(convert, value)
            text += ", ".join("?" * len(value)) + others.pop(0)
        else:
            given.append(value if convert is None else convert(value))
    return text, given


def _converted(row: Sequence[Any], columns: Sequence[tuple[int, Conversion]]) -> list[Any]:
    values = list(row)
    for i, conversion in columns:
        values[i] = conversion(values[i])
    return values
