"""The log of the order flow: everything that happened, newest first."""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from orders_api.kit.auth import MayRead
from orders_api.kit.errors import describe
from orders_api.kit.pages import page_answer, read_page
from orders_api.kit.queries import PageQuery
from orders_api.kit.records import fill, make
from orders_api.kit.routes import ThisInstallation, resource
from orders_api.schemas.incidents import LogEntry, Logs
from orders_api.schemas.vocabulary import ORDER_ID
from orders_api.v1.order_filters import MOMENT, RANGE, Instant, Word, check_channels
from warehouse.ledger.exchange.numbering import Numbered
from warehouse.ledger.watch import activity
from warehouse.ledger.watch.activity import ActivityRecord, Level, LogFilter

if TYPE_CHECKING:
    from warehouse.ledger.exchange.numbering import Numbering

router = resource("Incidents")


class LogQuery(PageQuery):
    """Which entries, and which page of them."""

    channel: list[Word] = Field(
        [],
        description="Of any of these channels, their connections' among them; may be repeated.",
        examples=["amazon_fr"],
    )
    order_id: Word | None = Field(None, description="Of this order, by its internal id.", examples=[ORDER_ID])
    stage: list[Word] = Field([], description="Of any of these stages; may be repeated.", examples=["confirm"])
    level: list[Level] = Field([], description="Of any of these levels; may be repeated.", examples=["error"])
    since: Instant | None = Field(None, description=f"At this time or later. {RANGE}", examples=[MOMENT])
    until: Instant | None = Field(None, description=f"Before this time. {RANGE}", examples=[MOMENT])
    text: Word | None = Field(
        None,
        description="Within the sentence, whatever its case; of the newest 200,000 entries.",
        max_length=200,
        examples=["throttled"],
    )


@router.get("/v1/logs", summary="Read the log of the order flow", response_model=Logs, responses=describe(400, 404))
def list_logs(
    request: Request, caller: MayRead, installation: ThisInstallation, query: Annotated[LogQuery, Query()]
) -> Response:
    """What happened to orders and channels, newest first: pulls, orders, shipments, requests, incidents, alerts.

    Nothing personal is in it. Entries are kept for `ORDERS_LOG_RETENTION_DAYS`.
    """
    wanted = make(
        LogFilter,
        query,
        visible_channels=caller.visible_channels,
        channels=tuple(query.channel),
        stages=tuple(query.stage),
        levels=tuple(each.value for each in query.level),
    )
    numbering = installation.numbering
    with installation.ledger.read() as transaction:
        check_channels(transaction, query.channel, caller.visible_channels)
        rows, following = read_page(
            request, numbering, "logs", query, partial(activity.find_entries, transaction, wanted), attrgetter("id")
        )
    return page_answer(request, "entries", [_entry(numbering, row) for row in rows], following)


def _entry(numbering: Numbering, row: ActivityRecord) -> dict[str, Any]:
    return fill(LogEntry, row, id=numbering.id(Numbered.ENTRY, row.id), data=numbering.with_ids(row.data))
