"""Read transactions on connections that stay between reads: begun and ended by the driver, past SQLAlchemy and its pool.

The pool, its look whether a connection still lives, and what SQLAlchemy does around a transaction take longer than reading an
order. To SQLAlchemy such a connection is in a single transaction that never ends. Which connections are kept is `Ledger`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import DBAPIError

from warehouse.ledger.base.prepared import ANSWERS, at_once, driver_of
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


def begin_answered(connection: Transaction, questions: Sequence[Question]) -> bool:
    """The same, with answers to what will be asked: on PostgreSQL in one message, in a transaction of their own that is over.

    One for anything else begins when that is asked. SQLite is not far away: there nothing is asked ahead.

    Raises:
        SQLAlchemyError: They cannot be answered.
    """
    if not questions or connection.dialect.name != "postgresql" or connection.dispatch.before_cursor_execute:
        return begin_again(connection)
    driver = driver_of(connection)
    try:
        connection.info[ANSWERS] = _answers(connection, questions)
    except driver.Error as error:
        was_closed = driver.closed
        release(connection)
        if was_closed:
            return False
        raise DBAPIError.instance(
            None, None, error, driver.Error, hide_parameters=True, dialect=connection.dialect
        ) from error
    driver.begins_with = BEGIN["postgresql"]
    return True


def _answers(connection: Transaction, questions: Sequence[Question]) -> list[tuple[Question, Sequence[Sequence[Any]]]]:
    dialect = connection.dialect
    filled = [each.statement.filled(dialect, each.values) for each in questions]
    texts = [BEGIN["postgresql"], *(text for text, _ in filled), "COMMIT"]
    found = at_once(driver_of(connection), texts, [value for _, values in filled for value in values])
    return [(each, each.statement.converted(dialect, rows)) for each, rows in zip(questions, found, strict=True)]


def end(connection: Transaction) -> None:
    """End a read: what it saw is let go."""
    driver = driver_of(connection)
    if connection.info.pop(ANSWERS, None) is not None:
        driver.begins_with = None
    try:
        driver.commit()
    except driver.Error:  # once more, so that the error is SQLAlchemy's
        connection.exec_driver_sql("COMMIT")


def release(connection: Transaction) -> None:
    """Give a connection back to the pool; one that is broken is not used again."""
    if not connection.invalidated:
        driver = driver_of(connection)
        if connection.info.pop(ANSWERS, None) is not None:
            driver.begins_with = None
        if getattr(driver, "closed", False):
            connection.invalidate()
    connection.close()
