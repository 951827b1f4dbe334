"""The shapes of the API, described for OpenAPI. Documents are served from rendered text and are not built from these models;
a test validates what is served against them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from warehouse.ledger.acknowledgements import Outcome, Result
from warehouse.ledger.channel_status import State
from warehouse.orders import ConfirmationStatus, FulfilledBy, PiiState, Status

ORDER_ID = "0f1c2d5e-7f0b-5d1a-9c50-3b1c7a3f9a10"
LINE_ID = "9d1f3f4a-50c1-5a6e-8f0e-0a6a2f0b7c11"
ORIGINAL_ID = "402-1234567-7654321"
PURCHASED_AT = "2026-11-02T09:12:44.000Z"
RECEIVED_AT = "2026-11-02T09:15:03.512Z"

Money = Annotated[str, StringConstraints(pattern=r"^-?\d+(\.\d+)?$")]
"""A decimal number as text, in the order's currency: no rounding by a reader's floating point."""

PlainText = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f]*$")]
"""Text without control characters other than tab and line ends."""


class Shape(BaseModel):
    """Base of every shape: what is not described is not there."""

    model_config = ConfigDict(extra="forbid")


class Customer(Shape):
    """The buyer. Personal data."""

    name: str | None = Field(description="Name of the buyer.", examples=["Camille Martin"])
    email: str | None = Field(
        description="E-mail address, often the marketplace's relay.", examples=["x1@relay.example"]
    )
    phone: str | None = Field(description="Telephone number as written by the buyer.", examples=["+33 1 23 45 67 89"])
    company: str | None = Field(description="Company of the buyer.", examples=["Atelier Martin"])


class Address(Shape):
    """A postal address. Personal data."""

    name: str | None = Field(description="Name of the recipient.", examples=["Camille Martin"])
    company: str | None = Field(description="Company of the recipient.", examples=["Atelier Martin"])
    line_1: str | None = Field(description="First line of the address.", examples=["3 rue du Moulin"])
    line_2: str | None = Field(description="Second line of the address.", examples=["Bâtiment B"])
    line_3: str | None = Field(description="Third line of the address.", examples=["2e étage"])
    postal_code: str | None = Field(description="Postal code.", examples=["44000"])
    city: str | None = Field(description="City.", examples=["Nantes"])
    state: str | None = Field(description="State or region.", examples=["Pays de la Loire"])
    country_code: str | None = Field(description="Country, ISO 3166 alpha-2.", examples=["FR"])
    phone: str | None = Field(description="Telephone number of the recipient.", examples=["+33 1 23 45 67 89"])


class Tax(Shape):
    """One tax, as the marketplace states it."""

    code: str | None = Field(description="The marketplace's name of the tax.", examples=["VAT"])
    amount: Money | None = Field(description="Amount in the order's currency.", examples=["6.65"])
    rate: Money | None = Field(description="Rate in percent.", examples=["20"])


class Payment(Shape):
    """How and when the buyer paid, as far as the marketplace tells."""

    method: str | None = Field(description="Means of payment, in the marketplace's words.", examples=["CreditCard"])
    workflow: str | None = Field(
        description="When the buyer is charged, in the marketplace's words.", examples=["PAY_ON_ACCEPTANCE"]
    )
    paid_at: datetime | None = Field(description="When it was paid.", examples=[PURCHASED_AT])


class Cancellation(Shape):
    """A cancellation that was asked for, carried out, or both."""

    requested_by: str | None = Field(description="Who asked for it.", examples=["BUYER"])
    request_reason: str | None = Field(description="Why it was asked for.", examples=["ORDERED_BY_MISTAKE"])
    executed_by: str | None = Field(description="Who carried it out.", examples=["SELLER"])
    execution_reason: str | None = Field(description="Why it was carried out.", examples=["BUYER_REQUESTED"])


class OrderProblem(Shape):
    """Something in the marketplace's data that could be read only with a reservation."""

    code: str = Field(description="Stable word.", examples=["missing_price"])
    path: str = Field(description="Where in the marketplace's data.", examples=["$.orderItems[0].proceeds"])
    message: str = Field(description="Plain sentence.", examples=["The marketplace gave no price for this line."])


class Line(Shape):
    """One line of an order."""

    id: str = Field(description="Internal id of the line, the same for good.", examples=[LINE_ID])
    original_id: str = Field(description="The marketplace's id of the line.", examples=["05015851154158"])
    number: int = Field(description="Place in the order, from 1.", examples=[1])
    sku: str | None = Field(description="The seller's product code.", examples=["LAMP-12"])
    gtin: str | None = Field(description="Global trade item number.", examples=["03453120000011"])
    title: str | None = Field(description="The product's name at the marketplace.", examples=["Desk lamp, brass"])
    product_url: str | None = Field(
        description="Where the product is shown.", examples=["https://shop.example/lamp-12"]
    )
    quantity_ordered: int | None = Field(description="Units ordered; null: not told.", examples=[3])
    quantity_shipped: int | None = Field(description="Units shipped; null: not told.", examples=[1])
    quantity_cancelled: int | None = Field(description="Units cancelled; null: not told.", examples=[0])
    quantity_remaining_to_ship: int | None = Field(
        description="Units still to ship: ordered - shipped - cancelled.", examples=[2]
    )
    unit_price: Money | None = Field(
        description="`line_total` by unit; null while there is no price.", examples=["39.9"]
    )
    source_unit_price: Money | None = Field(description="The marketplace's own unit price.", examples=["39.90"])
    line_total: Money | None = Field(
        description="Price of all units with taxes, without shipping; null while there is no price.", examples=["119.7"]
    )
    taxes: list[Tax] = Field(
        description="Taxes of the line.", examples=[[{"code": "VAT", "amount": "19.95", "rate": "20"}]]
    )
    marketplace_status: str | None = Field(
        description="The marketplace's own word for its state.", examples=["SHIPPING"]
    )
    cancellation: Cancellation | None = Field(description="Cancellation of this line.", examples=[None])


class AcknowledgementState(Shape):
    """What one consumer has taken over."""

    consumer: str = Field(description="Name of the consumer.", examples=["erp"])
    revision: int = Field(description="The revision it has taken over.", examples=[2])
    outcome: Outcome = Field(description="Whether that went well.", examples=["ok"])
    order_number: str | None = Field(description="The consumer's own number for the order.", examples=["SO-10042"])
    message: str | None = Field(description="What the consumer said.", examples=["Created as a sales order"])
    at: datetime = Field(description="When it was recorded.", examples=[RECEIVED_AT])


class OrderDocument(Shape):
    """An order, in its present state."""

    id: str = Field(description="Internal id, the same for good.", examples=[ORDER_ID])
    original_id: str = Field(description="The marketplace's id of the order.", examples=[ORIGINAL_ID])
    channel: str = Field(description="Code of the channel.", examples=["amazon_fr"])
    marketplace: str = Field(description="Label of the marketplace.", examples=["Amazon FR"])
    position: int = Field(description="Place of the last change in the change feed.", examples=[48213])
    revision: int = Field(description="Version of the content, from 1.", examples=[2])
    status: Status = Field(description="State of the order in our words.", examples=["WAITING_FOR_SHIPMENT"])
    marketplace_status: str | None = Field(description="State in the marketplace's own word.", examples=["Unshipped"])
    fulfilled_by: FulfilledBy | None = Field(
        description="Who ships; null: the marketplace does not say.", examples=["merchant"]
    )
    purchased_at: datetime = Field(description="When the buyer ordered.", examples=[PURCHASED_AT])
    marketplace_updated_at: datetime = Field(description="Last change at the marketplace.", examples=[PURCHASED_AT])
    received_at: datetime = Field(description="When the order first arrived here.", examples=[RECEIVED_AT])
    ship_by: datetime | None = Field(
        description="Until when it must be shipped.", examples=["2026-11-04T22:59:59.000Z"]
    )
    currency: str | None = Field(description="Currency, ISO 4217.", examples=["EUR"])
    total: Money | None = Field(description="Grand total, as the marketplace carries it.", examples=["124.60"])
    shipping_total: Money | None = Field(description="Shipping charged to the buyer.", examples=["4.90"])
    tax_total: Money | None = Field(description="All taxes.", examples=["20.77"])
    payment: Payment = Field(
        description="How it was paid.", examples=[{"method": "CreditCard", "workflow": None, "paid_at": PURCHASED_AT}]
    )
    is_business: bool = Field(description="Whether a business bought.", examples=[False])
    programs: list[str] = Field(description="Programmes of the marketplace that apply.", examples=[["PRIME"]])
    shipping_country_code: str | None = Field(description="Country it ships to, ISO 3166 alpha-2.", examples=["FR"])
    cancellation: Cancellation | None = Field(description="Cancellation of the whole order.", examples=[None])
    split_of: str | None = Field(
        description="Internal id of the other half, when merchant and marketplace each ship a part.", examples=[None]
    )
    confirmation_status: ConfirmationStatus = Field(
        description="How far confirming its shipment has come.", examples=["none"]
    )
    has_errors: bool = Field(description="Whether it has problems or incidents.", examples=[False])
    historical: bool = Field(
        description="Whether it was loaded as history: nothing is to be shipped.", examples=[False]
    )
    pii_state: PiiState = Field(
        description="Personal data: `withheld` by the marketplace, `present`, or `expired` here.", examples=["present"]
    )
    acknowledgements: list[AcknowledgementState] = Field(
        description="What each consumer has taken over.",
        examples=[
            [
                {
                    "consumer": "erp",
                    "revision": 2,
                    "outcome": "ok",
                    "order_number": "SO-10042",
                    "message": None,
                    "at": RECEIVED_AT,
                }
            ]
        ],
    )
    problems: list[OrderProblem] = Field(description="Reservations about the marketplace's data.", examples=[[]])
    lines: list[Line] = Field(description="The lines of the order.", examples=[[]])
    redacted: bool = Field(description="Whether personal data was left out for want of the scope.", examples=[True])
    customer: Customer | None = Field(description="The buyer; null when unknown or redacted.", examples=[None])
    shipping_address: Address | None = Field(
        description="Where it ships to; null when unknown or redacted.", examples=[None]
    )
    billing_address: Address | None = Field(
        description="Where it is billed to; null when unknown or redacted.", examples=[None]
    )


class OrderPage(Shape):
    """A page of orders."""

    orders: list[OrderDocument] = Field(description="The orders of this page.", examples=[[]])
    next: str | None = Field(
        description="Path of the next page, also in the Link header; null on the last one.",
        examples=["/v1/orders?status=SHIPPED&limit=100&cursor=WzEsImYi"],
    )
    count: int | None = Field(
        None, description="Orders that the filter finds, on all pages; only with `count=true`.", examples=[1204]
    )


class OrderChanges(Shape):
    """A part of the change feed."""

    orders: list[OrderDocument] = Field(description="Orders that changed, as they are now, by position.", examples=[[]])
    next_after: int = Field(
        description="`after` of the next call; keep it once these orders are safe.", examples=[48213]
    )
    has_more: bool = Field(description="Whether to call again at once.", examples=[False])


class TimelineEvent(Shape):
    """One thing that happened to an order."""

    at: datetime = Field(description="When it happened, or was recorded.", examples=[RECEIVED_AT])
    kind: str = Field(
        description="`received`, `changed`, `acknowledged`, `incident_opened`, `incident_resolved`, and others to come.",
        examples=["changed"],
    )
    text: str = Field(
        description="Plain sentence.", examples=["Changed to revision 2: status (PENDING to WAITING_FOR_SHIPMENT)"]
    )
    data: dict[str, Any] = Field(description="Technical details.", examples=[{"revision": 2, "members": ["status"]}])


class Timeline(Shape):
    """What happened to an order."""

    id: str = Field(description="Internal id of the order.", examples=[ORDER_ID])
    events: list[TimelineEvent] = Field(description="Oldest first.", examples=[[]])


class AcknowledgementRequestItem(Shape):
    """One order that was taken over, or refused: named by `id`, or by `channel` and `original_id`."""

    id: PlainText | None = Field(None, description="Internal id of the order.", max_length=36, examples=[ORDER_ID])
    channel: PlainText | None = Field(
        None, description="Code of the channel, with `original_id`.", max_length=64, examples=["amazon_fr"]
    )
    original_id: PlainText | None = Field(
        None, description="The marketplace's id, with `channel`.", max_length=200, examples=[ORIGINAL_ID]
    )
    revision: int | None = Field(
        None,
        description="The revision that was taken over; without it, the present one.",
        ge=1,
        le=2**31 - 1,
        examples=[2],
    )
    outcome: Outcome = Field(description="Whether that went well.", examples=["ok"])
    order_number: PlainText | None = Field(
        None, description="Your own number; left out, the known one stays.", max_length=200, examples=["SO-10042"]
    )
    message: PlainText | None = Field(
        None,
        description="Plain text for people, without personal data.",
        max_length=1000,
        examples=["Unknown SKU LAMP-12"],
    )

    @model_validator(mode="after")
    def _names_one_order(self) -> Self:
        is_by_original = self.channel is not None and self.original_id is not None
        if (self.id is not None) == is_by_original or (self.channel is None) != (self.original_id is None):
            raise ValueError("name the order by id, or by channel and original_id")
        return self


class AcknowledgementRequest(Shape):
    """Orders that the token's consumer has taken over."""

    acknowledgements: list[AcknowledgementRequestItem] = Field(
        description="1 to 1000 of them.",
        min_length=1,
        max_length=1000,
        examples=[[{"id": ORDER_ID, "revision": 2, "outcome": "ok", "order_number": "SO-10042"}]],
    )


class AcknowledgementResult(Shape):
    """What became of one acknowledgement."""

    index: int = Field(description="Place in the request, from 0.", examples=[0])
    result: Result = Field(
        description="`acknowledged`; `already_acknowledged`: the same was known, or a newer one; `stale_revision`: recorded, "
        "but the order has changed since: read it again; `unknown_revision`: there is none of that number yet; "
        "`unknown_order`; `ambiguous_order`: both halves of a split order, name one by id.",
        examples=["acknowledged"],
    )
    id: str | None = Field(description="Internal id; null when no single order was found.", examples=[ORDER_ID])
    revision: int | None = Field(description="The revision you have acknowledged now.", examples=[2])
    current_revision: int | None = Field(description="The order's present revision.", examples=[2])
    candidates: list[str] = Field(description="Internal ids of both halves, when ambiguous.", examples=[[]])


class AcknowledgementResults(Shape):
    """What became of each acknowledgement; all of it is committed."""

    results: list[AcknowledgementResult] = Field(
        description="In the order of the request.",
        examples=[
            [
                {
                    "index": 0,
                    "result": "acknowledged",
                    "id": ORDER_ID,
                    "revision": 2,
                    "current_revision": 2,
                    "candidates": [],
                }
            ]
        ],
    )


class Channel(Shape):
    """A channel."""

    code: str = Field(description="Code of the channel.", examples=["amazon_fr"])
    label: str = Field(description="Its name for people.", examples=["Amazon France"])
    marketplace: str = Field(description="Label of the marketplace.", examples=["Amazon FR"])
    connection: str = Field(description="Code of the seller account it belongs to.", examples=["amazon_eu"])
    retrieval: bool = Field(description="Whether its orders are retrieved.", examples=[True])
    confirmation: bool = Field(description="Whether shipments are confirmed to the marketplace.", examples=[False])
    acceptance: str = Field(description="Who accepts orders: `manual`, `automatic` or `off`.", examples=["manual"])


class Channels(Shape):
    """Every channel that the token may see."""

    channels: list[Channel] = Field(description="By code.", examples=[[]])


class LastPull(Shape):
    """The last attempt to retrieve."""

    outcome: str = Field(description="`complete`, `failed` or `abandoned`.", examples=["complete"])
    started_at: datetime = Field(description="When it began.", examples=[RECEIVED_AT])
    finished_at: datetime = Field(description="When it ended.", examples=[RECEIVED_AT])
    error_code: str | None = Field(description="Why it failed, in one stable word.", examples=["throttled"])


class ChannelCoverage(Shape):
    """How complete a channel is."""

    channel: str = Field(description="Code of the channel.", examples=["amazon_fr"])
    retrieval: bool = Field(description="Whether its orders are retrieved.", examples=[True])
    complete_from: datetime | None = Field(
        description="From here on nothing is missing; null before the first success.",
        examples=["2026-10-26T09:00:00.000Z"],
    )
    complete_through: datetime | None = Field(description="Up to here nothing is missing.", examples=[RECEIVED_AT])
    age_seconds: float | None = Field(description="How long ago `complete_through` is, in seconds.", examples=[184.2])
    last_pull: LastPull | None = Field(
        description="Its connection's last finished attempt.",
        examples=[{"outcome": "complete", "started_at": RECEIVED_AT, "finished_at": RECEIVED_AT, "error_code": None}],
    )


class Coverage(Shape):
    """How complete every channel is."""

    coverage: list[ChannelCoverage] = Field(description="By channel code.", examples=[[]])


class ChannelStatus(Shape):
    """How a channel stands."""

    channel: str = Field(description="Code of the channel.", examples=["amazon_fr"])
    connection: str = Field(description="Code of its connection.", examples=["amazon_eu"])
    state: State = Field(
        description="`ok`; `off`: not retrieved; `new`: never complete yet; `throttled`: the marketplace asked to wait; "
        "`late`: more than three intervals behind; `failing`: its connection has an open incident.",
        examples=["ok"],
    )
    last_success_at: datetime | None = Field(
        description="When its connection's last complete pull ended.", examples=[RECEIVED_AT]
    )
    complete_through: datetime | None = Field(description="Up to here nothing is missing.", examples=[RECEIVED_AT])
    lag_seconds: float | None = Field(description="How long ago `complete_through` is, in seconds.", examples=[184.2])
    next_run_at: datetime | None = Field(
        description="When it is pulled next; null when it is off.", examples=[RECEIVED_AT]
    )
    backlog: int = Field(description="Payloads that wait to be read, at most 2,000.", examples=[0])
    quarantined: int = Field(description="Payloads that could not be read.", examples=[0])


class ChannelStatuses(Shape):
    """How every channel stands that the token may see."""

    at: datetime = Field(description="When this was so.", examples=[RECEIVED_AT])
    channels: list[ChannelStatus] = Field(description="By code.", examples=[[]])


class Incident(Shape):
    """One problem, counted while it lasts."""

    id: int = Field(description="Number of the incident.", examples=[17])
    scope: Literal["channel", "connection", "system"] = Field(description="What it is about.", examples=["channel"])
    subject: str = Field(description="Code of the channel or connection, or the component.", examples=["amazon_fr"])
    stage: str = Field(description="Where it happened.", examples=["pull"])
    code: str = Field(description="Stable word.", examples=["throttled"])
    order_id: str | None = Field(description="Internal order id, when it is about one order.", examples=[None])
    message: str = Field(description="Plain sentence.", examples=["The marketplace asks to slow down."])
    hint: str = Field(description="What to do, or empty.", examples=["Nothing: it is tried again."])
    details: dict[str, Any] = Field(description="Technical details.", examples=[{"status": 429}])
    first_seen_at: datetime = Field(description="When it began.", examples=[RECEIVED_AT])
    last_seen_at: datetime = Field(description="When it was seen last.", examples=[RECEIVED_AT])
    occurrences: int = Field(description="How often it was seen.", examples=[3])
    resolved_at: datetime | None = Field(description="When it ended; null while it lasts.", examples=[None])
    resolution: str | None = Field(description="How it ended.", examples=["succeeded"])


class Incidents(Shape):
    """A page of incidents."""

    incidents: list[Incident] = Field(description="Newest first.", examples=[[]])
    next: str | None = Field(
        description="Path of the next page; null on the last one.",
        examples=["/v1/incidents?state=all&cursor=WzEsImlkIl0"],
    )


class Health(Shape):
    """The process answers."""

    status: Literal["ok"] = Field(description="Always `ok`.", examples=["ok"])


class Readiness(Shape):
    """The process can serve."""

    status: Literal["ready"] = Field(
        description="Always `ready`; otherwise the answer is a problem.", examples=["ready"]
    )
    checks: list[str] = Field(description="What was checked.", examples=[["ledger", "schema", "disk"]])


class ProblemError(Shape):
    """One place where the request is wrong. Either parameter or pointer is there."""

    parameter: str | None = Field(None, description="Name of the path or query parameter.", examples=["limit"])
    pointer: str | None = Field(
        None, description="JSON pointer (RFC 6901) into the body.", examples=["/acknowledgements/0/outcome"]
    )
    message: str = Field(description="What is wrong there.", examples=["Input should be less than or equal to 1000"])


class ProblemDocument(Shape):
    """An error (RFC 9457)."""

    type: str = Field(
        description="URI of the kind of problem.", examples=["urn:orders-syndication:problem:unknown_cursor"]
    )
    title: str = Field(description="The status in words.", examples=["Bad Request"])
    status: int = Field(description="HTTP status.", examples=[400])
    detail: str = Field(description="Plain sentence that says what to do.", examples=["Start again without a cursor."])
    code: str = Field(description="Stable word to branch on.", examples=["unknown_cursor"])
    errors: list[ProblemError] = Field(
        description="Where the request is wrong.",
        examples=[[{"parameter": "cursor", "message": "not a cursor of this list"}]],
    )
    request_id: str = Field(description="Id of the request, in the server's log too.", examples=["8f14e45fceea167a"])
