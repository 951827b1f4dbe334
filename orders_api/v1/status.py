"""How each channel stands at this moment, in one word and the few numbers behind it. `metrics` sees the same."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from orders_api.kit.answers import json_answer, render
from orders_api.kit.auth import MayRead
from orders_api.kit.records import fill
from orders_api.kit.routes import ThisInstallation, resource
from orders_api.schemas.channels import ChannelStatus, ChannelStatuses
from warehouse.clock import iso
from warehouse.ledger.status import channel_status

router = resource("Channels")


@router.get("/v1/status", summary="Read how each channel stands", response_model=ChannelStatuses)
def get_status(request: Request, caller: MayRead, installation: ThisInstallation) -> Response:
    """Every channel that the token may see: when it was retrieved last, how far behind it is, and what waits."""
    now = installation.clock()
    with installation.ledger.read() as transaction:
        found = channel_status.standings(transaction, caller.visible_channels, now)
    channels = [fill(ChannelStatus, each, shipments_held=each.held) for each in found]
    return json_answer(request, render({"at": iso(now), "channels": channels}), holds_pii=False)
