"""Reading a backlog in processes of their own, so that it uses the machine's cores; one process commits, in order of arrival.

A reading process is given its settings over a socket of its own, never by its arguments or its environment, and writes nothing.
It ends when the process that started it closes the socket, or is no more. What reading is, is in `reading`.
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from itertools import count, islice
from multiprocessing.connection import Connection, Pipe
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from orders_pipeline.installation import opened_to_read
from orders_pipeline.marketplaces.protocol import Unreadable
from orders_pipeline.stages.reading import OrdersRead, Part, PayloadReader, read_parts
from warehouse import logs
from warehouse.ledger.book.arrivals import Arrival
from warehouse.ledger.book.raw_orders import Stored
from warehouse.orders import Order
from warehouse.processes import heap_at_rest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Sequence

    from orders_pipeline.installation import Installation
    from warehouse.settings import Settings

WORTH_A_PROCESS = 5_000
"""So many raw orders take several times as long to read as a process to start."""

MOST = 4
"""More processes than these read faster than one commits."""

AHEAD = 2
"""Chunks that each process has before it or behind it: no more than these are in memory."""

PATIENCE = 0.0
"""Seconds to wait for another process before this one reads a chunk itself."""

LONGEST_CHUNK = 600.0
"""Seconds within which a reader answers."""


class ReaderLostError(Exception):
    """A reading process has ended, or does not answer. What it was to read is read by the next run."""


def read_chunks(
    installation: Installation, chunks: Iterable[Sequence[int]], waiting: int
) -> Generator[list[Part], None, None]:
    """Read chunks of raw orders, given by their seqs, in their order.

    Args:
        installation: Where they are.
        chunks: What to read; taken some chunks ahead of what was given back.
        waiting: About how many raw orders that is: whether processes are worth it.

    Raises:
        ReaderLostError: Nothing of the chunk that it was at is given back.
    """
    reader = PayloadReader(installation)
    most = AHEAD * (1 + (number := _worthwhile(installation.settings, waiting)))
    found: deque[_ReadingProcess | list[Part]] = deque()
    unread = iter(chunks)
    with ExitStack() as stack:
        others = [stack.enter_context(_started(installation.settings)) for _ in range(number)]
        while True:
            found += _asked(others, unread)
            if found and (len(found) >= most or _is_there(found[0])):
                yield _taken(installation, found)
            elif (seqs := next(unread, None)) is not None:
                found.append(read_parts(installation, reader, seqs))
            elif found:
                yield _taken(installation, found)
            else:
                return


def _asked(others: Sequence[_ReadingProcess], unread: Iterator[Sequence[int]]) -> Iterator[_ReadingProcess]:
    """Let every other process that is free read a chunk next; each is given once for each of its chunks."""
    for each in others:
        while each.is_free() and (seqs := next(unread, None)) is not None:
            each.ask(seqs)
            yield each


def _is_there(found: _ReadingProcess | list[Part]) -> bool:
    return isinstance(found, list) or found.has_answered()


def _taken(installation: Installation, found: deque[_ReadingProcess | list[Part]]) -> list[Part]:
    """The first of what is being read; waits for it."""
    first = found.popleft()
    return first if isinstance(first, list) else first.answer(installation)


def _worthwhile(settings: Settings, waiting: int) -> int:
    """How many processes beside this one are worth their start."""
    cores = os.cpu_count() or 1
    wanted = min(cores, MOST) if settings.reading_processes is None else settings.reading_processes
    return min(max(wanted - 1, 0), waiting // WORTH_A_PROCESS)


class _Orders(msgspec.Struct):
    """Orders as they go over the socket: MessagePack takes a quarter of the time that pickling does."""

    read: list[Order]
    linked: dict[int, Order]
    """By place in `read`: those that differ with their products."""


class _Answer(NamedTuple):
    """A chunk as it goes over the socket; each part is its readings, what its arrivals are rendered to, and its catalogue."""

    orders: bytes
    parts: list[tuple[list[_Reading], list[_Rendered], int]]


_Reading = tuple[tuple[int, str, str | None, str, datetime, bool], tuple[str, str, str] | None, int]
"""A raw order without its payload, what is wrong with it, how many orders it gave."""

_Rendered = tuple[str, str, bytes, str]
"""The members of an `Arrival` that take long to make."""

_ENCODER = msgspec.msgpack.Encoder(decimal_format="string")
_DECODER = msgspec.msgpack.Decoder(_Orders)


def packed(parts: Sequence[Part]) -> _Answer | None:
    """Parts as they go over the socket; None where an order holds what MessagePack cannot tell."""
    read = [order for part in parts for reading in part.readings for order in reading.orders]
    seen = [each.order for part in parts for each in part.arrivals]
    linked = {
        place: each for place, (each, own) in enumerate(zip(seen, read, strict=True)) if each is not own and each != own
    }
    try:
        orders = _ENCODER.encode(_Orders(read, linked))
    except (msgspec.MsgspecError, ValueError, OverflowError, TypeError, RecursionError):
        return None
    return _Answer(orders, [([_bare(each) for each in part.readings], *_rendered(part)) for part in parts])


def unpacked(answer: _Answer) -> list[Part]:
    """Reverse `packed`."""
    decoded = _DECODER.decode(answer.orders)
    places = count()
    parts = []
    for readings, rendered, products in answer.parts:
        made: list[OrdersRead] = []
        arrivals: list[Arrival] = []
        texts = iter(rendered)
        for members, fault, orders in readings:
            raw = Stored(*members, None, b"", None)
            own = list(islice(places, orders))
            made.append(
                OrdersRead(raw, [decoded.read[each] for each in own], None if fault is None else Unreadable(*fault))
            )
            arrivals += [
                Arrival(
                    decoded.linked.get(each, decoded.read[each]),
                    raw.seq,
                    raw.received_at,
                    raw.is_historical,
                    *next(texts),
                )
                for each in own
            ]
        parts.append(Part(made, arrivals, products))
    return parts


def _bare(reading: OrdersRead) -> _Reading:
    raw, fault = reading.raw, reading.fault
    members = (raw.seq, raw.connection, raw.channel, raw.original_id, raw.received_at, raw.is_historical)
    return members, None if fault is None else (fault.code, fault.path, fault.reason), len(reading.orders)


def _rendered(part: Part) -> tuple[list[_Rendered], int]:
    return [(each.facts, each.parties, each.content_hash, each.pii_state) for each in part.arrivals], part.products


class _ReadingProcess:
    """A process that reads, seen from the one that commits."""

    def __init__(self, process: subprocess.Popen[bytes], connection: Connection) -> None:
        self._process = process
        self._connection = connection
        self._asked: deque[Sequence[int]] = deque()
        self._is_ready = False

    def is_free(self) -> bool:
        """Whether it can be asked for one more chunk; not while it starts."""
        if not self._is_ready and self._connection.poll(PATIENCE):
            self._received()
            self._is_ready = True
        return self._is_ready and len(self._asked) < AHEAD

    def has_answered(self) -> bool:
        """Whether the chunk that it was asked for first is there."""
        return self._connection.poll(PATIENCE)

    def ask(self, seqs: Sequence[int]) -> None:
        """Let it read a chunk next."""
        try:
            self._connection.send(seqs)
        except OSError as error:
            raise self._lost() from error
        self._asked.append(seqs)

    def answer(self, installation: Installation) -> list[Part]:
        """The chunk that it was asked for first."""
        seqs = self._asked.popleft()
        found = self._received()
        with suppress(msgspec.MsgspecError):  # an order that is not what its members' types say
            if found is not None:
                return unpacked(found)
        return read_parts(installation, PayloadReader(installation), seqs)

    def _received(self) -> _Answer | None:
        try:
            if not self._connection.poll(LONGEST_CHUNK):
                raise self._lost()
            found: _Answer | Exception | None = self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._lost() from error
        if isinstance(found, Exception):
            raise found
        return found

    def _lost(self) -> ReaderLostError:
        code = self._process.poll()
        how = "does not answer" if code is None else f"has ended with code {code}"
        return ReaderLostError(f"a process that reads payloads {how}; the next run reads them again")


@contextmanager
def _started(settings: Settings) -> Iterator[_ReadingProcess]:
    ours, theirs = Pipe()
    with ours:
        with theirs:
            handle = theirs.fileno()
            command = [
                sys.executable,
                "-c",
                f"import gc; gc.disable(); from {__name__} import main; main()",
                str(handle),
            ]
            process = subprocess.Popen(command, pass_fds=[handle])  # noqa: S603 - this program itself
        try:
            ours.send(settings)
            yield _ReadingProcess(process, ours)
        finally:
            process.kill()  # it has nothing to finish: it only reads
            process.wait()


def main() -> None:
    """Say that it is ready, then answer what is asked over the socket until it is closed; an error is the last answer, and is
    raised by who asked.
    """
    gc.enable()  # loading leaves no garbage, and looking for some takes an eighth of the start
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that commits
    with suppress(EOFError, OSError), Connection(int(sys.argv[1])) as connection:  # OSError: nobody is there any more
        settings: Settings = connection.recv()
        logs.configure(settings.log_format, settings.log_level or logs.LogLevel.INFO)
        try:
            with opened_to_read(settings) as installation, heap_at_rest(), ThreadPoolExecutor(1) as sending:
                reader = PayloadReader(installation)
                sent = sending.submit(connection.send, None)
                while True:
                    answer = packed(read_parts(installation, reader, connection.recv()))
                    sent.result()  # in a thread: the socket holds less than a chunk, and who asked may be at work itself
                    sent = sending.submit(connection.send, answer)
        except EOFError:
            return
        except Exception as error:  # noqa: BLE001 - as above
            connection.send(error)
