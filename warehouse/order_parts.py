"""What an order and its lines are made of: buyer, addresses, amounts, promises, problems, packages."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated

from msgspec import Struct

from warehouse.members import Member

_ORIGINAL_ID = "402-1234567-7654321"
_PURCHASED_AT = "2026-11-02T09:12:44.000Z"
"""Examples."""


class Customer(Struct, frozen=True, kw_only=True):
    """The buyer. Personal data."""

    name: Annotated[str | None, Member("Name of the buyer.", "Camille Martin")] = None
    email: Annotated[str | None, Member("E-mail address, often the marketplace's relay.", "x1@relay.example")] = None
    phone: Annotated[str | None, Member("Telephone number as written by the buyer.", "+33 1 23 45 67 89")] = None
    company: Annotated[str | None, Member("Company of the buyer.", "Atelier Martin")] = None


class Address(Struct, frozen=True, kw_only=True):
    """A postal address. Personal data."""

    name: Annotated[str | None, Member("Name of the recipient.", "Camille Martin")] = None
    company: Annotated[str | None, Member("Company of the recipient.", "Atelier Martin")] = None
    line_1: Annotated[str | None, Member("First line of the address.", "3 rue du Moulin")] = None
    line_2: Annotated[str | None, Member("Second line of the address.", "Bâtiment B")] = None
    line_3: Annotated[str | None, Member("Third line of the address.", "2e étage")] = None
    postal_code: Annotated[str | None, Member("Postal code, with its leading zeros.", "44000")] = None
    city: Annotated[str | None, Member("City.", "Nantes")] = None
    state: Annotated[str | None, Member("State or region.", "Pays de la Loire")] = None
    country_code: Annotated[str | None, Member("Country, ISO 3166 alpha-2.", "FR")] = None
    source_country: Annotated[
        str | None, Member("Country as the marketplace sent it: a code or a name.", "FRA", may_be_missing=True)
    ] = None
    phone: Annotated[str | None, Member("Telephone number of the recipient.", "+33 1 23 45 67 89")] = None


class DeliveryPoint(Struct, frozen=True, kw_only=True):
    """Where the buyer collects the parcel: a shop, a locker. Personal data."""

    id: Annotated[str | None, Member("Its id at the carrier or the operator.", "FR-012345")] = None
    name: Annotated[str | None, Member("Its name.", "Tabac du Port")] = None


class References(Struct, frozen=True, kw_only=True):
    """What the buyer's books call the order and the buyer. Personal data."""

    purchase_order: Annotated[str | None, Member("The buyer's purchase order number.", "PO-2026-118")] = None
    vat_id: Annotated[str | None, Member("The buyer's tax number.", "FR12345678901")] = None


class DeliveryWindow(Struct, frozen=True, kw_only=True):
    """When the parcel is promised to arrive; either end may be unknown."""

    earliest: Annotated[
        datetime | None,
        Member("Earliest moment at which it is promised to arrive.", "2026-11-05T08:00:00.000Z", name="from"),
    ] = None
    latest: Annotated[
        datetime | None,
        Member("Latest moment at which it is promised to arrive.", "2026-11-06T20:00:00.000Z", name="until"),
    ] = None


class RelatedOrder(Struct, frozen=True, kw_only=True):
    """An order that this one comes from."""

    original_id: Annotated[str, Member("The marketplace's id of the order that this one comes from.", _ORIGINAL_ID)]
    relation: Annotated[
        str,
        Member(
            "How it comes from it: `replacement_of`, `exchange_of`, or the marketplace's own word.", "replacement_of"
        ),
    ]


class Charge(Struct, frozen=True, kw_only=True):
    """What the buyer pays beside goods and shipping: gift wrap, cash on delivery, an operator's fee."""

    code: Annotated[str, Member("The marketplace's word.", "GIFT_WRAP")]
    label: Annotated[str, Member("For people.", "Gift wrap")]
    amount: Annotated[
        Decimal, Member("Amount for the whole order, in its currency and in the tax mode of its lines.", "4.99")
    ]
    tax: Annotated[Decimal | None, Member("The tax within the amount; null: the marketplace does not say.", "0.83")] = (
        None
    )


class Gift(Struct, frozen=True, kw_only=True):
    """How a line is to be packed as a gift."""

    message: Annotated[
        str | None,
        Member("What the buyer writes; null when there is none or redacted. Personal data.", None, is_personal=True),
    ] = None
    wrap: Annotated[str | None, Member("The kind of gift wrap, in the marketplace's words.", "Classic")] = None


class Tax(Struct, frozen=True, kw_only=True):
    """One tax as the marketplace states it. Never recomputed."""

    code: Annotated[str | None, Member("The marketplace's name of the tax.", "VAT")] = None
    amount: Annotated[Decimal | None, Member("Amount in the order's currency.", "6.65")] = None
    rate: Annotated[Decimal | None, Member("Rate in percent.", "20")] = None


class Payment(Struct, frozen=True, kw_only=True):
    """How and when the buyer paid, as far as the marketplace tells."""

    method: Annotated[str | None, Member("Means of payment, in the marketplace's words.", "CreditCard")] = None
    workflow: Annotated[
        str | None, Member("When the buyer is charged, in the marketplace's words.", "PAY_ON_ACCEPTANCE")
    ] = None
    paid_at: Annotated[datetime | None, Member("When the buyer paid.", _PURCHASED_AT)] = None


class Cancellation(Struct, frozen=True, kw_only=True):
    """A cancellation of a line or of an order: asked for, carried out, or both."""

    requested_by: Annotated[str | None, Member("Who asked for the cancellation.", "BUYER")] = None
    request_reason: Annotated[str | None, Member("Why the cancellation was asked for.", "ORDERED_BY_MISTAKE")] = None
    executed_by: Annotated[str | None, Member("Who carried the cancellation out.", "SELLER")] = None
    execution_reason: Annotated[str | None, Member("Why the cancellation was carried out.", "BUYER_REQUESTED")] = None


class OrderProblem(Struct, frozen=True, kw_only=True):
    """Something in a payload that could be read only with a reservation."""

    code: Annotated[str, Member("Stable word.", "missing_price")]
    path: Annotated[str, Member("Where in the marketplace's data, as a JSON path.", "$.orderItems[0].proceeds")]
    message: Annotated[
        str, Member("Plain sentence without personal data.", "The marketplace gave no price for this line.")
    ]


class Package(Struct, frozen=True, kw_only=True):
    """A package of an order as the marketplace knows it: what a confirmation is verified by. Never part of the document.

    Attributes:
        reference: The marketplace's own id of it, such as that of a shipment, or None.
        label: Our reference, as the marketplace repeats it, or None.
        carriers: Every code and name by which the marketplace calls the carrier.
        tracking_number: As the marketplace shows it.
        quantities: Units by the marketplace's line id; () when it does not say.
        is_shipped: Whether the marketplace counts it as shipped.
    """

    reference: str | None = None
    label: str | None = None
    carriers: tuple[str, ...] = ()
    tracking_number: str | None = None
    quantities: tuple[tuple[str, int], ...] = ()
    is_shipped: bool = True
