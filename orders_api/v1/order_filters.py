"""The query parameters of lists and exports, and how they become the one `OrderFilter` that both obey."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from pydantic import AwareDatetime, BeforeValidator, Field, StringConstraints

from orders_api.kit.errors import Problem, not_found
from orders_api.kit.queries import ONE_AT_A_TIME, NoQuery, PageQuery
from orders_api.kit.records import make
from orders_api.schemas.vocabulary import ORDER_ID
from warehouse.date_presets import DatePreset, bounds
from warehouse.identifiers import UNSEEN
from warehouse.ledger.book.consumers import consumers_of
from warehouse.ledger.book.order_filter import Acknowledged, OrderFilter, ShipBy, Sort, TakenOver
from warehouse.ledger.book.search import search
from warehouse.ledger.settings.channels import known_channels, known_marketplaces
from warehouse.ledger.shipping.acceptance_queries import waiting_states
from warehouse.order_states import ConfirmationStatus, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection as Transaction

    from orders_api.kit.installation import ApiInstallation

FIRST_YEAR = 1000
"""Dates before it have no four digits, and would not compare as text."""

LARGEST_POSITION = 2**63 - 1
MOMENT = "2026-11-01T00:00:00Z"
RANGE = "ISO 8601 with an offset or Z; write + as %2B. Ranges include their start and exclude their end."


def _instant(value: object) -> datetime:
    if not isinstance(value, str) or not value[:1].isdigit():
        raise ValueError("should be an ISO 8601 date and time")
    try:
        instant = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError("should be an ISO 8601 date and time; write + as %2B") from None
    if instant.utcoffset() is None:
        raise ValueError("needs an offset from UTC, or Z")
    if instant.year < FIRST_YEAR:
        raise ValueError(f"should not be before the year {FIRST_YEAR}")
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


Instant = Annotated[AwareDatetime, BeforeValidator(_instant)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=rf"^[^{UNSEEN}]+$")]


Country = Annotated[
    str,
    BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value),
    StringConstraints(pattern=r"^[A-Z]{2}$"),
]
Acknowledgement = Annotated[str, StringConstraints(pattern=rf"^[^{UNSEEN}:]{{1,64}}:(yes|no|error)$")]


class FulfilledByChoice(StrEnum):
    """Who ships; `none` for orders of which the marketplace does not say."""

    MERCHANT = "merchant"
    MARKETPLACE = "marketplace"
    NONE = "none"


class OrderFilterQuery(NoQuery):
    """The filters. They narrow each other down; a repeated one widens itself."""

    status: list[Status] = Field([], description="Any of these statuses; may be repeated.", examples=["SHIPPED"])
    channel: list[Word] = Field([], description="Any of these channel codes; may be repeated.", examples=["amazon_fr"])
    marketplace: list[Word] = Field(
        [], description="Label of the marketplace, exactly: any of these; may be repeated.", examples=["Amazon FR"]
    )
    fulfilled_by: FulfilledByChoice | None = Field(
        None, description="Who ships; `none`: the marketplace does not say.", examples=["merchant"]
    )
    purchased_after: Instant | None = Field(
        None, description=f"Ordered at this time or later. {RANGE}", examples=[MOMENT]
    )
    purchased_before: Instant | None = Field(None, description=f"Ordered before this time. {RANGE}", examples=[MOMENT])
    received: DatePreset | None = Field(
        None,
        description="Arrived here on these days, in the time zone of the installation: `this_week` begins on Monday, "
        "`last_week` is the seven days before today.",
        examples=["yesterday"],
    )
    received_after: Instant | None = Field(
        None, description=f"Arrived here at this time or later. {RANGE}", examples=[MOMENT]
    )
    received_before: Instant | None = Field(
        None, description=f"Arrived here before this time. {RANGE}", examples=[MOMENT]
    )
    updated_after: Instant | None = Field(
        None, description=f"Changed at the marketplace at this time or later. {RANGE}", examples=[MOMENT]
    )
    updated_before: Instant | None = Field(
        None, description=f"Changed at the marketplace before this time. {RANGE}", examples=[MOMENT]
    )
    has_errors: bool | None = Field(None, description="Only with, or only without, errors.", examples=[True])
    cancellation_requested: bool | None = Field(
        None, description="Only with, or only without, a request to cancel the order or a line.", examples=[True]
    )
    may_ship: bool | None = Field(
        None, description="Only what the marketplace lets ship, or only what it bars.", examples=[True]
    )
    country: list[Country] = Field(
        [], description="Shipped to any of these countries, ISO 3166 alpha-2; may be repeated.", examples=["FR"]
    )
    confirmation: list[ConfirmationStatus] = Field(
        [],
        description="How far confirming the shipment has come: any of these; may be repeated.",
        examples=["rejected"],
    )
    acknowledged: Acknowledgement | None = Field(
        None,
        description="A consumer and, after a colon, whether it took the order over: `yes`, `no`, or `error` when it could not.",
        examples=["erp:no"],
    )
    ship_by: list[ShipBy] = Field(
        [],
        description="Of what is still to be shipped: what is `overdue`, or due within `next_24_hours`; may be repeated.",
        examples=["overdue"],
    )
    awaits_acceptance: bool | None = Field(
        None,
        description="Only what the marketplace lets the seller accept or refuse and nobody has decided, or only the others.",
        examples=[True],
    )
    historical: bool | None = Field(
        None, description="Only what was loaded as history, or only what was not.", examples=[False]
    )
    personal_data_purged: bool | None = Field(
        None, description="Only those whose personal data was purged, or only the others.", examples=[False]
    )
    original_id: Word | None = Field(
        None,
        description="The marketplace's order id; finds both halves of a split order.",
        examples=["402-1234567-7654321"],
    )
    id: Word | None = Field(None, description="Internal order id.", examples=[ORDER_ID])
    search: str | None = Field(
        None,
        min_length=1,
        max_length=10_000,
        description="Any of these words, apart by spaces or commas: an id of the order or of a line, a SKU, a GTIN, a tracking "
        "number, a package id, a consumer's order number, the name of a file. Exactly, or else the beginning of an order's id "
        "at the marketplace, of six characters or more; the first thousand orders.",
        examples=["402-1234567-7654321 LAMP-12"],
    )
    sort: Sort = Field(
        Sort.NEWEST,
        description="By purchase date or by position of the last change; `-` puts the greatest first. `-has_errors`: orders "
        "with errors first, then the others, each by purchase date, the newest first; `has_errors`: the other way round.",
        examples=["-purchased_at"],
    )

    def as_filter(
        self, transaction: Transaction, visible_channels: tuple[str, ...] | None, installation: ApiInstallation
    ) -> OrderFilter:
        """The filter for a reader who may see these channels.

        Raises:
            Problem: 404 `unknown_channel` for a channel that does not exist or may not be seen.
        """
        wanted = self.filter_of_itself(visible_channels, installation)
        if not self.asks_the_ledger:
            return wanted
        check_channels(transaction, self.channel, visible_channels)
        _check_marketplaces(transaction, self.marketplace)
        return replace(
            wanted,
            acknowledged=_acknowledged(transaction, self.acknowledged, visible_channels),
            acceptance_states=() if self.awaits_acceptance is None else waiting_states(transaction),
            ids=None if self.search is None else search(transaction, self.search, visible_channels),
        )

    @property
    def asks_the_ledger(self) -> bool:
        """Whether the ledger says what some of it means, or whether it is known."""
        named = self.channel or self.marketplace or self.acknowledged or self.search
        return bool(named) or self.awaits_acceptance is not None

    def filter_of_itself(self, visible_channels: tuple[str, ...] | None, installation: ApiInstallation) -> OrderFilter:
        """The filter but for what the ledger says of it."""
        received_after, received_before = self._arrival(installation)
        return make(
            OrderFilter,
            self,
            visible_channels=visible_channels,
            statuses=tuple(status.value for status in self.status),
            channels=tuple(self.channel),
            marketplaces=tuple(self.marketplace),
            fulfilled_by=None if self.fulfilled_by is None else self.fulfilled_by.value,
            countries=tuple(self.country),
            confirmations=tuple(each.value for each in self.confirmation),
            acknowledged=None,
            ship_by=tuple(self.ship_by),
            now=installation.clock() if self.ship_by else None,
            received_after=received_after,
            received_before=received_before,
        )

    def _arrival(self, installation: ApiInstallation) -> tuple[datetime | None, datetime | None]:
        """When what is asked for arrived: on the days of the preset, and within the range."""
        if self.received is None:
            return self.received_after, self.received_before
        first, end = bounds(self.received, installation.clock(), installation.settings.time_zone)
        after = first if self.received_after is None else max(first, self.received_after)
        before = end if self.received_before is None else min(end, self.received_before)
        return after.astimezone(UTC), before.astimezone(UTC)


def _acknowledged(
    transaction: Transaction, asked: str | None, visible_channels: tuple[str, ...] | None
) -> Acknowledged | None:
    """Whose word is asked for.

    Raises:
        Problem: 404 `unknown_consumer`: a mistyped one must not look like one that took nothing over.
    """
    if asked is None:
        return None
    consumer, _, answer = asked.partition(":")
    if consumer not in consumers_of(transaction, visible_channels):
        raise not_found("acknowledged", "There is no such consumer.", "unknown_consumer")
    return Acknowledged(consumer, TakenOver(answer))


def check_channels(transaction: Transaction, codes: Sequence[str], visible_channels: tuple[str, ...] | None) -> None:
    """Refuse a channel that does not exist or may not be seen: a mistyped one must not look like one without orders.

    Raises:
        Problem: 404 `unknown_channel`.
    """
    if not codes:
        return
    known = known_channels(transaction, codes)
    if any(code not in known or (visible_channels is not None and code not in visible_channels) for code in codes):
        raise not_found("channel", "There is no such channel for this token.", "unknown_channel")


def _check_marketplaces(transaction: Transaction, labels: Sequence[str]) -> None:
    """Refuse several labels in one: it would find nothing. A label may hold a comma of its own.

    Raises:
        Problem: 422.
    """
    parts = {part.strip() for label in labels if "," in label for part in label.split(",")}
    if parts and known_marketplaces(transaction, parts):
        errors = [{"parameter": "marketplace", "message": ONE_AT_A_TIME}]
        raise Problem(422, "invalid_request", "The request is not as described: see errors.", errors=errors)


class OrderListQuery(PageQuery, OrderFilterQuery):
    """The filters, and which page."""

    count: bool = Field(False, description="Also count the orders that the filter finds.", examples=[True])


class ChangesQuery(NoQuery):
    """Which part of the change feed."""

    after: int = Field(
        0,
        ge=0,
        le=LARGEST_POSITION,
        description="Position to read after; `next_after` of the last call.",
        examples=[48213],
    )
    limit: int = Field(100, ge=1, le=1000, description="Orders an answer.", examples=[100])
