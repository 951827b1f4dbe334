"""The shapes of accepting and refusing orders."""

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
    Body,
    ListPage,
    Shape,
    Word,
    alternatives,
)
from warehouse.ledger.shipping.acceptance_queries import AcceptanceStage
from warehouse.ledger.shipping.acceptances import AcceptanceStatus


class LineDecision(Shape):
    """One line that is accepted or refused, named by our id or the marketplace's."""

    model_config = alternatives(is_exclusive=True, ById=("item_id",), ByOriginalId=("item_original_id",))

    item_id: Word | None = Field(
        None, description="Internal id of the line.", max_length=36, validation_alias=ITEM_ID, examples=[LINE_ID]
    )
    item_original_id: Word | None = Field(
        None,
        description="The marketplace's id of the line.",
        max_length=200,
        validation_alias=ITEM_ORIGINAL_ID,
        examples=["05015851154158"],
    )
    accepted: bool = Field(description="Accept it, or refuse it.", strict=True, examples=[True])

    @model_validator(mode="after")
    def _names_a_line(self) -> Self:
        if (self.item_id is None) == (self.item_original_id is None):
            raise ValueError("name the line by item_id or item_original_id")
        return self


class AcceptanceRequest(Body):
    """What the seller decides about an order: `accepted` for all of it, or `lines`, every one."""

    model_config = alternatives(is_exclusive=True, AsAWhole=("accepted",), ByLine=("lines",))

    accepted: bool | None = Field(None, description="Accept, or refuse, all lines.", strict=True, examples=[True])
    lines: list[LineDecision] | None = Field(
        None,
        description="Each line of the order.",
        min_length=1,
        max_length=1000,
        examples=[[{"item_original_id": "05015851154158", "accepted": True}]],
    )

    @model_validator(mode="after")
    def _decides_once(self) -> Self:
        if (self.accepted is None) == (self.lines is None):
            raise ValueError("give either accepted or lines")
        return self


class DecidedLine(Shape):
    """What was decided of a line."""

    item_id: str = Field(description="Internal id of the line.", examples=[LINE_ID])
    accepted: bool = Field(description="Accepted, or refused.", examples=[True])


class AcceptanceState(Shape):
    """A decision, and how far telling the marketplace has come."""

    order_id: str = Field(description="Internal id of the order.", examples=[ORDER_ID])
    status: AcceptanceStatus = Field(description="How far it has come.", examples=["queued"])
    lines: list[DecidedLine] = Field(description="Every line.", examples=[[{"item_id": LINE_ID, "accepted": True}]])


class LineToAccept(Shape):
    """A line of an order that the seller accepts or refuses."""

    item_id: str = Field(description="Internal id of the line.", examples=[LINE_ID])
    item_original_id: str = Field(description="The marketplace's id of the line.", examples=["05015851154158"])
    sku: str | None = Field(description="Your article.", examples=["LAMP-12"])
    title: str | None = Field(description="What the marketplace calls it.", examples=["Lamp"])
    quantity: int | None = Field(description="Units; null: the marketplace does not say.", examples=[1])
    is_accepted: bool | None = Field(description="As decided last; null while nobody has.", examples=[None])


class Acceptance(Shape):
    """An order that waits for the seller's decision, or one that was decided."""

    order_id: str = Field(description="Internal id of the order.", examples=[ORDER_ID])
    original_id: str = Field(description="The marketplace's id of the order.", examples=[ORIGINAL_ID])
    channel: str = Field(description="Code of the channel.", examples=["amazon_fr"])
    stage: AcceptanceStage = Field(description="How far it is.", examples=["waiting"])
    purchased_at: datetime = Field(description="By the marketplace's clock.", examples=[PURCHASED_AT])
    accept_by: datetime | None = Field(description="Until when it waits; null: not told.", examples=[None])
    can_refuse: bool = Field(description="Whether the marketplace takes a refusal.", examples=[True])
    lines: list[LineToAccept] = Field(description="Every line.", examples=[[]])
    decided_by: str | None = Field(description="Who decided last.", examples=["erp"])
    decided_at: datetime | None = Field(description="When.", examples=[None])
    code: str | None = Field(description="Why the decision did not arrive.", examples=[None])
    message: str | None = Field(description="The same for people.", examples=[None])


class AcceptancePage(ListPage):
    """A page of orders to be accepted or refused."""

    acceptances: list[Acceptance] = Field(
        description="Those that wait, the longest waiting first; those that were decided, the latest first.",
        examples=[[]],
    )
