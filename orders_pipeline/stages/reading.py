"""Reading raw orders: from payloads to orders that are ready to meet the book. Writes nothing.

What a payload says is in `payload_reader`, reading in several processes in `reading_processes`; what becomes of the orders
is in `normalise`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.protocol import ChannelContext
from orders_pipeline.marketplaces.registry import MARKETPLACES
from orders_pipeline.stages.payload_reader import PayloadReader, PayloadSource
from warehouse.ledger.base.database import PRODUCTS, mark
from warehouse.ledger.book import products, raw_orders
from warehouse.ledger.book.arrivals import Arrival, arrive
from warehouse.ledger.settings import channels

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.engine import Connection as Transaction

    from orders_pipeline.installation import Installation
    from orders_pipeline.marketplaces.protocol import Unreadable
    from warehouse.ledger.book.raw_orders import Stored
    from warehouse.orders import Order


@dataclass(frozen=True, slots=True)
class OrdersRead:
    """One raw order read: its orders, or why there are none."""

    raw: Stored
    orders: Sequence[Order] = ()
    fault: Unreadable | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Readings that are committed together, ready for the book: each order is in it at most once.

    Attributes:
        readings: The raw orders in order of arrival.
        arrivals: Their orders, rendered, with their products.
        products: The state of the catalogue that was used.
    """

    readings: Sequence[OrdersRead]
    arrivals: Sequence[Arrival]
    products: int

    @property
    def through(self) -> int:
        """The last raw order of the part."""
        return self.readings[-1].raw.seq


def sources(transaction: Transaction) -> tuple[Mapping[str, PayloadSource], Mapping[str, ChannelContext]]:
    """What a reader knows: how the payloads of each connection are read, and the channels."""
    kinds = {each.code: MARKETPLACES.get(each.kind) for each in channels.all_connections(transaction)}
    found = {
        code: PayloadSource(
            each.normalise, each.requirements.acceptance_state, each.requirements.acceptance_within_hours
        )
        for code, each in kinds.items()
        if each is not None
    }
    contexts = {
        each.code: ChannelContext(each.code, each.marketplace, each.settings)
        for each in channels.all_channels(transaction)
    }
    return found, contexts


def payload_reader(installation: Installation) -> PayloadReader:
    """What reads payloads in this process."""
    with installation.ledger.read() as transaction:
        return PayloadReader(*sources(transaction))


def read_parts(installation: Installation, reader: PayloadReader, seqs: Sequence[int]) -> list[Part]:
    """Read raw orders by seq, in that order; those that are not kept any more are left out."""
    return read_stored(installation, reader, stored(installation, seqs))


def stored(installation: Installation, seqs: Sequence[int]) -> list[Stored]:
    """Raw orders by seq, in that order, without those that are not kept any more."""
    with installation.ledger.read() as transaction:
        return raw_orders.by_seqs(transaction, seqs)


def read_stored(installation: Installation, reader: PayloadReader, raws: Sequence[Stored]) -> list[Part]:
    """Read raw orders, in their order."""
    readings = [
        OrdersRead(each, *reader.read(each.seq, each.connection, each.channel, partial(each.open, installation.keys)))
        for each in raws
    ]
    with installation.ledger.read() as transaction:
        return parts_of(readings, link(transaction, readings), mark(transaction, PRODUCTS))


def link(transaction: Transaction, readings: Sequence[OrdersRead]) -> list[Arrival]:
    """Render orders with their products, as the catalogue has them now."""
    origins = [(reading.raw, order) for reading in readings for order in reading.orders]
    linked = products.link(transaction, [order for _, order in origins])
    return [
        arrive(order, raw.seq, raw.received_at, is_historical=raw.is_historical)
        for (raw, _), order in zip(origins, linked, strict=True)
    ]


def parts_of(readings: Iterable[OrdersRead], arrivals: Iterable[Arrival], state: int) -> list[Part]:
    """Cut a chunk wherever an order comes a second time: within one commit each order is written once."""
    parts: list[Part] = []
    own: list[OrdersRead] = []
    theirs: list[Arrival] = []
    ids: set[str] = set()
    rest = iter(arrivals)
    for reading in readings:
        some = list(islice(rest, len(reading.orders)))
        some_ids = {each.rendered.id for each in some}
        if ids & some_ids:
            parts.append(Part(own, theirs, state))
            own, theirs, ids = [], [], set()
        own.append(reading)
        theirs += some
        ids |= some_ids
    if own:
        parts.append(Part(own, theirs, state))
    return parts
