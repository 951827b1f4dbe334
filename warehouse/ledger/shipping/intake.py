"""Whether a reported shipment is taken: each report with what is known of its order, and why it is refused.

Reads what it needs once for any number of reports; writes nothing. Keeping what was taken is in `shipments`.
"""

from __future__ import annotations

import hashlib
import itertools
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from warehouse.ledger.base.schema import channels, connections
from warehouse.ledger.book import holds
from warehouse.ledger.settings.carriers import Carriers
from warehouse.ledger.shipping.open_orders import (
    OpenLine,
    OpenOrder,
    confirmed_by_marketplace,
    read_orders,
    read_packages,
)
from warehouse.orders import Bar, ConfirmationStatus, FulfilledBy, Status, shipment_id
from warehouse.shipment_reports import (
    Item,
    ReportFault,
    ReportRefused,
    ReportResult,
    Sender,
    ShipmentAnswer,
    ShipmentReport,
    refusal,
)
from warehouse.shipments import CarrierRule

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.shipments import Requirements


SMALLEST_REFERENCE, LARGEST_REFERENCE = 10**8, 2**31 - 1
"""Of the numbers that packages are told by: nine digits at least, as nobody counts."""


class Intake:
    """Reports under examination, with everything that they need read beforehand: a handful of queries for any number."""

    def __init__(
        self, transaction: Transaction, sender: Sender, given: Sequence[ShipmentReport], now: datetime
    ) -> None:
        self.sender = sender
        self.now = now
        self.answers: list[ShipmentAnswer] = []
        self.written: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self._orders = read_orders(transaction, sender, given)
        self.lines_of = read_packages(transaction, self._orders)
        self._by_original: dict[str, list[OpenOrder]] = {}
        for original_id, order in self._orders.values():
            self._by_original.setdefault(original_id, []).append(order)
        codes = sorted({order.channel for _, order in self._orders.values()})
        self._carriers = Carriers.of(transaction, codes)
        self._unconfirmed = confirmed_by_marketplace(transaction, self._orders, self._carriers)
        self._channels = _read_channels(transaction, codes)
        ids = sorted(self._orders)
        self._held = holds.held_orders(transaction, ids, now)
        self._asked = holds.asked_orders(transaction, ids)

    def take(self, given: ShipmentReport) -> ShipmentAnswer:
        """One report, examined and noted down to be written."""
        order = self._order(given)
        known = self._known_package(order, given)
        if known is None:
            return self._new(order, given)
        return self._again(order, given, known)

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

    def _known_package(self, order: OpenOrder, given: ShipmentReport) -> dict[str, Any] | None:
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

    def _is_same_content(self, order: OpenOrder, given: ShipmentReport, known: Mapping[str, Any]) -> bool:
        """Whether a report under another name, or none, tells of a package that is known: same number, same units."""
        if given.tracking_number is None or given.tracking_number != known["tracking_number"]:
            return False
        if not given.items:
            return given.package_id is None
        present = _units(self.lines_of[known["id"]])
        try:
            return self._quantities(order, given.items, present).units == present
        except ReportRefused:
            return False

    # -- a package that is new

    def _new(self, order: OpenOrder, given: ShipmentReport) -> ShipmentAnswer:
        self._check_order(order)
        self._check_date(given, order)
        content = {name: getattr(given, name) for name in CONTENT}
        self._check_content(order, content)
        wanted = self._quantities(order, given.items)
        self._check_quantities(order, wanted)
        quantities = wanted.units
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
            **content,
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
            "marketplace_package_id": None,
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

    def _answer(
        self, result: ReportResult, order: OpenOrder, given: ShipmentReport, row: Mapping[str, Any]
    ) -> ShipmentAnswer:
        return ShipmentAnswer(
            result=result,
            shipment_id=row["id"],
            order_id=order.id,
            status=row["status"],
            held_reason=row["held_reason"],
            notices=tuple(self._notices(order, given, row)),
        )

    def _notices(self, order: OpenOrder, given: ShipmentReport, row: Mapping[str, Any]) -> Iterator[ReportFault]:
        """What the sender should know of a shipment that is not refused."""
        if order.id in self._asked:
            message = "Somebody has asked to cancel this order: see /v1/cancellation-requests."
            yield ReportFault(code="cancellation_requested", field="id", message=message)
        if row["held_reason"] == holds.CONFIRMATION_OFF:
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

    def _check_content(self, order: OpenOrder, content: Mapping[str, Any]) -> None:
        """What the channel's marketplace needs to be told; nothing is asked of a channel that it is not known of."""
        needs = self._carriers.requirements(order.channel)
        if needs is None:
            return
        faults = []
        if needs.needs_tracking_number and content["tracking_number"] is None:
            message = "The marketplace takes no shipment without a tracking number."
            faults.append(ReportFault(code="tracking_number_missing", field="tracking_number", message=message))
        if needs.needs_carrier and content["carrier_code"] is None and content["carrier_name"] is None:
            message = "The marketplace takes no shipment without a carrier."
            faults.append(ReportFault(code="carrier_missing", field="carrier_code", message=message))
        faults += self._unknown_carrier(order, content, needs)
        faults += self._missing_tracking_url(order, content, needs)
        faults += self._missing_place(order, content, needs)
        faults += self._missing_return_label(order, content, needs)
        faults += self._missing_method(order, content, needs)
        if faults:
            raise ReportRefused(faults, order.id)

    def _unknown_carrier(self, order: OpenOrder, content: Mapping[str, Any], needs: Requirements) -> list[ReportFault]:
        code, name = content["carrier_code"], content["carrier_name"]
        if needs.carrier_rule is not CarrierRule.LISTED or (code is None and name is None):
            return []
        if self._carriers.translated(order.channel, code, name).code is not None:
            return []
        message = (
            "The marketplace takes only carriers of its list, and this one is neither on it nor mapped to it: see "
            "`orders carriers`."
        )
        field = "carrier_name" if code is None else "carrier_code"
        return [ReportFault(code="carrier_unknown", field=field, message=message)]

    def _missing_tracking_url(
        self, order: OpenOrder, content: Mapping[str, Any], needs: Requirements
    ) -> list[ReportFault]:
        code, name = content["carrier_code"], content["carrier_name"]
        if (
            not needs.needs_tracking_url_of_named
            or content["tracking_url"] is not None
            or (code is None and name is None)
        ):
            return []
        carrier = self._carriers.translated(order.channel, code, name)
        if carrier.code is not None or carrier.tracking_url is not None:
            return []
        message = (
            "The marketplace has no code for this carrier, and then it wants the address where the parcel is tracked."
        )
        return [ReportFault(code="tracking_url_missing", field="tracking_url", message=message)]

    def _missing_place(self, order: OpenOrder, content: Mapping[str, Any], needs: Requirements) -> list[ReportFault]:
        here = self._channels[order.channel]
        if not needs.needs_ship_from_place or (content["ship_from"] or here.ship_from) in here.places:
            return []
        message = (
            "The marketplace wants the address that a package leaves from: name a place of the connection's "
            "ship_from_places, here or in the channel's setting."
        )
        return [ReportFault(code="ship_from_missing", field="ship_from", message=message)]

    def _missing_method(self, order: OpenOrder, content: Mapping[str, Any], needs: Requirements) -> list[ReportFault]:
        if not needs.shipping_methods or content["shipping_method"] or self._channels[order.channel].shipping_method:
            return []
        message = (
            "The marketplace wants to know in its own words how the package is sent: name a shipping_method, here or in the "
            "channel's setting."
        )
        return [ReportFault(code="shipping_method_missing", field="shipping_method", message=message)]

    def _missing_return_label(
        self, order: OpenOrder, content: Mapping[str, Any], needs: Requirements
    ) -> list[ReportFault]:
        carrier = self._carriers.translated(order.channel, content["carrier_code"], content["carrier_name"]).code
        if carrier is None or carrier not in needs.needs_return_label_with:
            return []
        faults = []
        if content["return_tracking_number"] is None:
            message = "With this carrier the marketplace wants the number of the return label."
            faults.append(ReportFault(code="return_label_missing", field="return_tracking_number", message=message))
        named = content["return_carrier"] or self._channels[order.channel].return_carrier
        if needs.return_carrier(named, carrier) is None:
            taken = ", ".join(needs.return_carriers)
            message = f"The marketplace takes return labels of {taken} only: name one of them."
            faults.append(ReportFault(code="return_label_missing", field="return_carrier", message=message))
        return faults

    def _check_correction(self, order: OpenOrder, known: Mapping[str, Any]) -> None:
        """Whether what the marketplace was, or may have been, told of a package can be changed."""
        needs = self._carriers.requirements(order.channel)
        is_sent = known["sent_version"] is not None or known["status"] not in _CHANGEABLE
        if needs is not None and not needs.takes_corrections and is_sent:
            message = "The marketplace takes no change of a package that it was told of: correct it there."
            raise refusal("correction_not_offered", "package_id", message, order.id)

    def _quantities(self, order: OpenOrder, items: Sequence[Item], present: Mapping[str, int] | None = None) -> _Wanted:
        """What is given, or all that remains; `present` is what the package holds already, where it is known."""
        if not items:
            left = {each.id: each.shippable() for each in order.lines.values()}
            unknown = [each for each, units in left.items() if units is None]
            if unknown:
                message = "The marketplace does not tell all quantities of this order: name the items."
                raise refusal("quantity_unknown", "items", message, order.id)
            found = {each: units for each, units in left.items() if units}
            if not found and any(each.remaining() for each in order.lines.values()):
                message = "The marketplace does not let ship what remains: see may_not_ship_reason of the lines."
                raise refusal("may_not_ship", "items", message, order.id)
            if not found:
                raise refusal("nothing_remains", "items", "Nothing of this order remains to be shipped.", order.id)
            return _Wanted(found, dict.fromkeys(found, "items"))
        wanted = _Wanted({}, {})
        for index, item in enumerate(items):
            field = f"items/{index}"
            if item.item_id is None and item.item_original_id is None and item.item_sku is not None:
                for line_id, units in _spread(order, item, field, wanted.units, present or {}).items():
                    wanted.units[line_id] = wanted.units.get(line_id, 0) + units
                    wanted.fields[line_id] = f"{field}/item_quantity_shipped"
                continue
            line = order.line(item, field)
            if line.id in wanted.units:
                raise refusal("duplicate_item", field, "Another item names the same line.", order.id)
            given = item.item_quantity_shipped
            wanted.units[line.id] = _all_of(line) if given is None else given
            wanted.fields[line.id] = f"{field}/item_quantity_shipped"
        return wanted

    def _check_quantities(self, order: OpenOrder, wanted: _Wanted) -> None:
        faults = []
        for line_id, units in wanted.units.items():
            field = wanted.fields[line_id]
            left = order.lines[line_id].remaining()
            if units < 1:
                message = "Nothing of this line remains." if left == 0 else "Must be at least 1."
                faults.append(ReportFault(code="quantity_invalid", field=field, message=message))
            elif left is None:
                message = "The marketplace does not tell how much of this line was ordered."
                faults.append(ReportFault(code="quantity_unknown", field=field, message=message))
            elif units > left:
                message = f"Only {left} of this line remain to be shipped."
                faults.append(ReportFault(code="quantity_exceeds_remaining", field=field, message=message))
            elif units > (order.lines[line_id].shippable() or 0):
                message = f"The marketplace lets ship {order.lines[line_id].shippable()} of this line: see may_not_ship_reason."
                faults.append(ReportFault(code="may_not_ship", field=field, message=message))
        if faults:
            raise ReportRefused(faults, order.id)

    def _check_split(self, order: OpenOrder, quantities: Mapping[str, int]) -> None:
        """Whether the marketplace takes an order in parts."""
        needs = self._carriers.requirements(order.channel)
        if needs is None:
            return
        left = {each.id: each.shippable() for each in order.lines.values()}
        is_whole = all(quantities.get(each, 0) == (units or 0) for each, units in left.items())
        if not needs.takes_part and not is_whole:
            message = "The marketplace takes an order only as a whole: ship everything in one package."
            raise refusal("partial_not_possible", "items", message, order.id)
        if not needs.takes_several_packages and order.packages:
            message = "The marketplace takes only one package an order."
            raise refusal("several_packages_not_possible", "package_id", message, order.id)

    # -- a package that is known

    def _again(self, order: OpenOrder, given: ShipmentReport, known: dict[str, Any]) -> ShipmentAnswer:
        self._check_date(given, order)
        content = {name: known[name] if getattr(given, name) is None else getattr(given, name) for name in CONTENT}
        content["shipped_at"] = given.shipping_date or known["shipped_at"]
        corrected = self._corrected(order, given, known)
        if corrected is None and all(known[name] == value for name, value in content.items()):
            return self._answer(ReportResult.ALREADY_KNOWN, order, given, known)
        self._check_correction(order, known)
        self._check_content(order, content)
        if corrected is not None:
            self.lines_of[known["id"]] = corrected
        known |= {**content, "version": known["version"] + 1, "verified_at": None, "difference": None}
        if known["status"] in _SENT_AGAIN:
            known |= {**self._first_state(order), "attempts": 0}
        self._note(known, "shipment_updated", sum(units for units, _ in self.lines_of[known["id"]].values()))
        return self._answer(ReportResult.UPDATED, order, given, known)

    def _corrected(
        self, order: OpenOrder, given: ShipmentReport, known: Mapping[str, Any]
    ) -> dict[str, tuple[int, int]] | None:
        """What the package holds now, when the report says something else than before."""
        if not given.items:
            return None
        present = _units(self.lines_of[known["id"]])
        for line_id, units in present.items():
            order.lines[line_id].take_back(units)
        try:
            wanted = self._correction(order, given, known, present)
        except ReportRefused:
            _add(order, present)
            raise
        added = _add(order, wanted or present)
        return added if wanted else None

    def _correction(
        self, order: OpenOrder, given: ShipmentReport, known: Mapping[str, Any], present: Mapping[str, int]
    ) -> dict[str, int] | None:
        wanted = self._quantities(order, given.items, present)
        if wanted.units == present:
            return None
        if known["sent_version"] is not None or known["status"] not in _CHANGEABLE:
            message = "The package was sent with other items already: report another package."
            raise refusal("items_differ", "items", message, order.id)
        self._check_order(order)
        self._check_quantities(order, wanted)
        return wanted.units

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


class _ChannelFacts(NamedTuple):
    """What is settled of a channel and its connection."""

    is_confirming: bool
    ship_from: str | None
    return_carrier: str | None
    shipping_method: str | None
    places: frozenset[str]


def _read_channels(transaction: Transaction, codes: Sequence[str]) -> dict[str, _ChannelFacts]:
    query = (
        sa.select(channels.c.code, channels.c.confirmation, channels.c.settings, connections.c.settings.label("shared"))
        .join_from(channels, connections)
        .where(channels.c.code.in_(codes))
    )
    return {
        row.code: _ChannelFacts(
            row.confirmation,
            row.settings.get("ship_from"),
            row.settings.get("return_carrier"),
            row.settings.get("shipping_method"),
            frozenset(row.shared.get("ship_from_places", ())),
        )
        for row in transaction.execute(query)
    }


class _Wanted(NamedTuple):
    """What a package is to hold: units by line id, and the field of the report that says so."""

    units: dict[str, int]
    fields: dict[str, str]


def _spread(
    order: OpenOrder, item: Item, field: str, taken: Mapping[str, int], present: Mapping[str, int]
) -> dict[str, int]:
    """The units of a SKU by line id: of the lines that the package holds already, then of the open ones in their order.

    Raises:
        ReportRefused: The order has no such line, or not so many units of them that may ship.
    """
    lines = order.lines_of_sku(item, field)
    known = [(each, each.shippable(), each.remaining()) for each in lines]
    if any(left is None for _, left, _ in known):
        message = "The marketplace does not tell how much of this SKU was ordered: name the lines."
        raise refusal("quantity_unknown", f"{field}/item_sku", message, order.id)
    open_units = {
        each.id: max(0, max(left or 0, present.get(each.id, 0)) - taken.get(each.id, 0)) for each, left, _ in known
    }
    may_ship = sum(open_units.values())
    wanted = may_ship if item.item_quantity_shipped is None else item.item_quantity_shipped
    if wanted < 1 or wanted > may_ship:
        barred = sum((left or 0) for _, _, left in known) - sum((left or 0) for _, left, _ in known)
        place = f"{field}/item_quantity_shipped"
        if barred and wanted <= may_ship + barred:
            message = f"The marketplace lets ship {may_ship} of this SKU: see may_not_ship_reason of its lines."
            raise refusal("may_not_ship", place, message, order.id)
        if wanted < 1:
            message = "Nothing of this SKU remains." if not may_ship else "Must be at least 1."
            raise refusal("quantity_invalid", place, message, order.id)
        message = f"Only {may_ship} of this SKU remain to be shipped."
        raise refusal("quantity_exceeds_remaining", place, message, order.id)
    found = {}
    for line_id in sorted(open_units, key=lambda each: each not in present):
        units = min(wanted, open_units[line_id])
        if units > 0:
            found[line_id] = units
            wanted -= units
    return found


def _all_of(line: OpenLine) -> int:
    """What an item without a quantity means: all that may be shipped, else all that remains, which is then refused."""
    return line.shippable() or line.remaining() or 0


def _add(order: OpenOrder, quantities: Mapping[str, int]) -> dict[str, tuple[int, int]]:
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
