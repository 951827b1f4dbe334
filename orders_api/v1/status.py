"""How each channel stands at this moment, in one word and the few numbers behind it. `metrics` sees the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from orders_api.kit.answers import iso_or_null, json_answer, render
from orders_api.kit.auth import MayRead
from orders_api.kit.routes import ThisInstallation, resource
from orders_api.schemas.channels import ChannelStatuses
from warehouse.clock import iso
from warehouse.ledger.status import channel_status

if TYPE_CHECKING:
    from warehouse.ledger.status.channel_status import Standing

router = resource("Channels")


@router.get("/v1/status", summary="Read how each channel stands", response_model=ChannelStatuses)
def get_status(request: Request, caller: MayRead, installation: ThisInstallation) -> Response:
    """Every channel that the token may see: when it was retrieved last, how far behind it is, and what waits."""
    now = installation.clock()
    with installation.ledger.read() as transaction:
        found = channel_status.standings(transaction, caller.visible_channels, now)
    body = render({"at": iso(now), "channels": [_document(each) for each in found]})
    return json_answer(request, body, holds_pii=False)


def _document(standing: Standing) -> dict[str, Any]:
    return {
        "channel": standing.channel,
        "connection": standing.connection,
        "state": standing.state,
        "last_success_at": iso_or_null(standing.last_success_at),
        "complete_through": iso_or_null(standing.complete_through),
        "lag_seconds": standing.lag_seconds,
        "next_run_at": iso_or_null(standing.next_run_at),
        "backlog": standing.backlog,
        "quarantined": standing.quarantined,
        "confirmation": standing.confirmation,
        "shipments_held": standing.held,
    }
