"""Walmart Marketplace in the United States: a seller's purchase orders (Marketplace APIs v3, https://developer.walmart.com).

What the pipeline must know of Walmart is declared here; reading an order is in `normalise`, asking Walmart in `client`.
"""

from __future__ import annotations

from orders_pipeline.marketplaces.protocol import Marketplace
from orders_pipeline.marketplaces.walmart.carriers import REQUIREMENTS
from orders_pipeline.marketplaces.walmart.client import LAG, RATES, WalmartClient
from orders_pipeline.marketplaces.walmart.documents import documents
from orders_pipeline.marketplaces.walmart.normalise import normalise
from orders_pipeline.marketplaces.walmart.personal_data import PII_PATHS
from orders_pipeline.marketplaces.walmart.settings import CREDENTIALS, WalmartSettings
from warehouse.marketplace_kinds import EndpointRule, Selectors

MARKETPLACE = Marketplace(
    kind="walmart",
    name="Walmart US",
    description="Purchase orders at Walmart Marketplace, United States (Orders API v3).",
    help="Client id and client secret come from the Developer Portal; the setting `environment` chooses production or sandbox.",
    connect=WalmartClient,
    normalise=normalise,
    pii_paths=PII_PATHS,
    documents=documents,
    rates=RATES,
    parcels_per_call=1,
    orders_per_read_back=1,
    requirements=REQUIREMENTS,
    lag=LAG,
    endpoint=EndpointRule.OPTIONAL,
    selectors=Selectors(meaning="selector (a connection has one channel)"),
    credentials=CREDENTIALS,
    settings=WalmartSettings,
    acceptance="automatic",
    sandbox="orders_pipeline.sandbox.walmart.state:WalmartSandbox",
)

__all__ = ["MARKETPLACE"]
