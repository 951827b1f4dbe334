"""The kinds of marketplaces that a connection can be of, as the pipeline describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from orders_api.kit.answers import json_answer, rendered
from orders_api.kit.reading import NoQuery, Reading, Route
from orders_api.schemas.marketplace_kinds import MarketplaceKindList
from orders_api.v1.channels import decisions
from warehouse.ledger.settings.kinds import all_kinds

if TYPE_CHECKING:
    from starlette.responses import Response

    from warehouse.marketplace_kinds import MarketplaceKind

router = APIRouter(tags=["Channels"])

PLAIN = ("kind", "name", "description", "help", "endpoint", "regions", "credentials", "acceptance")


@Route(
    path="/v1/marketplace-kinds",
    operation_id="list_marketplace_kinds",
    summary="List kinds of marketplaces",
    query=NoQuery,
    answer=MarketplaceKindList,
).serve(router)
def list_marketplace_kinds(reading: Reading, _query: NoQuery) -> Response:
    """Which kinds of marketplaces this installation knows, what a connection of each is given, and what may be done there.

    The pipeline writes this when it starts; before its first start the list is empty.
    """
    kinds = [_described(each) for each in all_kinds(reading.transaction).values()]
    return json_answer(reading.request, rendered({"kinds": kinds}), holds_pii=False)


def _described(kind: MarketplaceKind) -> dict[str, Any]:
    described = kind.as_json()
    return {
        **{name: described[name] for name in PLAIN},
        "selector": kind.selectors.meaning,
        "selector_required": kind.selectors.is_required,
        "settings_schema": kind.settings,
        "channel_settings_schema": kind.channel_settings,
        "decisions": decisions(kind.requirements),
    }
