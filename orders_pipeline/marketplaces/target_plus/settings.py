"""What a Target Plus connection is given: settings and credentials."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from orders_pipeline.marketplaces.settings import HttpSettings
from warehouse.marketplace_kinds import Credential

PRODUCTION, STAGE = "https://api.target.com", "https://stage-api.target.com"

CREDENTIALS = (
    Credential(name="api_key", meaning="Of the application that Target has registered (`x-api-key`)."),
    Credential(name="seller_id", meaning="The seller's id at Target (`x-seller-id`)."),
    Credential(name="seller_token", meaning="The seller's token (`x-seller-token`)."),
)


class TargetSettings(HttpSettings):
    """The settings of a connection."""

    environment: Literal["production", "stage"] = Field(
        "production", description="Where its credentials belong to; `endpoint` overrides the address."
    )
