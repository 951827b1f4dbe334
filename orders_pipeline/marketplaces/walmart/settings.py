"""What a Walmart connection is given: settings and credentials."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from orders_pipeline.marketplaces.settings import HttpSettings
from warehouse.marketplace_kinds import Credential

ShipNodeType = Literal["SellerFulfilled", "WFSFulfilled", "3PLFulfilled"]
SHIP_NODE_TYPES: tuple[ShipNodeType, ...] = ("SellerFulfilled", "WFSFulfilled", "3PLFulfilled")

PRODUCTION, SANDBOX = "https://marketplace.walmartapis.com", "https://sandbox.walmartapis.com"

CREDENTIALS = (
    Credential(name="client_id", meaning="Of the seller's API keys in the Developer Portal."),
    Credential(name="client_secret", meaning="Belongs to the client id."),
)


class WalmartSettings(HttpSettings):
    """The settings of a connection."""

    environment: Literal["production", "sandbox"] = Field(
        "production", description="Where its keys belong to; `endpoint` overrides the address."
    )
    partner_id: str | None = Field(
        None, min_length=1, description="The seller's partner id, for keys of a solution provider (`WM_PARTNER.ID`)."
    )
    ship_node_types: tuple[ShipNodeType, ...] = Field(
        SHIP_NODE_TYPES,
        min_length=1,
        description="Whose shipments are listed: one listing each. Without `WFSFulfilled` the orders that Walmart ships are "
        "not known here.",
    )
