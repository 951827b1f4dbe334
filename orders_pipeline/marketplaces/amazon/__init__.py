"""Amazon: the Selling Partner API's Orders 2026-01-01 (https://developer-docs.amazon.com/sp-api/docs/orders-api).

What the pipeline must know of Amazon is declared here; reading an order is in `normalise`, asking Amazon in `client`.
"""

from __future__ import annotations

from orders_pipeline.marketplaces.amazon.carriers import REQUIREMENTS
from orders_pipeline.marketplaces.amazon.client import CREDENTIAL_NAMES, LAG, RATES, connect
from orders_pipeline.marketplaces.amazon.documents import documents
from orders_pipeline.marketplaces.amazon.normalise import normalise
from orders_pipeline.marketplaces.amazon.personal_data import PII_PATHS
from orders_pipeline.marketplaces.amazon.sites import name_of, selector_fault
from orders_pipeline.marketplaces.protocol import Marketplace

MARKETPLACE = Marketplace(
    kind="amazon",
    connect=connect,
    normalise=normalise,
    pii_paths=PII_PATHS,
    documents=documents,
    rates=RATES,
    parcels_per_call=1,
    orders_per_read_back=1,
    requirements=REQUIREMENTS,
    lag=LAG,
    credential_names=CREDENTIAL_NAMES,
    name_of=name_of,
    selector_fault=selector_fault,
)
