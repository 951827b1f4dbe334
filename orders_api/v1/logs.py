"""The log of the order flow: everything that happened, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from orders_api.kit import cursors
from orders_api.kit.addresses import next_link, next_path
from orders_api.kit.answers import json_answer, rendered
from orders_api.kit.reading import Reading, Route
from orders_api.schemas.incidents import Logs
from orders_api.v1.order_filters import MOMENT, RANGE, Instant, Word, check_channels
from warehouse.clock import iso
from warehouse.ledger.exchange.numbering import Numbered
from warehouse.ledger.watch import activity
from warehouse.ledger.watch.activity import Level, LogFilter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from warehouse.ledger.exchange.numbering import Numbering

router = APIRouter(tags=["Incidents"])


class LogQuery(BaseModel):
    """Which entries, and which page of them."""

    model_config = ConfigDict(extra="forbid")

    channel: list[Word] = Field(
        [],
        description="Of any of these channels, their connections' among them; may be repeated.",
        examples=["amazon_fr"],
    )
    order_id: Word | None = Field(
        None, description="Of this order, by its internal id.", examples=["0f1c2d5e-7f0b-5d1a-9c50-3b1c7a3f9a10"]
    )
    stage: list[Word] = Field([], description="Of any of these stages; may be repeated.", examples=["confirm"])
    level: list[Level] = Field([], description="Of any of these levels; may be repeated.", examples=["error"])
    since: Instant | None = Field(None, description=f"At this time or later. {RANGE}", examples=[MOMENT])
    until: Instant | None = Field(None, description=f"Before this time. {RANGE}", examples=[MOMENT])
    limit: int = Field(100, ge=1, le=1000, description="Entries a page.", examples=[100])
    cursor: str | None = Field(None, description="Where the page begins: from `next`.", examples=["WzEsImlkIiwxN10"])


@Route(
    path="/v1/logs",
    operation_id="list_logs",
    summary="Read the log of the order flow",
    query=LogQuery,
    answer=Logs,
    problems=(400, 404),
).serve(router)
def list_logs(reading: Reading, query: LogQuery) -> Response:
    """What happened to orders and channels, newest first: pulls, orders, shipments, requests, incidents, alerts.

    Nothing personal is in it. Entries are kept for `ORDERS_LOG_RETENTION_DAYS`.
    """
    visible = reading.caller.visible_channels
    check_channels(reading.transaction, query.channel, visible)
    numbering, fingerprint = reading.installation.numbering, cursors.fingerprint_of("logs", query)
    before = cursors.decode_number(numbering, query.cursor, fingerprint)
    wanted = LogFilter(
        visible_channels=visible,
        channels=tuple(query.channel),
        order_id=query.order_id,
        stages=tuple(query.stage),
        levels=tuple(each.value for each in query.level),
        since=query.since,
        until=query.until,
    )
    rows = activity.listed(reading.transaction, wanted, before, query.limit + 1)
    following = None
    if len(rows) > query.limit:
        rows.pop()
        following = next_path(reading.request, cursors.encode_number(numbering, fingerprint, rows[-1]["id"]))
    body = rendered({"entries": [_entry(reading.installation.numbering, row) for row in rows], "next": following})
    return json_answer(reading.request, body, holds_pii=False, headers=next_link(following))


def _entry(numbering: Numbering, row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{str(name): value for name, value in row.items()},
        "id": numbering.id(Numbered.ENTRY, row["id"]),
        "at": iso(row["at"]),
        "data": numbering.with_ids(row["data"]),
    }
