"""The shapes of shipments and of the attempts to confirm them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from orders_api.schemas.vocabulary import (
    ATTEMPT_ID,
    LINE_ID,
    ORDER_ID,
    ORIGINAL_ID,
    REPORT_ID,
    SHIPMENT_ID,
    SHIPPED_AT,
    ListPage,
    Shape,
)
from warehouse.order_states import ConfirmationStatus
from warehouse.shipment_reports import Source
from warehouse.shipments import AttemptOutcome


class ShippedItem(Shape):
    """Units of one line in a package."""

    item_id: str = Field(description="Internal id of the line.", examples=[LINE_ID])
    item_original_id: str | None = Field(description="The marketplace's id of the line.", examples=["05015851154158"])
    sku: str | None = Field(description="The seller's product code.", examples=["LAMP-12"])
    item_quantity_shipped: int = Field(description="Units in this package.", examples=[2])
    may_have_left: int = Field(
        description="Of these, units that the marketplace has cancelled all the same: they may have left.", examples=[0]
    )


class ShipmentDifference(Shape):
    """A part of a shipment that the marketplace shows differently."""

    member: str = Field(description="What differs.", examples=["tracking_number"])
    ours: Any = Field(description="As it was reported.", examples=["6A12345678901"])
    theirs: Any = Field(description="As the marketplace shows it.", examples=["6A12345678902"])


class Shipment(Shape):
    """One package of an order, and how far telling the marketplace has come."""

    id: str = Field(description="Id of the shipment, the same for good.", examples=[SHIPMENT_ID])
    order_id: str = Field(description="Internal id of the order.", examples=[ORDER_ID])
    original_id: str = Field(description="The marketplace's id of the order.", examples=[ORIGINAL_ID])
    channel: str = Field(description="Code of the channel.", examples=["amazon_fr"])
    package_id: str = Field(description="Your name of the package; `1` when you gave none.", examples=["PKG-1"])
    tracking_number: str | None = Field(description="The carrier's number of the package.", examples=["6A12345678901"])
    shipping_date: datetime = Field(description="When it left.", examples=[SHIPPED_AT])
    carrier_code: str | None = Field(description="Your word for the carrier.", examples=["COLISSIMO"])
    carrier_name: str | None = Field(description="The carrier's name.", examples=["Colissimo"])
    tracking_url: str | None = Field(
        description="Where the package is followed.", examples=["https://carrier.example/6A12345678901"]
    )
    shipping_method: str | None = Field(description="How it travels.", examples=["Express"])
    ship_from: str | None = Field(description="Where it left from.", examples=["WH-NANTES"])
    return_tracking_number: str | None = Field(description="Number of the return label.", examples=[None])
    return_carrier: str | None = Field(description="Carrier of the return label.", examples=[None])
    items: list[ShippedItem] = Field(
        description="What is in it.",
        examples=[
            [
                {
                    "item_id": LINE_ID,
                    "item_original_id": "L1",
                    "sku": "LAMP-12",
                    "item_quantity_shipped": 2,
                    "may_have_left": 0,
                }
            ]
        ],
    )
    status: ConfirmationStatus = Field(
        description="`queued` and `sending`: under way; `sent`: the marketplace took it; `verified`: it shows it; `rejected`; "
        "`in_doubt`: it is read back; `held`: see `held_reason`; `none`: skipped by choice.",
        examples=["sent"],
    )
    held_reason: str | None = Field(
        description="Why it is held: `confirmation_off`, the channel does not confirm, or `cancellation_requested`.",
        examples=[None],
    )
    version: int = Field(description="Grows whenever it is told differently.", examples=[1])
    sent_version: int | None = Field(description="The version that the marketplace has.", examples=[1])
    source: Source = Field(description="By which way it was reported.", examples=["api"])
    consumer: str = Field(description="Who reported it last.", examples=["erp"])
    report_id: str = Field(description="The report that told it last.", examples=[REPORT_ID])
    shipped_despite_cancellation: bool = Field(
        description="Whether the marketplace has cancelled units that are in it: they may have left.", examples=[False]
    )
    reported_at: datetime = Field(description="When it was first reported.", examples=[SHIPPED_AT])
    updated_at: datetime = Field(description="When anything of it last changed.", examples=[SHIPPED_AT])
    next_attempt_at: datetime | None = Field(
        description="When it is sent, or read back, at the earliest; null: it waits for nobody.", examples=[None]
    )
    attempt_count: int = Field(description="Attempts since it was last queued.", examples=[1])
    sent_at: datetime | None = Field(description="When the marketplace took it.", examples=[SHIPPED_AT])
    verified_at: datetime | None = Field(description="When the marketplace showed it.", examples=[None])
    marketplace_package_id: str | None = Field(
        description="The marketplace's own id of the package, where it has one.", examples=[None]
    )
    told_carrier: str | None = Field(description="The carrier as the marketplace was told.", examples=["COLISSIMO"])
    code: str | None = Field(description="Why the last attempt failed, in one stable word.", examples=[None])
    message: str | None = Field(description="The marketplace's own message.", examples=[None])
    hint: str | None = Field(description="What to do.", examples=[None])
    difference: list[ShipmentDifference] = Field(
        description="What the marketplace shows differently, both sides.", examples=[[]]
    )


class ConfirmationAttempt(Shape):
    """One attempt to tell the marketplace."""

    id: str = Field(description="Id of the attempt.", examples=[ATTEMPT_ID])
    version: int = Field(description="The version that was told.", examples=[1])
    operation: str | None = Field(description="The last call that was made.", examples=["confirmShipment"])
    outcome: AttemptOutcome = Field(
        description="`running`, `sent`, `rejected`, `in_doubt`, `retry`: it is tried again, or `refuted`: it was in doubt, and "
        "had not arrived.",
        examples=["sent"],
    )
    started_at: datetime = Field(description="When it began.", examples=[SHIPPED_AT])
    finished_at: datetime | None = Field(description="When it ended; null while it runs.", examples=[SHIPPED_AT])
    http_status: int | None = Field(description="HTTP status of the last call.", examples=[204])
    request_id: str | None = Field(
        description="The marketplace's id of the call.", examples=["b7e2b7a4-8d0c-4b6e-9b9c-6a1f0c2d3e4f"]
    )
    code: str | None = Field(description="Why it failed, in one stable word.", examples=[None])
    message: str | None = Field(description="The marketplace's own message.", examples=[None])
    hint: str | None = Field(description="What to do.", examples=[None])


class ShipmentDetail(Shipment):
    """One package, with every attempt to tell the marketplace."""

    attempts: list[ConfirmationAttempt] = Field(
        description="The attempts, oldest first, the latest thousand.", examples=[[]]
    )


class ShipmentPage(ListPage):
    """A page of shipments."""

    shipments: list[Shipment] = Field(description="The last reported first.", examples=[[]])


class ShipmentRetry(Shape):
    """A shipment that is tried again."""

    id: str = Field(description="Id of the shipment.", examples=[SHIPMENT_ID])
    status: ConfirmationStatus = Field(
        description="`queued`: it is sent again; `in_doubt`: it is read back first.", examples=["queued"]
    )
