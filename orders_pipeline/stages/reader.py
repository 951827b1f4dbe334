"""The far end of `reading_processes`: a process that reads payloads, and answers with their orders until its socket is closed.

It writes nothing, has no keys, and loads the ledger only where there is a catalogue to look products up in: loading it takes
longer than reading thousand orders.
"""

from __future__ import annotations

import gc
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from orders_pipeline.stages.payload_reader import PayloadReader, PayloadReading
from orders_pipeline.stages.reading_messages import Beginning, OpenedPayload, pack_answer, unpack_payloads
from warehouse import logs
from warehouse.processes import heap_at_rest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from warehouse.orders import Order
    from warehouse.settings import Settings

    Link = Callable[[Sequence[Order]], tuple[Sequence[Order], int]]
    """Gives orders their products; the other is the state of the catalogue."""


def main() -> None:
    """Say that it is ready, then answer what is asked over the socket until it is closed; an error is the last answer, and is
    raised by who asked.
    """
    gc.enable()  # loading leaves no garbage, and looking for some takes an eighth of the start
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that commits
    with suppress(EOFError, OSError), Connection(int(sys.argv[1])) as connection:  # OSError: nobody is there any more
        try:
            _answer(connection)
        except EOFError:
            return
        except Exception as error:  # noqa: BLE001 - as above
            connection.send(error)


def _answer(connection: Connection) -> None:
    beginning: Beginning = connection.recv()
    logs.configure(beginning.log_format, beginning.log_level)
    reader = PayloadReader(beginning.sources, beginning.channels)
    with _catalogue(beginning.catalogue) as link, heap_at_rest(), ThreadPoolExecutor(1) as sending:
        sent = sending.submit(connection.send, None)
        while True:
            answer = _read(reader, link, unpack_payloads(connection.recv_bytes()))
            sent.result()  # in a thread: the socket holds less than a chunk, and who asked may be at work itself
            sent = sending.submit(connection.send, answer)


def _read(reader: PayloadReader, link: Link, payloads: Sequence[OpenedPayload]) -> bytes | None:
    readings = [reader.read(each.seq, each.connection, each.channel, each.open) for each in payloads]
    return pack_answer(readings, *link(_orders(readings)))


def _orders(readings: Sequence[PayloadReading]) -> list[Order]:
    return [order for reading in readings for order in reading.orders]


@contextmanager
def _catalogue(settings: Settings | None) -> Iterator[Link]:
    if settings is None:
        yield lambda orders: (orders, 0)
        return
    from warehouse.ledger.base.database import PRODUCTS, mark, open_existing_ledger  # noqa: PLC0415 - as this module says
    from warehouse.ledger.book import products  # noqa: PLC0415 - as above

    ledger = open_existing_ledger(settings)

    def link(orders: Sequence[Order]) -> tuple[Sequence[Order], int]:
        with ledger.read() as transaction:
            return products.link(transaction, orders), mark(transaction, PRODUCTS)

    try:
        yield link
    finally:
        ledger.close()
