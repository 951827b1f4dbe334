"""One order: what it is, what is wrong with it, what happened to it, and why it is as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orders_api.console.views.frame import Badge, Moment
    from orders_api.console.views.lists import Record
    from orders_api.console.views.orders import PlaceInList
    from warehouse.ledger.status.explanation import Explanation


MOST_PATHS = 3


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
    attempts_text: str


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
class ChangedMember:
    """A member of the order that changed, by its path; None where there was nothing, or nothing told."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to the order, and which members it changed."""

    at: Moment | None
    text: str
    changed: tuple[ChangedMember, ...]
    has_more: bool


@dataclass(frozen=True, slots=True)
class OrderTimeline:
    """What happened, the last first, and the sides that it can be narrowed to: path, label, whether it is so."""

    happenings: tuple[Happening, ...]
    sides: tuple[tuple[str, str, bool], ...]


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
        timeline: What happened.
        place: Where it stands in the list that it was opened from; None when it was opened from none.
        fetched_from: The connection that can be asked for it again; None where the reader may not, or nobody can.
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
    timeline: OrderTimeline
    place: PlaceInList | None
    fetched_from: str | None


@dataclass(frozen=True, slots=True)
class ExplanationPage:
    """Why an order is as it is."""

    id: str
    original_id: str
    sentence: str
    answers: tuple[Explanation, ...]


@dataclass(frozen=True, slots=True)
class SourcedMember:
    """A member of the order: its path, its values for people, and the payload's members that it is read from.

    `hidden` says why there are no values.
    """

    path: str
    values: tuple[str | None, ...]
    hidden: str
    read_from: tuple[str, ...]

    @property
    def is_long(self) -> bool:
        """Whether it is read from so many that they are shown on demand."""
        return len(self.read_from) > MOST_PATHS


@dataclass(frozen=True, slots=True)
class PutAside:
    """What could not be read as an order, in the list.

    Attributes:
        id: Its payload's.
        original_id: The marketplace's id of the order.
        where: Its channel, or its connection where the channel is not known.
        code: Stable snake_case word.
        path: Where in the payload.
        reason: A plain sentence.
        since: When it was put aside.
        record: All of it for programs.
    """

    id: str
    original_id: str
    where: str
    code: str
    path: str
    reason: str
    since: Moment | None
    record: Record


@dataclass(frozen=True, slots=True)
class PutAsidePage:
    """One of them, and its payload; None when that is not kept any more.

    `asked` is the connection that the reader may have it read again from; None when that is not so.
    """

    row: PutAside
    payload: str | None
    asked: str | None


@dataclass(frozen=True, slots=True)
class PayloadPage:
    """What the marketplace sent, without personal data, None when it is not kept any more; and what became of it."""

    id: str
    original_id: str
    received: Moment | None
    payload: str | None
    members: tuple[SourcedMember, ...]
