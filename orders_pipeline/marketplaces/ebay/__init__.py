"""eBay: a seller's orders (Fulfillment API v1, Post-Order API v2, https://developer.ebay.com).

What the pipeline must know of eBay is declared here; reading an order is in `normalise`, asking eBay in `client`.
"""

from __future__ import annotations

from orders_pipeline.marketplaces.ebay.carriers import REQUIREMENTS
from orders_pipeline.marketplaces.ebay.client import LAG, OVERLAP, RATES, EbayClient
from orders_pipeline.marketplaces.ebay.consent import EbayConsenting
from orders_pipeline.marketplaces.ebay.deletions import SIGNATURE_HEADER, EbayDeletions
from orders_pipeline.marketplaces.ebay.documents import documents
from orders_pipeline.marketplaces.ebay.normalise import normalise
from orders_pipeline.marketplaces.ebay.personal_data import PII_PATHS
from orders_pipeline.marketplaces.ebay.settings import (
    CREDENTIALS,
    DELETION_ADDRESS,
    DELETION_TOKEN,
    SITES,
    EbaySettings,
)
from orders_pipeline.marketplaces.protocol import Marketplace
from warehouse.marketplace_kinds import DeletionNotices, EndpointRule, Selectors

MARKETPLACE = Marketplace(
    kind="ebay",
    name="eBay",
    description="Orders of a seller at eBay, on every site (Fulfillment API v1).",
    help="The keyset comes from eBay's Developer Program; the seller consents once: `orders connections authorise`. The "
    "setting `environment` chooses production or sandbox.",
    connect=EbayClient,
    normalise=normalise,
    pii_paths=PII_PATHS,
    documents=documents,
    rates=RATES,
    parcels_per_call=1,
    orders_per_read_back=1,
    requirements=REQUIREMENTS,
    lag=LAG,
    overlap=OVERLAP,
    consenting=EbayConsenting,
    endpoint=EndpointRule.OPTIONAL,
    selectors=Selectors(meaning="site", known=SITES),
    credentials=CREDENTIALS,
    settings=EbaySettings,
    deletion_notices=DeletionNotices(signature_header=SIGNATURE_HEADER, token=DELETION_TOKEN, address=DELETION_ADDRESS),
    deletions=EbayDeletions,
    sandbox="orders_pipeline.sandbox.ebay.state:EbaySandbox",
)

__all__ = ["MARKETPLACE"]
