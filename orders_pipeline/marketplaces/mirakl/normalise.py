"""Mirakl's order, read: one order as OR11 lists it, with its shipments as ST11 lists them, becomes one `Order`, or two.

Pure and total: any JSON value gives orders or raises `Unreadable` with the JSON path. What is odd but readable becomes
a `OrderProblem` on the order. Fetching is in `client`, finding orders in a file in `documents`, countries in
`countries`, packages in `packages`. The API is described at https://developer.mirakl.com (Marketplace APIs, seller).
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from orders_pipeline.marketplaces.mirakl import packages
from orders_pipeline.marketplaces.mirakl.amounts import MiraklAmounts, gathered
from orders_pipeline.marketplaces.mirakl.descriptions import describe, describe_line, source_data
from orders_pipeline.marketplaces.mirakl.people import read_people
from orders_pipeline.marketplaces.mirakl.quantities import read_ordered, read_refunded
from orders_pipeline.marketplaces.mirakl.settings import LONGEST_ACCEPTANCE_HOURS
from orders_pipeline.marketplaces.mirakl.shipped_units import ShippedUnits
from orders_pipeline.marketplaces.mirakl.states import (
    ACCEPTANCE_STATE,
    CANCELLED_LINE_STATES,
    INCIDENT_STATE,
    REFUND_STATES,
    REFUNDED_LINE_STATES,
    SHIPPED_LINE_STATES,
    SHIPPING_STATE,
    STATUSES,
    UNSHIPPED_LINE_STATES,
    UNSHIPPED_SHIPMENT_STATES,
)
from orders_pipeline.marketplaces.protocol import Unreadable
from orders_pipeline.marketplaces.reading import (
    JsonObject,
    amount,
    code,
    count,
    currency_code,
    flag,
    instant,
    objects,
    required_identifier,
    section,
    text,
    tolerated,
)
from warehouse.order_checks import check
from warehouse.order_lines import Line
from warehouse.order_parts import Cancellation, OrderProblem, Package, Payment
from warehouse.order_rules import conserved
from warehouse.order_states import Bar, FulfilledBy, Status
from warehouse.orders import Order

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from orders_pipeline.marketplaces.mirakl.amounts import LineAmounts
    from orders_pipeline.marketplaces.mirakl.quantities import Ordered
    from orders_pipeline.marketplaces.protocol import ChannelContext
    from warehouse.order_rules import Quantities


DEFAULT_CENTER = "DEFAULT"

_CANCELLED = frozenset({Status.CANCELED, Status.REFUSED})


def normalise(payload: Any, channel: ChannelContext) -> list[Order]:  # noqa: ANN401 - any JSON value
    """Read one order: bare as OR11 lists it, or in our envelope `{"order": …, "shipments": […] | null}`.

    Shipments that are null are those of an instance without multi-shipment; where there is no such member they were not
    read. In both cases line states tell what was shipped. JSON paths in an envelope are those of the marketplace:
    "$.order_lines[0].price", "$.shipments[0].status".

    Args:
        payload: Parsed JSON.
        channel: The channel that the order belongs to; its setting `merchant_fulfillment_centers` lists the fulfilment
            centres that are the seller's own beside DEFAULT.

    Returns:
        One order, or a merchant and a marketplace half when lines name fulfilment centres of both.

    Raises:
        Unreadable: Not an object; ids, the creation date, the lines or a shipment's quantity are missing; a value has
            the wrong type or cannot be right; two lines share one id.
    """
    if not isinstance(payload, dict):
        raise Unreadable("wrong_type", "$", "expected an order object")
    if "order" not in payload or "order_id" in payload:
        return _Reading(payload, None, channel, is_one_package=False).orders()
    order = payload["order"]
    if not isinstance(order, dict):
        raise Unreadable("wrong_type", "$", "expected an order object")
    shipments = None if payload.get("shipments") is None else objects(payload, "shipments", "$")
    return _Reading(order, shipments, channel, is_one_package="shipments" in payload).orders()


class _LineRead(NamedTuple):
    """A line with what the order needs of it."""

    line: Line
    party: FulfilledBy | None
    of: JsonObject
    path: str
    amounts: LineAmounts


class _LineUnits(NamedTuple):
    """Units of a line, and what there is against shipping them."""

    ordered: int | None
    shipped: int | None
    cancelled: int | None
    refunded: int | None
    priced: int | None
    refunded_total: Decimal | None
    bar: Bar | None


class _Reading:
    """One order while it is read: what holds for the whole order, and the problems met on the way."""

    __slots__ = (
        "amounts",
        "channel",
        "is_one_package",
        "of",
        "original_id",
        "party",
        "problems",
        "raw_status",
        "shipments",
        "status",
        "units",
    )

    def __init__(
        self, order: JsonObject, shipments: list[JsonObject] | None, channel: ChannelContext, *, is_one_package: bool
    ) -> None:
        self.of = order
        self.shipments = shipments
        self.is_one_package = is_one_package  # unless there are shipments: then an order's own members tell its package
        self.channel = channel
        self.problems: list[OrderProblem] = []
        self.original_id = ""
        self.raw_status: str | None = None
        self.status = Status.UNKNOWN
        self.party: FulfilledBy | None = None

    def orders(self) -> list[Order]:
        of = self.of
        self.original_id = required_identifier(of, "order_id", "$")
        if of.get("order_lines") is None:
            raise Unreadable("missing", "$.order_lines", "required and not sent")
        sent = objects(of, "order_lines", "$")
        if not sent:
            self._problem("no_lines", "$.order_lines", "the order has no lines")
        self._read_status(sent)
        self.amounts = MiraklAmounts(of, sent, self.problems)
        self.party = self._party(of, "$", None)
        self.units = ShippedUnits(self.original_id, self.shipments or (), sent, self.problems)
        reads = self._lines(sent)
        if self.status is Status.WAITING_FOR_SHIPMENT and _is_any_shipped(read.line for read in reads):
            self.status = Status.PARTIALLY_SHIPPED
        parties = {read.party for read in reads} - {None}
        if len(parties) > 1:
            return self._halves(reads)
        return [self._checked(reads, parties.pop() if parties else self.party)]

    def _problem(self, code: str, path: str, message: str) -> None:
        self.problems.append(OrderProblem(code=code, path=path, message=message))

    # -- what holds for the whole order

    def _read_status(self, lines: Sequence[JsonObject]) -> None:
        raw = self.raw_status = text(self.of, "order_state", "$")
        if raw is None:
            self._problem("status_missing", "$.order_state", "the order has no state")
            return
        status = STATUSES.get(raw)
        if status is None:
            self._problem("status_unknown", "$.order_state", f"unknown order state {raw[:40]!r}")
            return
        if raw in REFUND_STATES:
            paths = (f"$.order_lines[{index}]" for index in range(len(lines)))
            dates = [instant(line, "shipped_date", path) for line, path in zip(lines, paths, strict=False)]
            status = Status.SHIPPED if any(dates) else Status.CANCELED
        self.status = status

    def _party(self, of: JsonObject, path: str, default: FulfilledBy | None) -> FulfilledBy | None:
        """Who fulfils an order or a line: the operator's name for our own warehouse is DEFAULT."""
        here = f"{path}.fulfillment"
        center = section(section(of, "fulfillment", path), "center", here)
        code = text(center, "code", f"{here}.center")
        if code is None:
            return default
        if code == DEFAULT_CENTER or code in _own_centers(self.channel):
            return FulfilledBy.MERCHANT
        return FulfilledBy.MARKETPLACE

    def _checked(self, reads: Sequence[_LineRead], fulfilled_by: FulfilledBy | None) -> Order:
        vat_id_path = "$.customer.organization.tax_identification_number"
        return check(self._order(reads, fulfilled_by), "$.total_price", vat_id_path)

    def _order(self, reads: Sequence[_LineRead], fulfilled_by: FulfilledBy | None) -> Order:
        of = self.of
        purchased_at = instant(of, "created_date", "$")
        if purchased_at is None:
            raise Unreadable("missing", "$.created_date", "required and not sent")
        updated_at = instant(of, "last_updated_date", "$")
        if updated_at is None:
            self._problem("updated_at_missing", "$.last_updated_date", "not sent: the creation date stands for it")
            updated_at = purchased_at
        lines = tuple([read.line for read in reads])
        customer, shipping_address, billing_address, is_business = read_people(of, self.problems)
        total = self.amounts.total()
        shown_packages = self._packages(lines)
        rest = source_data(of)
        return Order(
            original_id=self.original_id,
            channel=self.channel.code,
            marketplace=self.channel.marketplace,
            status=self.status,
            marketplace_status=self.raw_status,
            fulfilled_by=fulfilled_by,
            purchased_at=purchased_at,
            marketplace_updated_at=updated_at,
            ship_by=instant(of, "shipping_deadline", "$"),
            accept_by=self._accept_by(purchased_at),
            currency=self._currency(),
            total=total,
            shipping_total=self.amounts.shipping(),
            tax_total=self.amounts.tax_total,
            charges=self.amounts.charges(),
            payment=Payment(
                method=text(of, "payment_type", "$") or text(of, "paymentType", "$"),
                workflow=text(of, "payment_workflow", "$"),
                paid_at=instant(of, "customer_debited_date", "$"),
            ),
            is_business=is_business,
            customer=customer,
            shipping_address=shipping_address,
            billing_address=billing_address,
            cancellation=self._order_cancellation(),
            bar=self._bar(reads),
            lines=lines,
            packages=shown_packages,
            marketplace_data=rest.clear,
            personal_marketplace_data=rest.personal,
            **describe(of, self.problems)._asdict(),
            problems=tuple(self.problems),
        )

    def _accept_by(self, purchased_at: datetime) -> datetime | None:
        """Mirakl does not tell its deadline: the operator's contract does, and the channel's setting repeats it."""
        hours = self.channel.settings.get("acceptance_hours")
        if self.raw_status != ACCEPTANCE_STATE or not isinstance(hours, int | float) or isinstance(hours, bool):
            return None
        return purchased_at + timedelta(hours=hours) if 0 < hours <= LONGEST_ACCEPTANCE_HOURS else None

    def _currency(self) -> str | None:
        code = text(self.of, "currency_iso_code", "$")
        if code is None:
            self._problem("currency_missing", "$.currency_iso_code", "amounts were sent without a currency")
            return None
        return currency_code(self.of, "currency_iso_code", "$", self.problems)

    def _order_cancellation(self) -> Cancellation | None:
        if self.status not in _CANCELLED:
            return None
        reason = text(self.of, "order_state_reason_code", "$") or text(self.of, "order_state_reason_label", "$")
        return Cancellation(executed_by=self._refuser(self.raw_status), execution_reason=reason)

    def _refuser(self, state: str | None) -> str | None:
        """Only the seller refuses, and only a refusal by hand has a decision date; who cancels is never told."""
        is_by_hand = state == "REFUSED" and instant(self.of, "acceptance_decision_date", "$") is not None
        return "MERCHANT" if is_by_hand else None

    # -- lines

    def _lines(self, sent: Sequence[JsonObject]) -> list[_LineRead]:
        reads: list[_LineRead] = []
        seen: set[str] = set()
        indexes: list[int] = []
        for place, of in enumerate(sent, 1):
            path = f"$.order_lines[{place - 1}]"
            original_id = required_identifier(of, "order_line_id", path)
            if original_id in seen:
                raise Unreadable("duplicate_line", f"{path}.order_line_id", "another line of the order has the same id")
            seen.add(original_id)
            number = count(of, "order_line_index", path) or place
            indexes.append(number)
            reads.append(self._line(of, path, original_id, number, self.amounts.of_line(place - 1)))
        if len(set(indexes)) == len(indexes):
            return reads
        return [read._replace(line=replace(read.line, number=place)) for place, read in enumerate(reads, 1)]

    def _line(self, of: JsonObject, path: str, original_id: str, number: int, amounts: LineAmounts) -> _LineRead:
        state = text(of, "order_line_state", path)
        units = self._quantities(of, path, state, original_id, text(of, "offer_sku", path))
        line = Line(
            original_id=original_id,
            number=number,
            sku=tolerated(self.problems, lambda: code(of, "offer_sku", path), None),
            title=text(of, "product_title", path),
            quantity_ordered=units.ordered,
            quantity_shipped=units.shipped,
            quantity_cancelled=units.cancelled,
            quantity_refunded=units.refunded,
            quantity_priced=units.priced,
            refunded_total=units.refunded_total,
            bar=units.bar,
            source_unit_price=amount(of, "price_unit", path),
            line_total=amounts.line_total,
            taxes=amounts.taxes,
            marketplace_status=state,
            cancellation=self._line_cancellation(of, path, state),
            **describe_line(of, path, self.problems)._asdict(),
        )
        party = self.party if of.get("fulfillment") is None else self._party(of, path, self.party)
        return _LineRead(line, party, of, path, amounts)

    def _line_cancellation(self, of: JsonObject, path: str, state: str | None) -> Cancellation | None:
        cancelations = of.get("cancelations")
        is_cancelled = state in CANCELLED_LINE_STATES
        if not cancelations and not is_cancelled:
            return None
        reasons = [
            text(each, "reason_code", f"{path}.cancelations[{index}]")
            for index, each in enumerate(objects(of, "cancelations", path))
        ]
        reason = next((each for each in reversed(reasons) if each is not None), None)
        if reason is None and is_cancelled:
            reason = text(of, "order_line_state_reason_code", path) or text(of, "order_line_state_reason_label", path)
        return Cancellation(executed_by=self._refuser(state), execution_reason=reason)

    # -- quantities

    def _quantities(
        self, of: JsonObject, path: str, state: str | None, original_id: str, sku: str | None
    ) -> _LineUnits:
        """Units of a line, settled so that they conserve; what does not fit together is a problem, and bars the line."""
        is_void = self.status in _CANCELLED or state in CANCELLED_LINE_STATES
        counts = read_ordered(of, path, is_void=is_void)
        refunded, refunded_total = read_refunded(of, path, adds_tax=self.amounts.adds_tax)
        is_shipped = self._is_shipped(of, path, state)
        kept = counts.ordered if counts.ordered is None or is_void else counts.ordered - counts.cancelled
        shipped = self.units.take(original_id, sku, kept)
        if shipped is None:
            shipped = kept if is_shipped else 0
        if counts.ordered is None or kept is None or shipped is None:
            self._problem("quantity_missing", f"{path}.quantity", "the line has no quantity")
            return _LineUnits(None, shipped, None, refunded, None, refunded_total, None)
        units = conserved(counts.ordered, shipped, counts.cancelled)
        ordered, cancelled = units.ordered or 0, units.cancelled or 0
        remaining = ordered - shipped - cancelled
        if state in REFUNDED_LINE_STATES and remaining:
            refunded = max(refunded or 0, remaining)
        is_odd = self._note_contradictions(counts, units, state, path, remaining=remaining, is_shipped=is_shipped)
        bar = Bar.CONTRADICTORY if is_odd else self._line_bar(state, remaining)
        return _LineUnits(ordered, shipped, cancelled, refunded, counts.priced, refunded_total, bar)

    def _note_contradictions(
        self, counts: Ordered, units: Quantities, state: str | None, path: str, *, remaining: int, is_shipped: bool
    ) -> bool:
        """Whether quantities, price, state and shipments of a line cannot all be true, each a problem of its own."""
        problems = len(self.problems)
        here = f"{path}.quantity"
        if counts.is_unclear:
            message = "the price is neither that of the quantity nor that of the quantity less the cancelled units"
            self._problem("quantity_unclear", here, message)
        if units.is_contradictory:
            message = f"{units.shipped} shipped and {counts.cancelled} cancelled of {counts.ordered} ordered"
            self._problem("quantity_conservation", here, message)
        if is_shipped and remaining and state in SHIPPED_LINE_STATES:
            self._problem("state_contradiction", f"{path}.order_line_state", f"{state}, and {remaining} remain to ship")
        is_open = state == SHIPPING_STATE and self.status not in _CANCELLED
        if is_open and counts.ordered is not None and counts.cancelled >= counts.ordered:
            self._problem("state_contradiction", f"{path}.order_line_state", f"{state}, and all of it is cancelled")
        return len(self.problems) > problems

    def _line_bar(self, state: str | None, remaining: int) -> Bar | None:
        if state == "REFUSED":
            return Bar.LINE_REFUSED
        if state == "CANCELED":
            return Bar.LINE_CANCELED
        return Bar.INCIDENT_OPEN if state == INCIDENT_STATE and remaining else None

    def _bar(self, reads: Sequence[_LineRead]) -> Bar | None:
        """What the marketplace has against shipping the order as a whole, as long as there is something to ship.

        An incident that no line tells of may be about any of them.
        """
        if self.status is Status.SHIPPED or all(read.line.quantity_remaining_to_ship == 0 for read in reads):
            return None
        if flag(self.of, "fully_refunded", "$"):
            return Bar.FULLY_REFUNDED
        if flag(self.of, "can_shop_ship", "$") is False:
            return Bar.NOT_SHIPPABLE
        has_line = any(read.line.marketplace_status == INCIDENT_STATE for read in reads)
        return Bar.INCIDENT_OPEN if flag(self.of, "has_incident", "$") and not has_line else None

    def _is_shipped(self, of: JsonObject, path: str, state: str | None) -> bool:
        """Whether the line's state means that all of it was shipped.

        An incident or a refund says nothing of the shipment, and neither does an unknown state: there the line's
        shipping date or the order's state decides; old instances wait for refunds of unshipped lines too, so there the
        date alone.
        """
        if state in SHIPPED_LINE_STATES:
            return True
        if state in UNSHIPPED_LINE_STATES:
            return False
        if instant(of, "shipped_date", path) is not None:
            return True
        return self.status is Status.SHIPPED and state not in REFUND_STATES

    def _packages(self, lines: Sequence[Line]) -> tuple[Package, ...] | None:
        """The packages; one that cannot be read must not cost the order, so it is a problem and nothing is known of any."""
        try:
            if self.shipments:
                return packages.of_shipments(self.shipments, self.original_id, lines, UNSHIPPED_SHIPMENT_STATES)
            if all(line.quantity_shipped == 0 for line in lines):
                return ()
            return packages.of_order(self.of, lines) if self.is_one_package else None
        except Unreadable as odd:
            self._problem("package_unreadable", odd.path, odd.reason)
            return None

    # -- mixed fulfilment

    def _halves(self, reads: Sequence[_LineRead]) -> list[Order]:
        """Two orders that point at each other; a line without a centre goes to the seller, who would miss it most."""
        for read in reads:
            if read.party is None:
                self._problem("fulfilled_by_unknown", f"{read.path}.fulfillment", "not sent: read as the merchant's")
        whole = self._checked(reads, None)
        merchant = [read for read in reads if read.party is not FulfilledBy.MARKETPLACE]
        marketplace = [read for read in reads if read.party is FulfilledBy.MARKETPLACE]
        return [
            self._half(whole, merchant, FulfilledBy.MERCHANT),
            self._half(whole, marketplace, FulfilledBy.MARKETPLACE),
        ]

    def _half(self, whole: Order, reads: Sequence[_LineRead], party: FulfilledBy) -> Order:
        lines = tuple(replace(read.line, number=place) for place, read in enumerate(reads, 1))
        amounts = [read.amounts for read in reads]
        shipping = None if any(each.shipping is None for each in amounts) else _sum(each.shipping for each in amounts)
        charges = gathered(charge for each in amounts for charge in each.charges)
        goods = None if any(line.line_total is None for line in lines) else _sum(line.line_total for line in lines)
        is_whole_known = goods is not None and shipping is not None and not self.amounts.has_order_tax
        return replace(
            whole,
            is_split=True,
            fulfilled_by=party,
            status=_half_status(lines) if self.raw_status == SHIPPING_STATE else whole.status,
            total=_sum([goods, shipping, *(charge.amount for charge in charges)]) if is_whole_known else None,
            shipping_total=shipping,
            tax_total=None if self.amounts.tax_total is None else _sum(each.tax for each in amounts),
            charges=charges,
            lines=lines,
            packages=packages.within(whole.packages, lines),
        )


def _half_status(lines: Sequence[Line]) -> Status:
    """The state of the whole order says nothing of one half: its lines do."""
    is_done = all(line.quantity_remaining_to_ship == 0 for line in lines)
    if _is_any_shipped(lines):
        return Status.SHIPPED if is_done else Status.PARTIALLY_SHIPPED
    is_cancelled = is_done and any(line.quantity_cancelled for line in lines)
    return Status.CANCELED if is_cancelled else Status.WAITING_FOR_SHIPMENT


def _is_any_shipped(lines: Iterable[Line]) -> bool:
    return any(line.quantity_shipped for line in lines)


def _own_centers(channel: ChannelContext) -> Sequence[Any]:
    centers = channel.settings.get("merchant_fulfillment_centers")
    return centers if isinstance(centers, (list, tuple)) else ()


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    """The sum of what was sent; None when nothing was."""
    total: Decimal | None = None
    for each in amounts:
        if each is not None:
            total = each if total is None else total + each
    return total
