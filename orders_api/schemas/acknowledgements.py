"""The shapes of acknowledgements: what an ERP says of the orders that it took over."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from orders_api.schemas.vocabulary import ORDER_ID, ORIGINAL_ID, Body, Faults, OnItsOwn, PlainText, Shape, alternatives
from warehouse.ledger.book.acknowledgements import AcknowledgementEffect
from warehouse.order_states import AcknowledgementOutcome


class AcknowledgementRequestItem(Shape):
    """One order that was taken over, or refused: named by `id`, or by `channel` and `original_id`."""

    model_config = alternatives(is_exclusive=True, ById=("id",), ByOriginalId=("channel", "original_id"))

    id: PlainText | None = Field(None, description="Internal id of the order.", max_length=36, examples=[ORDER_ID])
    channel: PlainText | None = Field(
        None, description="Code of the channel, with `original_id`.", max_length=64, examples=["amazon_fr"]
    )
    original_id: PlainText | None = Field(
        None, description="The marketplace's id, with `channel`.", max_length=200, examples=[ORIGINAL_ID]
    )
    revision: int | None = Field(
        None,
        description="The revision that was taken over; without it, the present one.",
        ge=1,
        le=2**31 - 1,
        examples=[2],
    )
    outcome: AcknowledgementOutcome = Field(description="Whether that went well.", examples=["ok"])
    order_number: PlainText | None = Field(
        None, description="Your own number; left out, the known one stays.", max_length=200, examples=["SO-10042"]
    )
    message: PlainText | None = Field(
        None,
        description="Plain text for people, without personal data.",
        max_length=1000,
        examples=["Unknown SKU LAMP-12"],
    )

    @model_validator(mode="after")
    def _names_one_order(self) -> Self:
        is_by_original = self.channel is not None and self.original_id is not None
        if (self.id is not None) == is_by_original or (self.channel is None) != (self.original_id is None):
            raise ValueError("name the order by id, or by channel and original_id")
        return self


class AcknowledgementRequest(Body):
    """Orders that the token's consumer has taken over."""

    acknowledgements: list[Annotated[AcknowledgementRequestItem | Faults, OnItsOwn()]] = Field(
        description="1 to 1000 of them.",
        min_length=1,
        max_length=1000,
        examples=[[{"id": ORDER_ID, "revision": 2, "outcome": "ok", "order_number": "SO-10042"}]],
    )


class AcknowledgementFault(Shape):
    """What is wrong with one acknowledgement."""

    field: str = Field(description="Where in it; empty: the whole.", examples=["revision"])
    message: str = Field(description="Plain sentence.", examples=["Input should be greater than or equal to 1"])


class AcknowledgementResult(Shape):
    """What became of one acknowledgement."""

    index: int = Field(description="Place in the request, from 0.", examples=[0])
    result: AcknowledgementEffect = Field(
        description="`acknowledged`; `already_acknowledged`: the same was known, or a newer one; `stale_revision`: recorded, "
        "but the order has changed since: read it again; `unknown_revision`: there is none of that number yet; "
        "`unknown_order`; `ambiguous_order`: both halves of a split order, name one by id; `invalid`: not as described, see "
        "`errors`.",
        examples=["acknowledged"],
    )
    id: str | None = Field(description="Internal id; null when no single order was found.", examples=[ORDER_ID])
    revision: int | None = Field(description="The revision you have acknowledged now.", examples=[2])
    current_revision: int | None = Field(description="The order's present revision.", examples=[2])
    candidates: list[str] = Field(description="Internal ids of both halves, when ambiguous.", examples=[[]])
    errors: list[AcknowledgementFault] = Field(description="What is wrong with one that is `invalid`.", examples=[[]])


class AcknowledgementResults(Shape):
    """What became of each acknowledgement; all of it is committed."""

    results: list[AcknowledgementResult] = Field(
        description="In the order of the request.",
        examples=[
            [
                {
                    "index": 0,
                    "result": "acknowledged",
                    "id": ORDER_ID,
                    "revision": 2,
                    "current_revision": 2,
                    "candidates": [],
                    "errors": [],
                }
            ]
        ],
    )
