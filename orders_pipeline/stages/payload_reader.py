"""What a payload says: its orders, or what is wrong with it. Pure; a reading process loads this without the ledger.

What a payload means is each marketplace's knowledge. Raw orders, their catalogue and what is made of both are in `reading`.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from orders_pipeline.marketplaces.payloads import NotJson, parse
from orders_pipeline.marketplaces.protocol import Unreadable
from warehouse.logs import Event, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from orders_pipeline.marketplaces.protocol import ChannelContext
    from warehouse.orders import Order

logger = logging.getLogger("orders_pipeline.stages.payload_reader")


class PayloadSource(NamedTuple):
    """How payloads of a connection are read, and what they do not tell: until when an order that waits must be accepted."""

    normalise: Callable[[Any, ChannelContext], Sequence[Order]]
    acceptance_state: str | None
    acceptance_within_hours: float | None


class PayloadReading(NamedTuple):
    """The orders of a payload, or why there are none."""

    orders: Sequence[Order] = ()
    fault: Unreadable | None = None


class PayloadReader:
    """Reads payloads of any connection; knows connections and channels as they were when it was made."""

    def __init__(self, sources: Mapping[str, PayloadSource], channels: Mapping[str, ChannelContext]) -> None:
        self._sources = sources
        self._channels = channels

    def read(self, seq: int, connection: str, channel: str | None, opened: Callable[[], bytes]) -> PayloadReading:
        """Normalise one payload; never raises for what it holds, nor where it does not open."""
        try:
            return PayloadReading(self._orders(connection, channel, opened))
        except Unreadable as fault:
            return PayloadReading(fault=fault)
        except NotJson as error:
            return PayloadReading(fault=Unreadable("not_json", "$", str(error)))
        except Exception as error:  # noqa: BLE001 - a defect must not lose the order
            # It is quarantined and heals by a replay. Its message stays out of the log: it may quote the payload.
            about = {"raw_seq": seq, "connection": connection, "channel": channel}
            logger.error(Event.UNEXPECTED_ERROR, extra=about | {"exception": place_of(error)})  # noqa: TRY400 - as above
            return PayloadReading(fault=Unreadable("internal_error", "$", f"unexpected {type(error).__name__}"))

    def _orders(self, connection: str, channel: str | None, opened: Callable[[], bytes]) -> Sequence[Order]:
        source = self._sources.get(connection)
        if source is None:
            raise Unreadable("unknown_connection", "$", f"there is no connection {connection} any more")
        context = self._channels.get(channel or "")
        if context is None:
            raise Unreadable("unknown_channel", "$", "the payload does not say which channel it belongs to")
        found = source.normalise(parse(opened()), context)
        if len({each.id for each in found}) < len(found):  # in the book it would stop everything behind it
            raise ValueError("one payload gave an order twice")
        return [_with_deadline(each, source) for each in found]


def _with_deadline(order: Order, source: PayloadSource) -> Order:
    """An order that waits to be accepted, with the marketplace's own deadline where its payload tells none."""
    hours, is_waiting = source.acceptance_within_hours, order.marketplace_status == source.acceptance_state
    if hours is None or not is_waiting or order.accept_by is not None:
        return order
    return replace(order, accept_by=order.purchased_at + timedelta(hours=hours))
