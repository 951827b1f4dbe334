"""Running a sandbox over real HTTP.

What lives here: the uvicorn set-up, in a thread for tests and in the foreground for the command line. What does not:
the applications themselves.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

from orders_pipeline.sandbox.engine import DROP_CONNECTION

START_SECONDS = 10.0
GRACE_SECONDS = 2
"""How long an answer on its way may take when the server ends."""

LOOPBACK = "127.0.0.1"


class CuttableProtocol(H11Protocol):
    """HTTP/1.1 whose application may cut its own connection: the only honest way to drop an answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Offer the cut to the application of this connection."""
        super().connection_made(transport)
        app = self.app

        async def with_cut(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
            scope[DROP_CONNECTION] = transport.abort  # type: ignore[literal-required]
            await app(scope, receive, send)

        self.app = with_cut


def configuration(app: FastAPI, host: str = LOOPBACK, port: int = 0, log_level: str = "warning") -> uvicorn.Config:
    """Return the server configuration; the Date header is the sandbox's own, because its clock can be moved."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=CuttableProtocol,
        loop="asyncio",
        lifespan="off",
        log_level=log_level,
        access_log=False,
        date_header=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


@contextmanager
def listening(host: str = LOOPBACK, port: int = 0) -> Iterator[socket.socket]:
    """Listen on a port (0: a free one), so that the address is known before anything is served."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
        yield listener
    finally:
        listener.close()


@contextmanager
def running(app: FastAPI, host: str = LOOPBACK, port: int = 0) -> Iterator[str]:
    """Serve an application from a thread.

    Args:
        app: What to serve.
        host: Address to listen on.
        port: Port; 0 for a free one.

    Yields:
        The base URL, without a slash at its end.
    """
    started = threading.Event()
    server = _Announcing(configuration(app, host), started)
    with listening(host, port) as listener:
        url = f"http://{host}:{listener.getsockname()[1]}"
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="sandbox", daemon=True)
        thread.start()
        try:
            if not started.wait(START_SECONDS):
                raise TimeoutError(f"the sandbox did not start within {START_SECONDS:.0f} seconds")
            yield url
        finally:
            server.stop()
            thread.join(START_SECONDS)


class _Announcing(uvicorn.Server):
    """Tells when it has started, and ends at once where uvicorn itself sleeps for tenths of seconds."""

    def __init__(self, config: uvicorn.Config, event: threading.Event) -> None:
        super().__init__(config)
        self._event = event

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        await super().startup(sockets)
        self._event.set()

    def stop(self) -> None:
        """End it, from another thread."""
        self.should_exit = True
        if self._event.is_set():
            self._loop.call_soon_threadsafe(self._stopped.set)

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._stopped.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - uvicorn's signature
        for each in self.servers:
            each.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        ends = self._loop.time() + GRACE_SECONDS
        while self.server_state.connections and self._loop.time() < ends:  # noqa: ASYNC110 - uvicorn tells nobody
            await asyncio.sleep(0.001)
        for task in self.server_state.tasks:
            task.cancel()
