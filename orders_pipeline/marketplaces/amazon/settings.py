"""What an Amazon connection is given: its settings and its credentials."""

from __future__ import annotations

from pydantic import Field

from orders_pipeline.marketplaces.settings import HttpSettings, SecureAddress
from warehouse.marketplace_kinds import Credential

INCLUDED_DATA = ("FULFILLMENT", "BUYER", "RECIPIENT", "PROCEEDS", "CANCELLATION", "PACKAGES", "PAYMENT", "TAX")
"""What is asked for: all that an order is made of here, and the packages that a confirmation is verified by.

EXPENSE and PROMOTION are left out: they tell what the seller pays, and nothing reads them.
"""

CREDENTIALS = (
    Credential(name="client_id", meaning="Of your application."),
    Credential(
        name="client_secret",
        meaning="Of your application; Amazon lets it end 180 days after it was made.",
        lifetime_days=180,
    ),
    Credential(name="refresh_token", meaning="Of the seller's authorisation of your application."),
)


class AmazonSettings(HttpSettings):
    """The settings of an Amazon connection."""

    included_data: tuple[str, ...] | str = Field(
        INCLUDED_DATA, min_length=1, description="Data sets to ask for (includedData): a list, or words with commas."
    )
    lwa_endpoint: SecureAddress | None = Field(
        None, description="Base URL of Login with Amazon; without one the endpoint override, if any, else Amazon's own."
    )
    page_size: int = Field(100, ge=1, le=100, description="Orders per page; every page costs one call of the quota.")

    @property
    def data_sets(self) -> tuple[str, ...]:
        """The data sets to ask for, one by one."""
        given = self.included_data.split(",") if isinstance(self.included_data, str) else self.included_data
        return tuple(word.strip() for word in given if word.strip())
