"""Downloads that a process of its own writes: documents go in, the file comes out. What that takes of memory and computing is
none of the API's, and so many are written at once at most; others wait for their turn.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool

from orders_api.kit.routes import Places

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

AT_ONCE = 2
PIECE_BYTES = 2**18

writers = Places("orders_api_writers", AT_ONCE)


async def converted(module: str, documents: Iterator[bytes]) -> AsyncIterator[bytes]:
    """What a program makes of the documents, piece by piece.

    Args:
        module: The program: reads its standard input and writes to its standard output. It is given none of our settings.
        documents: Pieces of its input.

    Raises:
        ConversionError: It ended before its time. What fails in `documents` is raised as it is.
    """
    place = object()  # whoever ends the download, which may be another task than began it
    await writers().acquire_on_behalf_of(place)
    try:
        conversion = _Conversion(module, documents)
        try:
            while piece := await run_in_threadpool(conversion.read):
                yield piece
        finally:
            conversion.end()
    finally:
        writers().release_on_behalf_of(place)


class ConversionError(Exception):
    """The program that writes a download has ended before its time."""


class _Conversion:
    """The process, and a thread that hands it the documents."""

    def __init__(self, module: str, documents: Iterator[bytes]) -> None:
        self._documents = documents
        self._failure: Exception | None = None
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # it may quote what it reads
            env={name: value for name, value in os.environ.items() if not name.startswith("ORDERS_")},
        )
        self._feeder = threading.Thread(target=self._feed, daemon=True)
        self._feeder.start()

    def _feed(self) -> None:
        assert self._process.stdin is not None
        try:
            with self._process.stdin as pipe:
                for piece in self._documents:
                    pipe.write(piece)
        except BrokenPipeError:  # it has ended: its exit code says how
            pass
        except Exception as error:  # noqa: BLE001 - raised where the download is read
            self._failure = error
            self._process.kill()

    def read(self) -> bytes:
        """The next piece; nothing at the end."""
        assert self._process.stdout is not None
        piece = os.read(self._process.stdout.fileno(), PIECE_BYTES)
        if piece:
            return piece
        self._feeder.join()
        if self._failure is not None:
            raise self._failure
        if self._process.wait():
            raise ConversionError(f"the process that writes a download ended with {self._process.returncode}")
        return b""

    def end(self) -> None:
        """Whatever it is at, it ends."""
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
