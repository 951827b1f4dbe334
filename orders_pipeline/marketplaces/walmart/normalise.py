"""Reading a purchase order of Walmart into ours (Orders API v3).

What lives here: what an order and its lines are. What does not: amounts (`amounts`), states (`states`), packages (`packages`).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from orders_pipeline.marketplaces.addresses import cleaned, phone
from orders_pipeline.marketplaces.countries import country_code
from orders_pipeline.marketplaces.protocol import Unreadable
from orders_pipeline.marketplaces.reading import (
    JsonObject,
    code,
    count,
    instant,
    objects,
    required_identifier,
    section,
    text,
    texts,
    tolerated,
)
from orders_pipeline.marketplaces.source_data import named, rest_of
from orders_pipeline.marketplaces.walmart.amounts import WalmartAmounts, WalmartLineAmounts, total_of
from orders_pipeline.marketplaces.walmart.packages import packages_of
from orders_pipeline.marketplaces.walmart.personal_data import PII_PATHS
from orders_pipeline.marketplaces.walmart.states import (
    CANCELLED,
    LEFT,
    OPEN,
    REFUND,
    known_state,
    order_state,
    status_of,
)
from warehouse.order_checks import check
from warehouse.order_lines import Line
from warehouse.order_parts import (
    Address,
    Cancellation,
    Customer,
    DeliveryWindow,
    OrderProblem,
    Package,
    Payment,
    RelatedOrder,
)
from warehouse.order_rules import conserved
from warehouse.order_states import Bar, FulfilledBy
from warehouse.orders import Order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orders_pipeline.marketplaces.protocol import ChannelContext

SHIP_NODES = {
    "SELLERFULFILLED": FulfilledBy.MERCHANT,
    "3PLFULFILLED": FulfilledBy.MERCHANT,
    "WFSFULFILLED": FulfilledBy.MARKETPLACE,
}
"""Whose warehouse ships; an order that names none is the seller's. A third party (3PL) works for the seller."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST, LATEST = 631_152_000_000, 7_258_118_400_000
"""1990 and 2200 in epoch milliseconds."""

_LINE = "orderLines.orderLine.*"
NAMED = named(
    *("purchaseOrderId", "customerEmailId", "orderDate", "originalCustomerOrderID", "shipNode.type", "shippingInfo"),
    *("orderSummary.totalAmount", "paymentTypes"),
    *(f"{_LINE}.{name}" for name in ("item.productName", "item.sku", "item.condition", "charges", "orderLineQuantity")),
    *(f"{_LINE}.{name}" for name in ("statusDate", "orderLineStatuses", "intentToCancel")),
    f"{_LINE}.refund.refundCharges",
)


def normalise(payload: Any, channel: ChannelContext) -> list[Order]:  # noqa: ANN401 - any JSON value
    """Read one order: bare as the listing has it, or under `order` as the answer for a single one.

    Raises:
        Unreadable: Not an object; ids or the order's date are missing; a value has the wrong type or cannot be right; two lines
            share one number.
    """
    if not isinstance(payload, dict):
        raise Unreadable("wrong_type", "$", "expected an order object")
    order = payload["order"] if "order" in payload and "purchaseOrderId" not in payload else payload
    if not isinstance(order, dict):
        raise Unreadable("wrong_type", "$.order", "expected an order object")
    return [_WalmartReading(order).order(channel)]


class _Units(NamedTuple):
    """A line's units by what the states say; None where they cannot be told."""

    shipped: int | None
    cancelled: int | None
    refunded: int | None
    states: tuple[str | None, ...]


class _LineRead(NamedTuple):
    """A line with what the order needs of it."""

    line: Line
    amounts: WalmartLineAmounts
    states: tuple[str | None, ...]
    packed: tuple[tuple[str, JsonObject, int | None, str], ...]
    changed_at: datetime | None


class _WalmartReading:
    """One order while it is read, and the problems met on the way."""

    def __init__(self, order: JsonObject) -> None:
        self.of = order
        self.problems: list[OrderProblem] = []
        self.amounts = WalmartAmounts(self.problems)

    def order(self, channel: ChannelContext) -> Order:
        of = self.of
        original_id = required_identifier(of, "purchaseOrderId", "$")
        purchased_at = moment(of, "orderDate", "$")
        if purchased_at is None:
            raise Unreadable("missing", "$.orderDate", "required and not sent")
        related = tolerated(self.problems, lambda: code(of, "originalCustomerOrderID", "$"), None)
        reads = self._lines(is_replacement=related is not None)
        states = [state for read in reads for state in read.states]
        shipping = section(of, "shippingInfo", "$")
        address = self._address(shipping)
        line_amounts = [read.amounts for read in reads]
        rest = rest_of(of, NAMED, PII_PATHS, "orderLines.orderLine", "lineNumber")
        order = Order(
            original_id=original_id,
            channel=channel.code,
            marketplace=channel.marketplace,
            status=status_of(states),
            marketplace_status=order_state(states) or next((read.line.marketplace_status for read in reads), None),
            fulfilled_by=self._fulfilled_by(),
            purchased_at=purchased_at,
            marketplace_updated_at=max([purchased_at, *(read.changed_at for read in reads if read.changed_at)]),
            ship_by=tolerated(self.problems, lambda: moment(shipping, "estimatedShipDate", "$.shippingInfo"), None),
            service_level=tolerated(self.problems, lambda: text(shipping, "methodCode", "$.shippingInfo"), None),
            deliver_by=DeliveryWindow(
                latest=tolerated(
                    self.problems, lambda: moment(shipping, "estimatedDeliveryDate", "$.shippingInfo"), None
                )
            ),
            total=self.amounts.order_total(of, line_amounts),
            shipping_total=total_of(each.shipping for each in line_amounts),
            tax_total=total_of(each.tax for each in line_amounts),
            charges=tuple(charge for each in line_amounts for charge in each.others),
            payment=Payment(
                method=tolerated(self.problems, lambda: ", ".join(texts(of, "paymentTypes", "$")) or None, None)
            ),
            customer=Customer(
                name=address.name,
                email=tolerated(self.problems, lambda: text(of, "customerEmailId", "$"), None),
                phone=address.phone,
            ),
            shipping_address=address,
            cancellation=_order_cancellation(reads),
            related_order=None if related is None else RelatedOrder(original_id=related, relation="replacement_of"),
            lines=tuple(read.line for read in reads),
            packages=self._packages(reads),
            marketplace_data=rest.clear,
            personal_marketplace_data=rest.personal,
            currency=self.amounts.currency,
            problems=tuple(self.problems),
        )
        return check(order, "$.orderSummary.totalAmount")

    def _problem(self, code: str, path: str, message: str) -> None:
        self.problems.append(OrderProblem(code=code, path=path, message=message))

    def _fulfilled_by(self) -> FulfilledBy | None:
        sent = text(section(self.of, "shipNode", "$"), "type", "$.shipNode")
        if sent is None:
            return FulfilledBy.MERCHANT
        found = SHIP_NODES.get(sent.upper())
        if found is None:
            self._problem("fulfilled_by_unknown", "$.shipNode.type", f"unknown type of ship node {sent[:40]!r}")
        return found

    # -- lines

    def _lines(self, *, is_replacement: bool) -> list[_LineRead]:
        sent = objects(section(self.of, "orderLines", "$"), "orderLine", "$.orderLines")
        if not sent:
            self._problem("no_lines", "$.orderLines", "the order has no lines")
        found = [
            self._line(each, f"$.orderLines.orderLine[{at}]", at + 1, is_replacement=is_replacement)
            for at, each in enumerate(sent)
        ]
        ids = [read.line.original_id for read in found]
        if len(set(ids)) < len(ids):
            raise Unreadable("duplicate_line", "$.orderLines", "two lines share one number")
        return found

    def _line(self, of: JsonObject, path: str, number: int, *, is_replacement: bool) -> _LineRead:
        line_id = required_identifier(of, "lineNumber", path)
        item, here = section(of, "item", path), f"{path}.item"
        amounts = self.amounts.of_line(of, path)
        ordered = count(section(of, "orderLineQuantity", path), "amount", f"{path}.orderLineQuantity")
        if ordered is None:
            self._problem("quantity_missing", f"{path}.orderLineQuantity", "the line has no quantity")
        sent = objects(section(of, "orderLineStatuses", path), "orderLineStatus", f"{path}.orderLineStatuses")
        places = [f"{path}.orderLineStatuses.orderLineStatus[{at}]" for at in range(len(sent))]
        quantities = [
            count(section(each, "statusQuantity", place), "amount", f"{place}.statusQuantity")
            for each, place in zip(sent, places, strict=True)
        ]
        if len(sent) == 1 and quantities[0] is None:
            quantities = [ordered]
        units = self._units(sent, quantities, path, places)
        settled = conserved(ordered, units.shipped, units.cancelled)
        if settled.is_contradictory:
            self._problem(
                "quantity_contradictory", f"{path}.orderLineStatuses", "more units are done than were ordered"
            )
        reasons = [
            text(each, "cancellationReason", place)
            for each, place, state in zip(sent, places, units.states, strict=False)
            if state == CANCELLED
        ]
        line = Line(
            original_id=line_id,
            number=number,
            sku=code(item, "sku", here),
            title=text(item, "productName", here),
            condition=tolerated(self.problems, lambda: text(item, "condition", here), None),
            quantity_ordered=settled.ordered,
            quantity_shipped=settled.shipped,
            quantity_cancelled=settled.cancelled,
            quantity_refunded=units.refunded,
            line_total=amounts.total,
            refunded_total=tolerated(self.problems, lambda: self.amounts.refunded(of, path), None),
            taxes=amounts.taxes,
            marketplace_status=order_state(units.states) or (text(sent[0], "status", places[0]) if sent else None),
            cancellation=self._cancellation(of, path, units, next(filter(None, reasons), None)),
            is_replacement=is_replacement or None,
            bar=Bar.CONTRADICTORY if settled.is_contradictory else None,
        )
        packed = tuple(
            (line_id, each, quantity, place) for each, quantity, place in zip(sent, quantities, places, strict=True)
        )
        return _LineRead(
            line, amounts, units.states, packed, tolerated(self.problems, lambda: moment(of, "statusDate", path), None)
        )

    def _units(
        self, sent: Sequence[JsonObject], quantities: Sequence[int | None], path: str, places: Sequence[str]
    ) -> _Units:
        states: list[str | None] = []
        for each, place in zip(sent, places, strict=True):
            word = text(each, "status", place)
            state = None if word is None else known_state(word)
            if state is None:
                said = "a state is missing" if word is None else f"unknown state {word[:40]!r}"
                self._problem("status_unknown", f"{place}.status", said)
            states.append(state)
        if not sent:
            self._problem("status_missing", f"{path}.orderLineStatuses", "the line has no state")
        if not sent or None in states or None in quantities:
            return _Units(None, None, None, tuple(states) or (None,))
        counted = [(state, quantity or 0) for state, quantity in zip(states, quantities, strict=True)]
        refunded = sum(units for state, units in counted if state == REFUND)
        return _Units(
            shipped=sum(units for state, units in counted if state in LEFT),
            cancelled=sum(units for state, units in counted if state == CANCELLED),
            refunded=None if refunded and OPEN & set(states) else refunded,  # they are none of those that remain
            states=tuple(states),
        )

    def _cancellation(self, of: JsonObject, path: str, units: _Units, reason: str | None) -> Cancellation | None:
        asked = tolerated(self.problems, lambda: text(of, "intentToCancel", path), None)
        is_asked = asked is not None and asked.lower() not in {"false", "no"}
        is_done = CANCELLED in units.states
        if not is_asked and not is_done:
            return None
        return Cancellation(
            requested_by="BUYER" if is_asked else None,
            request_reason=asked if is_asked else None,
            execution_reason=reason if is_done else None,
        )

    def _packages(self, reads: Sequence[_LineRead]) -> tuple[Package, ...] | None:
        """The packages; one that cannot be read must not cost the order, so it is a problem and nothing is known of any."""
        try:
            return packages_of([each for read in reads for each in read.packed])
        except Unreadable as odd:
            self._problem("package_unreadable", odd.path, odd.reason)
            return None

    def _address(self, shipping: JsonObject) -> Address:
        of, path = section(shipping, "postalAddress", "$.shippingInfo"), "$.shippingInfo.postalAddress"
        country = text(of, "country", path)
        found = country_code(country)
        if found is None and country is not None:
            self._problem("country_unknown", f"{path}.country", "neither a country code nor a known country name")
        return cleaned(
            Address(
                name=text(of, "name", path),
                line_1=text(of, "address1", path),
                line_2=text(of, "address2", path),
                postal_code=text(of, "postalCode", path),
                city=text(of, "city", path),
                state=text(of, "state", path),
                country_code=found,
                source_country=country,
                phone=phone(text(shipping, "phone", "$.shippingInfo")),
            )
        )


def moment(of: JsonObject, key: str, path: str) -> datetime | None:
    """A time as aware UTC: epoch milliseconds in listings, ISO 8601 in other answers and in XML; "" is None.

    >>> moment({"orderDate": 1580821866000}, "orderDate", "$").isoformat()
    '2020-02-04T13:11:06+00:00'

    Raises:
        Unreadable: It is neither, or of a year that cannot be right.
    """
    value = of.get(key)
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        value = int(value.strip()[:20])
    if isinstance(value, bool) or not isinstance(value, int):
        return instant(of, key, path)
    if not EARLIEST <= value <= LATEST:
        raise Unreadable("out_of_range", f"{path}.{key}", "a time of this year cannot be right")
    return EPOCH + timedelta(milliseconds=value)


def _order_cancellation(reads: Sequence[_LineRead]) -> Cancellation | None:
    """That of the lines, when all of them are cancelled for one reason."""
    if not reads or any(set(read.states) != {CANCELLED} for read in reads):
        return None
    reasons = {read.line.cancellation.execution_reason for read in reads if read.line.cancellation is not None}
    return Cancellation(execution_reason=reasons.pop() if len(reasons) == 1 else None)
