"""Target's orders, found in payload files; and the envelope that joins an order and what is read beside it.

What an order says is not read here but for its id; that is `normalise`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.payload_files import PayloadShape, find_orders
from orders_pipeline.marketplaces.reading import identifier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orders_pipeline.marketplaces.protocol import RawOrder

ADDRESSES, FULFILLMENTS = "order_addresses", "fulfillments"
BESIDE = (ADDRESSES, FULFILLMENTS)
"""Members of the envelope beside the order."""


def order_id(value: object) -> str | None:
    """The id of an order, bare or in the envelope; None when there is none that a store could keep."""
    if not isinstance(value, dict):
        return None
    order = value.get("order", value) if "id" not in value else value
    return identifier(order.get("id")) if isinstance(order, dict) else None


def envelope(order: bytes, beside: Mapping[str, bytes]) -> bytes:
    """The exact bytes of an order with what was read beside it; of the order alone when that is nothing.

    >>> envelope(b'{"id": "A"}', {"fulfillments": b"[]"}), envelope(b'{"id": "A"}', {})
    (b'{"order":{"id": "A"},"fulfillments":[]}', b'{"id": "A"}')
    """
    if not beside:
        return order
    return b'{"order":' + order + b"".join(b',"%b":%b' % (key.encode(), body) for key, body in beside.items()) + b"}"


SHAPE = PayloadShape(
    name="Target Plus",
    own_members=("order_lines", "order_number", *BESIDE),
    lists=(("orders",),),
    singles=(("order",),),
    original_id=order_id,
    selector=lambda _: None,
)


def documents(data: bytes) -> list[RawOrder]:
    """Every order in one payload file, in the order of the file; see `find_orders`.

    Raises:
        Unreadable: The file holds no order at all, with the path where one was expected.
    """
    return find_orders(data, SHAPE)
