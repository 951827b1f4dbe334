"""Requests to the API: who asked what, when, and what came of it, counted by the minute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from orders_api.kit import cursors
from orders_api.kit.addresses import next_path
from orders_api.kit.auth import MayRead
from orders_api.kit.errors import describe
from orders_api.kit.pages import page_answer
from orders_api.kit.queries import PageQuery
from orders_api.kit.records import fill
from orders_api.kit.routes import ThisInstallation, resource
from orders_api.schemas.api_requests import ApiRequestCount, ApiRequestPage
from orders_api.v1.order_filters import Word
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.watch import api_requests
from warehouse.ledger.watch.api_requests import ApiRequestFilter

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.watch.api_requests import ApiRequests

router = resource("Operations")


class ApiRequestQuery(PageQuery):
    """Which requests, and which page of them."""

    consumer: list[Word] = Field([], description="Of any of these consumers; may be repeated.", examples=["erp"])
    has_failed: bool | None = Field(
        None, description="Only those that were refused or failed, or only the others.", examples=[True]
    )


@router.get(
    "/v1/logs/requests", summary="List requests to the API", response_model=ApiRequestPage, responses=describe(400)
)
def list_api_requests(
    request: Request, caller: MayRead, installation: ThisInstallation, query: Annotated[ApiRequestQuery, Query()]
) -> Response:
    """Those of the token's own consumer; with the scope `admin` and for all channels those of everybody. Requests that were
    alike in a minute are one entry, written some seconds later. Kept for `ORDERS_API_REQUEST_RETENTION_DAYS`.
    """
    is_everybody = caller.may(Scope.ADMIN) and caller.sees_all_channels
    with installation.ledger.read() as transaction:
        rows, cursor = read_requests(transaction, query, None if is_everybody else (caller.consumer,))
    following = None if cursor is None else next_path(request, cursor)
    return page_answer(request, "requests", [document(each) for each in rows], following)


def read_requests(
    transaction: Transaction, query: ApiRequestQuery, visible_consumers: tuple[str, ...] | None
) -> tuple[list[ApiRequests], str | None]:
    """A page of the list, and the cursor of the next one; None on the last."""
    wanted = ApiRequestFilter(
        visible_consumers=visible_consumers, consumers=tuple(query.consumer), has_failed=query.has_failed
    )
    fingerprint = cursors.fingerprint_of("api_requests", query)
    after = None if query.cursor is None else cursors.decode_moment(query.cursor, fingerprint)
    rows = api_requests.find_requests(transaction, wanted, after, query.limit + 1)
    if len(rows) <= query.limit:
        return rows, None
    rows = rows[: query.limit]
    return rows, cursors.encode_moment(fingerprint, rows[-1].minute, rows[-1].alike)


def document(row: ApiRequests) -> dict[str, Any]:
    """Requests that were alike."""
    return fill(
        ApiRequestCount,
        row,
        mean_milliseconds=round(row.milliseconds / row.requests),
        slowest_milliseconds=row.slowest,
    )
