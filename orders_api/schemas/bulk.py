"""The shapes of one action on many orders."""

from __future__ import annotations

from pydantic import Field

from orders_api.schemas.vocabulary import ORDER_ID, Body, PlainText, Shape, Word
from warehouse.bulk_actions import LONGEST_PREFIX, LONGEST_REASON, BulkAction

MOST_NAMED = 10_000


class BulkRequest(Body):
    """What is to be done to the orders that the filters of the query find."""

    action: BulkAction = Field(
        description="`retry` the confirmation of what was rejected or is in doubt; `acknowledge` for a consumer; `fetch`: read "
        "again at the marketplace; `resolve` open incidents; `accept` or `refuse` where the seller is asked; "
        "`next_file`: put into the next order file of the channel.",
        examples=["acknowledge"],
    )
    ids: list[Word] | None = Field(
        None,
        description="Internal ids: of the orders that the filters find only these. Without filters and `ids` nothing is done.",
        min_length=1,
        max_length=MOST_NAMED,
        examples=[[ORDER_ID]],
    )
    consumer: Word | None = Field(
        None, description="Of `acknowledge`: who took them over; without it the token's own.", examples=["erp"]
    )
    order_number_prefix: PlainText | None = Field(
        None,
        description="Of `acknowledge`: the consumer's order numbers are this and the marketplace's ids.",
        max_length=LONGEST_PREFIX,
        examples=["SO-"],
    )
    reason: PlainText | None = Field(
        None,
        description="Of `resolve`: why they are handled.",
        max_length=LONGEST_REASON,
        examples=["the carrier called"],
    )


class LeftOutOrders(Shape):
    """Orders to which it would not be done."""

    code: str = Field(description="Why.", examples=["already_acknowledged"])
    reason: str = Field(description="The same for people.", examples=["erp has it already"])
    orders: int = Field(description="How many.", examples=[2])


class BulkPreview(Shape):
    """What would become of the orders that were found."""

    orders: int = Field(description="How many were found.", examples=[640])
    would_be_done: int = Field(description="To how many it would be done.", examples=[638])
    left_out: list[LeftOutOrders] = Field(description="The others, by the reason.", examples=[[]])
