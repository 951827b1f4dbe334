"""Mirakl: a seller's orders at one operator's instance (Marketplace APIs for sellers, https://developer.mirakl.com).

Settings of a connection: `shop_id` (users with several shops), `locale` (of labels), `single_channel` (true: no channel
filter), `proxy`, `read_seconds`, `total_seconds`. Setting of a channel:
`merchant_fulfillment_centers` (the seller's own centres beside DEFAULT), `acceptance_hours` (how long an order waits to be
accepted, by the operator's contract).
"""

from __future__ import annotations

from orders_pipeline.marketplaces.mirakl.carriers import REQUIREMENTS
from orders_pipeline.marketplaces.mirakl.client import IDS_PER_CALL, LAG, RATES, connect
from orders_pipeline.marketplaces.mirakl.confirmation import PARCELS_PER_CALL
from orders_pipeline.marketplaces.mirakl.documents import documents
from orders_pipeline.marketplaces.mirakl.normalise import normalise
from orders_pipeline.marketplaces.mirakl.personal_data import PII_PATHS
from orders_pipeline.marketplaces.protocol import Marketplace

MARKETPLACE = Marketplace(
    kind="mirakl",
    connect=connect,
    normalise=normalise,
    pii_paths=PII_PATHS,
    documents=documents,
    rates=RATES,
    parcels_per_call=PARCELS_PER_CALL,
    orders_per_read_back=IDS_PER_CALL,
    requirements=REQUIREMENTS,
    lag=LAG,
    credential_names=("api_key",),
    name_of=lambda channel: f"Mirakl {channel}" if channel else "Mirakl",
    selector_fault=lambda _channel, _region: None,
)

__all__ = ["MARKETPLACE"]
