"""The domain: what an order is, whichever marketplace it came from.

Frozen types; an order and what it is made of are structs: making one takes a fifth of a dataclass's time. Its words are in
`order_states`, its parts in `order_parts` and `order_lines`, the arithmetic that holds for every order in `order_rules` and its
ids in `ids`. No storage, no marketplace knowledge, no wire bytes: storage is in `warehouse.ledger`, reading a payload is in
`orders_pipeline.marketplaces`, the rendered document is in `warehouse.documents`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any

from msgspec import Struct, field
from msgspec.structs import force_setattr

from warehouse.ids import order_id
from warehouse.members import Member
from warehouse.order_lines import Line, with_id
from warehouse.order_parts import (
    Address,
    Cancellation,
    Charge,
    Customer,
    DeliveryPoint,
    DeliveryWindow,
    OrderProblem,
    Package,
    Payment,
    References,
    RelatedOrder,
)
from warehouse.order_rules import order_bar
from warehouse.order_states import AcknowledgementOutcome, Bar, ConfirmationStatus, FulfilledBy, PiiState, Status

_ORDER_ID = "0f1c2d5e-7f0b-5d1a-9c50-3b1c7a3f9a10"
_ORIGINAL_ID = "402-1234567-7654321"
_PURCHASED_AT = "2026-11-02T09:12:44.000Z"
_RECEIVED_AT = "2026-11-02T09:15:03.512Z"
"""Examples."""


def _one_of(words: type[StrEnum]) -> str:
    *most, last = (f"`{each.value}`" for each in words)
    return f"{', '.join(most)} or {last}"


class Order(Struct, frozen=True, kw_only=True):
    """One order of one channel as the marketplace describes it. What we say of it ourselves is in `OwnFacts`.

    Attributes:
        bar: What the marketplace has against shipping the order as a whole, beside its status and who fulfils it.
        is_split: Whether merchant and marketplace each ship a part.
        is_whole: Whether it tells all that there is: what it leaves out is gone, and not merely withheld this time.
        packages: What the marketplace says was shipped, package by package; None when this payload does not say.
        personal_marketplace_data: `marketplace_data` with its personal data; None where there is none.
    """

    id: Annotated[str, Member("Internal id, the same after every rebuild.", _ORDER_ID, filters=("id",))] = ""
    """Follows from the others: nobody gives it."""
    original_id: Annotated[str, Member("The marketplace's id of the order.", _ORIGINAL_ID, filters=("original_id",))]
    channel: Annotated[str, Member("Code of the channel.", "amazon_fr", filters=("channel",))]
    marketplace: Annotated[str, Member("Label of the marketplace.", "Amazon FR", filters=("marketplace",))]
    status: Annotated[
        Status,
        Member(f"State of the order in our words: {_one_of(Status)}.", "WAITING_FOR_SHIPMENT", filters=("status",)),
    ]
    marketplace_status: Annotated[
        str | None,
        Member("State of the order in the marketplace's own word.", "Unshipped", filters=("awaits_acceptance",)),
    ]
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
    ship_by: Annotated[
        datetime | None, Member("Until when it must be shipped.", "2026-11-04T22:59:59.000Z", filters=("ship_by",))
    ] = None
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
    ] = field(default_factory=dict)
    personal_marketplace_data: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        own = order_id(self.channel, self.original_id, self.fulfilled_by if self.is_split else None)
        force_setattr(self, "id", own)
        force_setattr(self, "lines", tuple([with_id(own, line) for line in self.lines]))

    @property
    def has_cancellation_request(self) -> bool:
        """Whether a cancellation of the order or of a line was asked for."""
        asked = (self.cancellation, *(line.cancellation for line in self.lines))
        return any(each is not None and each.requested_by for each in asked)

    @property
    def shipping_country_code(
        self,
    ) -> Annotated[
        str | None, Member("Country it ships to, ISO 3166 alpha-2.", "FR", before="cancellation", filters=("country",))
    ]:
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
        Member(
            f"How far confirming its shipment has come: {_one_of(ConfirmationStatus)}.",
            "none",
            filters=("confirmation",),
        ),
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
    is_historical: Annotated[
        bool,
        Member("Whether it was loaded as history: nothing is to be shipped.", False, filters=("historical",)),
    ]
    pii_state: Annotated[
        PiiState,
        Member(
            "What is known of the buyer: `withheld` (never sent), `present` (kept encrypted) or `expired` (purged).",
            "present",
            filters=("personal_data_purged",),
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
            filters=("acknowledged",),
        ),
    ]
