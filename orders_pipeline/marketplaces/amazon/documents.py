"""Amazon's orders, found in payload files: answers of `searchOrders` and `getOrder`.

What an order says is not read here but for its id and its marketplace id; that is `normalise`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.payload_files import PayloadShape, find_orders
from orders_pipeline.marketplaces.reading import identifier

if TYPE_CHECKING:
    from orders_pipeline.marketplaces.protocol import RawOrder

_OF_V0 = "an answer of Orders v0; only Orders 2026-01-01 is read"


def _order_id(value: object) -> str | None:
    return identifier(value.get("orderId")) if isinstance(value, dict) else None


def _marketplace_id(value: object) -> str | None:
    channel = value.get("salesChannel") if isinstance(value, dict) else None
    return identifier(channel.get("marketplaceId")) if isinstance(channel, dict) else None


SHAPE = PayloadShape(
    name="Amazon",
    own_members=("orderId", "orderItems", "createdTime", "lastUpdatedTime"),
    lists=(("orders",),),
    singles=(("order",),),
    original_id=_order_id,
    selector=_marketplace_id,
    others={"Orders": _OF_V0, "AmazonOrderId": _OF_V0},
)


def documents(data: bytes) -> list[RawOrder]:
    """Every order in one payload file, in the order of the file; see `find_orders`.

    Raises:
        Unreadable: The file holds no order at all, with the path where one was expected.
    """
    return find_orders(data, SHAPE)
