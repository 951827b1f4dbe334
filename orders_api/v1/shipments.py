"""Reading shipments: the list, and one with every attempt to tell the marketplace. Reporting them is in `shipments`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from orders_api.kit import cursors
from orders_api.kit.addresses import next_path
from orders_api.kit.answers import iso_or_null, json_answer, render
from orders_api.kit.auth import Caller, may
from orders_api.kit.errors import describe, not_found
from orders_api.kit.pages import page_answer
from orders_api.kit.parameters import ShipmentId
from orders_api.kit.queries import PageQuery
from orders_api.kit.routes import ThisInstallation, resource
from orders_api.schemas.shipments import ShipmentDetail, ShipmentPage
from orders_api.schemas.vocabulary import ORDER_ID, ORIGINAL_ID, REPORT_ID
from orders_api.v1.order_filters import MOMENT, RANGE, Instant, Word, check_channels
from warehouse.clock import iso
from warehouse.ledger.exchange.numbering import Numbered
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.shipping import shipment_queries
from warehouse.orders import ConfirmationStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from warehouse.ledger.exchange.numbering import Numbering

router = resource("Shipments")

MayFollow = Annotated[Caller, may(Scope.ORDERS_READ, Scope.SHIPMENTS_WRITE)]
"""Who reports shipments may see what became of them."""


class ShipmentListQuery(PageQuery):
    """Which shipments, and which page of them."""

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


@router.get("/v1/shipments", summary="List shipments", response_model=ShipmentPage, responses=describe(400, 404))
def list_shipments(
    request: Request, caller: MayFollow, installation: ThisInstallation, query: Annotated[ShipmentListQuery, Query()]
) -> Response:
    """Shipments that the filters find, a page at a time, the last reported first."""
    wanted = query.wanted(caller.visible_channels)
    fingerprint = wanted.fingerprint()
    with installation.ledger.read() as transaction:
        check_channels(transaction, query.channel, caller.visible_channels)
        after = None
        if query.cursor is not None:
            after = shipment_queries.Place(*cursors.decode_moment(query.cursor, fingerprint))
        page = shipment_queries.page(transaction, wanted, after, query.limit)
    following = None
    if page.next_place is not None:
        cursor = cursors.encode_moment(fingerprint, page.next_place.reported_at, page.next_place.id)
        following = next_path(request, cursor)
    return page_answer(request, "shipments", [_shipment(row) for row in page.rows], following)


@router.get("/v1/shipments/{id}", summary="Read one shipment", response_model=ShipmentDetail, responses=describe(404))
def get_shipment(request: Request, caller: MayFollow, installation: ThisInstallation, own_id: ShipmentId) -> Response:
    """One shipment with every attempt to tell the marketplace, and when the next one is."""
    with installation.ledger.read() as transaction:
        row = shipment_queries.by_id(transaction, own_id, caller.visible_channels)
    if row is None:
        raise not_found("id", "There is no such shipment for this token.", "unknown_shipment")
    attempts = [_attempt(installation.numbering, each) for each in row["made"]]
    return json_answer(request, render({**_shipment(row), "attempts": attempts}), holds_pii=False)


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
        "next_attempt_at": iso_or_null(row["due_at"]),
        "attempt_count": row["attempts"],
        "sent_at": iso_or_null(row["sent_at"]),
        "verified_at": iso_or_null(row["verified_at"]),
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
        "finished_at": iso_or_null(row["finished_at"]),
    }
