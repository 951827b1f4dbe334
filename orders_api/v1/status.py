"""How each channel stands at this moment, in one word and the few numbers behind it. `metrics` sees the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter

from orders_api.kit.answers import json_answer, rendered
from orders_api.kit.reading import NoQuery, Reading, Route
from orders_api.schemas.channels import ChannelStatuses
from warehouse.clock import iso
from warehouse.ledger.status import channel_status

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.responses import Response

    from warehouse.ledger.status.channel_status import Standing

router = APIRouter(tags=["Channels"])


@Route(
    path="/v1/status",
    operation_id="get_status",
    summary="Read how each channel stands",
    query=NoQuery,
    answer=ChannelStatuses,
).serve(router)
def get_status(reading: Reading, _query: NoQuery) -> Response:
    """Every channel that the token may see: when it was retrieved last, how far behind it is, and what waits."""
    now = reading.installation.clock()
    found = channel_status.standings(reading.transaction, reading.caller.visible_channels, now)
    body = rendered({"at": iso(now), "channels": [_document(each) for each in found]})
    return json_answer(reading.request, body, holds_pii=False)


def _document(standing: Standing) -> dict[str, Any]:
    return {
        "channel": standing.channel,
        "connection": standing.connection,
        "state": standing.state,
        "last_success_at": _wire(standing.last_success_at),
        "complete_through": _wire(standing.complete_through),
        "lag_seconds": standing.lag_seconds,
        "next_run_at": _wire(standing.next_run_at),
        "backlog": standing.backlog,
        "quarantined": standing.quarantined,
        "confirmation": standing.confirmation,
        "shipments_held": standing.held,
    }


def _wire(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)
