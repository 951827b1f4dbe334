"""The shapes of kinds of marketplaces: what a connection of each is given, and what may be done there."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from orders_api.schemas.channels import OrderDecisions
from orders_api.schemas.vocabulary import Shape
from warehouse.marketplace_kinds import EndpointRule

NO_DECISIONS: dict[str, object] = {
    "accepts": False,
    "refuses": False,
    "accept_within_hours": None,
    "cancels": "none",
    "cancel_reasons": [],
    "answers_requests_to_cancel": False,
}


class NeededCredential(Shape):
    """A secret of a connection. Its value never stands in a configuration, and is never shown."""

    name: str = Field(description="Its key in configuration.", examples=["api_key"])
    meaning: str = Field(description="What it is and where it comes from.", examples=["Of a user of the shop."])
    is_required: bool = Field(description="Whether nothing can be asked without it.", examples=[True])
    lifetime_days: int | None = Field(
        description="How long it is good after it was made; null: it does not end by itself.", examples=[180]
    )


class DescribedKind(Shape):
    """A kind of marketplace."""

    kind: str = Field(description="The word in configuration.", examples=["garden"])
    name: str = Field(description="Its name for people.", examples=["Garden Market"])
    description: str = Field(description="What orders there are.", examples=["Orders at Garden Market."])
    help: str = Field(description="How a connection of it is made, in Markdown.", examples=["Ask for an API key."])
    endpoint: EndpointRule = Field(
        description="Whether a connection names the address that is called: `required`, `optional`, or `none`.",
        examples=["required"],
    )
    regions: list[str] = Field(description="The regions that a connection may name one of.", examples=[["eu", "na"]])
    selector: str = Field(description="What picks a channel's orders, in the marketplace's word.", examples=["site"])
    selector_required: bool = Field(description="Whether a channel must name one.", examples=[False])
    credentials: list[NeededCredential] = Field(description="The secrets of a connection.", examples=[[]])
    settings_schema: dict[str, Any] = Field(
        description="JSON Schema of a connection's settings.", examples=[{"type": "object"}]
    )
    channel_settings_schema: dict[str, Any] = Field(
        description="JSON Schema of a channel's settings.", examples=[{"type": "object"}]
    )
    acceptance: str = Field(
        description="Who accepts orders of a channel that does not say: `manual`, `automatic` or `off`.",
        examples=["manual"],
    )
    takes_orders: bool = Field(
        description="Whether the orders of its channels are given to us, by `POST /v1/orders`, there being no marketplace.",
        examples=[False],
    )
    decisions: OrderDecisions = Field(
        description="What may be decided about its orders, as far as is known without asking; a channel's own "
        "requirements say more.",
        examples=[NO_DECISIONS],
    )
    reads: dict[str, list[str]] = Field(
        description="Member of an order → the payload's members that it is read from; empty for a kind that does not say.",
        examples=[{"original_id": ["order_id"]}],
    )


class MarketplaceKindList(Shape):
    """Every kind of marketplace that the installation knows."""

    kinds: list[DescribedKind] = Field(description="By their word.", examples=[[]])
