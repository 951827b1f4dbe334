"""Passes connections on, as a network would: `relay.py HOST TARGET PORT…` listens at HOST for the same ports of TARGET."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from functools import partial


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    sink.close()


async def _pass_on(target: str, port: int, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    there_source, there_sink = await asyncio.open_connection(target, port)
    await asyncio.gather(_pump(source, there_sink), _pump(there_source, sink))


async def main(host: str, target: str, *ports: str) -> None:
    """Serve until killed."""
    servers = [await asyncio.start_server(partial(_pass_on, target, int(port)), host, int(port)) for port in ports]
    await asyncio.gather(*(each.serve_forever() for each in servers))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
