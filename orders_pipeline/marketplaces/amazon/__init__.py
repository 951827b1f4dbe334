"""Amazon: the Selling Partner API's Orders 2026-01-01 (https://developer-docs.amazon.com/sp-api/docs/orders-api).

What the pipeline must know of Amazon is declared here; reading an order is in `normalise`, asking Amazon in `client`.
"""

from __future__ import annotations

from orders_pipeline.marketplaces.amazon.carriers import REQUIREMENTS
from orders_pipeline.marketplaces.amazon.client import CREDENTIAL_NAMES, LAG, RATES, connect
from orders_pipeline.marketplaces.amazon.documents import documents
from orders_pipeline.marketplaces.amazon.normalise import normalise
from orders_pipeline.marketplaces.amazon.sites import name_of, selector_fault
from orders_pipeline.marketplaces.protocol import Marketplace
from warehouse.privacy import PathStep

_PLACE = frozenset({"city", "districtOrCounty", "municipality", "stateOrRegion", "countryCode", "addressType"})

PII_PATHS: tuple[tuple[PathStep, ...], ...] = (
    ("buyer",),
    ("recipient", frozenset({"deliveryAddress"})),
    ("recipient", "deliveryAddress", _PLACE),
    ("tax", "taxRegistrations", "*", "legalName"),
    ("tax", "taxRegistrations", "*", "taxRegistrationNumber"),
    ("tax", "taxRegistrations", "*", "taxRegistrationAddress"),
    ("tax", "taxRegistrations", "*", "taxRegistrationAttributes"),
    ("payment", "paymentExecutions", "*", "acquirerId"),
    ("payment", "paymentExecutions", "*", "authorizationCode"),
    ("orderItems", "*", "product", "customization", "customizedUrl"),
    ("orderItems", "*", "fulfillment", "packing", "giftOption", "giftMessage"),
)
"""What Amazon's Data Protection Policy calls personal, and what a company's buyer can be told by. City, district, state
and country stay in clear."""

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
