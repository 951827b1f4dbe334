"""The domain: what an order is, whichever marketplace it came from.

Frozen types, their vocabulary, and the arithmetic that holds for every order (ids, prices, quantities, status). No storage,
no marketplace knowledge, no wire bytes: storage is in `warehouse.ledger`, reading a payload is in
`orders_pipeline.marketplaces`, the rendered document is in `warehouse.documents`.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Context, Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

ORDER_NAMESPACE = uuid.UUID("6f6a51a3-6a5e-5b0e-9d0b-5d2f0c1f7a10")
"""Root of every deterministic id; changing it would change every id, so it never changes."""

UNIT_PRICE_PLACES = Decimal("0.000001")
_WIDE = Context(prec=60)
"""Room for the largest amount that a payload may hold, by the largest number of units."""


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
    """The buyer. Every field is personal data."""

    name: str | None = None
    email: str | None = None
    phone: str | None = None
    company: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A postal address. Personal data, but for the country.

    `country_code` is ISO 3166 alpha-2; `source_country` is the code or the name that the marketplace sent for it.
    """

    name: str | None = None
    company: str | None = None
    line_1: str | None = None
    line_2: str | None = None
    line_3: str | None = None
    postal_code: str | None = None
    city: str | None = None
    state: str | None = None
    country_code: str | None = None
    source_country: str | None = None
    phone: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPoint:
    """Where the buyer collects the parcel: a shop, a locker. Personal data; `id` is the carrier's or operator's."""

    id: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """What the buyer's books call the order and the buyer. Personal data."""

    purchase_order: str | None = None
    vat_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryWindow:
    """When the parcel is promised to arrive; either end may be unknown."""

    earliest: datetime | None = None
    latest: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatedOrder:
    """An order that this one comes from. `relation` is `replacement_of`, `exchange_of`, or the marketplace's own word."""

    original_id: str
    relation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """What the buyer pays beside goods and shipping: gift wrap, cash on delivery, an operator's fee.

    `amount` is in the order's currency, in the lines' tax mode, for the whole order; `tax` is the tax within it, None when
    the marketplace does not say.
    """

    code: str
    label: str
    amount: Decimal
    tax: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gift:
    """How a line is to be packed as a gift. The message is personal data, the kind of wrap is not."""

    message: str | None = None
    wrap: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tax:
    """One tax as the marketplace states it; amount in the order's currency, rate in percent. Never recomputed."""

    code: str | None = None
    amount: Decimal | None = None
    rate: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """How and when the buyer paid, as far as the marketplace tells."""

    method: str | None = None
    workflow: str | None = None
    paid_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """A cancellation of a line or of an order: asked for (`requested_by`), carried out (`executed_by`), or both."""

    requested_by: str | None = None
    request_reason: str | None = None
    executed_by: str | None = None
    execution_reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something in a payload that could be read only with a reservation.

    `code` is a stable snake_case word, `path` a JSON path into the marketplace's payload ("$.orderItems[0].proceeds"),
    `message` a plain sentence without personal data.
    """

    code: str
    path: str
    message: str


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

    Quantities are units (None: the marketplace did not say); money is in the order's currency.

    Attributes:
        original_id: The marketplace's line id.
        number: Place in the order, from 1.
        sku: The seller's article number.
        quantity_ordered: Units ordered, cancelled ones included.
        quantity_refunded: Units refunded, or being refunded; as many of the remaining ones may not ship.
        source_unit_price: The marketplace's own price of one unit.
        marketplace_sku: The marketplace's own article number, such as an ASIN.
        condition: In the marketplace's words.
        customisation_url: Leads to what the buyer wants made, and is personal data.
        is_customised: Whether the article is made for the buyer; not personal.
        ship_from: A warehouse, in the marketplace's words.
        line_total: Price as the marketplace states it, with taxes and without shipping; None while there is none.
        quantity_priced: Units that `line_total` is for; None: those that are not cancelled.
        refunded_total: What of `line_total` was refunded; None when the marketplace does not say.
        bar: What the marketplace has against shipping this line, beside refunded units.

    Raises:
        ValueError: The quantities do not conserve; `conserved` settles what a marketplace says.
    """

    original_id: str
    number: int
    sku: str | None = None
    marketplace_sku: str | None = None
    gtin: str | None = None
    title: str | None = None
    product_url: str | None = None
    condition: str | None = None
    quantity_ordered: int | None = None
    quantity_shipped: int | None = None
    quantity_cancelled: int | None = None
    quantity_refunded: int | None = None
    source_unit_price: Decimal | None = None
    line_total: Decimal | None = None
    quantity_priced: int | None = None
    refunded_total: Decimal | None = None
    taxes: tuple[Tax, ...] = ()
    marketplace_status: str | None = None
    cancellation: Cancellation | None = None
    gift: Gift | None = None
    is_customised: bool = False
    customisation_url: str | None = None
    ship_from: str | None = None
    is_replacement: bool | None = None
    bar: Bar | None = None

    def __post_init__(self) -> None:
        told = (self.quantity_shipped or 0) + (self.quantity_cancelled or 0)
        if self.quantity_ordered is not None and self.quantity_ordered < told:
            raise ValueError("more units shipped and cancelled than ordered")

    @property
    def quantity_remaining_to_ship(self) -> int | None:
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
    def unit_price(self) -> Decimal | None:
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
    def kept_total(self) -> Decimal | None:
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
    def may_not_ship_reason(self) -> Bar | None:
        """Why nothing of the line may be shipped, though some of it may remain; None when it may."""
        return line_bar(self.bar, self.quantity_remaining_to_ship, self.quantity_refunded)

    @property
    def _priced(self) -> int | None:
        if self.quantity_priced is not None:
            return self.quantity_priced
        return self.quantity_ordered if self.quantity_cancelled is None else self.quantity_kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order of one channel as the marketplace describes it.

    Our own facts (revision, position, acknowledgements…) are not here: they have their own writers.
    """

    original_id: str
    channel: str
    marketplace: str
    status: Status
    marketplace_status: str | None
    fulfilled_by: FulfilledBy | None
    purchased_at: datetime
    marketplace_updated_at: datetime
    ship_by: datetime | None = None
    accept_by: datetime | None = None
    service_level: str | None = None
    deliver_by: DeliveryWindow = field(default_factory=DeliveryWindow)
    currency: str | None = None
    total: Decimal | None = None
    shipping_total: Decimal | None = None
    tax_total: Decimal | None = None
    charges: tuple[Charge, ...] = ()
    payment: Payment = field(default_factory=Payment)
    is_business: bool = False
    programs: tuple[str, ...] = ()
    customer: Customer = field(default_factory=Customer)
    shipping_address: Address = field(default_factory=Address)
    billing_address: Address = field(default_factory=Address)
    delivery_point: DeliveryPoint = field(default_factory=DeliveryPoint)
    delivery_instructions: str | None = None
    references: References = field(default_factory=References)
    related_order: RelatedOrder | None = None
    cancellation: Cancellation | None = None
    bar: Bar | None = None
    """What the marketplace has against shipping the order as a whole, beside its status and who fulfils it."""
    is_split: bool = False
    lines: tuple[Line, ...] = ()
    packages: tuple[Package, ...] | None = None
    """What the marketplace says was shipped, package by package; None when this payload does not say."""
    problems: tuple[Problem, ...] = ()
    marketplace_data: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """What the payload tells that no other member names, in the marketplace's shape, without personal data."""
    personal_marketplace_data: Mapping[str, Any] | None = field(default=None, hash=False)
    """The same with its personal data; None where there is none."""
    id: str = field(init=False, default="")
    """The internal id, the same after every rebuild."""

    def __post_init__(self) -> None:
        own = order_id(self.channel, self.original_id, self.fulfilled_by if self.is_split else None)
        object.__setattr__(self, "id", own)

    @property
    def split_of(self) -> str | None:
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
    def may_not_ship_reason(self) -> Bar | None:
        """Why nothing of the order may be shipped; None when it may."""
        lines = [(each.may_not_ship_reason, each.quantity_remaining_to_ship) for each in self.lines]
        return order_bar(self.whole_bar, lines)


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


def without_personal_data(order: Order) -> Order:
    """The same order with nothing in it that tells who bought; the country it ships to stays."""
    lines = tuple(
        replace(line, gift=replace(line.gift, message=None) if line.gift else None, customisation_url=None)
        for line in order.lines
    )
    return replace(
        order,
        customer=Customer(),
        shipping_address=Address(country_code=order.shipping_address.country_code),
        billing_address=Address(),
        delivery_point=DeliveryPoint(),
        delivery_instructions=None,
        references=References(),
        personal_marketplace_data=None,
        lines=lines,
    )


def unexplained(order: Order) -> Decimal | None:
    """The order's total less its lines, shipping and charges; 0 when the amounts balance, None without a total.

    A part that is unknown counts for nothing, so that it shows as a difference unless it is nothing indeed.
    """
    if order.total is None:
        return None
    parts = [line.line_total for line in order.lines] + [order.shipping_total] + [each.amount for each in order.charges]
    return order.total - sum((part for part in parts if part is not None), Decimal(0))


def effective_status(told: Status, remaining: Iterable[int | None]) -> Status:
    """The state of an order with shipments of ours, of which the marketplace may not know yet.

    Args:
        told: The marketplace's state in our words.
        remaining: Units still to ship of each line, our shipments taken off; None where a part is unknown.

    >>> effective_status(Status.WAITING_FOR_SHIPMENT, [0, 1]), effective_status(Status.CANCELED, [0])
    (<Status.PARTIALLY_SHIPPED: 'PARTIALLY_SHIPPED'>, <Status.CANCELED: 'CANCELED'>)
    """
    match told:
        case Status.SHIPPED | Status.REFUSED | Status.CANCELED:
            return told
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
