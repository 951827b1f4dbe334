"""Mirakl: a seller's orders at one operator's instance (Marketplace APIs for sellers, https://developer.mirakl.com).

Settings of a connection: `shop_id` (users with several shops), `locale` (of labels), `single_channel` (true: no channel
filter), `proxy`, `allow_http` (true: the endpoint may be http), `read_seconds`, `total_seconds`. Setting of a channel:
`merchant_fulfillment_centers` (the seller's own centres beside DEFAULT).
"""

from __future__ import annotations

from orders_pipeline.marketplaces.mirakl.client import LAG, RATES, connect
from orders_pipeline.marketplaces.mirakl.documents import documents
from orders_pipeline.marketplaces.mirakl.normalise import normalise
from orders_pipeline.marketplaces.mirakl.personal_data import PII_PATHS
from orders_pipeline.marketplaces.protocol import Marketplace
from warehouse.shipments import CarrierRule, Requirements

REQUIREMENTS = Requirements(needs_tracking_number=False, needs_carrier=True, carrier_rule=CarrierRule.LISTED_OR_NAMED)

MARKETPLACE = Marketplace(
    kind="mirakl",
    connect=connect,
    normalise=normalise,
    pii_paths=PII_PATHS,
    documents=documents,
    rates=RATES,
    parcels_per_call=100,
    requirements=REQUIREMENTS,
    lag=LAG,
    credential_names=("api_key",),
    name_of=lambda channel: f"Mirakl {channel}" if channel else "Mirakl",
)

__all__ = ["MARKETPLACE"]
