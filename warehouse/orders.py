"""The domain: what an order is, whichever marketplace it came from.

Frozen types, their vocabulary, and the arithmetic that holds for every order (ids, prices, quantities, status). No storage,
no marketplace knowledge, no wire bytes: storage is in `warehouse.ledger`, reading a payload is in
`orders_pipeline.marketplaces`, the rendered document is in `warehouse.documents`.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from enum import StrEnum
from typing import Annotated, Any

from warehouse.members import Member

ORDER_NAMESPACE = uuid.UUID("6f6a51a3-6a5e-5b0e-9d0b-5d2f0c1f7a10")
"""Root of every deterministic id; changing it would change every id, so it never changes."""

UNIT_PRICE_PLACES = Decimal("0.000001")
_WIDE = Context(prec=60)
"""Room for the largest amount that a payload may hold, by the largest number of units."""

_ORDER_ID = "0f1c2d5e-7f0b-5d1a-9c50-3b1c7a3f9a10"
_LINE_ID = "9d1f3f4a-50c1-5a6e-8f0e-0a6a2f0b7c11"
_ORIGINAL_ID = "402-1234567-7654321"
_PURCHASED_AT = "2026-11-02T09:12:44.000Z"
_RECEIVED_AT = "2026-11-02T09:15:03.512Z"
"""Examples."""


def _one_of(words: type[StrEnum]) -> str:
    *most, last = (f"`{each.value}`" for each in words)
    return f"{', '.join(most)} or {last}"


class Status(StrEnum):
    """Where an order stands; the marketplace's own word is kept beside it as `marketplace_status`."""

    PENDING = "PENDING"
    WAITING_FOR_SHIPMENT = "WAITING_FOR_SHIPMENT"
    PARTIALLY_SHIPPED = "PARTIALLY_SHIPPED"
    SHIPPED = "SHIPPED"
    REFUSED = "REFUSED"
    CANCELED = "CANCELED"
    UNKNOWN = "UNKNOWN"


OPEN_STATUSES = frozenset({Status.PENDING, Status.WAITING_FOR_SHIPMENT, Status.PARTIALLY_SHIPPED, Status.UNKNOWN})
"""Statuses in which the marketplace may still change the order; the sweep reads these again by id."""

CLOSED_STATUSES = frozenset(Status) - OPEN_STATUSES
"""Statuses in which nothing is left to do: from here on the clock of the personal data runs."""


class FulfilledBy(StrEnum):
    """Who ships: the seller, or the marketplace's own warehouse."""

    MERCHANT = "merchant"
    MARKETPLACE = "marketplace"


class ConfirmationStatus(StrEnum):
    """How far the shipment confirmation of an order has come."""

    NONE = "none"
    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    VERIFIED = "verified"
    REJECTED = "rejected"
    IN_DOUBT = "in_doubt"
    HELD = "held"


class PiiState(StrEnum):
    """What is known of the buyer: never sent by the marketplace, kept encrypted, or purged by the clock."""

    WITHHELD = "withheld"
    PRESENT = "present"
    EXPIRED = "expired"


class AcknowledgementOutcome(StrEnum):
    """What a consumer made of an order."""

    OK = "ok"
    ERROR = "error"


class Bar(StrEnum):
    """Why units of an order must not be shipped: a fact of the marketplace's, in one word."""

    ORDER_PENDING = "order_pending"
    """The marketplace has not released the order yet."""
    ORDER_CANCELED = "order_canceled"
    ORDER_REFUSED = "order_refused"
    FULFILLED_BY_MARKETPLACE = "fulfilled_by_marketplace"
    NOT_SHIPPABLE = "not_shippable"
    """The marketplace says that the seller cannot ship it."""
    FULLY_REFUNDED = "fully_refunded"
    REFUNDED = "refunded"
    """As many units as remain were refunded, or are being refunded."""
    INCIDENT_OPEN = "incident_open"
    """The buyer has opened an incident that is not settled."""
    LINE_PENDING = "line_pending"
    """The marketplace has not released the line yet."""
    LINE_CANCELED = "line_canceled"
    LINE_REFUSED = "line_refused"
    CONTRADICTORY = "contradictory"
    """What the marketplace says of units, amounts and states cannot all be true; the order's problems say what."""
    NO_LINE_MAY_SHIP = "no_line_may_ship"
    """Each line of the order that is not done has a bar of its own."""


SEEN_ELSEWHERE = frozenset(
    {Bar.ORDER_PENDING, Bar.ORDER_CANCELED, Bar.ORDER_REFUSED, Bar.FULFILLED_BY_MARKETPLACE, Bar.LINE_CANCELED}
)
"""Bars that quantities, the order's status or its fulfilment show already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """The buyer. Personal data."""

    name: Annotated[str | None, Member("Name of the buyer.", "Camille Martin")] = None
    email: Annotated[str | None, Member("E-mail address, often the marketplace's relay.", "x1@relay.example")] = None
    phone: Annotated[str | None, Member("Telephone number as written by the buyer.", "+33 1 23 45 67 89")] = None
    company: Annotated[str | None, Member("Company of the buyer.", "Atelier Martin")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPoint:
    """Where the buyer collects the parcel: a shop, a locker. Personal data."""

    id: Annotated[str | None, Member("Its id at the carrier or the operator.", "FR-012345")] = None
    name: Annotated[str | None, Member("Its name.", "Tabac du Port")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """What the buyer's books call the order and the buyer. Personal data."""

    purchase_order: Annotated[str | None, Member("The buyer's purchase order number.", "PO-2026-118")] = None
    vat_id: Annotated[str | None, Member("The buyer's tax number.", "FR12345678901")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryWindow:
    """When the parcel is promised to arrive; either end may be unknown."""

    earliest: Annotated[
        datetime | None,
        Member("Earliest moment at which it is promised to arrive.", "2026-11-05T08:00:00.000Z", name="from"),
    ] = None
    latest: Annotated[
        datetime | None,
        Member("Latest moment at which it is promised to arrive.", "2026-11-06T20:00:00.000Z", name="until"),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedOrder:
    """An order that this one comes from."""

    original_id: Annotated[str, Member("The marketplace's id of the order that this one comes from.", _ORIGINAL_ID)]
    relation: Annotated[
        str,
        Member(
            "How it comes from it: `replacement_of`, `exchange_of`, or the marketplace's own word.", "replacement_of"
        ),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What the buyer pays beside goods and shipping: gift wrap, cash on delivery, an operator's fee."""

    code: Annotated[str, Member("The marketplace's word.", "GIFT_WRAP")]
    label: Annotated[str, Member("For people.", "Gift wrap")]
    amount: Annotated[
        Decimal, Member("Amount for the whole order, in its currency and in the tax mode of its lines.", "4.99")
    ]
    tax: Annotated[Decimal | None, Member("The tax within the amount; null: the marketplace does not say.", "0.83")] = (
        None
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gift:
    """How a line is to be packed as a gift."""

    message: Annotated[
        str | None,
        Member("What the buyer writes; null when there is none or redacted. Personal data.", None, is_personal=True),
    ] = None
    wrap: Annotated[str | None, Member("The kind of gift wrap, in the marketplace's words.", "Classic")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tax:
    """One tax as the marketplace states it. Never recomputed."""

    code: Annotated[str | None, Member("The marketplace's name of the tax.", "VAT")] = None
    amount: Annotated[Decimal | None, Member("Amount in the order's currency.", "6.65")] = None
    rate: Annotated[Decimal | None, Member("Rate in percent.", "20")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """How and when the buyer paid, as far as the marketplace tells."""

    method: Annotated[str | None, Member("Means of payment, in the marketplace's words.", "CreditCard")] = None
    workflow: Annotated[
        str | None, Member("When the buyer is charged, in the marketplace's words.", "PAY_ON_ACCEPTANCE")
    ] = None
    paid_at: Annotated[datetime | None, Member("When the buyer paid.", _PURCHASED_AT)] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """A cancellation of a line or of an order: asked for, carried out, or both."""

    requested_by: Annotated[str | None, Member("Who asked for the cancellation.", "BUYER")] = None
    request_reason: Annotated[str | None, Member("Why the cancellation was asked for.", "ORDERED_BY_MISTAKE")] = None
    executed_by: Annotated[str | None, Member("Who carried the cancellation out.", "SELLER")] = None
    execution_reason: Annotated[str | None, Member("Why the cancellation was carried out.", "BUYER_REQUESTED")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderProblem:
    """Something in a payload that could be read only with a reservation."""

    code: Annotated[str, Member("Stable word.", "missing_price")]
    path: Annotated[str, Member("Where in the marketplace's data, as a JSON path.", "$.orderItems[0].proceeds")]
    message: Annotated[
        str, Member("Plain sentence without personal data.", "The marketplace gave no price for this line.")
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of an order. Its quantities conserve: ordered = shipped + cancelled + remaining.

    Attributes:
        quantity_priced: Units that `line_total` is for; None: those that are not cancelled.
        bar: What the marketplace has against shipping this line, beside refunded units.

    Raises:
        ValueError: The quantities do not conserve; `conserved` settles what a marketplace says.
    """

    id: Annotated[str, Member("Internal id of the line, the same after every rebuild.", _LINE_ID)] = field(
        default="", compare=False
    )
    """Given by the order that it belongs to."""
    original_id: Annotated[str, Member("The marketplace's id of the line.", "05015851154158")]
    number: Annotated[int, Member("Place in the order, from 1.", 1)]
    sku: Annotated[str | None, Member("The seller's article number.", "LAMP-12")] = None
    marketplace_sku: Annotated[
        str | None, Member("The marketplace's own article number, such as an ASIN.", "B0TEST0012")
    ] = None
    gtin: Annotated[
        str | None, Member("Global trade item number (EAN, UPC), as the marketplace sends it.", "03453120000011")
    ] = None
    title: Annotated[str | None, Member("What the marketplace calls the article.", "Desk lamp, brass")] = None
    product_url: Annotated[str | None, Member("Where the article is shown.", "https://shop.example/lamp-12")] = None
    condition: Annotated[str | None, Member("Condition of the article, in the marketplace's words.", "NEW")] = None
    quantity_ordered: Annotated[
        int | None, Member("Units ordered, cancelled ones included; null: the marketplace does not say.", 3)
    ] = None
    quantity_shipped: Annotated[
        int | None,
        Member("Units shipped, as the marketplace or a shipment here tells; null: the marketplace does not say.", 1),
    ] = None
    quantity_cancelled: Annotated[int | None, Member("Units cancelled; null: the marketplace does not say.", 0)] = None
    quantity_refunded: Annotated[
        int | None,
        Member(
            "Units refunded, or being refunded: as many of the remaining ones may not ship; null: the marketplace does "
            "not say.",
            0,
        ),
    ] = None
    source_unit_price: Annotated[
        Decimal | None, Member("The marketplace's own price of one unit, in the order's currency.", "39.90")
    ] = None
    line_total: Annotated[
        Decimal | None,
        Member(
            "Price as the marketplace states it, with taxes and without shipping, in the order's currency; null while "
            "there is none.",
            "119.7",
        ),
    ] = None
    quantity_priced: int | None = None
    refunded_total: Annotated[
        Decimal | None,
        Member(
            "What of `line_total` was refunded, or is being refunded, in the order's currency; null: the marketplace "
            "does not say.",
            "0",
        ),
    ] = None
    taxes: Annotated[
        tuple[Tax, ...],
        Member(
            "Taxes of the line, as the marketplace states them.", [{"code": "VAT", "amount": "19.95", "rate": "20"}]
        ),
    ] = ()
    marketplace_status: Annotated[
        str | None, Member("State of the line in the marketplace's own word.", "SHIPPING")
    ] = None
    cancellation: Annotated[Cancellation | None, Member("Cancellation of this line.", None)] = None
    gift: Annotated[
        Gift | None,
        Member("How it is to be packed as a gift; null: it is none.", {"message": None, "wrap": "Classic"}),
    ] = None
    is_customised: Annotated[bool, Member("Whether the article is made for the buyer.", False)] = False
    customisation_url: Annotated[
        str | None,
        Member(
            "Where the buyer's wishes are to be fetched; null when there are none or redacted. Personal data.",
            None,
            is_personal=True,
        ),
    ] = None
    ship_from: Annotated[
        str | None, Member("The warehouse it is to be shipped from, in the marketplace's words.", "WH-2")
    ] = None
    is_replacement: Annotated[
        bool | None,
        Member("Whether it replaces an article of the related order; null: the marketplace does not say.", False),
    ] = None
    bar: Bar | None = None

    def __post_init__(self) -> None:
        accounted = (self.quantity_shipped or 0) + (self.quantity_cancelled or 0)
        if self.quantity_ordered is not None and self.quantity_ordered < accounted:
            raise ValueError("more units shipped and cancelled than ordered")

    @property
    def quantity_remaining_to_ship(
        self,
    ) -> Annotated[
        int | None,
        Member(
            "Units still to ship: ordered − shipped − cancelled; null when one of these is unknown.",
            2,
            before="quantity_refunded",
        ),
    ]:
        """Units still to be shipped: ordered − shipped − cancelled; None when a part is unknown."""
        if self.quantity_ordered is None or self.quantity_shipped is None or self.quantity_cancelled is None:
            return None
        return self.quantity_ordered - self.quantity_shipped - self.quantity_cancelled

    @property
    def quantity_kept(self) -> int | None:
        """Units ordered and not cancelled; None when a part is unknown."""
        if self.quantity_ordered is None or self.quantity_cancelled is None:
            return None
        return self.quantity_ordered - self.quantity_cancelled

    @property
    def may_ship(
        self,
    ) -> Annotated[bool, Member("Whether what remains of the line may be shipped.", True, before="source_unit_price")]:
        """Whether what remains of the line may be shipped, as far as the line itself tells."""
        return self.may_not_ship_reason is None

    @property
    def may_not_ship_reason(
        self,
    ) -> Annotated[
        Bar | None,
        Member("Why nothing of the line may be shipped; null: it may.", None, before="source_unit_price"),
    ]:
        """Why nothing of the line may be shipped, though some of it may remain; None when it may."""
        return line_bar(self.bar, self.quantity_remaining_to_ship, self.quantity_refunded)

    @property
    def unit_price(
        self,
    ) -> Annotated[
        Decimal | None,
        Member(
            "`line_total` by the units that it is for, at most six decimals; null while there is no price.",
            "39.9",
            before="source_unit_price",
        ),
    ]:
        """`line_total` by the units that it is for, at most six decimals; 0 when these are none, None without a price.

        >>> Line(original_id="1", number=1, quantity_ordered=3, quantity_cancelled=0, line_total=Decimal("119.7")).unit_price
        Decimal('39.9')
        """
        units = self._priced
        if units == 0:
            return Decimal(0)
        if self.line_total is None or units is None:
            return None
        return _rounded(self.line_total / units)

    @property
    def kept_total(
        self,
    ) -> Annotated[
        Decimal | None,
        Member(
            "`line_total` without the units that are cancelled, in the order's currency; null when that cannot be told.",
            "119.7",
            before="refunded_total",
        ),
    ]:
        """`line_total` without the units that are cancelled: what there is to earn. None when it cannot be told.

        >>> told = {"quantity_ordered": 3, "quantity_cancelled": 1, "line_total": Decimal("30.00")}
        >>> Line(original_id="1", number=1, quantity_priced=3, **told).kept_total
        Decimal('20.00')
        >>> Line(original_id="1", number=1, **told).kept_total
        Decimal('30.00')
        """
        units, kept = self._priced, self.quantity_kept
        if kept == 0 and self.quantity_cancelled:
            return Decimal(0)
        if self.line_total is None or kept is None or units is None:
            return None
        return self.line_total if units == kept else share(self.line_total, kept, units)

    @property
    def _priced(self) -> int | None:
        if self.quantity_priced is not None:
            return self.quantity_priced
        return self.quantity_ordered if self.quantity_cancelled is None else self.quantity_kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order of one channel as the marketplace describes it. What we say of it ourselves is in `OwnFacts`.

    Attributes:
        bar: What the marketplace has against shipping the order as a whole, beside its status and who fulfils it.
        is_split: Whether merchant and marketplace each ship a part.
        is_whole: Whether it tells all that there is: what it leaves out is gone, and not merely withheld this time.
        packages: What the marketplace says was shipped, package by package; None when this payload does not say.
        personal_marketplace_data: `marketplace_data` with its personal data; None where there is none.
    """

    id: Annotated[str, Member("Internal id, the same after every rebuild.", _ORDER_ID, filters=("id",))] = field(
        init=False, default=""
    )
    original_id: Annotated[str, Member("The marketplace's id of the order.", _ORIGINAL_ID, filters=("original_id",))]
    channel: Annotated[str, Member("Code of the channel.", "amazon_fr", filters=("channel",))]
    marketplace: Annotated[str, Member("Label of the marketplace.", "Amazon FR", filters=("marketplace",))]
    status: Annotated[
        Status,
        Member(f"State of the order in our words: {_one_of(Status)}.", "WAITING_FOR_SHIPMENT", filters=("status",)),
    ]
    marketplace_status: Annotated[str | None, Member("State of the order in the marketplace's own word.", "Unshipped")]
    fulfilled_by: Annotated[
        FulfilledBy | None,
        Member(
            f"Who ships: {_one_of(FulfilledBy)}; null: the marketplace does not say.",
            "merchant",
            filters=("fulfilled_by",),
        ),
    ]
    purchased_at: Annotated[
        datetime,
        Member(
            "When the buyer ordered (marketplace's clock).",
            _PURCHASED_AT,
            filters=("purchased_after", "purchased_before"),
            sorts=True,
        ),
    ]
    marketplace_updated_at: Annotated[
        datetime,
        Member(
            "When the marketplace last changed the order (marketplace's clock); the order tables know it as of the last "
            "change of ours.",
            _PURCHASED_AT,
            filters=("updated_after", "updated_before"),
        ),
    ]
    ship_by: Annotated[datetime | None, Member("Until when it must be shipped.", "2026-11-04T22:59:59.000Z")] = None
    accept_by: Annotated[
        datetime | None,
        Member(
            "Until when it must be accepted or refused, where it waits for that and the channel says how long.", None
        ),
    ] = None
    service_level: Annotated[
        str | None, Member("Shipping speed or method that the buyer chose, in the marketplace's words.", "NEXT_DAY")
    ] = None
    deliver_by: Annotated[
        DeliveryWindow,
        Member(
            "When it is promised to arrive.",
            {"from": "2026-11-05T08:00:00.000Z", "until": "2026-11-06T20:00:00.000Z"},
            column="deliver",
        ),
    ] = field(default_factory=DeliveryWindow)
    currency: Annotated[str | None, Member("Currency of every amount of the order, ISO 4217.", "EUR")] = None
    total: Annotated[
        Decimal | None,
        Member("Grand total with taxes and shipping; null when the marketplace gives none.", "124.60"),
    ] = None
    shipping_total: Annotated[
        Decimal | None, Member("Shipping charged to the buyer, after discounts and with taxes.", "4.90")
    ] = None
    tax_total: Annotated[Decimal | None, Member("All taxes.", "20.77")] = None
    charges: Annotated[
        tuple[Charge, ...],
        Member(
            "What else the buyer pays. All `line_total` + `shipping_total` + all charges = `total`, or `problems` tells "
            "the difference.",
            [{"code": "GIFT_WRAP", "label": "Gift wrap", "amount": "4.99", "tax": None}],
        ),
    ] = ()
    payment: Annotated[
        Payment,
        Member("How it was paid.", {"method": "CreditCard", "workflow": None, "paid_at": _PURCHASED_AT}),
    ] = field(default_factory=Payment)
    is_business: Annotated[bool, Member("Whether a business bought.", False)] = False
    programs: Annotated[tuple[str, ...], Member("Programmes of the marketplace that apply.", ["PRIME"])] = ()
    customer: Annotated[Customer, Member("The buyer; null when unknown or redacted.", None, is_personal=True)] = field(
        default_factory=Customer
    )
    shipping_address: Annotated[
        Address, Member("Where it ships to; null when unknown or redacted.", None, is_personal=True)
    ] = field(default_factory=Address)
    billing_address: Annotated[
        Address, Member("Where it is billed to; null when unknown or redacted.", None, is_personal=True)
    ] = field(default_factory=Address)
    delivery_point: Annotated[
        DeliveryPoint,
        Member(
            "Where the buyer collects it; null when it goes to an address, unknown or redacted.", None, is_personal=True
        ),
    ] = field(default_factory=DeliveryPoint)
    delivery_instructions: Annotated[
        str | None,
        Member("What the buyer asks of the carrier; null when unknown or redacted.", None, is_personal=True),
    ] = None
    references: Annotated[
        References, Member("The buyer's own references; null when unknown or redacted.", None, is_personal=True)
    ] = field(default_factory=References)
    cancellation: Annotated[Cancellation | None, Member("Cancellation of the whole order.", None)] = None
    related_order: Annotated[
        RelatedOrder | None,
        Member("The order that this one replaces, or otherwise comes from.", None, column="related"),
    ] = None
    bar: Bar | None = None
    is_split: bool = False
    is_whole: bool = False
    problems: Annotated[tuple[OrderProblem, ...], Member("Reservations about the marketplace's data.", [])] = ()
    lines: Annotated[tuple[Line, ...], Member("The lines of the order.", [])] = ()
    packages: tuple[Package, ...] | None = None
    marketplace_data: Annotated[
        Mapping[str, Any],
        Member(
            "What the marketplace tells that no other member names, in its own words and shape; its personal data only "
            "with the scope for that.",
            {"shipping_type_label": "Relay point"},
        ),
    ] = field(default_factory=dict, hash=False)
    personal_marketplace_data: Mapping[str, Any] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        own = order_id(self.channel, self.original_id, self.fulfilled_by if self.is_split else None)
        object.__setattr__(self, "id", own)
        object.__setattr__(self, "lines", tuple(_within(own, line) for line in self.lines))

    @property
    def has_cancellation_request(self) -> bool:
        """Whether a cancellation of the order or of a line was asked for."""
        asked = (self.cancellation, *(line.cancellation for line in self.lines))
        return any(each is not None and each.requested_by for each in asked)

    @property
    def shipping_country_code(
        self,
    ) -> Annotated[str | None, Member("Country it ships to, ISO 3166 alpha-2.", "FR", before="cancellation")]:
        """The country of the shipping address, which is not personal."""
        return self.shipping_address.country_code

    @property
    def split_of(
        self,
    ) -> Annotated[
        str | None,
        Member(
            "Internal id of the other half, when merchant and marketplace each ship a part.", None, before="problems"
        ),
    ]:
        """The id of the other half when one marketplace order is fulfilled by two parties, else None."""
        if not self.is_split or self.fulfilled_by is None:
            return None
        other = FulfilledBy.MARKETPLACE if self.fulfilled_by is FulfilledBy.MERCHANT else FulfilledBy.MERCHANT
        return order_id(self.channel, self.original_id, other)

    @property
    def whole_bar(self) -> Bar | None:
        """Why nothing of the order may be shipped, for a reason that is not one of its lines."""
        if self.fulfilled_by is FulfilledBy.MARKETPLACE:
            return Bar.FULFILLED_BY_MARKETPLACE
        match self.status:
            case Status.PENDING:
                return Bar.ORDER_PENDING
            case Status.CANCELED:
                return Bar.ORDER_CANCELED
            case Status.REFUSED:
                return Bar.ORDER_REFUSED
            case Status.WAITING_FOR_SHIPMENT | Status.PARTIALLY_SHIPPED | Status.SHIPPED | Status.UNKNOWN:
                return self.bar

    @property
    def may_ship(
        self,
    ) -> Annotated[
        bool,
        Member(
            "Whether the marketplace lets ship it: false when nothing of it may leave.",
            True,
            before="split_of",
            filters=("may_ship",),
        ),
    ]:
        """Whether anything of the order may be shipped."""
        return self.may_not_ship_reason is None

    @property
    def may_not_ship_reason(
        self,
    ) -> Annotated[
        Bar | None, Member("Why nothing of the order may be shipped; null: it may.", None, before="split_of")
    ]:
        """Why nothing of the order may be shipped; None when it may."""
        lines = [(each.may_not_ship_reason, each.quantity_remaining_to_ship) for each in self.lines]
        return order_bar(self.whole_bar, lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgementState:
    """What one consumer has taken over."""

    consumer: Annotated[str, Member("Name of the consumer.", "erp")]
    revision: Annotated[int, Member("The revision it has taken over.", 2)]
    outcome: Annotated[AcknowledgementOutcome, Member("Whether that went well.", "ok")]
    order_number: Annotated[str | None, Member("The consumer's own number for the order.", "SO-10042")]
    message: Annotated[str | None, Member("What the consumer said.", "Created as a sales order")]
    at: Annotated[datetime, Member("When it was recorded.", _RECEIVED_AT)]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFacts:
    """What we say of an order ourselves: each of these has a writer of its own, and none is in a marketplace's payload."""

    received_at: Annotated[
        datetime,
        Member(
            "When the order first arrived here (our clock).",
            _RECEIVED_AT,
            filters=("received", "received_after", "received_before"),
        ),
    ]
    confirmation_status: Annotated[
        ConfirmationStatus,
        Member(f"How far confirming its shipment has come: {_one_of(ConfirmationStatus)}.", "none"),
    ]
    has_errors: Annotated[
        bool,
        Member("Whether it has problems or open incidents.", False, filters=("has_errors",), sorts=True),
    ]
    has_cancellation_request: Annotated[
        bool,
        Member(
            "Whether a cancellation of the order or of a line was asked for.",
            False,
            filters=("cancellation_requested",),
        ),
    ]
    is_historical: Annotated[bool, Member("Whether it was loaded as history: nothing is to be shipped.", False)]
    pii_state: Annotated[
        PiiState,
        Member(
            "What is known of the buyer: `withheld` (never sent), `present` (kept encrypted) or `expired` (purged).",
            "present",
        ),
    ]
    revision: Annotated[int, Member("Version of the content, from 1.", 2)]
    position: Annotated[int, Member("Place of the last change in the change feed of all orders.", 48213, sorts=True)]
    acknowledgements: Annotated[
        tuple[AcknowledgementState, ...],
        Member(
            "What each consumer has taken over.",
            [
                {
                    "consumer": "erp",
                    "revision": 2,
                    "outcome": "ok",
                    "order_number": "SO-10042",
                    "message": None,
                    "at": _RECEIVED_AT,
                }
            ],
        ),
    ]


@dataclass(frozen=True, slots=True)
class Quantities:
    """Units of a line that conserve. `is_contradictory`: the marketplace's own numbers did not."""

    ordered: int | None
    shipped: int | None
    cancelled: int | None
    is_contradictory: bool = False


def conserved(ordered: int | None, shipped: int | None, cancelled: int | None) -> Quantities:
    """What a marketplace says of a line's units, settled so that they conserve: where it contradicts itself, shipped wins.

    >>> conserved(3, 2, 2)
    Quantities(ordered=3, shipped=2, cancelled=1, is_contradictory=True)
    >>> conserved(1, 2, 0)
    Quantities(ordered=2, shipped=2, cancelled=0, is_contradictory=True)
    """
    if ordered is None or (shipped or 0) + (cancelled or 0) <= ordered:
        return Quantities(ordered, shipped, cancelled)
    enough = max(ordered, shipped or 0)
    return Quantities(enough, shipped, None if cancelled is None else enough - (shipped or 0), is_contradictory=True)


def line_bar(own: Bar | None, remaining: int | None, refunded: int | None) -> Bar | None:
    """Why nothing of a line may be shipped.

    Args:
        own: What the marketplace has against the line itself.
        remaining: Units still to ship.
        refunded: Units refunded, or being refunded.
    """
    if own is None and remaining and refunded and refunded >= remaining:
        return Bar.REFUNDED
    return own


def order_bar(whole: Bar | None, lines: Iterable[tuple[Bar | None, int | None]]) -> Bar | None:
    """Why nothing of an order may be shipped: for a reason of its own, or because no line may be.

    Args:
        whole: What is against the order as a whole.
        lines: Of each line, what is against it, and the units still to ship.

    >>> order_bar(None, [(Bar.REFUNDED, 2), (None, 0)]), order_bar(None, [(Bar.REFUNDED, 2), (None, 1)])
    (<Bar.NO_LINE_MAY_SHIP: 'no_line_may_ship'>, None)
    """
    if whole is not None:
        return whole
    bars = list(lines)
    unfinished = [bar for bar, remaining in bars if remaining != 0] or [bar for bar, _ in bars]
    return Bar.NO_LINE_MAY_SHIP if unfinished and None not in unfinished else None


def share(total: Decimal, units: int, of: int) -> Decimal:
    """The part of an amount that falls to some of its units, rounded as the amount is, but at least to hundredths.

    >>> share(Decimal("10"), 1, 3), share(Decimal("30.00"), 2, 3)
    (Decimal('3.33'), Decimal('20.00'))
    """
    exponent = total.as_tuple().exponent
    places = min(exponent, -2) if isinstance(exponent, int) else -2
    exact = _WIDE.divide(_WIDE.multiply(total, Decimal(units)), Decimal(of))
    return exact.quantize(Decimal(1).scaleb(places), ROUND_HALF_UP, _WIDE)


def unexplained(order: Order) -> Decimal | None:
    """The order's total less its lines, shipping and charges; 0 when the amounts balance, None without a total.

    A part that is unknown counts for nothing, so that it shows as a difference unless it is nothing indeed.
    """
    if order.total is None:
        return None
    parts = [line.line_total for line in order.lines] + [order.shipping_total] + [each.amount for each in order.charges]
    return order.total - sum((part for part in parts if part is not None), Decimal(0))


def effective_status(status: Status, remaining: Iterable[int | None]) -> Status:
    """The state of an order with shipments of ours, of which the marketplace may not know yet.

    Args:
        status: The marketplace's state in our words.
        remaining: Units still to ship of each line, our shipments taken off; None where a part is unknown.

    >>> effective_status(Status.WAITING_FOR_SHIPMENT, [0, 1]), effective_status(Status.CANCELED, [0])
    (<Status.PARTIALLY_SHIPPED: 'PARTIALLY_SHIPPED'>, <Status.CANCELED: 'CANCELED'>)
    """
    match status:
        case Status.SHIPPED | Status.REFUSED | Status.CANCELED:
            return status
        case Status.PENDING | Status.WAITING_FOR_SHIPMENT | Status.PARTIALLY_SHIPPED | Status.UNKNOWN:
            return Status.SHIPPED if all(each == 0 for each in remaining) else Status.PARTIALLY_SHIPPED


def order_id(channel: str, original_id: str, fulfilled_by: FulfilledBy | None = None) -> str:
    """UUIDv5 (RFC 9562) of the channel code and the marketplace's order id, and of the fulfilment for a split order.

    >>> order_id("amazon_fr", "402-2654339-9122716") == order_id("amazon_fr", "402-2654339-9122716")
    True
    """
    name = f"{channel}\n{original_id}" if fulfilled_by is None else f"{channel}\n{original_id}\n{fulfilled_by}"
    return _uuid5(ORDER_NAMESPACE.bytes, name)


def line_id(order: str, original_id: str) -> str:
    """UUIDv5 of the order's internal id and the marketplace's line id."""
    return _uuid5(bytes.fromhex(order.replace("-", "")), original_id)


def shipment_id(order: str, package_id: str) -> str:
    """UUIDv5 of the order's internal id and the ERP's name of the package."""
    return _uuid5(bytes.fromhex(order.replace("-", "")), f"package\n{package_id}")


def derived_id(order: str, name: str) -> str:
    """UUIDv5 of the order's internal id and a name within it."""
    return _uuid5(bytes.fromhex(order.replace("-", "")), name)


def _within(order: str, line: Line) -> Line:
    """The line with its id; slot by slot, because `replace` checks again what holds already, at four times the cost."""
    own = line_id(order, line.original_id)
    if line.id == own:
        return line
    named = object.__new__(Line)
    for name in Line.__slots__:
        object.__setattr__(named, name, getattr(line, name))
    object.__setattr__(named, "id", own)
    return named


def _rounded(exact: Decimal) -> Decimal:
    rounded = exact.quantize(UNIT_PRICE_PLACES, ROUND_HALF_UP)
    return exact if exact == rounded else rounded


def _uuid5(namespace: bytes, name: str) -> str:
    """`str(uuid.uuid5(…))` at a fifth of its cost: every order needs several."""
    digest = bytearray(hashlib.sha1(namespace + name.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
