"""The shapes of orders: a document, a page, the change feed, the payload and the timeline."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from orders_api.schemas.vocabulary import LINE_ID, ORDER_ID, ORIGINAL_ID, PURCHASED_AT, RECEIVED_AT, Money, Shape
from warehouse.ledger.book.acknowledgements import AcknowledgementOutcome
from warehouse.orders import Bar, ConfirmationStatus, FulfilledBy, PiiState, Status


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
        description="The marketplace's own product code, such as an ASIN.", examples=["B0TEST0012"]
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
