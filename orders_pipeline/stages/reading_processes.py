"""Reading a backlog in processes of their own, so that it uses the machine's cores; one process commits, in order of arrival.

What a reading process must know it is told over a socket of its own, never by its arguments or its environment; it writes
nothing. It ends when the process that started it closes the socket, or is no more. It runs `reader`; what reading is, is in
`reading`, what goes over the socket in `reading_messages`.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from multiprocessing.connection import Connection, Pipe
from typing import TYPE_CHECKING, overload

import msgspec

from orders_pipeline.marketplaces.protocol import Unreadable
from orders_pipeline.stages import reader as far_end
from orders_pipeline.stages.reading import (
    OrdersRead,
    Part,
    parts_of,
    payload_reader,
    read_parts,
    read_stored,
    sources,
    stored,
)
from orders_pipeline.stages.reading_messages import (
    Answer,
    Beginning,
    OpenedPayload,
    pack_payloads,
    unpack_answer,
    unpack_order,
)
from warehouse.ledger.base.database import PRODUCTS, mark
from warehouse.ledger.book.arrivals import Arrival
from warehouse.logs import LogLevel

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from orders_pipeline.installation import Installation
    from orders_pipeline.stages.payload_reader import PayloadReader
    from warehouse.ledger.book.raw_orders import Stored
    from warehouse.orders import Order
    from warehouse.settings import Settings

WORTH_A_PROCESS = 5_000
"""So many raw orders take several times as long to read as a process to start."""

MOST = 4
"""More processes than these read faster than one commits."""

AHEAD = 3
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
    reader = payload_reader(installation)
    number = _worthwhile(installation.settings, waiting)
    beginning = _beginning(installation) if number else b""
    others: list[_ReadingProcess] = []
    found: deque[_ReadingProcess | list[Part]] = deque()
    unread = iter(chunks)
    with ExitStack() as stack:
        if beginning:
            others += [stack.enter_context(_started(beginning)) for _ in range(number)]
        most = AHEAD * (1 + len(others))
        while True:
            found += _asked(installation, reader, others, unread)
            if found and (len(found) >= most or _is_there(found[0])):
                yield _taken(installation, reader, found)
            elif (seqs := next(unread, None)) is not None:
                found.append(read_parts(installation, reader, seqs))
            elif found:
                yield _taken(installation, reader, found)
            else:
                return


def _asked(
    installation: Installation,
    reader: PayloadReader,
    others: Sequence[_ReadingProcess],
    unread: Iterator[Sequence[int]],
) -> Iterator[_ReadingProcess | list[Part]]:
    """Let every other process that is free read a chunk next; each is given once for each of its chunks."""
    for each in others:
        while each.is_free() and (seqs := next(unread, None)) is not None:
            raws = stored(installation, seqs)
            try:
                payloads = [
                    OpenedPayload(raw.seq, raw.connection, raw.channel, raw.open(installation.keys)) for raw in raws
                ]
            except Exception:  # noqa: BLE001 - whatever is wrong with one is told by reading it here
                yield read_stored(installation, reader, raws)
            else:
                each.ask(raws, payloads)
                yield each


def _is_there(found: _ReadingProcess | list[Part]) -> bool:
    return isinstance(found, list) or found.has_answered()


def _taken(installation: Installation, reader: PayloadReader, found: deque[_ReadingProcess | list[Part]]) -> list[Part]:
    """The first of what is being read; waits for it."""
    first = found.popleft()
    return first if isinstance(first, list) else first.answer(partial(read_stored, installation, reader))


def _worthwhile(settings: Settings, waiting: int) -> int:
    """How many processes beside this one are worth their start."""
    cores = os.cpu_count() or 1
    wanted = min(cores, MOST) if settings.reading_processes is None else settings.reading_processes
    return min(max(wanted - 1, 0), waiting // WORTH_A_PROCESS)


def _beginning(installation: Installation) -> bytes:
    """What a reading process is told first; empty where a marketplace's function has no name to be told by."""
    settings = installation.settings
    with installation.ledger.read() as transaction:
        has_products = mark(transaction, PRODUCTS) > 0
        found = Beginning(
            *sources(transaction),
            log_format=settings.log_format,
            log_level=settings.log_level or LogLevel.INFO,
            catalogue=settings.model_copy(update={"keys": None}) if has_products else None,
        )
    try:
        return pickle.dumps(found)
    except (pickle.PicklingError, AttributeError, TypeError):
        return b""


ReadHere = Callable[[Sequence["Stored"]], list[Part]]
"""Reads raw orders in this process."""


class _ReadingProcess:
    """A process that reads, seen from the one that commits."""

    def __init__(self, process: subprocess.Popen[bytes], connection: Connection, sending: ThreadPoolExecutor) -> None:
        self._process = process
        self._connection = connection
        self._sending = sending
        self._asked: deque[Sequence[Stored]] = deque()
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

    def ask(self, raws: Sequence[Stored], payloads: Sequence[OpenedPayload]) -> None:
        """Let it read a chunk next."""
        # In a thread: the socket holds less than a chunk. That nobody is there any more is seen when its answer is taken.
        self._sending.submit(self._connection.send_bytes, pack_payloads(payloads))
        self._asked.append(raws)

    def answer(self, read_here: ReadHere) -> list[Part]:
        """The chunk that it was asked for first."""
        raws = self._asked.popleft()
        found = self._received()
        try:
            return read_here(raws) if found is None else parts_from(unpack_answer(found), raws, read_here)
        except msgspec.MsgspecError:  # an order that is not what its members' types say
            return read_here(raws)

    def _received(self) -> bytes | None:
        try:
            if not self._connection.poll(LONGEST_CHUNK):
                raise self._lost()
            found: bytes | Exception | None = self._connection.recv()
        except (EOFError, OSError) as error:
            raise self._lost() from error
        if isinstance(found, Exception):
            raise found
        return found

    def _lost(self) -> ReaderLostError:
        code = self._process.poll()
        how = "does not answer" if code is None else f"has ended with code {code}"
        return ReaderLostError(f"a process that reads payloads {how}; the next run reads them again")


def parts_from(answer: Answer, raws: Sequence[Stored], read_here: ReadHere) -> list[Part]:
    """What another process answered for raw orders. Their orders are decoded when they are asked for."""
    readings: list[OrdersRead] = []
    arrivals: list[Arrival] = []
    for raw, payload in zip(raws, answer.payloads, strict=True):
        makers = [partial(_make_order, each.own, raw, place, read_here) for place, each in enumerate(payload.orders)]
        fault = None if payload.fault is None else Unreadable(*payload.fault)
        readings.append(OrdersRead(raw, _Later(makers), fault))
        for place, each in enumerate(payload.orders):
            whole = partial(_make_linked, each.linked[0], raw, place, read_here) if each.linked else makers[place]
            arrivals.append(Arrival(each.rendered, whole, raw.seq, raw.received_at, raw.is_historical))
    return parts_of(readings, arrivals, answer.products)


def _make_order(encoded: msgspec.Raw, raw: Stored, place: int, read_here: ReadHere) -> Order:
    try:
        return unpack_order(encoded)
    except msgspec.MsgspecError:
        return read_here([raw])[0].readings[0].orders[place]


def _make_linked(encoded: msgspec.Raw, raw: Stored, place: int, read_here: ReadHere) -> Order:
    try:
        return unpack_order(encoded)
    except msgspec.MsgspecError:
        return read_here([raw])[0].arrivals[place].order


class _Later(Sequence["Order"]):
    """Orders that are made when they are asked for."""

    def __init__(self, orders: Sequence[Callable[[], Order]]) -> None:
        self._orders = orders

    def __len__(self) -> int:
        return len(self._orders)

    @overload
    def __getitem__(self, place: int) -> Order: ...
    @overload
    def __getitem__(self, place: slice) -> list[Order]: ...
    def __getitem__(self, place: int | slice) -> Order | list[Order]:
        return [make() for make in self._orders[place]] if isinstance(place, slice) else self._orders[place]()


@contextmanager
def _started(beginning: bytes) -> Iterator[_ReadingProcess]:
    ours, theirs = Pipe()
    with ours, ThreadPoolExecutor(1) as sending:
        with theirs:
            handle = theirs.fileno()
            command = [
                sys.executable,
                "-c",
                f"import gc; gc.disable(); from {far_end.__name__} import main; main()",
                str(handle),
            ]
            process = subprocess.Popen(command, pass_fds=[handle])  # noqa: S603 - this program itself
        try:
            sending.submit(ours.send_bytes, beginning)
            yield _ReadingProcess(process, ours, sending)
        finally:
            process.kill()  # it has nothing to finish: it only reads
            process.wait()
