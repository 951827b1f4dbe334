"""Whether a reported shipment is taken: each report with what is known of its order, and why it is refused.

Reads what it needs once for any number of reports; writes nothing. Keeping what was taken is in `shipments`, what is in a
package in `package_contents`, what the marketplace needs to be told of it in `required_content`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from warehouse.ids import shipment_id
from warehouse.ledger.book import holds
from warehouse.ledger.book.order_events import OrderEvent
from warehouse.ledger.settings.carriers import Carriers
from warehouse.ledger.shipping.open_orders import OpenOrder, confirmed_by_marketplace, read_orders, read_packages
from warehouse.ledger.shipping.package_contents import check_quantities, check_split, take_up, units_of, wanted_units
from warehouse.ledger.shipping.records import StoredShipment
from warehouse.ledger.shipping.references import free_reference
from warehouse.ledger.shipping.required_content import missing_content, read_channels
from warehouse.order_states import Bar, ConfirmationStatus, FulfilledBy, Status
from warehouse.shipment_reports import (
    ReportFault,
    ReportRefused,
    ReportResult,
    Sender,
    ShipmentAnswer,
    ShipmentReport,
    refusal,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.book.fulfilment import OwnShipments
    from warehouse.shipments import Requirements


class Intake:
    """Reports under examination, with everything that they need read beforehand: a handful of queries for any number."""

    def __init__(
        self, transaction: Transaction, sender: Sender, given: Sequence[ShipmentReport], now: datetime
    ) -> None:
        self.sender = sender
        self.now = now
        self.answers: list[ShipmentAnswer] = []
        self.written: dict[str, StoredShipment] = {}
        self.events: list[OrderEvent] = []
        self._reported: dict[str, Any] = {
            "source": sender.source.value,
            "consumer": sender.consumer,
            "report_id": sender.report_id,
            "updated_at": now,
        }
        self._orders = read_orders(transaction, sender, given)
        self.lines_of = read_packages(transaction, self._orders)
        self.known = frozenset(each.id for _, order in self._orders.values() for each in order.packages.values())
        self._by_original: dict[str, list[OpenOrder]] = {}
        for original_id, order in self._orders.values():
            self._by_original.setdefault(original_id, []).append(order)
        codes = sorted({order.channel for _, order in self._orders.values()})
        self._carriers = Carriers.of(transaction, codes)
        self._unconfirmed = confirmed_by_marketplace(transaction, self._orders, self._carriers)
        self._channels = read_channels(transaction, codes)
        ids = sorted(self._orders)
        self._held = holds.held_orders(transaction, ids, now)
        self._asked = holds.asked_orders(transaction, ids)

    def take(self, given: ShipmentReport) -> ShipmentAnswer:
        """One report, examined and noted down to be written."""
        order = self._order(given)
        known = self._known_package(order, given)
        if known is None:
            return self._new(order, given)
        counts = order.counts()
        try:
            return self._again(order, given, known)
        except ReportRefused:
            order.restore(counts)
            raise

    def shipments_now(self) -> dict[str, OwnShipments]:
        """Order id → all its shipments, of the orders with new packages; corrected ones are to be read again."""
        corrected = {row.order_id for own_id, row in self.written.items() if own_id in self.known}
        fresh = [self._orders[each][1] for each in self.channels_of_written().keys() - corrected]
        return {
            each.id: each.shipments(are_new=self.known.isdisjoint(own.id for own in each.packages.values()))
            for each in fresh
        }

    def channels_of_written(self) -> dict[str, str]:
        """Order id → channel, of the orders of which something is written."""
        return {row.order_id: row.channel for row in self.written.values()}

    # -- which order, which package

    def _order(self, given: ShipmentReport) -> OpenOrder:
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
            raise refusal("unknown_order", field, "There is no such order for this sender.")
        if len(matching) > 1:
            raise refusal(
                "ambiguous_order", field, "Several orders have this id: name the channel, or the order by id."
            )
        return matching[0]

    def _known_package(self, order: OpenOrder, given: ShipmentReport) -> StoredShipment | None:
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
            raise refusal("package_id_needed", "package_id", message, order.id)
        return None

    def _is_same_content(self, order: OpenOrder, given: ShipmentReport, known: StoredShipment) -> bool:
        """Whether a report under another name, or none, tells of a package that is known: same number, same units."""
        if given.tracking_number is None or given.tracking_number != known.tracking_number:
            return False
        if not given.items:
            return given.package_id is None
        present = units_of(self.lines_of[known.id])
        try:
            return wanted_units(order, given.items, present).units == present
        except ReportRefused:
            return False

    # -- a package that is new

    def _new(self, order: OpenOrder, given: ShipmentReport) -> ShipmentAnswer:
        self._check_order(order)
        self._check_date(given, order)
        needs = self._check_content(order, given)
        wanted = wanted_units(order, given.items)
        check_quantities(order, wanted)
        quantities = wanted.units
        if needs is not None:
            check_split(order, quantities, needs)
        package_id = given.package_id or FIRST_PACKAGE
        own_id = shipment_id(order.id, package_id)
        row = StoredShipment(
            id=own_id,
            order_id=order.id,
            channel=order.channel,
            package_id=package_id,
            reference=free_reference(own_id, {each.reference for each in order.packages.values()}),
            **dict(zip(CONTENT, _content_of(given), strict=True)),
            shipped_at=given.shipping_date or self.now,
            version=1,
            **self._first_state(order),
            reported_at=self.now,
            **self._reported,
        )
        self.lines_of[own_id] = take_up(order, quantities)
        self._note(order, row, "shipment_reported", sum(quantities.values()))
        return self._answer(ReportResult.ACCEPTED, order, given, row)

    def _answer(
        self, result: ReportResult, order: OpenOrder, given: ShipmentReport, row: StoredShipment
    ) -> ShipmentAnswer:
        return ShipmentAnswer(
            result=result,
            shipment_id=row.id,
            order_id=order.id,
            status=row.status,
            held_reason=row.held_reason,
            notices=tuple(self._notices(order, given, row)),
        )

    def _notices(self, order: OpenOrder, given: ShipmentReport, row: StoredShipment) -> Iterator[ReportFault]:
        """What the sender should know of a shipment that is not refused."""
        if order.id in self._asked:
            message = "Somebody has asked to cancel this order: see /v1/cancellation-requests."
            yield ReportFault(code="cancellation_requested", field="id", message=message)
        if row.held_reason == holds.CONFIRMATION_OFF:
            message = "The channel does not confirm shipments: the marketplace is not told until somebody decides."
            yield ReportFault(code="confirmation_off", field="", message=message)
        left = given.shipping_date
        if left is not None and left < order.purchased_at - BEFORE_PURCHASE:
            message = "The shipping date lies before the order was placed: the marketplace may refuse it."
            yield ReportFault(code="shipping_date_before_purchase", field="shipping_date", message=message)
        elif left is not None and left < self.now - LONG_AGO:
            message = f"The shipping date is more than {LONG_AGO.days} days ago."
            yield ReportFault(code="shipping_date_long_ago", field="shipping_date", message=message)

    def _first_state(self, order: OpenOrder) -> dict[str, Any]:
        """Whether a shipment waits to be sent, is held, or is none of our business to tell."""
        if order.id in self._unconfirmed:
            return {"status": ConfirmationStatus.NONE.value, "held_reason": BY_MARKETPLACE, "due_at": None}
        if not self._channels[order.channel].is_confirming:
            return {"status": ConfirmationStatus.HELD.value, "held_reason": holds.CONFIRMATION_OFF, "due_at": None}
        if order.id in self._held:
            return {"status": ConfirmationStatus.HELD.value, "held_reason": holds.CANCELLATION, "due_at": None}
        return {"status": ConfirmationStatus.QUEUED.value, "held_reason": None, "due_at": self.now}

    def _check_order(self, order: OpenOrder) -> None:
        if order.fulfilled_by == FulfilledBy.MARKETPLACE:
            raise refusal("fulfilled_by_marketplace", "id", "The marketplace ships this order itself.", order.id)
        match order.source_status:
            case Status.CANCELED | Status.REFUSED:
                raise refusal("order_canceled", "id", f"The order is {order.source_status}: nothing ships.", order.id)
            case Status.PENDING:
                message = "The marketplace has not released the order yet: it must not be shipped."
                raise refusal("order_pending", "id", message, order.id)
            case Status.WAITING_FOR_SHIPMENT | Status.PARTIALLY_SHIPPED | Status.SHIPPED | Status.UNKNOWN:
                pass
        if order.bar is not None and order.bar is not Bar.NO_LINE_MAY_SHIP:
            message = f"The marketplace does not let this order ship ({order.bar}): see may_not_ship_reason."
            raise refusal("may_not_ship", "id", message, order.id)

    def _check_date(self, given: ShipmentReport, order: OpenOrder) -> None:
        if given.shipping_date is not None and given.shipping_date > self.now + CLOCK_TOLERANCE:
            raise refusal("shipping_date_in_future", "shipping_date", "The shipping date lies in the future.", order.id)

    def _check_content(self, order: OpenOrder, given: ShipmentReport) -> Requirements | None:
        """What the channel's marketplace needs; nothing is asked of a channel that it is not known of."""
        needs = self._carriers.requirements(order.channel)
        if needs is not None:
            faults = list(missing_content(given, needs, self._channels[order.channel], self._carriers))
            if faults:
                raise ReportRefused(faults, order.id)
        return needs

    def _check_correction(self, order: OpenOrder, known: StoredShipment) -> None:
        """Whether what the marketplace was, or may have been, told of a package can be changed."""
        needs = self._carriers.requirements(order.channel)
        is_sent = known.sent_version is not None or known.status not in _CHANGEABLE
        if needs is not None and not needs.takes_corrections and is_sent:
            message = "The marketplace takes no change of a package that it was told of: correct it there."
            raise refusal("correction_not_offered", "package_id", message, order.id)

    # -- a package that is known

    def _again(self, order: OpenOrder, given: ShipmentReport, known: StoredShipment) -> ShipmentAnswer:
        self._check_date(given, order)
        package = replace(given, **{name: getattr(known, name) for name in CONTENT if getattr(given, name) is None})
        merged = known._replace(
            **{name: getattr(package, name) for name in CONTENT}, shipped_at=given.shipping_date or known.shipped_at
        )
        corrected = self._corrected(order, given, known)
        if corrected is None and merged == known:
            return self._answer(ReportResult.ALREADY_KNOWN, order, given, known)
        self._check_correction(order, known)
        self._check_content(order, package)
        if corrected is not None:
            self.lines_of[known.id] = corrected
        row = merged._replace(version=known.version + 1, verified_at=None, difference=None, **self._reported)
        if row.status in _SENT_AGAIN:
            row = row._replace(**self._first_state(order), attempts=0)
        self._note(order, row, "shipment_updated", sum(units for units, _ in self.lines_of[row.id].values()))
        return self._answer(ReportResult.UPDATED, order, given, row)

    def _corrected(
        self, order: OpenOrder, given: ShipmentReport, known: StoredShipment
    ) -> dict[str, tuple[int, int]] | None:
        """What the package holds now, when the report says something else than before."""
        if not given.items:
            return None
        counts, present = order.counts(), units_of(self.lines_of[known.id])
        for line_id, units in present.items():
            order.lines[line_id].take_back(units)
        wanted = self._correction(order, given, known, present)
        if not wanted:
            order.restore(counts)
            return None
        return take_up(order, wanted)

    def _correction(
        self, order: OpenOrder, given: ShipmentReport, known: StoredShipment, present: Mapping[str, int]
    ) -> dict[str, int] | None:
        wanted = wanted_units(order, given.items, present)
        if wanted.units == present:
            return None
        if known.sent_version is not None or known.status not in _CHANGEABLE:
            message = "The package was sent with other items already: report another package."
            raise refusal("items_differ", "items", message, order.id)
        self._check_order(order)
        check_quantities(order, wanted)
        return wanted.units

    def _note(self, order: OpenOrder, row: StoredShipment, kind: str, units: int) -> None:
        """Remember a row that is to be written, and what happened in the order's timeline; nothing personal."""
        order.packages[row.package_id] = self.written[row.id] = row
        data = {
            "shipment": row.id,
            "package_id": row.package_id,
            "units": units,
            "consumer": row.consumer,
            "source": row.source,
            "version": row.version,
            "status": row.status,
        }
        self.events.append(OrderEvent(row.order_id, kind, data))


BEFORE_PURCHASE = timedelta(days=1)
"""How far a shipping date may lie before the purchase: many an ERP gives the day alone, on a clock of its own."""


BY_MARKETPLACE = "confirmed_by_marketplace"
"""Why a shipment is not told: the marketplace confirms orders of this programme by itself."""


CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far a shipping date may lie ahead: clocks differ."""


FIRST_PACKAGE = "1"


LONG_AGO = timedelta(days=30)
"""A shipping date further back is taken, and pointed out."""


CONTENT = (
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


_content_of = attrgetter(*CONTENT)


_CHANGEABLE = frozenset({ConfirmationStatus.QUEUED, ConfirmationStatus.HELD, ConfirmationStatus.REJECTED})
"""Until a package has been sent, what is in it may be corrected."""


_SENT_AGAIN = frozenset(
    {
        ConfirmationStatus.QUEUED,
        ConfirmationStatus.SENT,
        ConfirmationStatus.VERIFIED,
        ConfirmationStatus.REJECTED,
    }
)
"""From these an update goes to the marketplace. One under way or in doubt ends first; a held or skipped one stays as it is."""
