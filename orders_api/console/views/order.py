"""One order: what it is, what is wrong with it, what happened to it, and why it is as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orders_api.console.views.frame import Badge, Moment
    from warehouse.ledger.status.explanation import Explanation


@dataclass(frozen=True, slots=True)
class Fact:
    """A member with its label; `text` is None where the marketplace does not tell it. `copied_as` names what can be copied."""

    label: str
    text: str | None
    copied_as: str = ""


@dataclass(frozen=True, slots=True)
class OrderTrouble:
    """Something that is wrong with the order.

    Attributes:
        message: A plain sentence.
        cause: What usually lies behind it, or "".
        hint: What to do, or "".
        code: Stable snake_case word.
        occurrences: How often it was seen; 0 where that is not counted.
        first: When it was seen first.
        last: When it was seen last.
        incident: The incident's id; "" for a reservation about the payload.
        details: All of this as text, without personal data.
    """

    message: str
    cause: str
    hint: str
    code: str
    occurrences: int
    first: Moment | None
    last: Moment | None
    incident: str
    details: str


@dataclass(frozen=True, slots=True)
class LineRow:
    """A line of the order."""

    sku: str | None
    gtin: str | None
    title: str | None
    product_url: str | None
    ordered: int | None
    shipped: int | None
    cancelled: int | None
    remaining: int | None
    price: str | None
    total: str | None
    labels: tuple[Badge, ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to tell the marketplace of a shipment."""

    at: Moment
    outcome: Badge
    about: str


@dataclass(frozen=True, slots=True)
class ShippedPackage:
    """A shipment of the order."""

    id: str
    package_id: str
    state: Badge
    carrier: str | None
    tracking_number: str | None
    tracking_url: str | None
    units: str
    reported: Moment
    reported_by: str
    due: Moment | None
    trouble: str
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Party:
    """A part of the order's personal data, such as an address, by its label."""

    label: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class PersonalData:
    """What may be shown of the buyer.

    Attributes:
        state: `withheld`, `present` or `expired`.
        country: Where it ships to, which is nothing personal.
        may_reveal: Whether the reader has the right.
        parties: What was revealed; empty until then.
    """

    state: str
    country: str | None
    may_reveal: bool
    parties: tuple[Party, ...]


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to the order, and on whose side."""

    at: Moment
    side: str
    text: str


@dataclass(frozen=True, slots=True)
class OrderView:
    """The page.

    Attributes:
        id: Internal id.
        original_id: The marketplace's.
        channel: Its channel's label.
        status: Ours, with the marketplace's own word.
        confirmation: How far telling the marketplace has come; None when there is nothing to tell.
        labels: What else is to be known at a glance.
        sentence: Where it stands, in plain words.
        split_of: Internal id of the other half of a split order; None when it is not split.
        troubles: What is wrong.
        ids: Ids and codes.
        dates: When what happened, and on whose clock.
        payment: Amounts and payment.
        personal: The buyer and addresses.
        lines: What was ordered.
        packages: What was shipped.
        acknowledgements: What consumers made of it.
        requests: Who asked to cancel it.
        happenings: What happened, the last first.
        sides: Side → the label of its filter.
        side: The side whose happenings are shown; "" for all.
    """

    id: str
    original_id: str
    channel: str
    status: Badge
    confirmation: Badge | None
    labels: tuple[Badge, ...]
    sentence: str
    split_of: str | None
    troubles: tuple[OrderTrouble, ...]
    ids: tuple[Fact, ...]
    dates: tuple[tuple[str, Moment | None], ...]
    payment: tuple[Fact, ...]
    personal: PersonalData
    lines: tuple[LineRow, ...]
    packages: tuple[ShippedPackage, ...]
    acknowledgements: tuple[str, ...]
    requests: tuple[str, ...]
    happenings: tuple[Happening, ...]
    sides: tuple[tuple[str, str], ...]
    side: str


@dataclass(frozen=True, slots=True)
class ExplanationPage:
    """Why an order is as it is."""

    id: str
    original_id: str
    sentence: str
    answers: tuple[Explanation, ...]


@dataclass(frozen=True, slots=True)
class PayloadPage:
    """What the marketplace sent, without personal data; None when it is not kept any more."""

    id: str
    original_id: str
    received: Moment | None
    payload: str | None
