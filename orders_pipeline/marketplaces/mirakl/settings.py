"""What a Mirakl connection and its channels are given: settings and credentials."""

from __future__ import annotations

from pydantic import Field

from orders_pipeline.marketplaces.settings import ChannelSettings, HttpSettings
from warehouse.marketplace_kinds import Credential

LONGEST_ACCEPTANCE_HOURS = 8760

CREDENTIALS = (Credential(name="api_key", meaning="Of a user of the shop, from the operator's seller portal."),)


class MiraklSettings(HttpSettings):
    """The settings of a connection."""

    shop_id: int | str | None = Field(None, description="The shop, for users with several shops.")
    locale: str | None = Field(None, min_length=2, description="Language of labels, such as `fr_FR`.")
    single_channel: bool = Field(False, description="The operator has no channels, so none is asked for.")


class MiraklChannelSettings(ChannelSettings):
    """The settings of a channel."""

    acceptance_hours: float | None = Field(
        None,
        gt=0,
        le=LONGEST_ACCEPTANCE_HOURS,
        description="How many hours an order may wait to be accepted, by the operator's contract: Mirakl does not tell. "
        "Then such orders show `accept_by`.",
    )
    merchant_fulfillment_centers: tuple[str, ...] = Field(
        (),
        description="Codes of your own fulfilment centres, beside `DEFAULT`. Orders of other centres are the "
        "marketplace's to ship.",
    )
