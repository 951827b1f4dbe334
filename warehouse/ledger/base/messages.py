"""Several statements in one message to PostgreSQL, sent and received by the driver's lowest layer.

Their values stand in the text: only so can a message hold several. An event loop that waits for the answer asks
whether it `is_there` whenever the socket can be read. What begins and ends transactions is in `reads`.
"""

from __future__ import annotations

import select
from time import monotonic
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.adapt import Transformer
from psycopg.pq import DiagnosticField, ExecStatus

from warehouse.ledger.base.waits import longest_wait

if TYPE_CHECKING:
    from collections.abc import Sequence

    from psycopg.pq.abc import PGresult

NO_ANSWER = "the server has not answered in time"


class SentStatements:
    """A message that was sent; unless its answer is taken, the connection is to be closed.

    Raises:
        psycopg.Error: It cannot be sent.
    """

    def __init__(self, driver: psycopg.Connection[Any], texts: Sequence[str], values: Sequence[object]) -> None:
        self._driver = driver
        self._results: list[PGresult] = []
        message = psycopg.ClientCursor(driver).mogrify("; ".join(texts).encode(), values)
        driver.pgconn.send_query(message.encode(driver.info.encoding))
        while driver.pgconn.flush():
            _await(driver, select.POLLOUT, _end())

    @property
    def socket(self) -> int:
        """What can be read when more of the answer is there."""
        return self._driver.pgconn.socket

    def is_there(self) -> bool:
        """Take what has come; whether it was the rest.

        Raises:
            psycopg.Error: The server has closed the connection.
        """
        server = self._driver.pgconn
        server.consume_input()
        while not server.is_busy():
            result = server.get_result()
            if result is None:
                return True
            self._results.append(result)
        return False

    def wait(self) -> None:
        """Wait until the answer is there.

        Raises:
            psycopg.Error: The server has closed the connection, or does not answer in time: then it is closed here.
        """
        end = _end()
        while not self.is_there():
            _await(self._driver, select.POLLIN, end)

    def rows(self) -> list[Sequence[Sequence[Any]]]:
        """What each statement has found that finds something.

        Raises:
            psycopg.Error: As when each is asked alone.
        """
        transformer = Transformer(self._driver)
        found: list[Sequence[Sequence[Any]]] = []
        for result in self._results:
            if result.status == ExecStatus.FATAL_ERROR:
                raise _error(result)
            if result.status == ExecStatus.TUPLES_OK:
                transformer.set_pgresult(result)
                found.append(transformer.load_rows(0, result.ntuples, tuple))
        return found


def _end() -> float | None:
    bound = longest_wait()
    return None if bound is None else monotonic() + bound


def _await(driver: psycopg.Connection[Any], event: int, end: float | None) -> None:
    """Wait for the socket; poll, because select knows no descriptor above 1,023, and an API with many clients has such."""
    poll = select.poll()
    poll.register(driver.pgconn.socket, event)
    if not poll.poll(None if end is None else max(0.0, end - monotonic()) * 1000):
        driver.close()
        raise psycopg.OperationalError(NO_ANSWER)


def _error(result: PGresult) -> psycopg.Error:
    state = (result.error_field(DiagnosticField.SQLSTATE) or b"").decode()
    try:
        kind = psycopg.errors.lookup(state)
    except KeyError:
        kind = psycopg.DatabaseError
    return kind(result.get_error_message())


def found_at_once(
    driver: psycopg.Connection[Any], texts: Sequence[str], values: Sequence[object]
) -> list[Sequence[Sequence[Any]]]:
    """Send statements in one message and wait for what they find.

    Raises:
        psycopg.Error: As when each is asked alone; where there is no answer in time, the connection is closed.
    """
    message = SentStatements(driver, texts, values)
    message.wait()
    return message.rows()
