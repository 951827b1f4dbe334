"""eBay's orders, found in listings, single answers, our envelopes and recordings of these.

What an order says is not read here but for its id and its site. The envelope that joins an order and its packages is made here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orders_pipeline.marketplaces.payload_files import PayloadShape, find_orders
from orders_pipeline.marketplaces.reading import identifier

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orders_pipeline.marketplaces.protocol import RawOrder

LIST = ("orders",)
PACKAGES = ("fulfillments",)


def is_envelope(value: dict[str, Any]) -> bool:
    """Whether an object is our envelope of an order and its packages."""
    return "order" in value and "orderId" not in value


def order_id(value: object) -> str | None:
    """The id of an order or of the order in an envelope; None when there is none that a store could keep."""
    order = _order(value)
    return None if order is None else identifier(order.get("orderId"))


def site(value: object) -> str | None:
    """The site that an order's first line was listed on, None when it names none."""
    order = _order(value)
    lines = None if order is None else order.get("lineItems")
    first = lines[0] if isinstance(lines, list) and lines else None
    if not isinstance(first, dict):
        return None
    return identifier(first.get("listingMarketplaceId")) or identifier(first.get("purchaseMarketplaceId"))


SHAPE = PayloadShape(
    name="eBay",
    own_members=("orderId", "lineItems", "orderFulfillmentStatus", *PACKAGES),
    lists=(LIST,),
    singles=(("order",),),
    original_id=order_id,
    selector=site,
)


def documents(data: bytes) -> list[RawOrder]:
    """Every order in one payload file, in the order of the file; see `find_orders`.

    Raises:
        Unreadable: The file holds no order at all, with the path where one was expected.
    """
    return find_orders(data, SHAPE)


def envelope(order: bytes, packages: Iterable[bytes]) -> bytes:
    """The exact bytes of an order and of its packages in one JSON object.

    >>> envelope(b'{"orderId": "1"}', [b'{"fulfillmentId": "9"}'])
    b'{"order":{"orderId": "1"},"fulfillments":[{"fulfillmentId": "9"}]}'
    """
    return b'{"order":' + order + b',"fulfillments":[' + b",".join(packages) + b"]}"


def _order(value: object) -> dict[str, Any] | None:
    if isinstance(value, dict) and is_envelope(value):
        value = value["order"]
    return value if isinstance(value, dict) else None
