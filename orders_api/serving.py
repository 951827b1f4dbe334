"""How the API's server listens: what a connection may take of time, and how many there may be.

A request has a bounded time to arrive: its head is watched here, its body in `bodies`. Idle connections are kept longer than
usual proxies keep theirs, so that none of them sends a request into a connection that is being closed.
"""

from __future__ import annotations

import asyncio
import ctypes
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

if TYPE_CHECKING:
    from fastapi import FastAPI

    from warehouse.settings import Settings


SMALL_BYTES = 4 << 20
KEPT_BYTES = 16 << 20
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8
"""Of mallopt(3)."""
ARENAS = 1
"""Stocks of memory: of one for each thread, each keeps what its largest answer took, though few threads work at a time."""


def keep_freed_memory() -> None:
    """Let the C library keep some of what was freed: a page's texts would be given back and fetched anew with each request.

    That takes a fifth of a page's time. A C library that knows no such choice is left as it is.
    """
    choose = getattr(ctypes.CDLL(None), "mallopt", None)
    if choose is not None:
        choose(M_MMAP_THRESHOLD, SMALL_BYTES)
        choose(M_TRIM_THRESHOLD, KEPT_BYTES)
        choose(M_ARENA_MAX, ARENAS)


def server_config(app: FastAPI, settings: Settings, protocol: type[PunctualProtocol] | None = None) -> uvicorn.Config:
    """What uvicorn is told."""
    return uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        http=type("Protocol", (protocol or PunctualProtocol,), {"head_seconds": settings.api_request_seconds}),
        ws="none",
        access_log=False,
        log_config=None,  # its lines go the way of ours
        server_header=False,
        timeout_graceful_shutdown=20,
        timeout_keep_alive=settings.api_keep_alive_seconds,
        limit_concurrency=settings.api_max_connections,
    )


class PunctualProtocol(HttpToolsProtocol):
    """uvicorn's own, and closes a connection on which the head of a request does not arrive in time."""

    head_seconds: float
    cycle: RequestResponseCycle | None  # type: ignore[assignment] # there is none before the first request
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn declares it
        """Wait for the first request."""
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Whatever came: either a request is under way, or its head is still awaited."""
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._await_head()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.head_seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
