"""The shapes of the API, described for OpenAPI. Documents are served from rendered text and are not built from these models;
a test validates what is served against them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from warehouse.cancellations import RequestState
from warehouse.identifiers import MAX_LENGTH, UNSEEN, cleaned
from warehouse.incidents import Kind
from warehouse.ledger.book.acknowledgements import AcknowledgementEffect, AcknowledgementOutcome
from warehouse.ledger.exchange.files import RowOutcome
from warehouse.ledger.settings.file_jobs import JobKind
from warehouse.ledger.shipping.acceptances import AcceptanceStatus
from warehouse.ledger.shipping.confirmations import AttemptOutcome
from warehouse.ledger.shipping.shipments import ReportResult, Source
from warehouse.ledger.status.channel_status import ChannelState
from warehouse.ledger.watch.activity import Level
from warehouse.orders import Bar, ConfirmationStatus, FulfilledBy, PiiState, Status
from warehouse.shipments import CarrierRule, shipping_moment

ORDER_ID = "0f1c2d5e-7f0b-5d1a-9c50-3b1c7a3f9a10"
LINE_ID = "9d1f3f4a-50c1-5a6e-8f0e-0a6a2f0b7c11"
SHIPMENT_ID = "3f6a5b1e-2c0d-5f7a-8b9c-1d2e3f4a5b6c"
REPORT_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
FILE_ID = "file_k5xg6y3b7m2a4d6qwzr5t3n7ue"
INCIDENT_ID = "incident_m2a4d6qwzr5t3n7uek5xg6y3b7"
ATTEMPT_ID = "attempt_zr5t3n7uek5xg6y3b7m2a4d6qw"
SHIPPED_AT = "2026-11-03T14:05:00.000Z"
ORIGINAL_ID = "402-1234567-7654321"
PURCHASED_AT = "2026-11-02T09:12:44.000Z"
RECEIVED_AT = "2026-11-02T09:15:03.512Z"

ITEM_ID = AliasChoices("item_id", "line_id")
ITEM_ORIGINAL_ID = AliasChoices("item_original_id", "line_original_id")
"""How a line is named in a request; the second name is the one of earlier releases."""

Money = Annotated[str, StringConstraints(pattern=r"^-?\d+(\.\d+)?$")]
"""A decimal number as text, in the order's currency: no rounding by a reader's floating point."""


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


DIGITS_AS_NUMBER = BeforeValidator(_as_text)
"""A whole number stands for its digits: clients write ids without quotes. A number with a point or exponent does not."""

PlainText = Annotated[str, DIGITS_AS_NUMBER, StringConstraints(pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f]*$")]
"""Text without control characters other than tab and line ends."""

Word = Annotated[
    str,
    BeforeValidator(lambda value: cleaned(value) if isinstance(value, str) else value),
    DIGITS_AS_NUMBER,
    StringConstraints(strip_whitespace=True, min_length=1, pattern=rf"^[^{UNSEEN}]*$"),
]
"""Text of one line, with something in it; cleaned as identifiers are at every door."""

ShippingDate = Annotated[
    datetime,
    BeforeValidator(shipping_moment),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "format": "date-time"},
                {"type": "integer", "minimum": 10**12, "maximum": 10**13 - 1},
                {"type": "string", "pattern": r"^[1-9]\d{12}$"},
            ]
        }
    ),
]
"""Epoch milliseconds, or ISO 8601 with an offset."""


class Shape(BaseModel):
    """Base of every shape: what is not described is not there."""

    model_config = ConfigDict(extra="forbid")


def _alternatives(*, is_exclusive: bool, **named: tuple[str, ...]) -> ConfigDict:
    """A shape that is described as several: each with the members that it cannot do without.

    Args:
        is_exclusive: Whether the members of one alternative must not be there in another.
        named: Name of the alternative → its members.
    """
    distinguishing = {member for members in named.values() for member in members}

    def describe(schema: dict[str, Any]) -> None:
        whole = dict(schema)
        about = {name: whole.pop(name) for name in ("title", "description")}
        found = []
        for name, members in named.items():
            barred = distinguishing - set(members) if is_exclusive else set()
            properties = {
                member: _left_out(each) if member in barred else _given(each) if member in members else each
                for member, each in whole["properties"].items()
            }
            required = [*whole.get("required", ()), *members]
            found.append({**whole, "title": f"{about['title']}{name}", "properties": properties, "required": required})
        schema.clear()
        schema.update({**about, "oneOf" if is_exclusive else "anyOf": found})

    return ConfigDict(extra="forbid", json_schema_extra=describe)


def _given(member: dict[str, Any]) -> dict[str, Any]:
    """A member that must be there, and not null."""
    kind: dict[str, Any]
    (kind,) = [each for each in member["anyOf"] if each != {"type": "null"}]
    return {name: value for name, value in member.items() if name not in {"anyOf", "default"}} | kind


def _left_out(member: dict[str, Any]) -> dict[str, Any]:
    """A member that may be null at most."""
    return {"title": member["title"], "type": "null", "description": "Left out, or null.", "examples": [None]}


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
    source_country: str | None = Field(
        None, description="Country as the marketplace sent it: a code or a name.", examples=["FRA"]
    )
    phone: str | None = Field(description="Telephone number of the recipient.", examples=["+33 1 23 45 67 89"])


class DeliveryPoint(Shape):
    """Where the buyer collects the parcel. Personal data."""

    id: str | None = Field(description="Its id at the carrier or the operator.", examples=["FR-012345"])
    name: str | None = Field(description="Its name.", examples=["Tabac du Port"])


class References(Shape):
    """What the buyer's books call the order and the buyer. Personal data."""

    purchase_order: str | None = Field(description="The buyer's purchase order number.", examples=["PO-2026-118"])
    vat_id: str | None = Field(description="The buyer's tax number.", examples=["FR12345678901"])


class DeliveryWindow(Shape):
    """When the parcel is promised to arrive."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    from_: datetime | None = Field(alias="from", description="Not before.", examples=["2026-11-05T08:00:00.000Z"])
    until: datetime | None = Field(description="Not after.", examples=["2026-11-06T20:00:00.000Z"])


class RelatedOrder(Shape):
    """An order that this one comes from."""

    original_id: str = Field(description="The marketplace's id of that order.", examples=[ORIGINAL_ID])
    relation: str = Field(
        description="`replacement_of`, `exchange_of`, or the marketplace's own word.", examples=["replacement_of"]
    )


class Charge(Shape):
    """What the buyer pays beside goods and shipping."""

    code: str = Field(description="The marketplace's word.", examples=["GIFT_WRAP"])
    label: str = Field(description="For people.", examples=["Gift wrap"])
    amount: Money = Field(description="Amount in the order's currency, with taxes.", examples=["4.99"])
    tax: Money | None = Field(description="The tax within it; null: not told.", examples=["0.83"])


class Gift(Shape):
    """How a line is to be packed as a gift."""

    message: str | None = Field(
        description="What the buyer writes; null when there is none or redacted. Personal data.", examples=[None]
    )
    wrap: str | None = Field(description="The kind of wrap, in the marketplace's words.", examples=["Classic"])


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
    marketplace_sku: str | None = Field(
        description="The marketplace's own product code (Amazon: the ASIN).", examples=["B0TEST0012"]
    )
    gtin: str | None = Field(description="Global trade item number.", examples=["03453120000011"])
    title: str | None = Field(description="The product's name at the marketplace.", examples=["Desk lamp, brass"])
    product_url: str | None = Field(
        description="Where the product is shown.", examples=["https://shop.example/lamp-12"]
    )
    condition: str | None = Field(description="Condition of the article, in the marketplace's words.", examples=["NEW"])
    quantity_ordered: int | None = Field(
        description="Units ordered, cancelled ones included; null: not told.", examples=[3]
    )
    quantity_shipped: int | None = Field(description="Units shipped; null: not told.", examples=[1])
    quantity_cancelled: int | None = Field(description="Units cancelled; null: not told.", examples=[0])
    quantity_remaining_to_ship: int | None = Field(
        description="Units still to ship: ordered - shipped - cancelled.", examples=[2]
    )
    quantity_refunded: int | None = Field(
        description="Units refunded, or being refunded: as many of the remaining ones may not ship; null: not told.",
        examples=[0],
    )
    may_ship: bool = Field(description="Whether what remains of it may be shipped.", examples=[True])
    may_not_ship_reason: Bar | None = Field(description="Why not; null: it may.", examples=[None])
    unit_price: Money | None = Field(
        description="`line_total` by unit; null while there is no price.", examples=["39.9"]
    )
    source_unit_price: Money | None = Field(description="The marketplace's own unit price.", examples=["39.90"])
    line_total: Money | None = Field(
        description="Price as the marketplace states it, with taxes, without shipping; null while there is none.",
        examples=["119.7"],
    )
    kept_total: Money | None = Field(
        description="`line_total` without the units that are cancelled; null when that cannot be told.",
        examples=["119.7"],
    )
    refunded_total: Money | None = Field(
        description="What of `line_total` was refunded, or is being refunded; null: not told.", examples=["0"]
    )
    taxes: list[Tax] = Field(
        description="Taxes of the line.", examples=[[{"code": "VAT", "amount": "19.95", "rate": "20"}]]
    )
    marketplace_status: str | None = Field(
        description="The marketplace's own word for its state.", examples=["SHIPPING"]
    )
    cancellation: Cancellation | None = Field(description="Cancellation of this line.", examples=[None])
    gift: Gift | None = Field(
        description="How it is to be packed as a gift; null: it is none.",
        examples=[{"message": None, "wrap": "Classic"}],
    )
    is_customised: bool = Field(description="Whether it is made for the buyer.", examples=[False])
    customisation_url: str | None = Field(
        description="Where the buyer's wishes are to be fetched; null when there are none or redacted. Personal data.",
        examples=[None],
    )
    ship_from: str | None = Field(
        description="The warehouse it is to be shipped from, in the marketplace's words.", examples=["WH-2"]
    )
    is_replacement: bool | None = Field(
        description="Whether it replaces an article of `related_order`; null: not told.", examples=[False]
    )


class AcknowledgementState(Shape):
    """What one consumer has taken over."""

    consumer: str = Field(description="Name of the consumer.", examples=["erp"])
    revision: int = Field(description="The revision it has taken over.", examples=[2])
    outcome: AcknowledgementOutcome = Field(description="Whether that went well.", examples=["ok"])
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
    accept_by: datetime | None = Field(
        description="Until when it must be accepted or refused, where it waits for that and the channel says how long.",
        examples=[None],
    )
    service_level: str | None = Field(
        description="Shipping speed or method that the buyer chose, in the marketplace's words.", examples=["NEXT_DAY"]
    )
    deliver_by: DeliveryWindow = Field(
        description="When it is promised to arrive.",
        examples=[{"from": "2026-11-05T08:00:00.000Z", "until": "2026-11-06T20:00:00.000Z"}],
    )
    currency: str | None = Field(description="Currency, ISO 4217.", examples=["EUR"])
    total: Money | None = Field(description="Grand total, as the marketplace carries it.", examples=["124.60"])
    shipping_total: Money | None = Field(
        description="Shipping charged to the buyer, after discounts and with taxes.", examples=["4.90"]
    )
    tax_total: Money | None = Field(description="All taxes.", examples=["20.77"])
    charges: list[Charge] = Field(
        description="What else the buyer pays. All `line_total` + `shipping_total` + all charges = `total`, or `problems` "
        "tells the difference.",
        examples=[[{"code": "GIFT_WRAP", "label": "Gift wrap", "amount": "4.99", "tax": None}]],
    )
    payment: Payment = Field(
        description="How it was paid.", examples=[{"method": "CreditCard", "workflow": None, "paid_at": PURCHASED_AT}]
    )
    is_business: bool = Field(description="Whether a business bought.", examples=[False])
    programs: list[str] = Field(description="Programmes of the marketplace that apply.", examples=[["PRIME"]])
    shipping_country_code: str | None = Field(description="Country it ships to, ISO 3166 alpha-2.", examples=["FR"])
    cancellation: Cancellation | None = Field(description="Cancellation of the whole order.", examples=[None])
    related_order: RelatedOrder | None = Field(
        description="The order that this one replaces, or otherwise comes from.", examples=[None]
    )
    may_ship: bool = Field(
        description="Whether the marketplace lets ship it: false when nothing of it may leave.", examples=[True]
    )
    may_not_ship_reason: Bar | None = Field(description="Why not; null: it may.", examples=[None])
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
    marketplace_data: dict[str, Any] = Field(
        description="What the marketplace tells that no other member names, in its own words and shape; its personal data "
        "only with the scope for that.",
        examples=[{"shipping_type_label": "Relay point"}],
    )
    payload_url: str = Field(
        description="Path of what the marketplace sent of this order, as `GET /v1/orders/{id}/payload` reads it.",
        examples=[f"/v1/orders/{ORDER_ID}/payload"],
    )
    redacted: bool = Field(description="Whether personal data was left out for want of the scope.", examples=[True])
    customer: Customer | None = Field(description="The buyer; null when unknown or redacted.", examples=[None])
    shipping_address: Address | None = Field(
        description="Where it ships to; null when unknown or redacted.", examples=[None]
    )
    billing_address: Address | None = Field(
        description="Where it is billed to; null when unknown or redacted.", examples=[None]
    )
    delivery_point: DeliveryPoint | None = Field(
        description="Where the buyer collects it; null when it goes to an address, unknown or redacted.",
        examples=[None],
    )
    delivery_instructions: str | None = Field(
        description="What the buyer asks of the carrier; null when unknown or redacted.", examples=[None]
    )
    references: References | None = Field(
        description="The buyer's own references; null when unknown or redacted.", examples=[None]
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


class OrderPayload(Shape):
    """What the marketplace sent of an order."""

    id: str = Field(description="Internal id of the order.", examples=[ORDER_ID])
    received_at: datetime = Field(description="When it came.", examples=[RECEIVED_AT])
    redacted: bool = Field(
        description="Whether personal data was left out: for want of the scope, or because it was purged.",
        examples=[True],
    )
    payload: Any = Field(description="The marketplace's own JSON.", examples=[{"orderId": ORIGINAL_ID}])


class TimelineEvent(Shape):
    """One thing that happened to an order."""

    at: datetime = Field(description="When it happened, or was recorded.", examples=[RECEIVED_AT])
    kind: str = Field(
        description="`received`, `changed`, `acknowledged`, `incident_opened`, `incident_resolved`, `shipment_…`, "
        "`confirmation_…`, `acceptance_…`, and others to come.",
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

    model_config = _alternatives(is_exclusive=True, ById=("id",), ByOriginalId=("channel", "original_id"))

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
    outcome: AcknowledgementOutcome = Field(description="Whether that went well.", examples=["ok"])
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


class AcknowledgementFault(Shape):
    """What is wrong with one acknowledgement."""

    field: str = Field(description="Where in it; empty: the whole.", examples=["revision"])
    message: str = Field(description="Plain sentence.", examples=["Input should be greater than or equal to 1"])


class AcknowledgementResult(Shape):
    """What became of one acknowledgement."""

    index: int = Field(description="Place in the request, from 0.", examples=[0])
    result: AcknowledgementEffect = Field(
        description="`acknowledged`; `already_acknowledged`: the same was known, or a newer one; `stale_revision`: recorded, "
        "but the order has changed since: read it again; `unknown_revision`: there is none of that number yet; "
        "`unknown_order`; `ambiguous_order`: both halves of a split order, name one by id; `invalid`: not as described, see "
        "`errors`.",
        examples=["acknowledged"],
    )
    id: str | None = Field(description="Internal id; null when no single order was found.", examples=[ORDER_ID])
    revision: int | None = Field(description="The revision you have acknowledged now.", examples=[2])
    current_revision: int | None = Field(description="The order's present revision.", examples=[2])
    candidates: list[str] = Field(description="Internal ids of both halves, when ambiguous.", examples=[[]])
    errors: list[AcknowledgementFault] = Field(description="What is wrong with one that is `invalid`.", examples=[[]])


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
                    "errors": [],
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


class ChannelList(Shape):
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


class ChannelCoverageList(Shape):
    """How complete every channel is."""

    coverage: list[ChannelCoverage] = Field(description="By channel code.", examples=[[]])


class ChannelStatus(Shape):
    """How a channel stands."""

    channel: str = Field(description="Code of the channel.", examples=["amazon_fr"])
    connection: str = Field(description="Code of its connection.", examples=["amazon_eu"])
    state: ChannelState = Field(
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
    confirmation: bool = Field(description="Whether shipments are confirmed to the marketplace.", examples=[True])
    shipments_held: int = Field(
        description="Shipments of which the marketplace is not told until somebody decides.", examples=[0]
    )


class ChannelStatuses(Shape):
    """How every channel stands that the token may see."""

    at: datetime = Field(description="When this was so.", examples=[RECEIVED_AT])
    channels: list[ChannelStatus] = Field(description="By code.", examples=[[]])


class Incident(Shape):
    """One problem, counted while it lasts."""

    id: str = Field(description="Id of the incident, the same for good.", examples=[INCIDENT_ID])
    number: int | None = Field(
        description="Its number in commands; null for a token that is limited to channels.", examples=[17]
    )
    scope: Literal["channel", "connection", "system"] = Field(description="What it is about.", examples=["channel"])
    subject: str = Field(description="Code of the channel or connection, or the component.", examples=["amazon_fr"])
    stage: str = Field(description="Where it happened.", examples=["pull"])
    code: str = Field(description="Stable word.", examples=["throttled"])
    kind: Kind = Field(description="Whose business it is.", examples=["retrieval"])
    order_id: str | None = Field(description="Internal order id, when it is about one order.", examples=[None])
    message: str = Field(description="Plain sentence.", examples=["The marketplace asks to slow down."])
    cause: str = Field(description="What usually lies behind it, or empty.", examples=["The quota is used up."])
    hint: str = Field(description="What to do, or empty.", examples=["Nothing: it is tried again."])
    details: dict[str, Any] = Field(description="Technical details.", examples=[{"status": 429}])
    run_id: str | None = Field(description="Dagster's run that saw it last, where known.", examples=[None])
    file_id: str | None = Field(description="The file that it is about, if one.", examples=[None])
    attempt_id: str | None = Field(description="The attempt to confirm that it is about, if one.", examples=[None])
    first_seen_at: datetime = Field(description="When it began.", examples=[RECEIVED_AT])
    last_seen_at: datetime = Field(description="When it was seen last.", examples=[RECEIVED_AT])
    occurrences: int = Field(description="How often it was seen.", examples=[3])
    resolved_at: datetime | None = Field(description="When it ended; null while it lasts.", examples=[None])
    resolution: str | None = Field(description="How it ended.", examples=["succeeded"])


class IncidentPage(Shape):
    """A page of incidents."""

    incidents: list[Incident] = Field(description="Newest first.", examples=[[]])
    next: str | None = Field(
        description="Path of the next page; null on the last one.",
        examples=["/v1/incidents?state=all&cursor=WzEsImlkIl0"],
    )


class ReportedItem(Shape):
    """Units of one line in a package, named by our id or the marketplace's."""

    model_config = _alternatives(is_exclusive=False, ById=("item_id",), ByOriginalId=("item_original_id",))

    item_id: Word | None = Field(
        None, description="Internal id of the line.", max_length=MAX_LENGTH["item_id"], examples=[LINE_ID]
    )
    item_original_id: Word | None = Field(
        None,
        description="The marketplace's id of the line.",
        max_length=MAX_LENGTH["item_original_id"],
        examples=["05015851154158"],
    )
    item_quantity_shipped: int | None = Field(
        None,
        description="Units in this package; without it all that remains of the line.",
        ge=1,
        le=1_000_000,
        strict=True,
        examples=[2],
    )

    @model_validator(mode="after")
    def _names_a_line(self) -> Self:
        if self.item_id is None and self.item_original_id is None:
            raise ValueError("name the line by item_id or item_original_id")
        return self


class ReportedShipment(Shape):
    """One package that has left: of an order named by `id`, or by `original_id` (with `channel`, should two have it)."""

    model_config = _alternatives(is_exclusive=False, ById=("id",), ByOriginalId=("original_id",))

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


class ShipmentRequest(Shape):
    """Packages that have left."""

    shipments: list[ReportedShipment] = Field(
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


class ShipmentPage(Shape):
    """A page of shipments."""

    shipments: list[Shipment] = Field(description="The last reported first.", examples=[[]])
    next: str | None = Field(
        description="Path of the next page, also in the Link header; null on the last one.",
        examples=["/v1/shipments?status=rejected&cursor=WzEsImYi"],
    )


class ShipmentRetry(Shape):
    """A shipment that is tried again."""

    id: str = Field(description="Id of the shipment.", examples=[SHIPMENT_ID])
    status: ConfirmationStatus = Field(
        description="`queued`: it is sent again; `in_doubt`: it is read back first.", examples=["queued"]
    )


class KnownCarrier(Shape):
    """A carrier of the marketplace's list."""

    code: str = Field(description="The marketplace's code.", examples=["COLISSIMO"])
    label: str = Field(description="Its name.", examples=["Colissimo"])


class MappedCarrier(Shape):
    """A carrier of your own mapping."""

    code: str = Field(description="Your word, in capitals.", examples=["DPD01"])
    carrier_code: str | None = Field(description="The marketplace's code; null: it goes by its name.", examples=["DPD"])
    carrier_name: str | None = Field(description="Its name.", examples=["DPD"])
    tracking_url: str | None = Field(
        description="Address of its tracking page.", examples=["https://dpd.example/{tracking_number}"]
    )


class ShipmentNeeds(Shape):
    """What the marketplace needs of a shipment."""

    tracking_number: bool = Field(description="Whether one without a tracking number is refused.", examples=[False])
    carrier: bool = Field(description="Whether one without a carrier is refused.", examples=[True])
    carrier_rule: CarrierRule = Field(
        description="`any` word; `listed_or_named`: of the list, or any other by name; `listed`: only of the list.",
        examples=["listed_or_named"],
    )
    partial: bool = Field(description="Whether a part of an order may be shipped.", examples=[True])
    several_packages: bool = Field(description="Whether an order may have several packages.", examples=[True])
    carriers: list[KnownCarrier] = Field(
        description="The marketplace's list.", examples=[[{"code": "COLISSIMO", "label": "Colissimo"}]]
    )
    carrier_aliases: dict[str, str] = Field(
        description="Usual spellings that are understood, to the marketplace's code.",
        examples=[{"LA POSTE": "COLISSIMO"}],
    )
    notes: list[str] = Field(description="Plain sentences.", examples=[[]])
    asked_at: datetime = Field(description="When the marketplace was asked.", examples=[RECEIVED_AT])


class ChannelRequirements(Shape):
    """What is needed to ship for a channel."""

    channel: str = Field(description="Code of the channel.", examples=["amazon_fr"])
    confirmation: bool = Field(
        description="Whether shipments are confirmed to the marketplace; if not they are held.", examples=[True]
    )
    acceptance: str = Field(description="Who accepts orders: `manual`, `automatic` or `off`.", examples=["manual"])
    is_known: bool = Field(
        description="Whether the marketplace has been asked. Until then a shipment is not checked against its needs.",
        examples=[True],
    )
    shipments: ShipmentNeeds | None = Field(
        description="What a shipment needs; null until it is known.", examples=[None]
    )
    mapping: list[MappedCarrier] = Field(
        description="Your own carriers, which go before the marketplace's.",
        examples=[[{"code": "DPD01", "carrier_code": "DPD", "carrier_name": None, "tracking_url": None}]],
    )


class LineDecision(Shape):
    """One line that is accepted or refused, named by our id or the marketplace's."""

    model_config = _alternatives(is_exclusive=True, ById=("item_id",), ByOriginalId=("item_original_id",))

    item_id: Word | None = Field(
        None, description="Internal id of the line.", max_length=36, validation_alias=ITEM_ID, examples=[LINE_ID]
    )
    item_original_id: Word | None = Field(
        None,
        description="The marketplace's id of the line.",
        max_length=200,
        validation_alias=ITEM_ORIGINAL_ID,
        examples=["05015851154158"],
    )
    accepted: bool = Field(description="Accept it, or refuse it.", strict=True, examples=[True])

    @model_validator(mode="after")
    def _names_a_line(self) -> Self:
        if (self.item_id is None) == (self.item_original_id is None):
            raise ValueError("name the line by item_id or item_original_id")
        return self


class AcceptanceRequest(Shape):
    """What the seller decides about an order: `accepted` for all of it, or `lines`, every one."""

    model_config = _alternatives(is_exclusive=True, AsAWhole=("accepted",), ByLine=("lines",))

    accepted: bool | None = Field(None, description="Accept, or refuse, all lines.", strict=True, examples=[True])
    lines: list[LineDecision] | None = Field(
        None,
        description="Each line of the order.",
        min_length=1,
        max_length=1000,
        examples=[[{"item_original_id": "05015851154158", "accepted": True}]],
    )

    @model_validator(mode="after")
    def _decides_once(self) -> Self:
        if (self.accepted is None) == (self.lines is None):
            raise ValueError("give either accepted or lines")
        return self


class DecidedLine(Shape):
    """What was decided of a line."""

    item_id: str = Field(description="Internal id of the line.", examples=[LINE_ID])
    accepted: bool = Field(description="Accepted, or refused.", examples=[True])


class AcceptanceState(Shape):
    """A decision, and how far telling the marketplace has come."""

    order_id: str = Field(description="Internal id of the order.", examples=[ORDER_ID])
    status: AcceptanceStatus = Field(description="How far it has come.", examples=["queued"])
    lines: list[DecidedLine] = Field(description="Every line.", examples=[[{"item_id": LINE_ID, "accepted": True}]])


class IncidentResolution(Shape):
    """Why an incident is no problem any more."""

    reason: PlainText = Field(
        description="Plain text for people, without personal data.",
        min_length=1,
        max_length=1000,
        examples=["Confirmed by telephone"],
    )


class LogEntry(Shape):
    """One thing that happened."""

    id: str = Field(description="Id of the entry.", examples=["entry_y3b7m2a4d6qwzr5t3n7uek5xg6"])
    at: datetime = Field(description="When it happened.", examples=[RECEIVED_AT])
    level: Level = Field(description="How much it matters.", examples=["info"])
    stage: str = Field(description="Where it happened.", examples=["normalise"])
    kind: str = Field(description="What happened, in one word.", examples=["order_received"])
    channel: str | None = Field(description="Code of the channel, if it concerns one.", examples=["amazon_fr"])
    connection: str | None = Field(
        description="Code of the connection, if it concerns no single channel.", examples=[None]
    )
    order_id: str | None = Field(description="Internal order id, if it concerns one.", examples=[ORDER_ID])
    text: str = Field(description="Plain sentence.", examples=["Received from Amazon FR as PENDING"])
    data: dict[str, Any] = Field(description="Technical details.", examples=[{"status": "PENDING"}])


class Logs(Shape):
    """A page of the log."""

    entries: list[LogEntry] = Field(description="Newest first.", examples=[[]])
    next: str | None = Field(
        description="Path of the next page; null on the last one.", examples=["/v1/logs?level=error&cursor=WzEsImlkIl0"]
    )


class CancellationLine(Shape):
    """Units of one line that somebody wants to cancel."""

    item_id: str = Field(description="Internal id of the line.", examples=[LINE_ID])
    item_original_id: str = Field(description="The marketplace's id of the line.", examples=["05015851154158"])
    quantity: int | None = Field(description="Units; null: the marketplace does not say.", examples=[1])


class CancellationRequest(Shape):
    """A request to cancel an order or some of its lines."""

    id: str = Field(description="Id of the request, the same for good.", examples=[ORDER_ID])
    order_id: str = Field(description="Internal id of the order.", examples=[ORDER_ID])
    original_id: str = Field(description="The marketplace's id of the order.", examples=[ORIGINAL_ID])
    channel: str = Field(description="Code of the channel.", examples=["amazon_fr"])
    marketplace: str = Field(description="Label of the marketplace.", examples=["Amazon FR"])
    requester: str = Field(
        description="Who asks, in the marketplace's word; `MERCHANT`: the seller.", examples=["BUYER"]
    )
    reason: str | None = Field(description="Why, in the marketplace's word.", examples=["ORDERED_BY_MISTAKE"])
    lines: list[CancellationLine] = Field(description="What is to be cancelled.", examples=[[]])
    state: RequestState = Field(
        description="`open`; `accepted`: the marketplace is yet to show it; `declined`; `executed`; `withdrawn`; "
        "`expired`: nobody decided in time.",
        examples=["open"],
    )
    requested_at: datetime = Field(description="When, by the marketplace's clock.", examples=[PURCHASED_AT])
    seen_at: datetime = Field(description="When it was first seen here.", examples=[RECEIVED_AT])
    hold_until: datetime | None = Field(
        description="Until when the order is neither exported nor confirmed; null: the channel holds none.",
        examples=[None],
    )
    decided_by: str | None = Field(description="Who decided.", examples=["erp"])
    decided_at: datetime | None = Field(description="When.", examples=[None])
    decision_reason: str | None = Field(description="Why.", examples=[None])
    told_at: datetime | None = Field(description="When the marketplace took the acceptance.", examples=[None])
    closed_at: datetime | None = Field(description="When it was over.", examples=[None])
    shipped_despite: bool = Field(description="Whether units were shipped nevertheless.", examples=[False])


class CancellationRequestPage(Shape):
    """A page of requests to cancel."""

    cancellation_requests: list[CancellationRequest] = Field(description="Newest first.", examples=[[]])
    next: str | None = Field(
        description="Path of the next page; null on the last one.",
        examples=["/v1/cancellation-requests?state=open&cursor=WzEsImlkIl0"],
    )


class CancellationDecision(Shape):
    """A decision about a request to cancel."""

    reason: PlainText | None = Field(
        None,
        description="Plain text for people, without personal data.",
        max_length=1000,
        examples=["Not packed yet"],
    )


class OrderCancellationLine(Shape):
    """Units of one line, named by our id or the marketplace's."""

    model_config = _alternatives(is_exclusive=True, ById=("item_id",), ByOriginalId=("item_original_id",))

    item_id: PlainText | None = Field(
        None, description="Internal id of the line.", max_length=36, validation_alias=ITEM_ID, examples=[LINE_ID]
    )
    item_original_id: PlainText | None = Field(
        None,
        description="The marketplace's id of the line.",
        max_length=200,
        validation_alias=ITEM_ORIGINAL_ID,
        examples=["05015851154158"],
    )
    quantity: int | None = Field(
        None, description="Units; left out: all that remain of the line.", ge=1, le=2**31 - 1, examples=[1]
    )

    @model_validator(mode="after")
    def _names_one_line(self) -> Self:
        if (self.item_id is None) == (self.item_original_id is None):
            raise ValueError("name the line by item_id or by item_original_id")
        return self


class OrderCancellation(Shape):
    """What the seller wants to cancel of an order."""

    lines: list[OrderCancellationLine] | None = Field(
        None,
        description="Lines to cancel; left out: all that remains of the order.",
        min_length=1,
        max_length=1000,
        examples=[[{"item_original_id": "05015851154158", "quantity": 1}]],
    )
    reason: PlainText | None = Field(
        None,
        description="Mirakl: the operator's reason code, which it requires for lines; else plain text.",
        max_length=200,
        examples=["14"],
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
    code: str | None = Field(None, description="Stable word, where there is one.", examples=["unknown_order"])
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
    results: list[ShipmentResult] | None = Field(
        None, description="What became of each shipment, when all are refused.", examples=[[]]
    )


class FileDocument(Shape):
    """A file that was written to a storage or read from one."""

    id: str = Field(description="Id of the file, the same for good.", examples=[FILE_ID])
    number: int | None = Field(
        description="Its number in commands; null for a token that is limited to channels.", examples=[12]
    )
    direction: JobKind = Field(description="`export`: an order file; `import`: a shipment file.", examples=["export"])
    channel: str = Field(description="Code of the channel.", examples=["amazon_fr"])
    storage: str | None = Field(
        description="Code of the storage; null when it was handed over by hand.", examples=["erp"]
    )
    folder: str = Field(description="Folder at the storage.", examples=["out"])
    name: str = Field(
        description="Name of the file.", examples=["orders_export_amazon_fr_2026-11-02T09-30-00.000Z.csv"]
    )
    state: Literal["planned", "uploaded", "given_up", "received", "applied", "refused", "repeated"] = Field(
        description="An order file is `planned`, then `uploaded`; one that was `given_up` is never sent, and its orders are in "
        "a later file. A shipment file is `received`, then `applied` row by row, "
        "`refused` as a whole, or `repeated`: the same bytes were read before.",
        examples=["uploaded"],
    )
    size: int = Field(description="Bytes.", examples=[18231])
    sha256: str | None = Field(
        description="SHA-256 of the bytes, in hex; null when they were too many to be read.",
        examples=["9f86d081884c7d65"],
    )
    rows: int = Field(description="Rows below the header.", examples=[120])
    orders: int = Field(description="Orders in it.", examples=[97])
    split: dict[str, str | None] = Field(
        description="What the orders of the file have in common when an export is split: `fulfilled_by`, `country_code`.",
        examples=[{"country_code": "FR"}],
    )
    applied: int = Field(description="Rows that became shipments, or changed one.", examples=[118])
    known: int = Field(description="Rows that were known before.", examples=[1])
    refused: int = Field(description="Rows that were refused.", examples=[1])
    encoding: str | None = Field(description="How the text of a shipment file was read.", examples=["utf-8"])
    delimiter: str | None = Field(description="What separates its cells.", examples=[";"])
    unknown_columns: list[str] = Field(description="Columns that were left out.", examples=[["note"]])
    same_as: str | None = Field(description="Id of the earlier file with the same bytes.", examples=[None])
    error_code: str | None = Field(
        description="Why the whole file was refused, or what stands in its way.", examples=[None]
    )
    error: str | None = Field(description="The same in a plain sentence.", examples=[None])
    created_at: datetime = Field(description="When it was made, or read.", examples=[RECEIVED_AT])
    finished_at: datetime | None = Field(
        description="When it was uploaded, or answered and taken away from the storage.", examples=[RECEIVED_AT]
    )


class FilePage(Shape):
    """A page of files."""

    files: list[FileDocument] = Field(description="Newest first.", examples=[[]])
    next: str | None = Field(
        description="Path of the next page; null on the last one.", examples=["/v1/files?cursor=WzEsImlkIl0"]
    )


class FileRow(Shape):
    """What became of one row of a shipment file."""

    number: int = Field(description="Number of the row, from 1, the header not counted.", examples=[7])
    outcome: RowOutcome = Field(description="`applied`, `known` or `refused`.", examples=["refused"])
    order_id: str | None = Field(description="Internal id of the order, when one was found.", examples=[ORDER_ID])
    shipment_id: str | None = Field(description="The shipment; null when refused.", examples=[None])
    code: str | None = Field(description="Why it is refused, in one stable word.", examples=["unknown_order"])
    column: str | None = Field(description="The column that it is about.", examples=["original_id"])
    message: str | None = Field(
        description="The same in a plain sentence.", examples=["There is no such order for this sender."]
    )


class FileRowPage(Shape):
    """A page of rows."""

    rows: list[FileRow] = Field(description="By number.", examples=[[]])
    next: str | None = Field(
        description="Path of the next page; null on the last one.",
        examples=[f"/v1/files/{FILE_ID}/rows?cursor=WzEsImlkIl0"],
    )
