"""Amazon: the Selling Partner API's Orders 2026-01-01 (https://developer-docs.amazon.com/sp-api/docs/orders-api).

What the pipeline must know of Amazon is declared here; reading an order is in `normalise`, asking Amazon in `client`.
"""

from __future__ import annotations

from orders_pipeline.marketplaces.amazon.carriers import REQUIREMENTS
from orders_pipeline.marketplaces.amazon.client import LAG, RATES, SEARCH, AmazonClient
from orders_pipeline.marketplaces.amazon.documents import documents
from orders_pipeline.marketplaces.amazon.normalise import normalise
from orders_pipeline.marketplaces.amazon.notifications import OrderChangeQueue
from orders_pipeline.marketplaces.amazon.personal_data import PII_PATHS
from orders_pipeline.marketplaces.amazon.settings import AWS_KEY, AWS_SECRET, AWS_TOKEN, CREDENTIALS, AmazonSettings
from orders_pipeline.marketplaces.amazon.sites import ENDPOINTS, SELECTORS
from orders_pipeline.marketplaces.hints import Hints
from orders_pipeline.marketplaces.protocol import Marketplace
from warehouse.marketplace_kinds import EndpointRule

MARKETPLACE = Marketplace(
    kind="amazon",
    name="Amazon",
    description="Orders at Amazon (Selling Partner API).",
    help="`region` is `eu`, `na` or `fe`; a channel's `selector` is the marketplace id, for example `A13V1IB3VIYZZH` for "
    "amazon.fr. `endpoint` is only for a stand-in or a gateway.",
    node_kinds=frozenset({"amazon"}),
    connect=AmazonClient,
    normalise=normalise,
    pii_paths=PII_PATHS,
    documents=documents,
    rates=RATES,
    parcels_per_call=1,
    orders_per_read_back=1,
    requirements=REQUIREMENTS,
    lag=LAG,
    endpoint=EndpointRule.OPTIONAL,
    regions=tuple(ENDPOINTS),
    selectors=SELECTORS,
    credentials=CREDENTIALS,
    settings=AmazonSettings,
    hints=Hints(
        is_on=lambda settings: bool(settings.get("notifications_queue")),
        open=OrderChangeQueue,
        credentials=frozenset({AWS_KEY, AWS_SECRET, AWS_TOKEN}),
        listing=SEARCH,
    ),
    sandbox="orders_pipeline.sandbox.amazon.state:AmazonSandbox",
)
