"""What an Amazon connection is given: its settings and its credentials."""

from __future__ import annotations

from pydantic import Field

from orders_pipeline.marketplaces.settings import HttpSettings, SecureAddress
from warehouse.marketplace_kinds import Credential

INCLUDED_DATA = ("FULFILLMENT", "BUYER", "RECIPIENT", "PROCEEDS", "CANCELLATION", "PACKAGES", "PAYMENT", "TAX")
"""What is asked for: all that an order is made of here, and the packages that a confirmation is verified by.

EXPENSE and PROMOTION are left out: they tell what the seller pays, and nothing reads them.
"""

AWS_KEY, AWS_SECRET, AWS_TOKEN = "aws_access_key_id", "aws_secret_access_key", "aws_session_token"
CREDENTIALS = (
    Credential(name="client_id", meaning="Of your application."),
    Credential(
        name="client_secret",
        meaning="Of your application; Amazon lets it end 180 days after it was made.",
        lifetime_days=180,
    ),
    Credential(name="refresh_token", meaning="Of the seller's authorisation of your application."),
    Credential(name=AWS_KEY, meaning="Of an AWS user that may read the queue of notifications.", is_required=False),
    Credential(name=AWS_SECRET, meaning="Of the same AWS user.", is_required=False),
    Credential(name=AWS_TOKEN, meaning="With an AWS key that is temporary.", is_required=False),
)


class AmazonSettings(HttpSettings):
    """The settings of an Amazon connection."""

    included_data: tuple[str, ...] | str = Field(
        INCLUDED_DATA, min_length=1, description="Data sets to ask for (includedData): a list, or words with commas."
    )
    lwa_endpoint: SecureAddress | None = Field(
        None, description="Base URL of Login with Amazon; without one the endpoint override, if any, else Amazon's own."
    )
    notifications_queue: SecureAddress | None = Field(
        None,
        description="URL of the SQS queue that Amazon puts ORDER_CHANGE notifications into; unset: none is read, and the "
        "ticks alone pull. One queue for one connection.",
    )
    notifications_region: str | None = Field(
        None, min_length=1, description="AWS region of the queue, where its address does not name it."
    )
    notifications_seller_id: str | None = Field(
        None,
        min_length=1,
        description="Merchant token of the seller whose notifications count; unset: any seller's in the queue.",
    )
    page_size: int = Field(100, ge=1, le=100, description="Orders per page; every page costs one call of the quota.")

    @property
    def data_sets(self) -> tuple[str, ...]:
        """The data sets to ask for, one by one."""
        given = self.included_data.split(",") if isinstance(self.included_data, str) else self.included_data
        return tuple(word.strip() for word in given if word.strip())
