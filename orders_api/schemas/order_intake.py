"""The shape of what becomes of an order that is given to us; the order's own is in `warehouse.given_orders`."""

from __future__ import annotations

from pydantic import Field

from orders_api.schemas.vocabulary import ORDER_ID, Shape
from warehouse.ledger.book.order_intake import IntakeResult


class OrderTaken(Shape):
    """An order that was given, and is in the book."""

    id: str = Field(description="Internal id of the order.", examples=[ORDER_ID])
    channel: str = Field(description="Code of the channel.", examples=["telephone"])
    original_id: str = Field(description="Your id of the order.", examples=["1001"])
    result: IntakeResult = Field(
        description="`created`; `changed`; `already_known`: the document is the one that is known.",
        examples=["created"],
    )
