"""Manual: channels without a marketplace, whose orders are given to us by `POST /v1/orders` and `orders add`.

There is nobody to ask and nobody to tell, so there is no client. What a document holds is in `warehouse.given_orders`, taking
one in is in `warehouse.ledger.book.order_intake`.
"""

from __future__ import annotations

from datetime import timedelta

from orders_pipeline.marketplaces.given_orders import documents, normalise
from orders_pipeline.marketplaces.protocol import Marketplace
from orders_pipeline.marketplaces.settings import ConnectionSettings
from warehouse.given_orders import PII_PATHS
from warehouse.marketplace_kinds import EndpointRule, Selectors
from warehouse.shipments import Cancels, CarrierRule, Idempotency, Requirements

MARKETPLACE = Marketplace(
    kind="manual",
    name="Manual",
    description="Orders that are given to us: by telephone, at a fair, from a shop of your own.",
    help="Nothing is called, so it needs no address and no secret. Its channels' orders come by `POST /v1/orders` and "
    "`orders add`; the document is described with [manual orders](api.md#manual-orders).",
    node_kinds=frozenset({"json"}),
    connect=None,
    normalise=normalise,
    pii_paths=PII_PATHS,
    documents=documents,
    rates={},
    parcels_per_call=1,
    orders_per_read_back=1,
    requirements=Requirements(
        needs_tracking_number=False,
        needs_carrier=False,
        carrier_rule=CarrierRule.ANY,
        idempotency=Idempotency.NATURAL,
        cancels=Cancels.LINES,
        notes=("Nobody is told of its shipments: each is verified as soon as it is taken up.",),
    ),
    lag=timedelta(0),
    endpoint=EndpointRule.NONE,
    selectors=Selectors(meaning="name"),
    credentials=(),
    settings=ConnectionSettings,
    acceptance="off",
)

__all__ = ["MARKETPLACE"]
