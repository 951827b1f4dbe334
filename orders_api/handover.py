"""One address, two processes: API and console keep out of each other's way, and people still have one port to know.

The process of the API listens; there may be several (`workers`). A connection whose next request belongs to the other process
goes there with what has come of that request, and comes back the same way, to any of them; between two requests nothing else of
it has to be known. What is sent while the partner starts again waits for it. How each listens is in `serving`.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from orders_api.kit.addresses import CONSOLE_PATH
from orders_api.serving import PunctualProtocol, server_config

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import FastAPI

    from warehouse.settings import Settings

ENOUGH_BYTES = 512
"""Of a request line, to tell whose request it is."""
LARGEST_BYTES = 256 << 10
"""Of what an event loop reads at once."""
AWAY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
NICENESS = 5
"""Of the console: where both want the same core, the API gets three quarters of it."""


class Side(StrEnum):
    """Whose requests a process answers."""

    API = "api"
    CONSOLE = "console"


class SharedProtocol(PunctualProtocol):
    """Gives away a connection whose next request is the partner's.

    Attributes:
        side: Whose requests are ours.
        console_paths: Where the console is, with and without the path prefix of a proxy.
        partner: Leads to the other process.
        brought: What came with a connection that was given to us.
    """

    side: Side
    console_paths: Sequence[bytes]
    partner: socket.socket
    brought: bytes = b""
    _is_within_request = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn declares it
        """Begin with what was brought, before anything else is read."""
        super().connection_made(transport)
        if self.brought:
            brought, self.brought = self.brought, b""
            super().data_received(brought)

    def data_received(self, data: bytes) -> None:
        """Look at the beginning of each request; too little of one is kept until there is more."""
        if not self._is_within_request and (self.cycle is None or self.cycle.response_complete):
            data, self.brought = self.brought + data, b""
            words = data[:ENOUGH_BYTES].split(b" ", 2)
            if len(words) < 3 and b"\n" not in data and len(data) < ENOUGH_BYTES:  # noqa: PLR2004 - method, path, rest
                self.brought = data
                self._await_head()
                return
            if len(words) > 1 and self._is_partners(words[1]):
                self._give_away(data)
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A request has begun."""
        self._is_within_request = True
        super().on_message_begin()

    def on_message_complete(self) -> None:
        """All of a request is here."""
        self._is_within_request = False
        super().on_message_complete()

    def _is_partners(self, target: bytes) -> bool:
        path = target.partition(b"?")[0]
        is_consoles = any(path == each or path.startswith(each + b"/") for each in self.console_paths)
        return is_consoles is not (self.side is Side.CONSOLE)

    def _give_away(self, data: bytes) -> None:
        own = self.transport.get_extra_info("socket")
        try:
            socket.send_fds(self.partner, [data], [own.fileno()])
        except OSError:  # the partner is away, and as many wait for it as may
            self.transport.write(AWAY)
            self.transport.close()
        else:
            self.transport.abort()  # closes our end alone: the partner has one of its own


class SharingServer(uvicorn.Server):
    """Serves the connections that the partner gives, beside those on its own port, if it has one."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and take what the partner gives."""
        await super().startup(sockets)
        self._arriving: set[asyncio.Task[object]] = set()
        asyncio.get_running_loop().add_reader(_protocol(self.config).partner, self._take)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more; end as usual."""
        asyncio.get_running_loop().remove_reader(_protocol(self.config).partner)
        await super().shutdown(sockets)

    def _take(self) -> None:
        protocol = _protocol(self.config)
        with suppress(BlockingIOError):
            data, (descriptor,), _, _ = socket.recv_fds(protocol.partner, LARGEST_BYTES, 1)
            connection = socket.socket(fileno=descriptor)
            made = protocol(self.config, self.server_state, self.lifespan.state)
            made.brought = data
            loop = asyncio.get_running_loop()
            arriving = loop.create_task(loop.connect_accepted_socket(lambda: made, connection))
            self._arriving.add(arriving)
            arriving.add_done_callback(self._arriving.discard)


@dataclass(frozen=True, slots=True)
class Shared:
    """One side of an address that two processes share.

    Attributes:
        side: Whose requests are ours.
        partner: One of a pair of sockets that keep the borders of messages; the other process has the other.
    """

    side: Side
    partner: socket.socket


def serve_side(app: FastAPI, settings: Settings, shared: Shared, listeners: list[socket.socket] | None = None) -> None:
    """Serve one side until stopped; that of the API on these sockets, or on the address of the settings."""
    server = side_server(app, settings, shared)
    if shared.side is Side.API:
        server.run(listeners)
    else:
        _let_others_go_first()
        server.run(sockets=[])


def side_server(app: FastAPI, settings: Settings, shared: Shared) -> SharingServer:
    """The server of one side."""
    shared.partner.setblocking(False)
    about = {
        "side": shared.side,
        "partner": shared.partner,
        "console_paths": tuple({f"{each}{CONSOLE_PATH}".encode() for each in ("", settings.api_path_prefix)}),
    }
    return SharingServer(server_config(app, settings, type("Protocol", (SharedProtocol,), about)))


def _let_others_go_first() -> None:
    os.nice(NICENESS)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):  # Linux may weigh whole sessions against each other; nowhere else is there such a file
            Path("/proc/self/autogroup").write_text(str(NICENESS))


def _protocol(config: uvicorn.Config) -> type[SharedProtocol]:
    assert isinstance(config.http, type)
    assert issubclass(config.http, SharedProtocol)
    return config.http
