"""A limit that holds: whatever a library waits for, after so many seconds its connection is cut off under it."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from orders_pipeline.storages.errors import TimedOut

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def watched(limit_seconds: float, cut: Callable[[], None], what: str) -> Iterator[None]:
    """Call `cut` when the block takes too long. `cut` runs in another thread and must make the block fail.

    Raises:
        TimedOut: The limit has passed, whatever the block itself made of it.
    """
    has_passed = threading.Event()

    def end() -> None:
        has_passed.set()
        cut()

    timer = threading.Timer(limit_seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception:
        if not has_passed.is_set():
            raise
    finally:
        timer.cancel()
    if has_passed.is_set():
        raise TimedOut(f"{what} was not done after {limit_seconds:g} s, and was ended")


def cut_off(connection: socket.socket | None) -> None:
    """End a connection in both directions; whoever waits for it wakes up. Unlike closing, safe from another thread."""
    if connection is not None:
        with suppress(OSError):
            # The plain method even for TLS: that of a TLS socket forgets that it was encrypted, and reads on.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
