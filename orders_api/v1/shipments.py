"""Reading shipments: the list, and one with every attempt to tell the marketplace. Reporting them is in `shipments`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from orders_api.kit import cursors
from orders_api.kit.addresses import next_link, next_path
from orders_api.kit.answers import json_answer, rendered
from orders_api.kit.errors import not_found
from orders_api.kit.reading import NoQuery, Reading, Route, path_id
from orders_api.schemas.shipments import ShipmentDetail, ShipmentPage
from orders_api.schemas.vocabulary import ORDER_ID, ORIGINAL_ID, REPORT_ID
from orders_api.v1.order_filters import MOMENT, RANGE, Instant, Word, check_channels
from orders_api.v1.shipment_reports import SHIPMENT_ID_PARAMETER
from warehouse.clock import iso
from warehouse.ledger.exchange.numbering import Numbered
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.shipping import shipment_queries
from warehouse.orders import ConfirmationStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from starlette.responses import Response

    from warehouse.ledger.exchange.numbering import Numbering

router = APIRouter(tags=["Shipments"])

READERS = (Scope.ORDERS_READ, Scope.SHIPMENTS_WRITE)
"""Who reports shipments may see what became of them."""


class ShipmentListQuery(BaseModel):
    """Which shipments, and which page of them."""

    model_config = ConfigDict(extra="forbid")

    status: list[ConfirmationStatus] = Field(
        [], description="Any of these statuses; may be repeated.", examples=["rejected"]
    )
    channel: list[Word] = Field([], description="Any of these channel codes; may be repeated.", examples=["amazon_fr"])
    order_id: Word | None = Field(None, description="Internal id of the order.", examples=[ORDER_ID])
    original_id: Word | None = Field(None, description="The marketplace's id of the order.", examples=[ORIGINAL_ID])
    report_id: Word | None = Field(None, description="The report that told it last.", examples=[REPORT_ID])
    tracking_number: Word | None = Field(None, description="Exactly.", examples=["6A12345678901"])
    package_id: Word | None = Field(None, description="Your name of the package, exactly.", examples=["PKG-1"])
    shipped_despite_cancellation: bool | None = Field(
        None,
        description="Only those with units that the marketplace has cancelled, or only the others.",
        examples=[True],
    )
    reported_after: Instant | None = Field(
        None, description=f"First reported at this time or later. {RANGE}", examples=[MOMENT]
    )
    reported_before: Instant | None = Field(
        None, description=f"First reported before this time. {RANGE}", examples=[MOMENT]
    )
    updated_after: Instant | None = Field(
        None, description=f"Changed at this time or later. {RANGE}", examples=[MOMENT]
    )
    updated_before: Instant | None = Field(
        None, description=f"Last changed before this time. {RANGE}", examples=[MOMENT]
    )
    limit: int = Field(100, ge=1, le=1000, description="Shipments a page.", examples=[100])
    cursor: str | None = Field(
        None, description="Where the page begins: from `next`, with the same filters.", examples=["WzEsImYiXQ"]
    )

    def wanted(self, visible_channels: tuple[str, ...] | None) -> shipment_queries.ShipmentFilter:
        """The filter for a reader."""
        same = {name: getattr(self, name) for name in _SAME}
        return shipment_queries.ShipmentFilter(
            visible_channels=visible_channels,
            statuses=tuple(each.value for each in self.status),
            channels=tuple(self.channel),
            **same,
        )


_SAME = (
    "order_id",
    "original_id",
    "report_id",
    "tracking_number",
    "package_id",
    "shipped_despite_cancellation",
    "reported_after",
    "reported_before",
    "updated_after",
    "updated_before",
)


@Route(
    path="/v1/shipments",
    operation_id="list_shipments",
    summary="List shipments",
    query=ShipmentListQuery,
    answer=ShipmentPage,
    problems=(400, 404),
    scopes=READERS,
).serve(router)
def list_shipments(reading: Reading, query: ShipmentListQuery) -> Response:
    """Shipments that the filters find, a page at a time, the last reported first."""
    visible = reading.caller.visible_channels
    check_channels(reading.transaction, query.channel, visible)
    wanted = query.wanted(visible)
    fingerprint = wanted.fingerprint()
    after = None
    if query.cursor is not None:
        after = shipment_queries.Place(*cursors.decode_moment(query.cursor, fingerprint))
    page = shipment_queries.page(reading.transaction, wanted, after, query.limit)
    following = None
    if page.next_place is not None:
        cursor = cursors.encode_moment(fingerprint, page.next_place.reported_at, page.next_place.id)
        following = next_path(reading.request, cursor)
    body = rendered({"shipments": [_shipment(row) for row in page.rows], "next": following})
    return json_answer(reading.request, body, holds_pii=False, headers=next_link(following))


@Route(
    path="/v1/shipments/{id}",
    operation_id="get_shipment",
    summary="Read one shipment",
    query=NoQuery,
    answer=ShipmentDetail,
    problems=(404,),
    path_parameters=(SHIPMENT_ID_PARAMETER,),
    scopes=READERS,
).serve(router)
def get_shipment(reading: Reading, _query: NoQuery) -> Response:
    """One shipment with every attempt to tell the marketplace, and when the next one is."""
    own_id = path_id(reading.request)
    row = own_id and shipment_queries.by_id(reading.transaction, own_id, reading.caller.visible_channels)
    if not row:
        raise not_found("id", "There is no such shipment for this token.", "unknown_shipment")
    attempts = [_attempt(reading.installation.numbering, each) for each in row["made"]]
    return json_answer(reading.request, rendered({**_shipment(row), "attempts": attempts}), holds_pii=False)


def _shipment(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: row[name] for name in _MEMBERS},
        "shipping_date": iso(row["shipped_at"]),
        "items": [
            {
                "item_id": each["line_id"],
                "item_original_id": each["original_id"],
                "sku": each["sku"],
                "item_quantity_shipped": each["quantity"],
                "may_have_left": each["may_have_left"],
            }
            for each in row["items"]
        ],
        "shipped_despite_cancellation": any(each["may_have_left"] for each in row["items"]),
        "reported_at": iso(row["reported_at"]),
        "updated_at": iso(row["updated_at"]),
        "next_attempt_at": _wire(row["due_at"]),
        "attempt_count": row["attempts"],
        "sent_at": _wire(row["sent_at"]),
        "verified_at": _wire(row["verified_at"]),
        "marketplace_package_id": row["marketplace_package_id"],
        "difference": [
            {"member": member, "ours": ours, "theirs": theirs}
            for member, (ours, theirs) in (row["difference"] or {}).items()
        ],
    }


_MEMBERS = (
    "id",
    "order_id",
    "original_id",
    "channel",
    "package_id",
    "tracking_number",
    "carrier_code",
    "carrier_name",
    "tracking_url",
    "shipping_method",
    "ship_from",
    "return_tracking_number",
    "return_carrier",
    "status",
    "held_reason",
    "version",
    "sent_version",
    "source",
    "consumer",
    "report_id",
    "told_carrier",
    "code",
    "message",
    "hint",
)


def _attempt(numbering: Numbering, row: Mapping[str, Any]) -> dict[str, Any]:
    names = ("version", "operation", "outcome", "http_status", "request_id", "code", "message", "hint")
    return {
        "id": numbering.id(Numbered.ATTEMPT, row["id"]),
        **{name: row[name] for name in names},
        "started_at": iso(row["started_at"]),
        "finished_at": _wire(row["finished_at"]),
    }


def _wire(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)
