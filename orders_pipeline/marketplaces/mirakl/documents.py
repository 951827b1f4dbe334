"""Mirakl's orders, found in payload files: OR11 pages, orders as the async export writes them, our envelopes.

What an order says is not read here but for its id and its channel; that is `normalise`. The envelope that joins an order and
its shipments is made here too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orders_pipeline.marketplaces.payload_files import PayloadShape, find_orders
from orders_pipeline.marketplaces.reading import identifier

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orders_pipeline.marketplaces.protocol import RawOrder

_OWN_MEMBERS = ("order_id", "order_lines", "order_state", "commercial_id")


def order_id(order: object) -> str | None:
    """The id of an order or of the order a shipment belongs to; None when there is none that a store could keep."""
    return identifier(order.get("order_id")) if isinstance(order, dict) else None


def channel_code(order: object) -> str | None:
    """The code of the sales channel an order came from, None when it names none."""
    channel = order.get("channel") if isinstance(order, dict) else None
    return identifier(channel.get("code")) if isinstance(channel, dict) else None


def envelope(order: bytes, shipments: Iterable[bytes] | None) -> bytes:
    """The exact bytes of an order and of its shipments in one JSON object; None where the instance has no shipments.

    >>> envelope(b'{"order_id": "A-1"}', [b'{"id": 1.50}'])
    b'{"order":{"order_id": "A-1"},"shipments":[{"id": 1.50}]}'
    """
    joined = b"null" if shipments is None else b"[" + b",".join(shipments) + b"]"
    return b'{"order":' + order + b',"shipments":' + joined + b"}"


def envelope_without_shipments(order: bytes) -> bytes:
    """The exact bytes of an order in an envelope of which the shipments, if there are any, were not read."""
    return b'{"order":' + order + b"}"


def _unwrapped(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """An order, out of its envelope if it is in one."""
    is_envelope = isinstance(value, dict) and "order" in value and not any(key in value for key in _OWN_MEMBERS)
    return value["order"] if is_envelope else value


SHAPE = PayloadShape(
    name="Mirakl",
    own_members=(*_OWN_MEMBERS, "order"),
    lists=(("orders",),),
    singles=(),
    original_id=lambda value: order_id(_unwrapped(value)),
    selector=lambda value: channel_code(_unwrapped(value)),
    others={
        "data": "shipments (ST11) without their orders",
        "message": "an error answer of Mirakl, not orders",
    },
)


def documents(data: bytes) -> list[RawOrder]:
    """Every order in one payload file, in the order of the file; see `find_orders`.

    Raises:
        Unreadable: The file holds no order at all, with the path where one was expected.
    """
    return find_orders(data, SHAPE)
