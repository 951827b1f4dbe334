"""The shapes of reporting shipments: what is sent, and what became of each."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from orders_api.schemas.vocabulary import (
    LINE_ID,
    ORDER_ID,
    ORIGINAL_ID,
    REPORT_ID,
    SHIPMENT_ID,
    SHIPPED_AT,
    Body,
    Faults,
    OnItsOwn,
    Shape,
    ShippingDate,
    Word,
    alternatives,
)
from warehouse.identifiers import MAX_LENGTH
from warehouse.order_states import ConfirmationStatus
from warehouse.shipment_reports import ReportResult


class ReportedItem(Shape):
    """Units in a package: of one line, named by our id or the marketplace's, or of the lines of a SKU."""

    model_config = alternatives(
        is_exclusive=False, ById=("item_id",), ByOriginalId=("item_original_id",), BySku=("item_sku",)
    )

    item_id: Word | None = Field(
        None, description="Internal id of the line.", max_length=MAX_LENGTH["item_id"], examples=[LINE_ID]
    )
    item_original_id: Word | None = Field(
        None,
        description="The marketplace's id of the line.",
        max_length=MAX_LENGTH["item_original_id"],
        examples=["05015851154158"],
    )
    item_sku: Word | None = Field(
        None,
        description="Your article number, where no line is named: its units are spread over the open lines of that SKU, in "
        "their order.",
        max_length=MAX_LENGTH["item_sku"],
        examples=["LAMP-12"],
    )
    item_quantity_shipped: int | None = Field(
        None,
        description="Units in this package; without it all that remains of the line, or of the SKU.",
        ge=1,
        le=1_000_000,
        strict=True,
        examples=[2],
    )

    @model_validator(mode="after")
    def _names_a_line(self) -> Self:
        if self.item_id is None and self.item_original_id is None and self.item_sku is None:
            raise ValueError("name the line by item_id or item_original_id, or lines by item_sku")
        return self


class ReportedShipment(Shape):
    """One package that has left: of an order named by `id`, or by `original_id` (with `channel`, should two have it)."""

    model_config = alternatives(is_exclusive=False, ById=("id",), ByOriginalId=("original_id",))

    id: Word | None = Field(
        None, description="Internal id of the order.", max_length=MAX_LENGTH["id"], examples=[ORDER_ID]
    )
    original_id: Word | None = Field(
        None,
        description="The marketplace's id of the order.",
        max_length=MAX_LENGTH["original_id"],
        examples=[ORIGINAL_ID],
    )
    channel: Word | None = Field(
        None, description="Code of the channel, with `original_id`.", max_length=64, examples=["amazon_fr"]
    )
    package_id: Word | None = Field(
        None,
        description="Your name of the package within the order; without one it is the order's only package.",
        max_length=MAX_LENGTH["package_id"],
        examples=["PKG-1"],
    )
    tracking_number: Word | None = Field(
        None,
        description="The carrier's number of the package.",
        max_length=MAX_LENGTH["tracking_number"],
        examples=["6A12345678901"],
    )
    shipping_date: ShippingDate | None = Field(
        None,
        description="When it left: ISO 8601 with an offset, or epoch milliseconds (13 digits); without it, now.",
        examples=[SHIPPED_AT, 1793714700000],
    )
    carrier_code: Word | None = Field(
        None,
        description="Your word for the carrier; `/v1/channels/{code}/requirements` tells what is understood.",
        max_length=MAX_LENGTH["carrier_code"],
        examples=["COLISSIMO"],
    )
    carrier_name: Word | None = Field(
        None, description="The carrier's name, for one without a code.", max_length=200, examples=["Colissimo"]
    )
    tracking_url: Word | None = Field(
        None,
        description="Address where the package is followed.",
        max_length=2000,
        pattern=r"^https?://[^\s\x00-\x1f\x7f-\x9f]+$",
        examples=["https://carrier.example/6A12345678901"],
    )
    shipping_method: Word | None = Field(
        None, description="How it travels, in your words.", max_length=200, examples=["Express"]
    )
    ship_from: Word | None = Field(
        None, description="Your name of the place it left from.", max_length=200, examples=["WH-NANTES"]
    )
    return_tracking_number: Word | None = Field(
        None, description="Number of the return label in the package.", max_length=200, examples=["8R00011122233"]
    )
    return_carrier: Word | None = Field(
        None, description="Carrier of the return label.", max_length=100, examples=["COLISSIMO"]
    )
    items: list[ReportedItem] = Field(
        [],
        description="What is in it; without items, all that remains of the order.",
        max_length=1000,
        examples=[[{"item_original_id": "05015851154158", "item_quantity_shipped": 2}]],
    )

    @model_validator(mode="after")
    def _names_an_order(self) -> Self:
        if self.id is None and self.original_id is None:
            raise ValueError("name the order by id, or by original_id")
        return self


class ShipmentRequest(Body):
    """Packages that have left."""

    shipments: list[Annotated[ReportedShipment | Faults, OnItsOwn()]] = Field(
        description="1 to 1000 of them; each is checked on its own.",
        min_length=1,
        max_length=1000,
        examples=[
            [
                {
                    "original_id": ORIGINAL_ID,
                    "channel": "amazon_fr",
                    "package_id": "PKG-1",
                    "tracking_number": "6A12345678901",
                    "carrier_code": "COLISSIMO",
                    "shipping_date": SHIPPED_AT,
                }
            ]
        ],
    )


class ShipmentFault(Shape):
    """Why a shipment is refused, or what to know of it."""

    code: str = Field(description="Stable word.", examples=["quantity_exceeds_remaining"])
    field: str = Field(description="Where in the shipment.", examples=["items/0/item_quantity_shipped"])
    message: str = Field(description="Plain sentence.", examples=["Only 1 of this line remain to be shipped."])


class ShipmentResult(Shape):
    """What became of one reported shipment."""

    index: int = Field(description="Place in the request, from 0.", examples=[0])
    result: ReportResult = Field(
        description="`accepted`; `updated`: the package was known, and is told differently now; `already_known`: nothing is "
        "new; `refused`: see `errors`.",
        examples=["accepted"],
    )
    shipment_id: str | None = Field(description="Id of the shipment; null when refused.", examples=[SHIPMENT_ID])
    order_id: str | None = Field(description="Internal id of the order; null when none was found.", examples=[ORDER_ID])
    status: ConfirmationStatus | None = Field(
        description="How far telling the marketplace has come; null when refused.", examples=["queued"]
    )
    held_reason: str | None = Field(
        description="Why the marketplace is not told until somebody decides: `confirmation_off`, `cancellation_requested` or "
        "`confirmed_by_marketplace`; null: it is told.",
        examples=[None],
    )
    notices: list[ShipmentFault] = Field(
        description="What to know of one that is not refused: `confirmation_off`, `cancellation_requested`, "
        "`shipping_date_before_purchase`, `shipping_date_long_ago`.",
        examples=[[]],
    )
    errors: list[ShipmentFault] = Field(description="Why it is refused; empty otherwise.", examples=[[]])


class ShipmentResults(Shape):
    """What became of each reported shipment; what is accepted is committed, unless it is a dry run."""

    report_id: str = Field(description="Id of this report; finds its shipments.", examples=[REPORT_ID])
    dry_run: bool = Field(description="Whether everything was only checked.", examples=[False])
    held: int = Field(
        description="How many of them the marketplace is not told of until somebody decides.", examples=[0]
    )
    results: list[ShipmentResult] = Field(
        description="In the order of the request.",
        examples=[
            [
                {
                    "index": 0,
                    "result": "accepted",
                    "shipment_id": SHIPMENT_ID,
                    "order_id": ORDER_ID,
                    "status": "queued",
                    "held_reason": None,
                    "notices": [],
                    "errors": [],
                }
            ]
        ],
    )
