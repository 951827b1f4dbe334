"""Counting the API's requests in memory, and writing the counts down every few seconds: no request waits for the ledger.

What is counted is who asked which route how, and what came of it, by the minute. A process that is killed loses the counts of
its last seconds; one whose ledger is away keeps as many as fit, and writes them later.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import anyio
from anyio import to_thread
from sqlalchemy.exc import SQLAlchemyError

from orders_api.kit.latencies import METHODS
from warehouse.ledger.watch import api_requests
from warehouse.ledger.watch.api_requests import ApiRequests
from warehouse.logs import Event

if TYPE_CHECKING:
    from datetime import datetime

    from warehouse.clock import Clock
    from warehouse.ledger.base.database import Ledger

LOG = logging.getLogger("orders_api")
WRITE_EVERY_SECONDS = 10.0
MOST_KINDS = 5_000
"""Kinds of requests that are kept until they are written; what is beyond is not counted."""


class Alike(NamedTuple):
    """What requests have in common: whose token, method, template of the path, status, and code of the problem; or ""."""

    consumer: str
    method: str
    route: str
    status: int
    code: str


@dataclass(slots=True)
class Counted:
    """How many there were, how long they took in seconds, and when the last was."""

    requests: int
    seconds: float
    slowest: float
    last_at: datetime
    request_id: str


@dataclass(slots=True)
class RequestTally:
    """The counts of one process.

    Args:
        ledger: Where they are written.
        clock: Tells the present instant.
        is_kept: Whether anybody wants them.
    """

    ledger: Ledger
    clock: Clock
    is_kept: bool
    _counts: dict[tuple[datetime, Alike], Counted] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, kind: Alike, seconds: float, request_id: str) -> None:
        """Count one request."""
        if self.is_kept:
            now = self.clock()
            known = kind if kind.method in METHODS else kind._replace(method="OTHER")
            self._add(now.replace(second=0, microsecond=0), known, Counted(1, seconds, seconds, now, request_id))

    def _add(self, minute: datetime, kind: Alike, more: Counted) -> None:
        with self._lock:
            found = self._counts.get((minute, kind))
            if found is None:
                if len(self._counts) < MOST_KINDS:
                    self._counts[minute, kind] = more
                return
            found.requests += more.requests
            found.seconds += more.seconds
            found.slowest = max(found.slowest, more.slowest)
            if more.last_at >= found.last_at:
                found.last_at, found.request_id = more.last_at, more.request_id

    def write(self) -> None:
        """Write down what was counted since the last time."""
        with self._lock:
            counts, self._counts = self._counts, {}
        if not counts:
            return
        rows = [_row(minute, kind, each) for (minute, kind), each in counts.items()]
        try:
            with self.ledger.write() as transaction:
                api_requests.add(transaction, rows)
        except SQLAlchemyError as error:
            LOG.warning(Event.REQUESTS_NOT_COUNTED, extra={"error": type(error).__qualname__})
            for (minute, kind), each in counts.items():
                self._add(minute, kind, each)

    async def write_now_and_then(self) -> None:
        """Write until it is cancelled, and then once more."""
        try:
            while True:
                await anyio.sleep(WRITE_EVERY_SECONDS)
                await to_thread.run_sync(self.write)
        finally:
            self.write()


def _row(minute: datetime, kind: Alike, counted: Counted) -> ApiRequests:
    return ApiRequests(
        minute=minute,
        alike=api_requests.digest(*kind),
        **kind._asdict(),
        requests=counted.requests,
        milliseconds=round(1000 * counted.seconds),
        slowest=round(1000 * counted.slowest),
        last_at=counted.last_at,
        request_id=counted.request_id,
    )
