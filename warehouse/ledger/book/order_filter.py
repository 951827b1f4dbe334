"""The question to the order book that every reader asks: which orders, and in which order.

How it is answered is in `order_queries` and `order_conditions`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from datetime import datetime


class Sort(StrEnum):
    """In which order a list comes."""

    # Every one of them is an index with a unique end, so paging never skips or repeats. By errors: those with errors, the
    # newest purchase first, then the others like that, or the same two lists the other way round.
    NEWEST = "-purchased_at"
    OLDEST = "purchased_at"
    POSITION = "position"
    LATEST_CHANGE = "-position"
    ERRORS_FIRST = "-has_errors"
    ERRORS_LAST = "has_errors"

    @property
    def is_descending(self) -> bool:
        """Whether the greatest comes first."""
        return self.value.startswith("-")

    @property
    def is_by_errors(self) -> bool:
        """Whether orders with and without errors are two lists."""
        return self in {Sort.ERRORS_FIRST, Sort.ERRORS_LAST}

    @property
    def reverse(self) -> Sort:
        """The same list from its other end."""
        return Sort(self.value.removeprefix("-") if self.is_descending else f"-{self.value}")

    @property
    def is_by_position(self) -> bool:
        """Whether the key is the position alone, else it is the purchase date with the id."""
        return self in {Sort.POSITION, Sort.LATEST_CHANGE}


@dataclass(frozen=True, slots=True)
class Key:
    """The place of an order in a list: its position, or its purchase date and id.

    `has_errors` says in which of the two lists of a sort by errors the place is; None for every other sort.
    """

    position: int | None = None
    purchased_at: datetime | None = None
    id: str | None = None
    has_errors: bool | None = None


class ShipBy(StrEnum):
    """How long there is for what is still to be shipped."""

    OVERDUE = "overdue"
    NEXT_24_HOURS = "next_24_hours"


class TakenOver(StrEnum):
    """Whether a consumer has taken an order over: `error` when it could not, which is not `no`."""

    YES = "yes"
    NO = "no"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What a consumer, by its name, has said of an order."""

    consumer: str
    answer: TakenOver


@dataclass(frozen=True, slots=True)
class UndecidedWord:
    """Where orders wait for the seller's decision.

    Attributes:
        channel: Code.
        word: The marketplace's, of such an order.
        is_manual: Whether nobody decides by himself.
    """

    channel: str
    word: str
    is_manual: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter:
    """Which orders; an empty tuple or None does not filter. Ranges are half open: `after` is included, `before` is not.

    Attributes:
        visible_channels: What the reader may see at all; None for everything.
        statuses: Any of these.
        channels: Any of these.
        marketplaces: Label of the marketplace, exactly: any of these.
        fulfilled_by: `merchant`, `marketplace`, or `none` for orders of which the marketplace did not say.
        purchased_after: First purchase date included (marketplace's clock).
        purchased_before: First purchase date not included any more.
        received_after: First time of arrival included (our clock).
        received_before: First time of arrival not included any more.
        updated_after: First change at the marketplace included (marketplace's clock).
        updated_before: First change at the marketplace not included any more.
        has_errors: Only with, or only without, errors.
        cancellation_requested: Only with, or only without, a request to cancel the order or a line.
        may_ship: Only what the marketplace lets ship, or only what it bars.
        countries: Shipped to any of these countries.
        confirmations: How far confirming the shipment has come: any of these.
        acknowledged: What a consumer has said.
        ship_by: Any of these; of orders that are to be shipped.
        now: The instant from which `ship_by` counts; no part of the question.
        historical: Only what was loaded as history, or only what was not.
        personal_data_purged: Only those whose personal data was purged, or only the others.
        awaits_acceptance: Only what waits for the seller's decision, or only what does not.
        acceptance_states: Where that is so.
        original_id: The marketplace's order id; finds both halves of a split order.
        id: The internal id.
        ids: Any of these internal ids; an empty tuple finds nothing.
    """

    visible_channels: tuple[str, ...] | None = None
    statuses: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    marketplaces: tuple[str, ...] = ()
    fulfilled_by: str | None = None
    purchased_after: datetime | None = None
    purchased_before: datetime | None = None
    received_after: datetime | None = None
    received_before: datetime | None = None
    updated_after: datetime | None = None
    updated_before: datetime | None = None
    has_errors: bool | None = None
    cancellation_requested: bool | None = None
    may_ship: bool | None = None
    countries: tuple[str, ...] = ()
    confirmations: tuple[str, ...] = ()
    acknowledged: Acknowledged | None = None
    ship_by: tuple[ShipBy, ...] = ()
    now: datetime | None = None
    historical: bool | None = None
    personal_data_purged: bool | None = None
    awaits_acceptance: bool | None = None
    acceptance_states: tuple[UndecidedWord, ...] = ()
    original_id: str | None = None
    id: str | None = None
    ids: tuple[str, ...] | None = None

    @property
    def is_by_id(self) -> bool:
        """Whether an id or ids are asked for, which find a handful of orders."""
        return self.original_id is not None or self.id is not None or self.ids is not None

    @property
    def effective_channels(self) -> tuple[str, ...] | None:
        """Channels that are asked for and may be seen; None for every channel."""
        if not self.channels:
            return self.visible_channels
        if self.visible_channels is None:
            return self.channels
        return tuple(code for code in self.channels if code in self.visible_channels)

    def fingerprint(self, sort: Sort) -> str:
        """A short text that is the same for the same question; what the reader may see is no part of the question."""
        asked = [
            *(sorted(set(getattr(self, name))) for name in _SETS),
            *(_plain(getattr(self, name)) for name in self.__slots__ if name not in {*_SETS, *_LEFT_OUT}),
            sort.value,
        ]
        return hashlib.blake2b(orjson.dumps(asked), digest_size=9).hexdigest()


_SETS = ("statuses", "channels", "marketplaces", "countries", "confirmations", "ship_by")
_LEFT_OUT = frozenset({"visible_channels", "now"})


def _plain(value: object) -> object:
    return value.isoformat() if hasattr(value, "isoformat") else value
