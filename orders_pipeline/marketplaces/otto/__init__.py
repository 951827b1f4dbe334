"""OTTO Market: a seller's orders (Orders API v4, Shipments API v1, https://api.otto.market/docs).

What the pipeline must know of OTTO is declared here; reading an order is in `normalise`, asking OTTO in `client`.
"""

from __future__ import annotations

from orders_pipeline.marketplaces.otto.carriers import REQUIREMENTS
from orders_pipeline.marketplaces.otto.client import LAG, RATES, SHOWN_WITHIN, OttoClient
from orders_pipeline.marketplaces.otto.documents import documents
from orders_pipeline.marketplaces.otto.normalise import normalise
from orders_pipeline.marketplaces.otto.personal_data import PII_PATHS
from orders_pipeline.marketplaces.otto.settings import CREDENTIALS, OttoSettings
from orders_pipeline.marketplaces.protocol import Marketplace
from warehouse.marketplace_kinds import EndpointRule, Selectors

MARKETPLACE = Marketplace(
    kind="otto",
    name="OTTO Market",
    description="Orders at OTTO Market, Germany (Orders API v4).",
    help="Credentials come from OTTO Partner Connect; the setting `grant` says which kind they are, and `environment` chooses "
    "production or sandbox.",
    connect=OttoClient,
    normalise=normalise,
    pii_paths=PII_PATHS,
    documents=documents,
    rates=RATES,
    parcels_per_call=1,
    orders_per_read_back=1,
    requirements=REQUIREMENTS,
    lag=LAG,
    shown_within=SHOWN_WITHIN,
    endpoint=EndpointRule.OPTIONAL,
    selectors=Selectors(meaning="selector (a connection has one channel)"),
    credentials=CREDENTIALS,
    settings=OttoSettings,
    sandbox="orders_pipeline.sandbox.otto.state:OttoSandbox",
)

__all__ = ["MARKETPLACE"]
