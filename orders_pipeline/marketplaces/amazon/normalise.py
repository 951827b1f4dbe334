"""Amazon's order, read: one Orders 2026-01-01 order object becomes one `Order`.

Pure and total: any JSON value gives an order or raises `Unreadable` with the JSON path. What is odd but readable is
a `Problem` on the order. Amounts are in `amounts`, packages in `packages`,
fetching is in `client`, finding orders in a file in `documents`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orders_pipeline.marketplaces.amazon.amounts import Amounts, ItemAmounts
from orders_pipeline.marketplaces.amazon.packages import read_packages
from orders_pipeline.marketplaces.amazon.sites import SITES
from orders_pipeline.marketplaces.protocol import Unreadable
from orders_pipeline.marketplaces.reading import (
    JsonObject,
    count,
    instant,
    objects,
    required_text,
    section,
    text,
    texts,
)
from warehouse.orders import (
    Address,
    Cancellation,
    Customer,
    FulfilledBy,
    Line,
    Order,
    Package,
    Payment,
    Problem,
    Status,
)

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from orders_pipeline.marketplaces.protocol import ChannelContext

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

FULFILLERS: dict[str, FulfilledBy] = {
    "MERCHANT": FulfilledBy.MERCHANT,
    "MFN": FulfilledBy.MERCHANT,
    "AMAZON": FulfilledBy.MARKETPLACE,
    "AFN": FulfilledBy.MARKETPLACE,
}

BUSINESS_PROGRAM = "AMAZON_BUSINESS"

# ISO 3166-1 alpha-2, and XK: a user-assigned code, but the one that post and marketplaces use for Kosovo.
COUNTRY_CODES = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO
    FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE
    JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO
    MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW
    PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM
    TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW
    """.split()  # noqa: SIM905 - 250 quoted codes would fill the page
)

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
    return [_Reading(payload).order(channel)]


class _Reading:
    """One order while it is read: what holds for the whole order, and the problems met on the way."""

    __slots__ = ("amounts", "order_object", "problems", "status")

    def __init__(self, order_object: JsonObject) -> None:
        self.order_object = order_object
        self.problems: list[Problem] = []
        self.amounts = Amounts(self.problems)
        self.status = Status.UNKNOWN

    def order(self, channel: ChannelContext) -> Order:
        of = self.order_object
        original_id = required_text(of, "orderId", "$")
        fulfillment = section(of, "fulfillment", "$")
        raw_status = self._read_status(fulfillment)
        proceeds = section(of, "proceeds", "$")
        total = self._read_total(proceeds)
        shipping_total, tax_total = self.amounts.order_sums(proceeds)
        lines, item_shipping, item_tax = self._lines()
        self.amounts.finish()
        programs = texts(of, "programs", "$")
        customer, address = self._parties()
        packages = self._packages(lines)
        return Order(
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
            shipping_total=item_shipping if shipping_total is None else shipping_total,
            tax_total=item_tax if tax_total is None else tax_total,
            payment=self._payment(),
            is_business=BUSINESS_PROGRAM in programs,
            programs=programs,
            customer=customer,
            shipping_address=address,
            cancellation=_order_cancellation(lines),
            lines=tuple(lines),
            packages=packages,
            problems=tuple(self.problems),
        )

    def _problem(self, code: str, path: str, message: str) -> None:
        self.problems.append(Problem(code=code, path=path, message=message))

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

    def _lines(self) -> tuple[list[Line], Decimal | None, Decimal | None]:
        """The lines, and the shipping and the tax that their items add up to."""
        if self.order_object.get("orderItems") is None:
            raise Unreadable("missing", "$.orderItems", "required and not sent")
        items = objects(self.order_object, "orderItems", "$")
        if not items:
            self._problem("no_lines", "$.orderItems", "the order has no lines")
        link = self._product_link()
        lines: list[Line] = []
        seen: set[str] = set()
        shipping: Decimal | None = None
        tax: Decimal | None = None
        for index, item in enumerate(items):
            path = f"$.orderItems[{index}]"
            amounts = self.amounts.of_item(item, path)
            shipping = _plus(shipping, amounts.subtotals.get("SHIPPING"))
            tax = _plus(tax, amounts.subtotals.get("TAX"))
            line = self._line(item, index, amounts, link)
            if line.original_id in seen:
                raise Unreadable("duplicate_line", f"{path}.orderItemId", "another line of the order has the same id")
            seen.add(line.original_id)
            lines.append(line)
        return lines, shipping, tax

    def _product_link(self) -> str | None:
        channel = section(self.order_object, "salesChannel", "$")
        site = SITES.get(text(channel, "marketplaceId", "$.salesChannel") or "")
        return f"https://www.{site.domain}/dp/" if site else None

    def _line(self, item: JsonObject, index: int, amounts: ItemAmounts, link: str | None) -> Line:
        path = f"$.orderItems[{index}]"
        here = f"{path}.product"
        product = section(item, "product", path)
        price = section(product, "price", here)
        asin = text(product, "asin", here)
        has_page = link and asin and len(asin) == _ASIN_LETTERS and asin.isascii() and asin.isalnum()
        cancellation = _line_cancellation(item, path)
        is_executed = cancellation is not None and bool(cancellation.executed_by or cancellation.execution_reason)
        ordered, shipped, cancelled = self._quantities(item, path, is_executed)
        return Line(
            original_id=required_text(item, "orderItemId", path),
            number=index + 1,
            sku=text(product, "sellerSku", here),
            title=text(product, "title", here),
            product_url=f"{link}{asin}" if has_page else None,
            quantity_ordered=ordered,
            quantity_shipped=shipped,
            quantity_cancelled=cancelled,
            source_unit_price=self.amounts.money(price, "unitPrice", f"{here}.price") if price else None,
            line_total=amounts.line_total,
            taxes=amounts.taxes,
            cancellation=cancellation,
        )

    def _quantities(self, item: JsonObject, path: str, is_executed: bool) -> tuple[int, int | None, int | None]:  # noqa: FBT001 - a fact of the item
        """Units ordered, shipped and cancelled; `is_executed` tells that a cancellation of the item was carried out."""
        ordered = count(item, "quantityOrdered", path)
        if ordered is None:
            raise Unreadable("missing", f"{path}.quantityOrdered", "required and not sent")
        fulfillment = section(item, "fulfillment", path)
        here = f"{path}.fulfillment"
        fulfilled = count(fulfillment, "quantityFulfilled", here)
        unfulfilled = count(fulfillment, "quantityUnfulfilled", here)
        if (fulfilled or 0) + (unfulfilled or 0) > ordered:
            self._problem("quantity_conservation", here, "more units fulfilled and unfulfilled than ordered")
        shipped = self._assumed_shipped(ordered, here, is_executed) if fulfilled is None else fulfilled
        if self.status is Status.CANCELED:
            return ordered, shipped, max(0, ordered - (shipped or 0))
        if fulfilled is not None and unfulfilled is not None:
            return ordered, shipped, max(0, ordered - fulfilled - unfulfilled)
        if is_executed and unfulfilled is None:
            return ordered, shipped, None if shipped is None else max(0, ordered - shipped)
        return ordered, shipped, 0

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
        phone = text(sent, "phone", path)
        customer = Customer(
            name=text(buyer, "buyerName", "$.buyer") or name,
            email=text(buyer, "buyerEmail", "$.buyer"),
            phone=phone,
            company=text(buyer, "buyerCompanyName", "$.buyer"),
        )
        if not sent:
            return customer, _NO_ADDRESS
        city = text(sent, "city", path) or text(sent, "municipality", path) or text(sent, "districtOrCounty", path)
        address = Address(
            name=name,
            company=text(sent, "companyName", path),
            line_1=text(sent, "addressLine1", path),
            line_2=text(sent, "addressLine2", path),
            line_3=text(sent, "addressLine3", path),
            postal_code=text(sent, "postalCode", path),
            city=city,
            state=text(sent, "stateOrRegion", path),
            country_code=self._country_code(sent, path),
            phone=phone,
        )
        return customer, address

    def _country_code(self, address: JsonObject, path: str) -> str | None:
        sent = text(address, "countryCode", path)
        if sent is None or sent in COUNTRY_CODES:
            return sent
        code = sent.upper()
        if code in COUNTRY_CODES:
            return code
        self._problem("country_unknown", f"{path}.countryCode", "not an ISO 3166 alpha-2 country code")
        return None

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
    """The first request and the first execution among the lines."""
    found = [line.cancellation for line in lines if line.cancellation is not None]
    if not found:
        return None
    request = next((each for each in found if each.requested_by or each.request_reason), _NO_CANCELLATION)
    execution = next((each for each in found if each.executed_by or each.execution_reason), _NO_CANCELLATION)
    return Cancellation(
        requested_by=request.requested_by,
        request_reason=request.request_reason,
        executed_by=execution.executed_by,
        execution_reason=execution.execution_reason,
    )


def _ship_by(fulfillment: JsonObject) -> datetime | None:
    window = section(fulfillment, "shipByWindow", "$.fulfillment")
    return instant(window, "latestDateTime", "$.fulfillment.shipByWindow") if window else None


def _required_instant(of: JsonObject, key: str) -> datetime:
    value = instant(of, key, "$")
    if value is None:
        raise Unreadable("missing", f"$.{key}", "required and not sent")
    return value


def _plus(total: Decimal | None, more: Decimal | None) -> Decimal | None:
    if more is None:
        return total
    return more if total is None else total + more


def _folded(word: str) -> str:
    return word.upper().replace("_", "").replace(" ", "").replace("-", "")
