"""Reading raw orders: from payloads to orders that are ready to meet the book. Writes nothing.

What a payload means is each marketplace's knowledge; what becomes of the orders is in `normalise`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from msgspec.structs import replace

from orders_pipeline.marketplaces.payloads import NotJson, parse
from orders_pipeline.marketplaces.protocol import ChannelContext, Unreadable
from orders_pipeline.marketplaces.registry import MARKETPLACES
from warehouse.ledger.base.database import PRODUCTS, mark
from warehouse.ledger.book import products, raw_orders
from warehouse.ledger.book.arrivals import Arrival, arrive
from warehouse.ledger.settings import channels
from warehouse.logs import Event, place_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.engine import Connection as Transaction

    from orders_pipeline.installation import Installation
    from warehouse.ledger.book.raw_orders import Stored
    from warehouse.orders import Order
    from warehouse.shipments import Requirements

logger = logging.getLogger("orders_pipeline.stages.reading")


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


class PayloadReader:
    """Reads raw orders of any connection; knows the channels as they were when it was made."""

    def __init__(self, installation: Installation) -> None:
        self._keys = installation.keys
        with installation.ledger.read() as transaction:
            self._kinds = {each.code: each.kind for each in channels.all_connections(transaction)}
            self._channels = {
                each.code: ChannelContext(each.code, each.marketplace, each.settings)
                for each in channels.all_channels(transaction)
            }

    def read(self, raw: Stored) -> OrdersRead:
        """Normalise one payload; never raises for what a payload holds."""
        try:
            return OrdersRead(raw, self._orders(raw))
        except Unreadable as fault:
            return OrdersRead(raw, fault=fault)
        except NotJson as error:
            return OrdersRead(raw, fault=Unreadable("not_json", "$", str(error)))
        except Exception as error:  # noqa: BLE001 - a defect must not lose the order
            # It is quarantined and heals by a replay. Its message stays out of the log: it may quote the payload.
            about = {"raw_seq": raw.seq, "connection": raw.connection, "channel": raw.channel}
            logger.error(Event.UNEXPECTED_ERROR, extra=about | {"exception": place_of(error)})  # noqa: TRY400 - as above
            return OrdersRead(raw, fault=Unreadable("internal_error", "$", f"unexpected {type(error).__name__}"))

    def _orders(self, raw: Stored) -> Sequence[Order]:
        marketplace = MARKETPLACES.get(self._kinds.get(raw.connection, ""))
        if marketplace is None:
            raise Unreadable("unknown_connection", "$", f"there is no connection {raw.connection} any more")
        channel = self._channels.get(raw.channel or "")
        if channel is None:
            raise Unreadable("unknown_channel", "$", "the payload does not say which channel it belongs to")
        found = marketplace.normalise(parse(raw.open(self._keys)), channel)
        if len({each.id for each in found}) < len(found):  # in the book it would stop everything behind it
            raise ValueError("one payload gave an order twice")
        return [_with_deadline(each, marketplace.requirements) for each in found]


def _with_deadline(order: Order, needs: Requirements) -> Order:
    """An order that waits to be accepted, with the marketplace's own deadline where its payload tells none."""
    hours, is_waiting = needs.acceptance_within_hours, order.marketplace_status == needs.acceptance_state
    if hours is None or not is_waiting or order.accept_by is not None:
        return order
    return replace(order, accept_by=order.purchased_at + timedelta(hours=hours))


def read_parts(installation: Installation, reader: PayloadReader, seqs: Sequence[int]) -> list[Part]:
    """Read raw orders by seq, in that order; those that are not kept any more are left out."""
    with installation.ledger.read() as transaction:
        raws = raw_orders.by_seqs(transaction, seqs)
    readings = [reader.read(each) for each in raws]
    with installation.ledger.read() as transaction:
        state = mark(transaction, PRODUCTS)
        return [Part(each, link(transaction, each), state) for each in _distinct(readings)]


def link(transaction: Transaction, readings: Sequence[OrdersRead]) -> list[Arrival]:
    """Render orders with their products, as the catalogue has them now."""
    origins = [(reading.raw, order) for reading in readings for order in reading.orders]
    linked = products.link(transaction, [order for _, order in origins])
    return [
        arrive(order, raw.seq, raw.received_at, is_historical=raw.is_historical)
        for (raw, _), order in zip(origins, linked, strict=True)
    ]


def _distinct(readings: Sequence[OrdersRead]) -> Iterable[list[OrdersRead]]:
    """Cut a chunk wherever an order comes a second time: within one commit each order is written once."""
    part: list[OrdersRead] = []
    ids: set[str] = set()
    for reading in readings:
        own = {each.id for each in reading.orders}
        if ids & own:
            yield part
            part, ids = [], set()
        part.append(reading)
        ids |= own
    if part:
        yield part
