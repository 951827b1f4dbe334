"""Target Plus: a seller's orders at Target (seller_orders/v1). A preview: its API is described by third parties only.

What the pipeline must know of Target is declared here; reading an order is in `normalise`, asking Target in `client`.
"""

from __future__ import annotations

from orders_pipeline.marketplaces.protocol import Marketplace
from orders_pipeline.marketplaces.target_plus.client import LAG, RATES, SHOWN_WITHIN, TargetClient
from orders_pipeline.marketplaces.target_plus.documents import documents
from orders_pipeline.marketplaces.target_plus.normalise import normalise
from orders_pipeline.marketplaces.target_plus.personal_data import PII_PATHS
from orders_pipeline.marketplaces.target_plus.settings import CREDENTIALS, TargetSettings
from orders_pipeline.marketplaces.target_plus.shipping_methods import REQUIREMENTS
from warehouse.marketplace_kinds import EndpointRule, Selectors

MARKETPLACE = Marketplace(
    kind="target_plus",
    name="Target Plus (preview)",
    description="Orders at Target Plus, United States (preview: reading, acknowledging and shipping).",
    help="API key, seller id and seller token come from Target; the setting `environment` chooses production or stage. "
    "A preview: Target's API is not described in public, and refunds, returns, stock and cancelling are off.",
    connect=TargetClient,
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
    settings=TargetSettings,
    acceptance="automatic",
    follows_open_orders=True,
    lists_open_orders_only=True,
    sandbox="orders_pipeline.sandbox.target_plus.state:TargetSandbox",
)

__all__ = ["MARKETPLACE"]
