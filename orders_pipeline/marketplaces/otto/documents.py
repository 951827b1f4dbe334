"""OTTO's orders, found in payload files. What an order says is not read here but for its id; that is `normalise`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.payload_files import PayloadShape, find_orders
from orders_pipeline.marketplaces.reading import identifier

if TYPE_CHECKING:
    from orders_pipeline.marketplaces.protocol import RawOrder

LIST = ("resources",)


def order_id(value: object) -> str | None:
    """The id of an order; None when there is none that a store could keep."""
    return identifier(value.get("salesOrderId")) if isinstance(value, dict) else None


SHAPE = PayloadShape(
    name="OTTO",
    own_members=("salesOrderId", "positionItems", "orderNumber"),
    lists=(LIST,),
    singles=(),
    original_id=order_id,
    selector=lambda _: None,
)


def documents(data: bytes) -> list[RawOrder]:
    """Every order in one payload file, in the order of the file; see `find_orders`.

    Raises:
        Unreadable: The file holds no order at all, with the path where one was expected.
    """
    return find_orders(data, SHAPE)
