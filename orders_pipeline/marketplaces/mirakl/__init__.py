"""Mirakl: a seller's orders at one operator's instance (Marketplace APIs for sellers, https://developer.mirakl.com).

What the pipeline must know of Mirakl is declared here; reading an order is in `normalise`, asking an instance in `client`.
"""

from __future__ import annotations

from orders_pipeline.marketplaces.mirakl.carriers import REQUIREMENTS
from orders_pipeline.marketplaces.mirakl.client import IDS_PER_CALL, LAG, RATES, MiraklClient
from orders_pipeline.marketplaces.mirakl.confirmation import PARCELS_PER_CALL
from orders_pipeline.marketplaces.mirakl.documents import documents
from orders_pipeline.marketplaces.mirakl.normalise import normalise
from orders_pipeline.marketplaces.mirakl.personal_data import PII_PATHS
from orders_pipeline.marketplaces.mirakl.settings import CREDENTIALS, MiraklChannelSettings, MiraklSettings
from orders_pipeline.marketplaces.protocol import Marketplace
from warehouse.marketplace_kinds import EndpointRule, Selectors

MARKETPLACE = Marketplace(
    kind="mirakl",
    name="Mirakl",
    description="Orders at Mirakl operators (OR11, ST11).",
    help="`endpoint` is the operator's address; a channel's `selector` is the operator's channel code.",
    connect=MiraklClient,
    normalise=normalise,
    pii_paths=PII_PATHS,
    documents=documents,
    rates=RATES,
    parcels_per_call=PARCELS_PER_CALL,
    orders_per_read_back=IDS_PER_CALL,
    requirements=REQUIREMENTS,
    lag=LAG,
    endpoint=EndpointRule.REQUIRED,
    selectors=Selectors(meaning="channel code"),
    credentials=CREDENTIALS,
    settings=MiraklSettings,
    channel_settings=MiraklChannelSettings,
    sandbox="orders_pipeline.sandbox.mirakl.state:MiraklSandbox",
)

__all__ = ["MARKETPLACE"]
