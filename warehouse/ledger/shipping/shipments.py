"""Shipments as the ERP reports them: the one door for the API, for files and for the command line.

Everything is checked inside the writing transaction, so that no two reports together ship more than was ordered. What shipments
make of an order is in `fulfilment`, telling the marketplace in `confirmations`, reading them in `shipment_queries`.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa

from warehouse.ledger.base.database import upsert
from warehouse.ledger.base.schema import channels, order_lines, orders, shipment_lines, shipments
from warehouse.ledger.book import holds, order_events
from warehouse.ledger.book.fulfilment import Reported, remaining_units, reported_units, restate, shipped_units
from warehouse.ledger.book.orders import lock_book
from warehouse.ledger.settings.carriers import Carriers
from warehouse.orders import Bar, ConfirmationStatus, FulfilledBy, Status, shipment_id
from warehouse.shipments import CarrierRule

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.shipments import Requirements

FIRST_PACKAGE = "1"
CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far a shipping date may lie ahead: clocks differ."""

BEFORE_PURCHASE = timedelta(days=1)
"""How far a shipping date may lie before the purchase: many an ERP gives the day alone, on a clock of its own."""

LONG_AGO = timedelta(days=30)
"""A shipping date further back is taken, and pointed out."""

SMALLEST_REFERENCE, LARGEST_REFERENCE = 10**8, 2**31 - 1
"""Of the numbers that packages are told by: nine digits at least, as nobody counts."""

BY_MARKETPLACE = "confirmed_by_marketplace"
"""Why a shipment is not told: the marketplace confirms orders of this programme by itself."""


class ReportResult(StrEnum):
    """What became of one reported shipment."""

    ACCEPTED = "accepted"
    UPDATED = "updated"
    ALREADY_KNOWN = "already_known"
    REFUSED = "refused"


class Source(StrEnum):
    """By which way a shipment was reported."""

    API = "api"
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Units of one line, named by our id or the marketplace's; without a quantity all that remains of it."""

    item_id: str | None = None
    item_original_id: str | None = None
    item_quantity_shipped: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One package as the ERP reports it; names are those of the CSV template.

    Attributes:
        id: Internal order id.
        original_id: The marketplace's order id; with `channel` where two channels have an order of that id.
        package_id: The ERP's name of the package; without one it is the order's only package.
        shipping_date: When it left; None: when it was reported.
        items: What is in it; () for all that remains to be shipped.
    """

    id: str | None = None
    channel: str | None = None
    original_id: str | None = None
    package_id: str | None = None
    tracking_number: str | None = None
    shipping_date: datetime | None = None
    carrier_code: str | None = None
    carrier_name: str | None = None
    tracking_url: str | None = None
    shipping_method: str | None = None
    ship_from: str | None = None
    return_tracking_number: str | None = None
    return_carrier: str | None = None
    items: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Why a report is refused, or pointed out: a stable code, the field ("items/0/item_id"), and a plain sentence."""

    code: str
    field: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentAnswer:
    """What became of one report.

    Attributes:
        result: In one word.
        shipment_id: The shipment; None when refused.
        order_id: The order, when one was found.
        status: How far confirming the shipment has come; None when refused.
        held_reason: Why it waits for somebody, in one stable word; None when it does not.
        faults: Why it is refused; () otherwise.
        notices: What the sender should know of one that is not refused.
    """

    result: ReportResult
    shipment_id: str | None = None
    order_id: str | None = None
    status: str | None = None
    held_reason: str | None = None
    faults: tuple[Fault, ...] = ()
    notices: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Who reports.

    Attributes:
        consumer: Name of the token's consumer, or of the import job.
        source: The way.
        report_id: The request or file, by which its shipments are found again.
        visible_channels: What the sender may see; None for everything. Any other order is unknown to it.
    """

    consumer: str
    source: Source
    report_id: str
    visible_channels: tuple[str, ...] | None = None


TOLD = (
    "tracking_number",
    "carrier_code",
    "carrier_name",
    "tracking_url",
    "shipping_method",
    "ship_from",
    "return_tracking_number",
    "return_carrier",
)
"""What is told about a package, beside what is in it and when it left. A report that leaves one out keeps what is known."""

_TOLD_AGAIN = frozenset(
    {
        ConfirmationStatus.QUEUED,
        ConfirmationStatus.SENT,
        ConfirmationStatus.VERIFIED,
        ConfirmationStatus.REJECTED,
    }
)
"""From these an update goes to the marketplace. One under way or in doubt ends first; a held or skipped one stays as it is."""

_CHANGEABLE = frozenset({ConfirmationStatus.QUEUED, ConfirmationStatus.HELD, ConfirmationStatus.REJECTED})
"""Until a package has been sent, what is in it may be corrected."""


def report(transaction: Transaction, sender: Sender, given: Sequence[Report], now: datetime) -> list[ShipmentAnswer]:
    """Take reported shipments in, one after the other, each with an answer of its own; the same one twice changes nothing.

    Accepted shipments raise their orders' quantities and status in this transaction, and wait for the pipeline; where the
    channel does not confirm, they are held.

    Args:
        transaction: A write transaction; this takes the book's lock.
        sender: Who reports.
        given: The shipments, at most some hundreds: the write lock is held meanwhile.
        now: When they are recorded.
    """
    lock_book(transaction)
    intake = _examined(transaction, sender, given, now)
    _write(transaction, intake, now)
    return intake.answers


def examine(transaction: Transaction, sender: Sender, given: Sequence[Report], now: datetime) -> list[ShipmentAnswer]:
    """What `report` would answer, without writing anything; a read transaction will do."""
    return _examined(transaction, sender, given, now).answers


def _examined(transaction: Transaction, sender: Sender, given: Sequence[Report], now: datetime) -> _Intake:
    intake = _Intake(transaction, sender, given, now)
    for each in given:
        try:
            intake.answers.append(intake.take(each))
        except _Refused as refused:
            intake.answers.append(
                ShipmentAnswer(result=ReportResult.REFUSED, order_id=refused.order_id, faults=tuple(refused.faults))
            )
    return intake


class _Refused(Exception):
    def __init__(self, faults: Iterable[Fault], order_id: str | None = None) -> None:
        super().__init__("refused")
        self.faults = list(faults)
        self.order_id = order_id


def _refused(code: str, field: str, message: str, order_id: str | None = None) -> _Refused:
    return _Refused([Fault(code=code, field=field, message=message)], order_id)


@dataclass(slots=True)
class _Line:
    """A line while shipments are taken in: the marketplace's quantities, and our units so far."""

    id: str
    original_id: str
    ordered: int | None
    told: int | None
    cancelled: int | None
    refunded: int
    bar: str | None
    reported: Reported | None

    def remaining(self) -> int | None:
        """Units not shipped; what the marketplace leaves out counts as none shipped, none cancelled."""
        shipped, _ = shipped_units(self.told, self.ordered, self.cancelled, self.reported)
        return remaining_units(self.ordered, shipped or 0, self.cancelled or 0)

    def shippable(self) -> int | None:
        """Units of the remaining ones that may be shipped."""
        left = self.remaining()
        if left is None:
            return None
        return 0 if self.bar is not None else max(0, left - self.refunded)

    def add(self, units: int) -> int:
        """Take units up; returns how many others are known to have shipped."""
        ours = self.reported.units if self.reported else 0
        known = self.reported.by_others if self.reported else 0
        by_others = max(known, (self.told or 0) - ours)
        self.reported = Reported(ours + units, by_others)
        return by_others

    def take_back(self, units: int) -> None:
        """Give units up again, of a package whose content is being corrected."""
        if self.reported is not None:
            self.reported = replace(self.reported, units=self.reported.units - units)


@dataclass(slots=True)
class _Order:
    """An order while shipments are taken in."""

    id: str
    channel: str
    status: Status
    source_status: Status
    fulfilled_by: str | None
    bar: Bar | None
    purchased_at: datetime
    lines: dict[str, _Line]
    packages: dict[str, dict[str, Any]]

    def line(self, item: Item, field: str) -> _Line:
        """The line that an item names."""
        named = [
            each
            for each in self.lines.values()
            if item.item_id in {None, each.id} and item.item_original_id in {None, each.original_id}
        ]
        if (item.item_id is None and item.item_original_id is None) or len(named) != 1:
            name = "item_id" if item.item_id is not None or item.item_original_id is None else "item_original_id"
            raise _refused("unknown_line", f"{field}/{name}", "The order has no such line.", self.id)
        return named[0]


class _Intake:
    """Reports under examination, with everything that they need read beforehand: a handful of queries for any number."""

    def __init__(self, transaction: Transaction, sender: Sender, given: Sequence[Report], now: datetime) -> None:
        self.sender = sender
        self.now = now
        self.answers: list[ShipmentAnswer] = []
        self.written: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self._orders = _read_orders(transaction, sender, given)
        self.lines_of = _read_packages(transaction, self._orders)
        self._by_original: dict[str, list[_Order]] = {}
        for original_id, order in self._orders.values():
            self._by_original.setdefault(original_id, []).append(order)
        codes = sorted({order.channel for _, order in self._orders.values()})
        self._carriers = Carriers.of(transaction, codes)
        self._unconfirmed = _confirmed_by_marketplace(transaction, self._orders, self._carriers)
        confirming = sa.select(channels.c.code).where(channels.c.code.in_(codes), channels.c.confirmation.is_(True))
        self._confirming = frozenset(transaction.execute(confirming).scalars())
        ids = sorted(self._orders)
        self._held = holds.held_orders(transaction, ids, now)
        self._asked = holds.asked_orders(transaction, ids)

    def take(self, given: Report) -> ShipmentAnswer:
        """One report, examined and noted down to be written."""
        order = self._order(given)
        known = self._known_package(order, given)
        if known is None:
            return self._new(order, given)
        return self._again(order, given, known)

    # -- which order, which package

    def _order(self, given: Report) -> _Order:
        field = "id" if given.id is not None else "original_id"
        if given.id is not None:
            found = self._orders.get(given.id)
            matching = [found[1]] if found and given.original_id in {None, found[0]} else []
        else:
            matching = self._by_original.get(given.original_id or "", [])
        matching = [each for each in matching if given.channel in {None, each.channel}]
        if len(matching) > 1:  # of a split order only the merchant's half can be meant
            matching = [each for each in matching if each.fulfilled_by != FulfilledBy.MARKETPLACE] or matching
        if not matching:
            raise _refused("unknown_order", field, "There is no such order for this sender.")
        if len(matching) > 1:
            raise _refused(
                "ambiguous_order", field, "Several orders have this id: name the channel, or the order by id."
            )
        return matching[0]

    def _known_package(self, order: _Order, given: Report) -> dict[str, Any] | None:
        """The package that is reported again, if it is one."""
        if given.package_id is not None and given.package_id in order.packages:
            return order.packages[given.package_id]
        same = [each for each in order.packages.values() if self._is_same_content(order, given, each)]
        if same:
            return same[0]
        if given.package_id is None and order.packages:
            message = (
                f"The order has {len(order.packages)} package(s) already: say by package_id whether this is one of them "
                "or another one."
            )
            raise _refused("package_id_needed", "package_id", message, order.id)
        return None

    def _is_same_content(self, order: _Order, given: Report, known: Mapping[str, Any]) -> bool:
        """Whether a report under another name, or none, tells of a package that is known: same number, same units."""
        if given.tracking_number is None or given.tracking_number != known["tracking_number"]:
            return False
        if not given.items:
            return given.package_id is None
        try:
            wanted = self._quantities(order, given.items)
        except _Refused:
            return False
        return wanted == _units(self.lines_of[known["id"]])

    # -- a package that is new

    def _new(self, order: _Order, given: Report) -> ShipmentAnswer:
        self._check_order(order)
        self._check_date(given, order)
        told = {name: getattr(given, name) for name in TOLD}
        self._check_told(order, told)
        quantities = self._quantities(order, given.items)
        self._check_quantities(order, quantities, given.items)
        self._check_split(order, quantities)
        package_id = given.package_id or FIRST_PACKAGE
        row = {
            "id": shipment_id(order.id, package_id),
            "order_id": order.id,
            "channel": order.channel,
            "package_id": package_id,
            "reference": free_reference(
                shipment_id(order.id, package_id), {each["reference"] for each in order.packages.values()}
            ),
            **told,
            "shipped_at": given.shipping_date or self.now,
            "version": 1,
            "sent_version": None,
            **self._first_state(order),
            "reported_at": self.now,
            "attempts": 0,
            "fence": 0,
            "claimed_by": None,
            "claimed_until": None,
            "sent_at": None,
            "verified_at": None,
            "known_as": None,
            "told_carrier": None,
            "code": None,
            "message": None,
            "hint": None,
            "difference": None,
        }
        order.packages[package_id] = row
        self.lines_of[row["id"]] = _add(order, quantities)
        self._note(row, "shipment_reported", sum(quantities.values()))
        return self._answer(ReportResult.ACCEPTED, order, given, row)

    def _answer(self, result: ReportResult, order: _Order, given: Report, row: Mapping[str, Any]) -> ShipmentAnswer:
        return ShipmentAnswer(
            result=result,
            shipment_id=row["id"],
            order_id=order.id,
            status=row["status"],
            held_reason=row["held_reason"],
            notices=tuple(self._notices(order, given, row)),
        )

    def _notices(self, order: _Order, given: Report, row: Mapping[str, Any]) -> Iterator[Fault]:
        """What the sender should know of a shipment that is not refused."""
        if order.id in self._asked:
            message = "Somebody has asked to cancel this order: see /v1/cancellation-requests."
            yield Fault(code="cancellation_requested", field="id", message=message)
        if row["held_reason"] == holds.CONFIRMATION_OFF:
            message = "The channel does not confirm shipments: the marketplace is not told until somebody decides."
            yield Fault(code="confirmation_off", field="", message=message)
        left = given.shipping_date
        if left is not None and left < order.purchased_at - BEFORE_PURCHASE:
            message = "The shipping date lies before the order was placed: the marketplace may refuse it."
            yield Fault(code="shipping_date_before_purchase", field="shipping_date", message=message)
        elif left is not None and left < self.now - LONG_AGO:
            message = f"The shipping date is more than {LONG_AGO.days} days ago."
            yield Fault(code="shipping_date_long_ago", field="shipping_date", message=message)

    def _first_state(self, order: _Order) -> dict[str, Any]:
        """Whether a shipment waits to be sent, is held, or is none of our business to tell."""
        if order.id in self._unconfirmed:
            return {"status": ConfirmationStatus.NONE.value, "held_reason": BY_MARKETPLACE, "due_at": None}
        if order.channel not in self._confirming:
            return {"status": ConfirmationStatus.HELD.value, "held_reason": holds.CONFIRMATION_OFF, "due_at": None}
        if order.id in self._held:
            return {"status": ConfirmationStatus.HELD.value, "held_reason": holds.CANCELLATION, "due_at": None}
        return {"status": ConfirmationStatus.QUEUED.value, "held_reason": None, "due_at": self.now}

    def _check_order(self, order: _Order) -> None:
        if order.fulfilled_by == FulfilledBy.MARKETPLACE:
            raise _refused("fulfilled_by_marketplace", "id", "The marketplace ships this order itself.", order.id)
        match order.source_status:
            case Status.CANCELED | Status.REFUSED:
                raise _refused("order_canceled", "id", f"The order is {order.source_status}: nothing ships.", order.id)
            case Status.PENDING:
                message = "The marketplace has not released the order yet: it must not be shipped."
                raise _refused("order_pending", "id", message, order.id)
            case Status.WAITING_FOR_SHIPMENT | Status.PARTIALLY_SHIPPED | Status.SHIPPED | Status.UNKNOWN:
                pass
        if order.bar is not None and order.bar is not Bar.NO_LINE_MAY_SHIP:
            message = f"The marketplace does not let this order ship ({order.bar}): see may_not_ship_reason."
            raise _refused("may_not_ship", "id", message, order.id)

    def _check_date(self, given: Report, order: _Order) -> None:
        if given.shipping_date is not None and given.shipping_date > self.now + CLOCK_TOLERANCE:
            raise _refused(
                "shipping_date_in_future", "shipping_date", "The shipping date lies in the future.", order.id
            )

    def _check_told(self, order: _Order, told: Mapping[str, Any]) -> None:
        """What the channel's marketplace needs to be told; nothing is asked of a channel that it is not known of."""
        needs = self._carriers.requirements(order.channel)
        if needs is None:
            return
        faults = []
        if needs.needs_tracking_number and told["tracking_number"] is None:
            message = "The marketplace takes no shipment without a tracking number."
            faults.append(Fault(code="tracking_number_missing", field="tracking_number", message=message))
        if needs.needs_carrier and told["carrier_code"] is None and told["carrier_name"] is None:
            message = "The marketplace takes no shipment without a carrier."
            faults.append(Fault(code="carrier_missing", field="carrier_code", message=message))
        faults += self._unknown_carrier(order, told, needs)
        if faults:
            raise _Refused(faults, order.id)

    def _unknown_carrier(self, order: _Order, told: Mapping[str, Any], needs: Requirements) -> list[Fault]:
        code = told["carrier_code"]
        if needs.carrier_rule is not CarrierRule.LISTED or code is None:
            return []
        if self._carriers.told(order.channel, code, None).code is not None:
            return []
        message = (
            "The marketplace takes only carriers of its list, and this one is neither on it nor mapped to it: see "
            "`orders carriers`."
        )
        return [Fault(code="carrier_unknown", field="carrier_code", message=message)]

    def _quantities(self, order: _Order, items: Sequence[Item]) -> dict[str, int]:
        """Units by line id: those given, or all that remains."""
        if not items:
            left = {each.id: each.shippable() for each in order.lines.values()}
            unknown = [each for each, units in left.items() if units is None]
            if unknown:
                message = "The marketplace does not tell all quantities of this order: name the items."
                raise _refused("quantity_unknown", "items", message, order.id)
            found = {each: units for each, units in left.items() if units}
            if not found and any(each.remaining() for each in order.lines.values()):
                message = "The marketplace does not let ship what remains: see may_not_ship_reason of the lines."
                raise _refused("may_not_ship", "items", message, order.id)
            if not found:
                raise _refused("nothing_remains", "items", "Nothing of this order remains to be shipped.", order.id)
            return found
        quantities: dict[str, int] = {}
        for index, item in enumerate(items):
            line = order.line(item, f"items/{index}")
            if line.id in quantities:
                raise _refused("duplicate_item", f"items/{index}", "Another item names the same line.", order.id)
            units = item.item_quantity_shipped
            quantities[line.id] = _all_of(line) if units is None else units
        return quantities

    def _check_quantities(self, order: _Order, quantities: Mapping[str, int], items: Sequence[Item]) -> None:
        faults = []
        for index, (line_id, units) in enumerate(quantities.items()):
            field = f"items/{index}/item_quantity_shipped" if items else "items"
            left = order.lines[line_id].remaining()
            if units < 1:
                message = "Nothing of this line remains." if left == 0 else "Must be at least 1."
                faults.append(Fault(code="quantity_invalid", field=field, message=message))
            elif left is None:
                message = "The marketplace does not tell how much of this line was ordered."
                faults.append(Fault(code="quantity_unknown", field=field, message=message))
            elif units > left:
                message = f"Only {left} of this line remain to be shipped."
                faults.append(Fault(code="quantity_exceeds_remaining", field=field, message=message))
            elif units > (order.lines[line_id].shippable() or 0):
                message = f"The marketplace lets ship {order.lines[line_id].shippable()} of this line: see may_not_ship_reason."
                faults.append(Fault(code="may_not_ship", field=field, message=message))
        if faults:
            raise _Refused(faults, order.id)

    def _check_split(self, order: _Order, quantities: Mapping[str, int]) -> None:
        """Whether the marketplace takes an order in parts."""
        needs = self._carriers.requirements(order.channel)
        if needs is None:
            return
        left = {each.id: each.shippable() for each in order.lines.values()}
        is_whole = all(quantities.get(each, 0) == (units or 0) for each, units in left.items())
        if not needs.takes_part and not is_whole:
            message = "The marketplace takes an order only as a whole: ship everything in one package."
            raise _refused("partial_not_possible", "items", message, order.id)
        if not needs.takes_several_packages and order.packages:
            message = "The marketplace takes only one package an order."
            raise _refused("several_packages_not_possible", "package_id", message, order.id)

    # -- a package that is known

    def _again(self, order: _Order, given: Report, known: dict[str, Any]) -> ShipmentAnswer:
        self._check_date(given, order)
        told = {name: known[name] if getattr(given, name) is None else getattr(given, name) for name in TOLD}
        told["shipped_at"] = given.shipping_date or known["shipped_at"]
        corrected = self._corrected(order, given, known)
        if corrected is None and all(known[name] == value for name, value in told.items()):
            return self._answer(ReportResult.ALREADY_KNOWN, order, given, known)
        self._check_told(order, told)
        if corrected is not None:
            self.lines_of[known["id"]] = corrected
        known |= {**told, "version": known["version"] + 1, "verified_at": None, "difference": None}
        if known["status"] in _TOLD_AGAIN:
            known |= {**self._first_state(order), "attempts": 0}
        self._note(known, "shipment_updated", sum(units for units, _ in self.lines_of[known["id"]].values()))
        return self._answer(ReportResult.UPDATED, order, given, known)

    def _corrected(self, order: _Order, given: Report, known: Mapping[str, Any]) -> dict[str, tuple[int, int]] | None:
        """What the package holds now, when the report says something else than before."""
        if not given.items:
            return None
        present = _units(self.lines_of[known["id"]])
        for line_id, units in present.items():
            order.lines[line_id].take_back(units)
        try:
            wanted = self._correction(order, given, known, present)
        except _Refused:
            _add(order, present)
            raise
        added = _add(order, wanted or present)
        return added if wanted else None

    def _correction(
        self, order: _Order, given: Report, known: Mapping[str, Any], present: Mapping[str, int]
    ) -> dict[str, int] | None:
        wanted = self._quantities(order, given.items)
        if wanted == present:
            return None
        if known["sent_version"] is not None or known["status"] not in _CHANGEABLE:
            message = "The package was sent with other items already: report another package."
            raise _refused("items_differ", "items", message, order.id)
        self._check_order(order)
        self._check_quantities(order, wanted, given.items)
        return wanted

    def _note(self, row: dict[str, Any], kind: str, units: int) -> None:
        """Remember a row that is to be written, and what happened in the order's timeline; nothing personal."""
        row |= {
            "source": self.sender.source.value,
            "consumer": self.sender.consumer,
            "report_id": self.sender.report_id,
            "updated_at": self.now,
        }
        self.written[row["id"]] = row
        data = {
            "shipment": row["id"],
            "package_id": row["package_id"],
            "units": units,
            "consumer": self.sender.consumer,
            "source": self.sender.source.value,
            "version": row["version"],
            "status": row["status"],
        }
        self.events.append({"order_id": row["order_id"], "kind": kind, "data": data})


def _all_of(line: _Line) -> int:
    """What an item without a quantity means: all that may be shipped, else all that remains, which is then refused."""
    return line.shippable() or line.remaining() or 0


def _add(order: _Order, quantities: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Take units up; line id → (units, shipped by others)."""
    return {line_id: (units, order.lines[line_id].add(units)) for line_id, units in quantities.items()}


def _units(lines: Mapping[str, tuple[int, int]]) -> dict[str, int]:
    return {line_id: units for line_id, (units, _) in lines.items()}


def free_reference(own_id: str, taken: Collection[int]) -> int:
    """The number by which a marketplace is told of a package: positive, and not one of those taken.

    Not counted from 1, as people and other tools do: a marketplace that finds a number taken changes the package that has it,
    whoever made that. It follows from the shipment's id, so that a ledger that was restored gives the same one again.

    >>> free_reference("a", ()) == free_reference("a", ()), free_reference("a", ()) in {1, 2, 3}
    (True, False)
    """
    for salt in itertools.count():
        digest = hashlib.sha256(f"{own_id}/{salt}".encode()).digest()
        number = SMALLEST_REFERENCE + int.from_bytes(digest[:8]) % (LARGEST_REFERENCE - SMALLEST_REFERENCE)
        if number not in taken:
            return number
    raise AssertionError("unreachable")


def _read_orders(transaction: Transaction, sender: Sender, given: Sequence[Report]) -> dict[str, tuple[str, _Order]]:
    """Internal id → (original id, order) of every order that the reports name and the sender may see."""
    ids = sorted({each.id for each in given if each.id is not None})
    originals = sorted({each.original_id for each in given if each.id is None and each.original_id is not None})
    serving = sa.select(channels.c.code)  # the index on original ids begins with the channel
    visible = [] if sender.visible_channels is None else [orders.c.channel.in_(sender.visible_channels)]
    named = sa.or_(orders.c.id.in_(ids), orders.c.channel.in_(serving) & orders.c.original_id.in_(originals))
    columns = (
        orders.c.id,
        orders.c.original_id,
        orders.c.channel,
        orders.c.status,
        orders.c.source_status,
        orders.c.fulfilled_by,
        orders.c.may_not_ship_reason,
        orders.c.purchased_at,
    )
    found = transaction.execute(sa.select(*columns).where(named, *visible)).mappings().all()
    read = {
        row["id"]: (
            row["original_id"],
            _Order(
                id=row["id"],
                channel=row["channel"],
                status=Status(row["status"]),
                source_status=Status(row["source_status"] or row["status"]),
                fulfilled_by=row["fulfilled_by"],
                bar=Bar(row["may_not_ship_reason"]) if row["may_not_ship_reason"] else None,
                purchased_at=row["purchased_at"],
                lines={},
                packages={},
            ),
        )
        for row in found
    }
    _read_lines(transaction, read)
    return read


def _confirmed_by_marketplace(
    transaction: Transaction, read: Mapping[str, tuple[str, _Order]], carriers: Carriers
) -> frozenset[str]:
    """Orders of a programme of which the marketplace is told nothing, by internal id."""
    programs = {order.channel: _unconfirmed_programs(carriers, order.channel) for _, order in read.values()}
    asked = [order.id for _, order in read.values() if programs[order.channel]]
    if not asked:
        return frozenset()
    query = sa.select(orders.c.id, orders.c.channel, orders.c.facts).where(orders.c.id.in_(asked))
    return frozenset(
        row.id
        for row in transaction.execute(query)
        if not programs[row.channel].isdisjoint(orjson.loads("{" + row.facts + "}")["programs"])
    )


def _unconfirmed_programs(carriers: Carriers, channel: str) -> frozenset[str]:
    needs = carriers.requirements(channel)
    return frozenset(needs.unconfirmed_programs) if needs is not None else frozenset()


def _read_lines(transaction: Transaction, read: Mapping[str, tuple[str, _Order]]) -> None:
    ids = list(read)
    reported = reported_units(transaction, ids)
    query = sa.select(order_lines).where(order_lines.c.order_id.in_(ids)).order_by(order_lines.c.number)
    for row in transaction.execute(query).mappings():
        read[row["order_id"]][1].lines[row["id"]] = _Line(
            id=row["id"],
            original_id=row["original_id"],
            ordered=row["quantity_ordered"],
            told=row["told_shipped"],
            cancelled=row["quantity_cancelled"],
            refunded=row["quantity_refunded"] or 0,
            bar=row["bar"],
            reported=reported.get(row["order_id"], {}).get(row["id"]),
        )


def _read_packages(
    transaction: Transaction, read: Mapping[str, tuple[str, _Order]]
) -> dict[str, dict[str, tuple[int, int]]]:
    """Give each order its packages, and return what is in them: shipment id → line id → (units, shipped by others)."""
    ids = list(read)
    for row in transaction.execute(sa.select(shipments).where(shipments.c.order_id.in_(ids))).mappings():
        read[row["order_id"]][1].packages[row["package_id"]] = {str(name): value for name, value in row.items()}
    query = sa.select(shipment_lines).join_from(shipments, shipment_lines).where(shipments.c.order_id.in_(ids))
    found: dict[str, dict[str, tuple[int, int]]] = {}
    for row in transaction.execute(query).mappings():
        found.setdefault(row["shipment_id"], {})[row["line_id"]] = (row["quantity"], row["shipped_by_others"])
    return found


def _write(transaction: Transaction, intake: _Intake, now: datetime) -> None:
    if not intake.written:
        return
    rows = list(intake.written.values())
    transaction.execute(upsert(transaction, shipments, ("id",)), rows)
    transaction.execute(sa.delete(shipment_lines).where(shipment_lines.c.shipment_id.in_(list(intake.written))))
    transaction.execute(
        sa.insert(shipment_lines),
        [
            {
                "shipment_id": own_id,
                "line_id": line_id,
                "quantity": units,
                "shipped_by_others": by_others,
                "may_have_left": 0,
            }
            for own_id in intake.written
            for line_id, (units, by_others) in intake.lines_of[own_id].items()
        ],
    )
    order_events.record(transaction, intake.events, now)
    restate(transaction, {row["order_id"] for row in rows}, now)
