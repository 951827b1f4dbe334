"""Read transactions on connections that stay between reads: begun and ended by the driver, past SQLAlchemy and its pool.

The pool, its look whether a connection still lives, and what SQLAlchemy does around a transaction take longer than reading an
order. To SQLAlchemy such a connection is in a single transaction that never ends. Which connections are kept is `Ledger`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, DontWrapMixin

from warehouse.ledger.base.prepared import ANSWERS, driver_of
from warehouse.ledger.base.waits import LOCK_SECONDS, STATEMENT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection as Transaction
    from sqlalchemy.engine import Engine

    from warehouse.ledger.base.prepared import Question

BEGIN = {
    "sqlite": "BEGIN",
    "postgresql": (
        "BEGIN ISOLATION LEVEL REPEATABLE READ; "
        f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'; SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"
    ),
}
"""By database; in one message, as each costs the time of a statement."""


def begin(engine: Engine) -> Transaction:
    """A read on a connection of the pool.

    Raises:
        SQLAlchemyError: The database is away.
    """
    connection = engine.connect()
    try:
        if engine.dialect.name == "postgresql":  # or the driver would begin one of its own
            connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.begin()
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(BEGIN["postgresql"])
    except BaseException:
        release(connection)
        raise
    return connection


def begin_again(connection: Transaction) -> bool:
    """Another read on a connection that was kept; False, and it is let go, where the server has closed it meanwhile."""
    driver = driver_of(connection)
    try:
        driver.execute(BEGIN[connection.dialect.name])
    except driver.Error:
        release(connection)
        return False
    return True


class NotForeseenError(DontWrapMixin, Exception):
    """A read that may not wait asks something else than it was answered."""


class ReadAhead:
    """A read that PostgreSQL was asked ahead: its questions are on their way in one message, in a transaction of their own.

    Raises:
        psycopg.Error: They cannot be sent.
    """

    def __init__(self, connection: Transaction, questions: Sequence[Question]) -> None:
        from warehouse.ledger.base.messages import SentStatements  # noqa: PLC0415 - the driver is loaded where it is used

        filled = [each.statement.filled(connection.dialect, each.values) for each in questions]
        texts = [BEGIN["postgresql"], *(text for text, _ in filled), "COMMIT"]
        self.connection = connection
        self.message = SentStatements(driver_of(connection), texts, [value for _, values in filled for value in values])
        self._questions = questions

    def take(self) -> None:
        """Give the answers, which are there, to whoever asks; a transaction for anything else begins when that is asked.

        Raises:
            SQLAlchemyError: There are none; the connection is given back.
        """
        driver, dialect = driver_of(self.connection), self.connection.dialect
        try:
            found = self.message.rows()
        except driver.Error as error:
            release(self.connection)
            raise DBAPIError.instance(None, None, error, driver.Error, hide_parameters=True, dialect=dialect) from error
        self.connection.info[ANSWERS] = [
            (each, each.statement.converted(dialect, rows)) for each, rows in zip(self._questions, found, strict=True)
        ]
        driver.begins_with = BEGIN["postgresql"]

    def take_all(self) -> None:
        """The same where nothing else may be asked: that raises `NotForeseenError`."""
        self.take()
        driver = driver_of(self.connection)
        driver.begins_with, driver.is_asked_nothing_else = None, True

    def give_up(self) -> None:
        """Wait for the answers no longer: the connection is closed."""
        driver_of(self.connection).close()
        release(self.connection)


def may_be_asked_ahead(connection: Transaction) -> bool:
    """SQLite is not far away; and whoever listens to statements hears of those that are asked when they are wanted."""
    return connection.dialect.name == "postgresql" and not connection.dispatch.before_cursor_execute


def begin_answered(connection: Transaction, questions: Sequence[Question]) -> bool:
    """`begin_again` with the answers to what will be asked, where it may be asked ahead.

    Raises:
        SQLAlchemyError: There are none.
    """
    if not questions or not may_be_asked_ahead(connection):
        return begin_again(connection)
    driver = driver_of(connection)
    try:
        asked = ReadAhead(connection, questions)
        asked.message.wait()
    except driver.Error:
        release(connection)
        return False
    asked.take()
    return True


def end(connection: Transaction) -> None:
    """End a read: what it saw is let go."""
    driver = driver_of(connection)
    _forget_answers(connection)
    try:
        driver.commit()
    except driver.Error:  # once more, so that the error is SQLAlchemy's
        connection.exec_driver_sql("COMMIT")


def release(connection: Transaction) -> None:
    """Give a connection back to the pool; one that is broken is not used again."""
    if not connection.invalidated:
        _forget_answers(connection)
        if getattr(driver_of(connection), "closed", False):
            connection.invalidate()
    connection.close()


def _forget_answers(connection: Transaction) -> None:
    """Let the connection be asked as any other again."""
    if connection.info.pop(ANSWERS, None) is not None:
        driver = driver_of(connection)
        driver.begins_with = None
        driver.is_asked_nothing_else = False
