"""The shapes of requests to cancel, and of cancelling."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from pydantic import Field, model_validator

from orders_api.schemas.vocabulary import (
    ITEM_ID,
    ITEM_ORIGINAL_ID,
    LINE_ID,
    ORDER_ID,
    ORIGINAL_ID,
    PURCHASED_AT,
    RECEIVED_AT,
    Body,
    ListPage,
    PlainText,
    Shape,
    alternatives,
)
from warehouse.cancellations import RequestState


class CancellationLine(Shape):
    """Units of one line that somebody wants to cancel."""

    item_id: str = Field(description="Internal id of the line.", examples=[LINE_ID])
    item_original_id: str = Field(description="The marketplace's id of the line.", examples=["05015851154158"])
    quantity: int | None = Field(description="Units; null: the marketplace does not say.", examples=[1])


class CancellationRequest(Shape):
    """A request to cancel an order or some of its lines."""

    id: str = Field(description="Id of the request, the same for good.", examples=[ORDER_ID])
    order_id: str = Field(description="Internal id of the order.", examples=[ORDER_ID])
    original_id: str = Field(description="The marketplace's id of the order.", examples=[ORIGINAL_ID])
    channel: str = Field(description="Code of the channel.", examples=["amazon_fr"])
    marketplace: str = Field(description="Label of the marketplace.", examples=["Amazon FR"])
    requester: str = Field(
        description="Who asks, in the marketplace's word; `MERCHANT`: the seller.", examples=["BUYER"]
    )
    reason: str | None = Field(description="Why, in the marketplace's word.", examples=["ORDERED_BY_MISTAKE"])
    lines: list[CancellationLine] = Field(description="What is to be cancelled.", examples=[[]])
    state: RequestState = Field(
        description="`open`; `accepted`: the marketplace is yet to show it; `declined`; `executed`; `withdrawn`; "
        "`expired`: nobody decided in time.",
        examples=["open"],
    )
    requested_at: datetime = Field(description="When, by the marketplace's clock.", examples=[PURCHASED_AT])
    seen_at: datetime = Field(description="When it was first seen here.", examples=[RECEIVED_AT])
    hold_until: datetime | None = Field(
        description="Until when the order is neither exported nor confirmed; null: the channel holds none.",
        examples=[None],
    )
    decided_by: str | None = Field(description="Who decided.", examples=["erp"])
    decided_at: datetime | None = Field(description="When.", examples=[None])
    decision_reason: str | None = Field(description="Why.", examples=[None])
    told_at: datetime | None = Field(description="When the marketplace took the decision.", examples=[None])
    closed_at: datetime | None = Field(description="When it was over.", examples=[None])
    shipped_despite: bool = Field(description="Whether units were shipped nevertheless.", examples=[False])


class CancellationRequestPage(ListPage):
    """A page of requests to cancel."""

    cancellation_requests: list[CancellationRequest] = Field(description="Newest first.", examples=[[]])


class CancellationDecision(Body):
    """A decision about a request to cancel."""

    reason: PlainText | None = Field(
        None,
        description="Plain text for people, without personal data.",
        max_length=1000,
        examples=["Not packed yet"],
    )


class OrderCancellationLine(Shape):
    """Units of one line, named by our id or the marketplace's."""

    model_config = alternatives(is_exclusive=True, ById=("item_id",), ByOriginalId=("item_original_id",))

    item_id: PlainText | None = Field(
        None, description="Internal id of the line.", max_length=36, validation_alias=ITEM_ID, examples=[LINE_ID]
    )
    item_original_id: PlainText | None = Field(
        None,
        description="The marketplace's id of the line.",
        max_length=200,
        validation_alias=ITEM_ORIGINAL_ID,
        examples=["05015851154158"],
    )
    quantity: int | None = Field(
        None, description="Units; left out: all that remain of the line.", ge=1, le=2**31 - 1, examples=[1]
    )

    @model_validator(mode="after")
    def _names_one_line(self) -> Self:
        if (self.item_id is None) == (self.item_original_id is None):
            raise ValueError("name the line by item_id or by item_original_id")
        return self


class OrderCancellation(Body):
    """What the seller wants to cancel of an order."""

    lines: list[OrderCancellationLine] | None = Field(
        None,
        description="Lines to cancel; left out: all that remains of the order.",
        min_length=1,
        max_length=1000,
        examples=[[{"item_original_id": "05015851154158", "quantity": 1}]],
    )
    reason: PlainText | None = Field(
        None,
        description="The marketplace's reason code, where it wants one; else plain text.",
        max_length=200,
        examples=["14"],
    )
