"""What an OTTO connection is given: settings and credentials."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from orders_pipeline.marketplaces.settings import HttpSettings
from warehouse.marketplace_kinds import Credential

PRODUCTION, SANDBOX = "https://api.otto.market", "https://sandbox.api.otto.market"

CREDENTIALS = (
    Credential(
        name="client_id", meaning="Of the app in OTTO Partner Connect; with `grant: password` the API user's name."
    ),
    Credential(
        name="client_secret", meaning="Belongs to the client id; with `grant: password` the API user's password."
    ),
)


class OttoSettings(HttpSettings):
    """The settings of a connection."""

    environment: Literal["production", "sandbox"] = Field(
        "production", description="Where its credentials belong to; `endpoint` overrides the address."
    )
    grant: Literal["client_credentials", "password"] = Field(
        "client_credentials",
        description="How a token is asked for: by an app (`/oauth2/token`), or by an API user (`/v1/token`).",
    )
    scopes: tuple[str, ...] = Field(
        ("orders", "shipments"), min_length=1, description="What a token of an app is asked for."
    )
