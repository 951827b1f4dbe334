"""Acme, a made-up marketplace: what a package of somebody else's brings, all of it from outside the product."""

from __future__ import annotations

from datetime import timedelta

from orders_acme.client import RATES, connect
from orders_acme.declared import REQUIREMENTS, AcmeSettings
from orders_acme.news import AcmeNews
from orders_acme.payloads import PII_PATHS, documents, normalise
from orders_pipeline.marketplaces.hints import Hints
from orders_pipeline.marketplaces.protocol import Marketplace
from warehouse.marketplace_kinds import Credential, EndpointRule, Selector, Selectors

MARKETPLACE = Marketplace(
    kind="acme",
    name="Acme",
    description="Orders at Acme Market.",
    help="Ask Acme for an API key. A channel's `selector` is the site.",
    connect=connect,
    normalise=normalise,
    pii_paths=PII_PATHS,
    documents=documents,
    rates=RATES,
    parcels_per_call=1,
    orders_per_read_back=1,
    requirements=REQUIREMENTS,
    lag=timedelta(0),
    endpoint=EndpointRule.REQUIRED,
    selectors=Selectors(meaning="site", is_required=True, known=(Selector(value="north", label="Acme North"),)),
    credentials=(
        Credential(name="api_key", meaning="From Acme's seller portal.", lifetime_days=90),
        Credential(name="signing_key", meaning="Of your company, if Acme has given you one.", is_required=False),
    ),
    settings=AcmeSettings,
    acceptance="automatic",
    follows_open_orders=True,
    hints=Hints(is_on=lambda settings: bool(settings.get("is_listening")), open=AcmeNews, listing="list"),
    sandbox="orders_acme.sandbox:AcmeSandbox",
)
