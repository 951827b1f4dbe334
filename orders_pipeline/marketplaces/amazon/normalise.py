"""Amazon's order, read: one Orders 2026-01-01 order object becomes one `Order`.

Pure and total: any JSON value gives an order or raises `Unreadable` with the JSON path. What is odd but readable is
a `OrderProblem` on the order. Amounts are in `amounts`, packages in `packages`,
fetching is in `client`, finding orders in a file in `documents`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from orders_pipeline.marketplaces.addresses import cleaned, phone
from orders_pipeline.marketplaces.amazon.amounts import AmazonAmounts, ItemAmounts
from orders_pipeline.marketplaces.amazon.descriptions import RELATIONS, describe, describe_line, source_data
from orders_pipeline.marketplaces.amazon.packages import read_packages
from orders_pipeline.marketplaces.amazon.sites import SITES
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
from warehouse.order_checks import check
from warehouse.order_lines import Line
from warehouse.order_parts import Address, Cancellation, Customer, OrderProblem, Package, Payment
from warehouse.order_rules import conserved
from warehouse.order_states import Bar, FulfilledBy, Status
from warehouse.orders import Order

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from decimal import Decimal

    from orders_pipeline.marketplaces.protocol import ChannelContext
    from warehouse.order_rules import Quantities

STATUSES: dict[str, Status] = {
    "PENDINGAVAILABILITY": Status.PENDING,
    "PENDING": Status.PENDING,
    "UNSHIPPED": Status.WAITING_FOR_SHIPMENT,
    "PARTIALLYSHIPPED": Status.PARTIALLY_SHIPPED,
    "SHIPPED": Status.SHIPPED,
    "INVOICEUNCONFIRMED": Status.SHIPPED,
    "CANCELLED": Status.CANCELED,
    "CANCELED": Status.CANCELED,
    "UNFULFILLABLE": Status.UNKNOWN,
}
"""Amazon's fulfilment status in capitals without separators: so Orders v0's words ("PartiallyShipped") are read too.

UNFULFILLABLE is a known word without a status of ours: UNKNOWN, but no problem.
"""

UNFULFILLABLE = "UNFULFILLABLE"

FULFILLERS: dict[str, FulfilledBy] = {
    "MERCHANT": FulfilledBy.MERCHANT,
    "MFN": FulfilledBy.MERCHANT,
    "AMAZON": FulfilledBy.MARKETPLACE,
    "AFN": FulfilledBy.MARKETPLACE,
}

BUSINESS_PROGRAM = "AMAZON_BUSINESS"

# ISO 3166-1 alpha-2, and XK: a user-assigned code, but the one that post and marketplaces use for Kosovo.
_NOTHING_SHIPPED = frozenset({Status.PENDING, Status.WAITING_FOR_SHIPMENT, Status.CANCELED})
_ASIN_LETTERS = 10


def normalise(payload: Any, channel: ChannelContext) -> list[Order]:  # noqa: ANN401 - any JSON value
    """Read one order object as `searchOrders` and `getOrder` of Orders 2026-01-01 send it.

    Args:
        payload: Parsed JSON.
        channel: The channel that the order belongs to.

    Returns:
        One order; Amazon sends mixed carts as separate orders already.

    Raises:
        Unreadable: Not an object; the order's or a line's id, its times, lines or quantities are missing; a value has
            the wrong type or cannot be right; two lines share one id.
    """
    if not isinstance(payload, dict):
        raise Unreadable("wrong_type", "$", "expected an order object")
    return [_AmazonReading(payload).order(channel)]


class _AmazonReading:
    """One order while it is read: what holds for the whole order, and the problems met on the way."""

    __slots__ = ("amounts", "is_replacement", "order_object", "problems", "status")

    def __init__(self, order_object: JsonObject) -> None:
        self.order_object = order_object
        self.problems: list[OrderProblem] = []
        self.amounts = AmazonAmounts(self.problems)
        self.status = Status.UNKNOWN
        self.is_replacement = False

    def order(self, channel: ChannelContext) -> Order:
        of = self.order_object
        original_id = required_identifier(of, "orderId", "$")
        fulfillment = section(of, "fulfillment", "$")
        raw_status = self._read_status(fulfillment)
        proceeds = section(of, "proceeds", "$")
        total = self._read_total(proceeds)
        self.amounts.read_order(proceeds, total, len(objects(of, "orderItems", "$")))
        description = describe(of, self.problems)
        self.is_replacement = (
            description.related_order is not None and description.related_order.relation in RELATIONS.values()
        )
        lines = self._lines()
        self._note_nothing_left(lines)
        self.amounts.finish()
        if total is None and any(line.line_total for line in lines):
            self._problem("total_missing", "$.proceeds.grandTotal", "lines have a price and the order has no total")
        programs = texts(of, "programs", "$")
        customer, address = self._parties()
        packages = self._packages(lines)
        rest = source_data(of)
        order = Order(
            original_id=original_id,
            channel=channel.code,
            marketplace=channel.marketplace,
            status=self.status,
            marketplace_status=raw_status,
            fulfilled_by=self._fulfilled_by(fulfillment),
            purchased_at=_required_instant(of, "createdTime"),
            marketplace_updated_at=_required_instant(of, "lastUpdatedTime"),
            ship_by=_ship_by(fulfillment),
            currency=self.amounts.currency,
            total=total,
            shipping_total=self.amounts.shipping(),
            tax_total=self.amounts.tax_total(),
            charges=self.amounts.charges(total),
            **description._asdict(),
            payment=self._payment(),
            is_business=BUSINESS_PROGRAM in programs,
            programs=programs,
            customer=customer,
            shipping_address=address,
            cancellation=_order_cancellation(lines),
            bar=Bar.NOT_SHIPPABLE if raw_status is not None and _folded(raw_status) == UNFULFILLABLE else None,
            lines=tuple(lines),
            packages=packages,
            problems=tuple(self.problems),
            marketplace_data=rest.clear,
            personal_marketplace_data=rest.personal,
        )
        return check(order, "$.proceeds.grandTotal", "$.tax.taxRegistrations")

    def _problem(self, code: str, path: str, message: str) -> None:
        self.problems.append(OrderProblem(code=code, path=path, message=message))

    def _read_status(self, fulfillment: JsonObject) -> str | None:
        raw = text(fulfillment, "fulfillmentStatus", "$.fulfillment")
        if raw is None:
            path = "$.fulfillment.fulfillmentStatus" if fulfillment else "$.fulfillment"
            self._problem("status_missing", path, "Amazon sent no fulfilment status")
            return None
        status = STATUSES.get(raw) or STATUSES.get(_folded(raw))
        if status is None:
            self._problem(
                "status_unknown", "$.fulfillment.fulfillmentStatus", f"unknown fulfilment status {raw[:40]!r}"
            )
            return raw
        self.status = status
        return raw

    def _fulfilled_by(self, fulfillment: JsonObject) -> FulfilledBy | None:
        raw = text(fulfillment, "fulfilledBy", "$.fulfillment")
        if raw is None:
            return None
        found = FULFILLERS.get(raw) or FULFILLERS.get(raw.upper())
        if found is None:
            self._problem("fulfilled_by_unknown", "$.fulfillment.fulfilledBy", f"unknown fulfilment {raw[:40]!r}")
        return found

    def _read_total(self, proceeds: JsonObject) -> Decimal | None:
        total = self.amounts.money(proceeds, "grandTotal", "$.proceeds")
        if self.status is Status.PENDING and not total:
            self.amounts.is_unpriced = True
            return None
        return total

    def _lines(self) -> list[Line]:
        if self.order_object.get("orderItems") is None:
            raise Unreadable("missing", "$.orderItems", "required and not sent")
        items = objects(self.order_object, "orderItems", "$")
        if not items:
            self._problem("no_lines", "$.orderItems", "the order has no lines")
        link = self._product_link()
        lines: list[Line] = []
        seen: set[str] = set()
        for index, item in enumerate(items):
            path = f"$.orderItems[{index}]"
            amounts = self.amounts.of_item(item, path)
            line = self._line(item, index, amounts, link)
            if line.original_id in seen:
                raise Unreadable("duplicate_line", f"{path}.orderItemId", "another line of the order has the same id")
            seen.add(line.original_id)
            lines.append(line)
        return lines

    def _note_nothing_left(self, lines: list[Line]) -> None:
        """An order that waits for shipment has something left: else its state and its quantities cannot both be true."""
        is_waiting = self.status in {Status.WAITING_FOR_SHIPMENT, Status.PARTIALLY_SHIPPED}
        if is_waiting and lines and all(line.quantity_remaining_to_ship == 0 for line in lines):
            message = "the order waits for shipment, and nothing of it remains"
            self._problem("state_contradiction", "$.fulfillment.fulfillmentStatus", message)

    def _product_link(self) -> str | None:
        channel = section(self.order_object, "salesChannel", "$")
        site = SITES.get(text(channel, "marketplaceId", "$.salesChannel") or "")
        return f"https://www.{site.domain}/dp/" if site else None

    def _line(self, item: JsonObject, index: int, amounts: ItemAmounts, link: str | None) -> Line:
        path = f"$.orderItems[{index}]"
        here = f"{path}.product"
        product = section(item, "product", path)
        asin = tolerated(self.problems, lambda: code(product, "asin", here), None)
        has_page = link and asin and len(asin) == _ASIN_LETTERS and asin.isascii() and asin.isalnum()
        cancellation = _line_cancellation(item, path)
        is_executed = cancellation is not None and bool(cancellation.executed_by or cancellation.execution_reason)
        price = section(product, "price", here)
        unit_price = self.amounts.money(price, "unitPrice", f"{here}.price") if price else None
        is_for_all = _is_price_of(amounts, unit_price, count(item, "quantityOrdered", path))
        units, bar = self._quantities(item, path, is_executed, is_for_all)
        return Line(
            original_id=required_identifier(item, "orderItemId", path),
            number=index + 1,
            sku=tolerated(self.problems, lambda: code(product, "sellerSku", here), None),
            title=text(product, "title", here),
            product_url=f"{link}{asin}" if has_page else None,
            quantity_ordered=units.ordered,
            quantity_shipped=units.shipped,
            quantity_cancelled=units.cancelled,
            quantity_priced=units.ordered if is_for_all and units.cancelled else None,
            bar=bar,
            source_unit_price=unit_price,
            line_total=amounts.line_total,
            taxes=amounts.taxes,
            cancellation=cancellation,
            marketplace_sku=asin,
            is_replacement=self.is_replacement,
            **describe_line(item, path, self.problems)._asdict(),
        )

    def _quantities(
        self,
        item: JsonObject,
        path: str,
        is_executed: bool,  # noqa: FBT001 - a fact of the item
        is_for_all: bool,  # noqa: FBT001 - a fact of the item
    ) -> tuple[Quantities, Bar | None]:
        """Units of an item, settled so that they conserve; what does not fit together is a problem, and bars the line.

        Args:
            item: The item.
            path: Its JSON path.
            is_executed: Whether a cancellation of the item was carried out.
            is_for_all: Whether its amounts are those of all units ordered.
        """
        ordered = count(item, "quantityOrdered", path)
        if ordered is None:
            raise Unreadable("missing", f"{path}.quantityOrdered", "required and not sent")
        fulfillment = section(item, "fulfillment", path)
        here = f"{path}.fulfillment"
        fulfilled = count(fulfillment, "quantityFulfilled", here)
        unfulfilled = count(fulfillment, "quantityUnfulfilled", here)
        shipped = self._assumed_shipped(ordered, here, is_executed) if fulfilled is None else fulfilled
        cancelled: int | None = 0
        if self.status is Status.CANCELED:
            cancelled = max(0, ordered - (shipped or 0))
        elif fulfilled is not None and unfulfilled is not None:
            cancelled = max(0, ordered - fulfilled - unfulfilled)
        elif is_executed and unfulfilled is None:
            cancelled = None if shipped is None else max(0, ordered - shipped)
        units = conserved(ordered, shipped, cancelled)
        is_odd = self._note_contradictions(units, (fulfilled or 0) + (unfulfilled or 0) > ordered, here)
        if is_executed and unfulfilled and not units.cancelled and not is_for_all:
            message = "a cancellation was carried out, and neither units nor amounts show of how much"
            self._problem("quantity_unclear", here, message)
            is_odd = True
        return units, Bar.CONTRADICTORY if is_odd else None

    def _note_contradictions(self, units: Quantities, is_too_many: bool, path: str) -> bool:  # noqa: FBT001 - a fact of the item
        """Whether units and the order's state cannot all be true, each a problem of its own."""
        problems = len(self.problems)
        if is_too_many or units.is_contradictory:
            self._problem("quantity_conservation", path, "more units fulfilled and unfulfilled than ordered")
        if None not in (units.ordered, units.shipped, units.cancelled):
            remaining = (units.ordered or 0) - (units.shipped or 0) - (units.cancelled or 0)
            if self.status is Status.SHIPPED and remaining:
                self._problem("state_contradiction", path, f"the order is shipped, and {remaining} remain to ship")
        if self.status is Status.CANCELED and units.shipped:
            self._problem("state_contradiction", path, f"the order is cancelled, and {units.shipped} were shipped")
        return len(self.problems) > problems

    def _assumed_shipped(self, ordered: int, path: str, is_executed: bool) -> int | None:  # noqa: FBT001 - a fact of the item
        """Units shipped of an item that does not tell: what the order's status leaves no doubt about, else None."""
        if self.status in _NOTHING_SHIPPED:
            return 0
        if self.status is Status.SHIPPED and not is_executed:
            return ordered
        self._problem(
            "quantity_unknown", f"{path}.quantityFulfilled", "not sent, and the order's status does not tell it"
        )
        return None

    def _packages(self, lines: list[Line]) -> tuple[Package, ...] | None:
        """The packages; one that cannot be read must not cost the order, so it is a problem and nothing is known of any."""
        is_nothing_shipped = self.status in _NOTHING_SHIPPED and all(line.quantity_shipped == 0 for line in lines)
        try:
            return read_packages(self.order_object, is_nothing_shipped=is_nothing_shipped)
        except Unreadable as odd:
            self._problem("package_unreadable", odd.path, odd.reason)
            return None

    def _parties(self) -> tuple[Customer, Address]:
        buyer = section(self.order_object, "buyer", "$")
        recipient = section(self.order_object, "recipient", "$")
        sent = section(recipient, "deliveryAddress", "$.recipient")
        path = "$.recipient.deliveryAddress"
        name = text(sent, "name", path)
        sent_country = text(sent, "countryCode", path)
        customer = Customer(
            name=text(buyer, "buyerName", "$.buyer") or name,
            email=text(buyer, "buyerEmail", "$.buyer"),
            phone=phone(text(sent, "phone", path)),
            company=text(buyer, "buyerCompanyName", "$.buyer"),
        )
        if not sent:
            return customer, _NO_ADDRESS
        city = text(sent, "city", path) or text(sent, "municipality", path) or text(sent, "districtOrCounty", path)
        address = cleaned(
            Address(
                name=name,
                company=text(sent, "companyName", path),
                line_1=text(sent, "addressLine1", path),
                line_2=text(sent, "addressLine2", path),
                line_3=text(sent, "addressLine3", path),
                postal_code=text(sent, "postalCode", path),
                city=city,
                state=text(sent, "stateOrRegion", path),
                country_code=self._country_code(sent_country, path),
                source_country=sent_country,
                phone=text(sent, "phone", path),
            )
        )
        if address.line_1 is None:
            address = tolerated(self.problems, lambda: _with_street_of_parts(address, sent, path), address)
        return customer, address

    def _country_code(self, sent: str | None, path: str) -> str | None:
        found = country_code(sent)
        if found is None and sent is not None:
            self._problem("country_unknown", f"{path}.countryCode", "neither a country code nor a known country name")
        return found

    def _payment(self) -> Payment:
        sent = section(self.order_object, "payment", "$")
        if not sent:
            return _NO_PAYMENT
        executions = objects(sent, "paymentExecutions", "$.payment")
        methods = (
            text(each, "paymentMethod", f"$.payment.paymentExecutions[{index}]")
            for index, each in enumerate(executions)
        )
        return Payment(method=", ".join(dict.fromkeys(each for each in methods if each)) or None)


_NO_ADDRESS = Address()
_NO_CANCELLATION = Cancellation()
_NO_PAYMENT = Payment()


def _with_street_of_parts(address: Address, sent: JsonObject, path: str) -> Address:
    """The same address with its first lines from the parts that Brazilian addresses are sent in."""
    here = f"{path}.extendedFields"
    parts = section(sent, "extendedFields", path)
    street = (text(parts, "streetName", here), text(parts, "streetNumber", here))
    return replace(
        address, line_1=", ".join(each for each in street if each) or None, line_2=text(parts, "complement", here)
    )


def _line_cancellation(item: JsonObject, path: str) -> Cancellation | None:
    sent = section(item, "cancellation", path)
    if not sent:
        return None
    here = f"{path}.cancellation"
    request = section(sent, "cancellationRequest", here)
    execution = section(sent, "cancellationExecution", here)
    found = Cancellation(
        requested_by=text(request, "requester", f"{here}.cancellationRequest"),
        request_reason=text(request, "cancelReason", f"{here}.cancellationRequest"),
        executed_by=text(execution, "cancelledBy", f"{here}.cancellationExecution"),
        execution_reason=text(execution, "cancelReason", f"{here}.cancellationExecution"),
    )
    return found if found != _NO_CANCELLATION else None


def _order_cancellation(lines: list[Line]) -> Cancellation | None:
    """What is asked for, or was carried out, of every line; of some lines it is no fact of the order."""
    found = [line.cancellation or _NO_CANCELLATION for line in lines]
    is_asked = all(each.requested_by or each.request_reason for each in found)
    is_executed = all(each.executed_by or each.execution_reason for each in found)
    if not found or not (is_asked or is_executed):
        return None
    return Cancellation(
        requested_by=_common(each.requested_by for each in found) if is_asked else None,
        request_reason=_common(each.request_reason for each in found) if is_asked else None,
        executed_by=_common(each.executed_by for each in found) if is_executed else None,
        execution_reason=_common(each.execution_reason for each in found) if is_executed else None,
    )


def _common(words: Iterable[str | None]) -> str | None:
    """The word that all of them are; None when they differ."""
    found = set(words)
    return found.pop() if len(found) == 1 else None


def _is_price_of(amounts: ItemAmounts, unit_price: Decimal | None, units: int | None) -> bool:
    """Whether an item's own price is that of so many units."""
    price = amounts.stated_price
    return price is not None and unit_price is not None and units is not None and price == unit_price * units


def _ship_by(fulfillment: JsonObject) -> datetime | None:
    window = section(fulfillment, "shipByWindow", "$.fulfillment")
    return instant(window, "latestDateTime", "$.fulfillment.shipByWindow") if window else None


def _required_instant(of: JsonObject, key: str) -> datetime:
    value = instant(of, key, "$")
    if value is None:
        raise Unreadable("missing", f"$.{key}", "required and not sent")
    return value


def _folded(word: str) -> str:
    return word.upper().replace("_", "").replace(" ", "").replace("-", "")
