"""What a reading process is told and what it answers, as it goes over the socket: payloads there, orders back, in MessagePack.

Both ends load this, so it loads no ledger. An order comes back rendered, and encoded beside that: most are never decoded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import starmap
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from orders_pipeline.marketplaces.protocol import ChannelContext, Unreadable
from orders_pipeline.stages.payload_reader import PayloadReading, PayloadSource
from warehouse.ledger.book.arrivals import RenderedOrder, render
from warehouse.logs import LogFormat, LogLevel
from warehouse.orders import Order

if TYPE_CHECKING:
    from warehouse.settings import Settings


class Beginning(NamedTuple):
    """What a reading process is told first, pickled: functions of marketplaces go by their names.

    Attributes:
        sources, channels: As of `PayloadReader`.
        catalogue: The settings of the ledger that has the products; None: no products were ever loaded.
    """

    sources: Mapping[str, PayloadSource]
    channels: Mapping[str, ChannelContext]
    log_format: LogFormat
    log_level: LogLevel
    catalogue: Settings | None


class OpenedPayload(msgspec.Struct, array_like=True):
    """A raw order as it is read: its body is opened, for a reading process has no keys."""

    seq: int
    connection: str
    channel: str | None
    body: bytes

    def open(self) -> bytes:
        """The exact bytes."""
        return self.body


class ReadOrder(msgspec.Struct, array_like=True):
    """An order that a payload gave.

    Attributes:
        own: As the payload tells it.
        linked: With its products, where they tell something new.
    """

    own: msgspec.Raw
    linked: list[msgspec.Raw]
    rendered: RenderedOrder


class ReadPayload(msgspec.Struct, array_like=True):
    """What a payload gave: orders, or the code, path and reason of a fault."""

    fault: tuple[str, str, str] | None
    orders: list[ReadOrder]


class Answer(msgspec.Struct, array_like=True):
    """What payloads gave, one by one, and the state of the catalogue that was used."""

    payloads: list[ReadPayload]
    products: int


_ENCODER = msgspec.msgpack.Encoder(decimal_format="string")
_PAYLOADS = msgspec.msgpack.Decoder(list[OpenedPayload])
_ANSWER = msgspec.msgpack.Decoder(Answer)
_ORDER = msgspec.msgpack.Decoder(Order)


def pack_payloads(payloads: Sequence[OpenedPayload]) -> bytes:
    """Payloads as they go over the socket."""
    return _ENCODER.encode(payloads)


def unpack_payloads(data: bytes) -> list[OpenedPayload]:
    """Reverse `pack_payloads`."""
    return _PAYLOADS.decode(data)


def pack_answer(readings: Sequence[PayloadReading], linked: Iterable[Order], products: int) -> bytes | None:
    """What payloads gave, as it goes over the socket; None where an order holds what MessagePack cannot tell.

    Args:
        readings: What each gave.
        linked: Their orders with their products, in the same order.
        products: The state of the catalogue that was used.
    """
    rest = iter(linked)
    payloads = [(_fault(each.fault), [*starmap(_order, zip(each.orders, rest, strict=False))]) for each in readings]
    try:
        return _ENCODER.encode((payloads, products))
    except (msgspec.MsgspecError, ValueError, OverflowError, TypeError, RecursionError):
        return None


def unpack_answer(data: bytes) -> Answer:
    """Reverse `pack_answer`.

    Raises:
        msgspec.MsgspecError: Something rendered is not what its members' types say.
    """
    return _ANSWER.decode(data)


def unpack_order(encoded: msgspec.Raw) -> Order:
    """An order of an answer.

    Raises:
        msgspec.MsgspecError: It is not what its members' types say.
    """
    return _ORDER.decode(encoded)


def _fault(fault: Unreadable | None) -> tuple[str, str, str] | None:
    return None if fault is None else (fault.code, fault.path, fault.reason)


def _order(own: Order, linked: Order) -> tuple[Order, list[Order], RenderedOrder]:
    return own, [] if linked is own or linked == own else [linked], render(linked)
