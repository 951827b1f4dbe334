"""Reading shipments: the list, and one with every attempt to tell the marketplace. Reporting them is in `shipments`."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from orders_api.kit import cursors
from orders_api.kit.addresses import next_path
from orders_api.kit.answers import json_answer, render
from orders_api.kit.auth import Caller, may
from orders_api.kit.errors import describe, not_found
from orders_api.kit.pages import page_answer
from orders_api.kit.parameters import ShipmentId
from orders_api.kit.queries import PageQuery
from orders_api.kit.records import fill, make
from orders_api.kit.routes import ThisInstallation, resource
from orders_api.schemas.shipments import ConfirmationAttempt, Shipment, ShipmentDetail, ShipmentPage, ShippedItem
from orders_api.schemas.vocabulary import ORDER_ID, ORIGINAL_ID, REPORT_ID
from orders_api.v1.order_filters import MOMENT, RANGE, Instant, Word, check_channels
from warehouse.ledger.exchange.numbering import Numbered
from warehouse.ledger.settings.tokens import Scope
from warehouse.ledger.shipping import shipment_queries
from warehouse.ledger.shipping.shipment_queries import ShipmentFilter, ShipmentRecord
from warehouse.order_states import ConfirmationStatus

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

    def as_filter(self, visible_channels: tuple[str, ...] | None) -> ShipmentFilter:
        """The filter for a reader."""
        return make(
            ShipmentFilter,
            self,
            visible_channels=visible_channels,
            statuses=tuple(each.value for each in self.status),
            channels=tuple(self.channel),
        )


@router.get("/v1/shipments", summary="List shipments", response_model=ShipmentPage, responses=describe(400, 404))
def list_shipments(
    request: Request, caller: MayFollow, installation: ThisInstallation, query: Annotated[ShipmentListQuery, Query()]
) -> Response:
    """Shipments that the filters find, a page at a time, the last reported first."""
    wanted = query.as_filter(caller.visible_channels)
    fingerprint = wanted.fingerprint()
    with installation.ledger.read() as transaction:
        check_channels(transaction, query.channel, caller.visible_channels)
        after = None
        if query.cursor is not None:
            after = shipment_queries.ShipmentPlace(*cursors.decode_moment(query.cursor, fingerprint))
        page = shipment_queries.page(transaction, wanted, after, query.limit)
    following = None
    if page.next_place is not None:
        cursor = cursors.encode_moment(fingerprint, page.next_place.reported_at, page.next_place.id)
        following = next_path(request, cursor)
    return page_answer(request, "shipments", [_document(Shipment, row) for row in page.rows], following)


@router.get("/v1/shipments/{id}", summary="Read one shipment", response_model=ShipmentDetail, responses=describe(404))
def get_shipment(request: Request, caller: MayFollow, installation: ThisInstallation, own_id: ShipmentId) -> Response:
    """One shipment with every attempt to tell the marketplace, and when the next one is."""
    with installation.ledger.read() as transaction:
        row = shipment_queries.by_id(transaction, own_id, caller.visible_channels)
    if row is None:
        raise not_found("id", "There is no such shipment for this token.", "unknown_shipment")
    attempts = [
        fill(ConfirmationAttempt, each, id=installation.numbering.id(Numbered.ATTEMPT, each.id))
        for each in row.attempts
    ]
    return json_answer(request, render(_document(ShipmentDetail, row, attempts=attempts)), holds_pii=False)


def _document(shape: type[Shipment], row: ShipmentRecord, **own: object) -> dict[str, Any]:
    items = [
        fill(
            ShippedItem,
            each,
            item_id=each.line_id,
            item_original_id=each.original_id,
            item_quantity_shipped=each.quantity,
        )
        for each in row.items
    ]
    return fill(
        shape,
        row.shipment,
        original_id=row.original_id,
        shipping_date=row.shipment.shipped_at,
        items=items,
        shipped_despite_cancellation=any(each.may_have_left for each in row.items),
        next_attempt_at=row.shipment.due_at,
        attempt_count=row.shipment.attempts,
        difference=[
            {"member": member, "ours": ours, "theirs": theirs}
            for member, (ours, theirs) in (row.shipment.difference or {}).items()
        ],
        **own,
    )
