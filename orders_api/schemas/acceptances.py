"""The shapes of accepting and refusing orders."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from orders_api.schemas.vocabulary import ITEM_ID, ITEM_ORIGINAL_ID, LINE_ID, ORDER_ID, Shape, Word, alternatives
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


class AcceptanceRequest(Shape):
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
