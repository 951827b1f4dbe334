"""Statements that are asked all the time: written by SQLAlchemy once, and run by the database's driver itself.

SQLite finds an order in fifteen microseconds; running the statement and its result through SQLAlchemy takes seventy more. Every
other statement goes the usual way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.expression import Update

if TYPE_CHECKING:
    import sqlalchemy as sa
    from sqlalchemy.engine import Connection as Transaction
    from sqlalchemy.engine import Dialect

Conversion = Callable[[Any], Any]

STYLES = {"sqlite": "qmark", "postgresql": "format"}
"""Database → what SQLAlchemy calls its way to write a place for a value."""
ANSWERS = "answers"
"""Where a connection keeps what its read was answered before it asks."""
LIST = re.compile(r"\bIN \(__\[POSTCOMPILE_\w+\]\)")
"""Where SQLAlchemy leaves a list to whoever runs the statement."""
ONE_VALUE = "= ANY (%b)"
"""The same for PostgreSQL: a statement with a place for each of 300 ids takes both sides longer than finding them."""


class _Written(NamedTuple):
    """The statement as the driver takes it.

    Attributes:
        texts: With a place for each value; parted where the places of a list go, as many as it has values. PostgreSQL takes a
            list as one value.
        places: Whose value it is, whether that is a list of so many, and how the driver takes it.
        constants: Values that are the statement's own.
        columns: Those of a row that the driver does not give as they are wanted, by place.
    """

    texts: tuple[str, ...]
    places: tuple[tuple[str, bool, Conversion | None], ...]
    constants: Mapping[str, object]
    columns: tuple[tuple[int, Conversion], ...]


class _Filled(NamedTuple):
    """The statement with as many places as its lists have values, and all values in the order of their places."""

    text: str
    given: list[Any]


class Prepared:
    """A statement that is asked all the time; of its values some may be lists, of some thousands at most."""

    __slots__ = ("_written", "statement")

    def __init__(self, statement: sa.Select[Any] | sa.Update) -> None:
        self.statement = statement
        self._written: dict[str, _Written] = {}

    def rows(self, transaction: Transaction, values: Mapping[str, object]) -> Sequence[Sequence[Any]]:
        """What it finds.

        Raises:
            SQLAlchemyError: As when SQLAlchemy runs it.
        """
        for asked, answer in transaction.info.get(ANSWERS, ()):
            if asked.statement is self and asked.values == values:
                return answer  # type: ignore[no-any-return]
        filled = self._unheard(transaction, values)
        if filled is None:
            return transaction.execute(self.statement, values).all()
        with _as_sqlalchemy_says(transaction, filled.text) as driver:
            rows = _asked(driver, *filled)
        return self.converted(transaction.dialect, rows)

    def change(self, transaction: Transaction, values: Mapping[str, object]) -> None:
        """Make the change that it is.

        Raises:
            SQLAlchemyError: As when SQLAlchemy runs it.
        """
        filled = self._unheard(transaction, values)
        if filled is None:
            transaction.execute(self.statement, values)
            return
        with _as_sqlalchemy_says(transaction, filled.text) as driver:
            driver.execute(*filled)

    def _unheard(self, transaction: Transaction, values: Mapping[str, object]) -> _Filled | None:
        """The statement for the driver; None where SQLAlchemy has to run it."""
        written = self._for(transaction.dialect)
        known = {**written.constants, **values}
        # whoever listens to statements, to count or to trace them, hears of those that SQLAlchemy runs
        if transaction.dispatch.before_cursor_execute or not all(
            known[name] for name, is_list, _ in written.places if is_list
        ):
            return None
        return _filled(written, known)

    def filled(self, dialect: Dialect, values: Mapping[str, object]) -> _Filled:
        """The statement as the driver takes it, and all values in the order of their places."""
        written = self._for(dialect)
        return _filled(written, {**written.constants, **values})

    def converted(self, dialect: Dialect, rows: Sequence[Sequence[Any]]) -> Sequence[Sequence[Any]]:
        """What the driver gives, as it is wanted."""
        columns = self._for(dialect).columns
        return [_converted(row, columns) for row in rows] if columns else rows

    def _for(self, dialect: Dialect) -> _Written:
        written = self._written.get(dialect.name)
        if written is None:
            written = self._written[dialect.name] = _write(self.statement, dialect)
        return written


class Question(NamedTuple):
    """A statement with its values."""

    statement: Prepared
    values: Mapping[str, Any]


def _asked(driver: Any, text: str, given: Sequence[object]) -> Sequence[Sequence[Any]]:  # noqa: ANN401 - as below
    begin = getattr(driver, "begins_with", None)
    if begin is None:
        rows: Sequence[Sequence[Any]] = driver.execute(text, given).fetchall()
        return rows
    from warehouse.ledger.base.messages import found_at_once  # noqa: PLC0415 - the driver is loaded where it is used

    driver.begins_with = None
    return found_at_once(driver, [begin, text], given)[0]


def driver_of(transaction: Transaction) -> Any:  # noqa: ANN401 - the driver has no type in common
    """The driver's own connection."""
    return transaction.connection.driver_connection


@contextmanager
def _as_sqlalchemy_says(transaction: Transaction, text: str) -> Iterator[Any]:
    """The driver's connection; its errors are raised as SQLAlchemy raises them."""
    driver = driver_of(transaction)
    try:
        yield driver
    except driver.Error as error:
        raise DBAPIError.instance(
            text, None, error, driver.Error, hide_parameters=True, dialect=transaction.dialect
        ) from error


def _write(statement: sa.Select[Any] | sa.Update, dialect: Dialect) -> _Written:
    by_place = copy(dialect)
    by_place.positional = True
    by_place.paramstyle = STYLES[dialect.name]
    compiled: Any = statement.compile(dialect=by_place)
    is_list_one_value = dialect.name == "postgresql"
    texts = [LIST.sub(ONE_VALUE, compiled.string)] if is_list_one_value else LIST.split(compiled.string)
    binds = [compiled.binds[name] for name in compiled.positiontup]
    constants = {bind.key: bind.effective_value for bind in binds if not bind.required}
    selected = () if isinstance(statement, Update) else statement.selected_columns
    found = ((i, column.type.dialect_impl(dialect)) for i, column in enumerate(selected))
    processors = ((i, kind.result_processor(dialect, None)) for i, kind in found)
    places = []
    for each in binds:
        convert = each.type.dialect_impl(dialect).bind_processor(dialect)
        is_array = each.expanding and is_list_one_value
        places.append((each.key, each.expanding and not is_array, partial(_list, convert) if is_array else convert))
    return _Written(
        texts=tuple(texts),
        places=tuple(places),
        constants=constants,
        columns=tuple((i, each) for i, each in processors if each is not None),
    )


def _list(convert: Conversion | None, values: Iterable[Any]) -> list[Any]:
    return list(values if convert is None else map(convert, values))


def _filled(written: _Written, values: Mapping[str, Any]) -> _Filled:
    text, *others = written.texts
    given: list[Any] = []
    for name, is_list, convert in written.places:
        value = values[name]
        if is_list:
            given += value if convert is None else map(convert, value)
            text += f"IN ({', '.join('?' * len(value))}){others.pop(0)}"
        else:
            given.append(value if convert is None else convert(value))
    return _Filled(text, given)


def _converted(row: Sequence[Any], columns: Sequence[tuple[int, Conversion]]) -> list[Any]:
    values = list(row)
    for i, conversion in columns:
        values[i] = conversion(values[i])
    return values
