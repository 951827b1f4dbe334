"""The domain: what a shipment is, and what a marketplace needs to know of one, whichever marketplace it goes to.

Frozen types and their vocabulary. Taking shipments in and keeping them is in `warehouse.ledger.shipping.shipments`; telling the
marketplace is in `orders_pipeline.stages.confirm`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import TypeAdapter

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND_DIGITS = 13
"""Of an epoch in milliseconds, from 2001 to 2286. One in seconds has ten, and would be a day in 1970."""
SECOND_DIGITS = 10
FIRST_YEAR = 2000


class CarrierRule(StrEnum):
    """Which carriers a marketplace takes: any word, those of its list or any other by name, or only those of its list."""

    ANY = "any"
    LISTED_OR_NAMED = "listed_or_named"
    LISTED = "listed"


class Idempotency(StrEnum):
    """What sending a confirmation twice does: `natural`: the second one edits the first; `none`: it may become another one."""

    NATURAL = "natural"
    NONE = "none"


class Cancels(StrEnum):
    """What a seller can cancel over the marketplace's API: nothing, units of single lines, or only whole orders."""

    NONE = "none"
    LINES = "lines"
    WHOLE_ORDER = "whole_order"


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelReason:
    """A reason to cancel in the marketplace's words."""

    code: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Carrier:
    """A carrier in the marketplace's words."""

    code: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What a channel's marketplace needs of a shipment.

    Attributes:
        needs_tracking_number: Whether a shipment without a tracking number is refused.
        needs_carrier: Whether a shipment without a carrier is refused.
        needs_tracking_url_of_named: Whether a carrier that is told by name alone needs the address where the parcel is tracked.
        carrier_rule: Which carriers are taken.
        carriers: The marketplace's list, () when it has none.
        carrier_aliases: Usual spellings of an ERP, in capitals, to the marketplace's carrier code.
        takes_part: Whether a part of an order may be shipped.
        takes_several_packages: Whether an order may have more than one package.
        idempotency: What sending twice does.
        acceptance_state: The marketplace's word for an order that waits to be accepted by the seller; None where it has none.
        acceptance_within_hours: How long an order may wait for that after its purchase, where its payload does not say.
        can_refuse: Whether an order that waits may be refused too.
        cancels: What the seller can cancel.
        cancel_reasons: The reasons that it takes; () where it has no list.
        decides_cancellations: Whether a buyer's request to cancel is answered, yes or no, by a call of its own.
        needs_ship_from_place: Whether a shipment names a place that the connection's settings describe.
        needs_return_label_with: Carriers whose packages need the number of a return label, and its carrier.
        return_carriers: The carriers of return labels; () where any is taken.
        shipping_methods: Known words for how a package is sent, where a shipment needs one; () where it needs none.
        takes_corrections: Whether what was told of a package can be changed afterwards.
        unconfirmed_programs: Programmes of the marketplace whose orders it confirms by itself: nothing is told about them.
        notes: Plain sentences for people.
    """

    needs_tracking_number: bool
    needs_carrier: bool
    carrier_rule: CarrierRule
    carriers: tuple[Carrier, ...] = ()
    carrier_aliases: Mapping[str, str] = field(default_factory=dict)
    takes_part: bool = True
    takes_several_packages: bool = True
    idempotency: Idempotency = Idempotency.NONE
    needs_tracking_url_of_named: bool = False
    takes_corrections: bool = True
    acceptance_state: str | None = None
    acceptance_within_hours: float | None = None
    can_refuse: bool = True
    cancels: Cancels = Cancels.NONE
    cancel_reasons: tuple[CancelReason, ...] = ()
    decides_cancellations: bool = False
    needs_ship_from_place: bool = False
    needs_return_label_with: tuple[str, ...] = ()
    return_carriers: tuple[str, ...] = ()
    shipping_methods: tuple[str, ...] = ()
    unconfirmed_programs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def return_carrier(self, named: str | None, carrier_code: str) -> str | None:
        """The carrier of a package's return label in the marketplace's words; None for one that it does not take.

        Args:
            named: As it was reported; None where the package's own carrier is meant.
            carrier_code: Of the package, in the marketplace's words.

        >>> needs = Requirements(
        ...     needs_tracking_number=True, needs_carrier=True, carrier_rule=CarrierRule.LISTED, return_carriers=("DHL",)
        ... )
        >>> needs.return_carrier("dhl", "UPS"), needs.return_carrier(None, "UPS")
        ('DHL', None)
        """
        word = named or carrier_code
        code = self.carrier_aliases.get(word.upper(), word.upper())
        return code if code in self.return_carriers else None if self.return_carriers else word

    def as_json(self) -> dict[str, Any]:
        """As JSON values; `from_json` reads them."""
        found: dict[str, Any] = _CODEC.dump_python(self, mode="json")
        return found

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Requirements:
        """Reverse `as_json`."""
        return _CODEC.validate_python(dict(value))


_CODEC = TypeAdapter(Requirements)


class AttemptOutcome(StrEnum):
    """What became of telling a marketplace of one package.

    RUNNING: nobody knows yet. SENT: the marketplace has it. REJECTED: it refuses it for good. IN_DOUBT: it may or may not have
    it: read back first. RETRY: it certainly has not got it, and a later attempt may succeed. REFUTED: it was in doubt, and
    reading back showed that it had not arrived.
    """

    RUNNING = "running"
    SENT = "sent"
    REJECTED = "rejected"
    IN_DOUBT = "in_doubt"
    RETRY = "retry"
    REFUTED = "refuted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What came of one attempt: the marketplace's answer about a package, or why there is none.

    Attributes:
        shipment_id: Which package.
        outcome: What became of it; an attempt never ends RUNNING or REFUTED.
        operation: The last call made for it ("confirmShipment", "ST01", "OR24"); None when none was made.
        request_id: The marketplace's id of that call, or None.
        http_status: Of that call, or None without an answer.
        code: Stable snake_case word; "" when sent.
        message: The marketplace's own words, without personal data; "" when sent.
        hint: What a person should do, or "".
        marketplace_package_id: The marketplace's id of the package, when it gave one.
        is_its_turn: False when the connection failed before this package was tried: no fault of its own, and no attempt.
        told_carrier: The carrier as it was told; the stage fills it in, as the next one.
        wait: Before the next look; None for the usual pause.

    Raises:
        ValueError: An attempt does not end like that.
    """

    shipment_id: str
    outcome: AttemptOutcome
    operation: str | None = None
    request_id: str | None = None
    http_status: int | None = None
    code: str = ""
    message: str = ""
    hint: str = ""
    marketplace_package_id: str | None = None
    is_its_turn: bool = True
    told_carrier: str | None = None
    wait: timedelta | None = None

    def __post_init__(self) -> None:
        if self.outcome in _OPEN_OUTCOMES:
            raise ValueError(f"an attempt does not end {self.outcome}")


_OPEN_OUTCOMES = frozenset({AttemptOutcome.RUNNING, AttemptOutcome.REFUTED})


def shipping_moment(value: object) -> datetime:
    """A shipping date as an ERP writes it, in the API and in files: epoch milliseconds, or ISO 8601 with an offset.

    >>> shipping_moment(1793611800000).isoformat(), shipping_moment("2026-11-02T10:30:00+01:00").isoformat()
    ('2026-11-02T09:30:00+00:00', '2026-11-02T09:30:00+00:00')

    Raises:
        ValueError: Anything else; the message says what it should be.
    """
    text = _text(value)
    if text.isascii() and text.isdigit():
        return _from_epoch(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("should be epoch milliseconds (13 digits), or ISO 8601 with an offset") from None
    if moment.utcoffset() is None:
        raise ValueError("needs an offset from UTC, or Z")
    if moment.year < FIRST_YEAR:
        raise ValueError(f"should not be before the year {FIRST_YEAR}")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


def _text(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10 ** (MILLISECOND_DIGITS + 1):
        return str(value)
    return ""


def _from_epoch(digits: str) -> datetime:
    if len(digits) == MILLISECOND_DIGITS and digits[0] != "0":
        return EPOCH + timedelta(milliseconds=int(digits))
    seconds = " These look like seconds: add 000." if len(digits) == SECOND_DIGITS else ""
    raise ValueError(f"should be epoch milliseconds, 13 digits.{seconds}")
