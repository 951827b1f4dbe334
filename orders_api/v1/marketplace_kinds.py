"""The kinds of marketplaces that a connection can be of, as the pipeline describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from orders_api.kit.answers import json_answer, render
from orders_api.kit.auth import may
from orders_api.kit.records import fill
from orders_api.kit.routes import ThisInstallation, resource
from orders_api.schemas.marketplace_kinds import DescribedKind, MarketplaceKindList
from orders_api.v1.channels import decisions
from warehouse.ledger.settings.kinds import all_kinds
from warehouse.ledger.settings.tokens import Scope

if TYPE_CHECKING:
    from warehouse.marketplace_kinds import MarketplaceKind

router = resource("Channels")


@router.get(
    "/v1/marketplace-kinds",
    summary="List kinds of marketplaces",
    response_model=MarketplaceKindList,
    dependencies=[may(Scope.ORDERS_READ)],
)
def list_marketplace_kinds(request: Request, installation: ThisInstallation) -> Response:
    """Which kinds of marketplaces this installation knows, what a connection of each is given, and what may be done there.

    The pipeline writes this when it starts; before its first start the list is empty.
    """
    with installation.ledger.read() as transaction:
        kinds = [_document(each) for each in all_kinds(transaction).values()]
    return json_answer(request, render({"kinds": kinds}), holds_pii=False)


def _document(kind: MarketplaceKind) -> dict[str, Any]:
    return fill(
        DescribedKind,
        kind.as_json(),
        selector=kind.selectors.meaning,
        selector_required=kind.selectors.is_required,
        settings_schema=kind.settings,
        channel_settings_schema=kind.channel_settings,
        decisions=decisions(kind.requirements),
    )
