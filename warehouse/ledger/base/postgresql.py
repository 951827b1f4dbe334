"""Connections to PostgreSQL of which every wait has a bound, and that work behind a transaction pooler.

The server ends statements, waits for locks, and transactions that it hears no more of: set for each, because a pooler may
hand out another session next time. A server that does not answer at all is left after a little longer. No statement is prepared
by name. SQLite has its own way of waiting: see `database`.
"""

from __future__ import annotations

from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg
import sqlalchemy as sa

from warehouse.ledger.base.reads import NotForeseenError
from warehouse.ledger.base.waits import IDLE_SECONDS, LOCK_SECONDS, STATEMENT_SECONDS, longest_wait

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from psycopg.waiting import Ready, Wait
    from sqlalchemy.engine import Connection as Transaction
    from sqlalchemy.engine import Engine

Outcome = TypeVar("Outcome")

CONNECT_SECONDS = 5
POOL_SECONDS = 10.0
"""How long a thread waits for one of this process's connections."""


WATCHES_OUR_MACHINE = (
    "SELECT set_config('tcp_keepalives_idle', '20', false), set_config('tcp_keepalives_interval', '10', false), "
    "set_config('tcp_keepalives_count', '3', false), set_config('tcp_user_timeout', '50000', false)"
)
"""Told to the server by each new connection: a machine that is lost in the middle of a statement is let go in a minute."""


class _Connection(psycopg.Connection[Any]):
    """A connection that does not wait for ever for a server that has stopped answering.

    Attributes:
        begins_with: What begins the transaction of the next statement; None: it has begun, or none has to.
        is_asked_nothing_else: A statement is refused: whoever reads may not wait.
    """

    begins_with: str | None = None
    is_asked_nothing_else = False

    def cursor(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - the driver has four kinds of them
        if self.is_asked_nothing_else:
            raise NotForeseenError
        begin, self.begins_with = self.begins_with, None
        if begin is not None:
            super().cursor().execute(begin)
        return super().cursor(*arguments, **options)

    def wait(
        self, gen: Generator[Wait, Ready | int, Outcome], interval: float = 0.1, timeout: float | None = None
    ) -> Outcome:
        bounds = [each for each in (timeout, longest_wait()) if each is not None]
        began = monotonic()
        try:
            return super().wait(gen, interval, min(bounds, default=None))
        except psycopg.Error:
            if bounds and monotonic() - began >= min(bounds):  # what comes later would be taken for the next answer
                self.close()
            raise


def make_postgresql_engine(url: str, **options: Any) -> Engine:  # noqa: ANN401 - SQLAlchemy's own
    """An engine whose connections and transactions have bounds."""
    engine = sa.create_engine(
        url,
        pool_pre_ping=True,
        pool_timeout=POOL_SECONDS,
        connect_args={"connect_timeout": CONNECT_SECONDS, "prepare_threshold": None},
        **options,
    )
    sa.event.listen(engine, "do_connect", _connect)
    sa.event.listen(engine, "begin", _bound)
    return engine


def unbound(transaction: Transaction) -> None:
    """Let the statements of this transaction take as long as they need."""
    if transaction.dialect.name == "postgresql":
        _set(transaction, 0, 0, 0)


@contextmanager
def bounded(transaction: Transaction, seconds: float) -> Iterator[None]:
    """Let each statement of the block take so long at most; after one that took longer the transaction is over."""
    before = transaction.exec_driver_sql("SHOW statement_timeout").scalar_one()
    _limit(transaction, f"{int(seconds * 1000)}ms")
    yield
    _limit(transaction, before)


def _limit(transaction: Transaction, length: str) -> None:
    transaction.exec_driver_sql(f"SELECT set_config('statement_timeout', '{length}', true)")


def _connect(_dialect: Any, _record: Any, arguments: Any, options: Any) -> Any:  # noqa: ANN401 - SQLAlchemy's event signature
    connection = _Connection.connect(*arguments, **options)
    connection.execute(WATCHES_OUR_MACHINE)
    connection.commit()
    return connection


def _bound(transaction: Transaction) -> None:
    _set(transaction, STATEMENT_SECONDS, LOCK_SECONDS, IDLE_SECONDS)


def _set(transaction: Transaction, statement: int, lock: int, idle: int) -> None:
    transaction.exec_driver_sql(
        f"SELECT set_config('statement_timeout', '{statement}s', true), set_config('lock_timeout', '{lock}s', true), "
        f"set_config('idle_in_transaction_session_timeout', '{idle}s', true)"
    )
