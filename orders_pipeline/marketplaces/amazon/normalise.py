"""Amazon's order, read: one Orders 2026-01-01 order object becomes one `Order`.

Pure and total: any JSON value gives an order or raises `Unreadable` with the JSON path. What is odd but readable becomes a
`Problem` on the order. Fetching is in `client`, finding orders in a file in `documents`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from orders_pipeline.marketplaces.amazon.sites import SITES
from orders_pipeline.marketplaces.protocol import Unreadable
from orders_pipeline.marketplaces.reading import (
    JsonObject,
    amount,
    count,
    instant,
    objects,
    required_text,
    section,
    text,
    texts,
)
from warehouse.orders import Address, Cancellation, Customer, FulfilledBy, Line, Order, Payment, Problem, Status, Tax

if TYPE_CHECKING:
    from datetime import datetime

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
"""Amazon's fulfilment status in capitals without separators, so that the words of Orders v0 ("PartiallyShipped") are read too.

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
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD "
    "CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF "
    "GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN "
    "KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA "
    "NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI "
    "SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI "
    "VN VU WF WS XK YE YT ZA ZM ZW".split()
)

_NOTHING_SHIPPED = frozenset({Status.PENDING, Status.WAITING_FOR_SHIPMENT, Status.CANCELED})
_ZERO = Decimal(0)
_CURRENCY_LETTERS = 3
_ASIN_LETTERS = 10


def normalise(payload: Any, channel: ChannelContext) -> list[Order]:  # noqa: ANN401 - any JSON value
    """Read one order object as `searchOrders` and `getOrder` of Orders 2026-01-01 send it.

    Args:
        payload: Parsed JSON.
        channel: The channel that the order belongs to.

    Returns:
        One order; Amazon sends mixed carts as separate orders already.

    Raises:
        Unreadable: Not an object; the order's or a line's id, its times, lines or quantities are missing; a value has the
            wrong type or cannot be right; two lines share one id.
    """
    if not isinstance(payload, dict):
        raise Unreadable("wrong_type", "$", "expected an order object")
    return [_Reading(payload).order(channel)]


class _Reading:
    """One order while it is read: what holds for the whole order, and the problems met on the way."""

    __slots__ = ("currency", "is_unpriced", "order_object", "problems", "status", "unlabelled_path")

    def __init__(self, order_object: JsonObject) -> None:
        self.order_object = order_object
        self.problems: list[Problem] = []
        self.currency: str | None = None
        self.unlabelled_path: str | None = None
        self.is_unpriced = False
        self.status = Status.UNKNOWN

    def order(self, channel: ChannelContext) -> Order:
        of = self.order_object
        original_id = required_text(of, "orderId", "$")
        fulfillment = section(of, "fulfillment", "$")
        raw_status = self._read_status(fulfillment)
        proceeds = section(of, "proceeds", "$")
        total = self._read_total(proceeds)
        shipping_total, tax_total = self._order_sums(proceeds)
        lines, item_shipping, item_tax = self._lines()
        programs = texts(of, "programs", "$")
        customer, address = self._parties()
        fulfilled_by = self._fulfilled_by(fulfillment)
        if self.currency is None and self.unlabelled_path is not None:
            self._problem("currency_missing", self.unlabelled_path, "an amount was sent without a currency")
        return Order(
            original_id=original_id,
            channel=channel.code,
            marketplace=channel.marketplace,
            status=self.status,
            marketplace_status=raw_status,
            fulfilled_by=fulfilled_by,
            purchased_at=_required_instant(of, "createdTime"),
            marketplace_updated_at=_required_instant(of, "lastUpdatedTime"),
            ship_by=_ship_by(fulfillment),
            currency=self.currency,
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
        total = self._money(proceeds, "grandTotal", "$.proceeds")
        if self.status is Status.PENDING and not total:
            # A pending order has no price yet: a 0 in it is an absence, not an amount.
            self.is_unpriced = True
            return None
        return total

    def _money(self, of: JsonObject, key: str, path: str) -> Decimal | None:
        sent = section(of, key, path)
        if not sent:
            return None
        here = f"{path}.{key}"
        code = sent.get("currencyCode")
        if code != self.currency or code is None:
            self._read_currency(sent, here)
        value = amount(sent, "amount", here)
        return None if self.is_unpriced and not value else value

    def _read_currency(self, sent: JsonObject, path: str) -> None:
        code = text(sent, "currencyCode", path)
        if code is None:
            self.unlabelled_path = self.unlabelled_path or f"{path}.currencyCode"
            return
        code = code.upper()
        if len(code) != _CURRENCY_LETTERS or not code.isascii() or not code.isalpha():
            self._problem_once("currency_unknown", f"{path}.currencyCode", "not an ISO 4217 currency code")
        elif self.currency is None:
            self.currency = code
        elif code != self.currency:
            self._problem_once("mixed_currencies", f"{path}.currencyCode", f"{code} in an order in {self.currency}")

    def _problem_once(self, code: str, path: str, message: str) -> None:
        if all(each.code != code for each in self.problems):
            self._problem(code, path, message)

    def _order_sums(self, proceeds: JsonObject) -> tuple[Decimal | None, Decimal | None]:
        shipping: Decimal | None = None
        tax: Decimal | None = None
        for index, each in enumerate(objects(proceeds, "breakdowns", "$.proceeds")):
            here = f"$.proceeds.breakdowns[{index}]"
            kind = text(each, "type", here)
            value = self._money(each, "subtotal", here)
            if value is None:
                continue
            if kind == "SHIPPING":
                shipping = value if shipping is None else shipping + value
            elif kind == "TAX":
                tax = value if tax is None else tax + value
        return shipping, tax

    def _lines(self) -> tuple[list[Line], Decimal | None, Decimal | None]:
        if self.order_object.get("orderItems") is None:
            raise Unreadable("missing", "$.orderItems", "required and not sent")
        items = objects(self.order_object, "orderItems", "$")
        if not items:
            self._problem("no_lines", "$.orderItems", "the order has no lines")
        marketplace_id = text(section(self.order_object, "salesChannel", "$"), "marketplaceId", "$.salesChannel")
        site = SITES.get(marketplace_id or "")
        link = f"https://www.{site.domain}/dp/" if site else None
        lines: list[Line] = []
        seen: set[str] = set()
        shipping: Decimal | None = None
        tax: Decimal | None = None
        for index, item in enumerate(items):
            path = f"$.orderItems[{index}]"
            original_id = required_text(item, "orderItemId", path)
            if original_id in seen:
                raise Unreadable("duplicate_line", f"{path}.orderItemId", "another line of the order has the same id")
            seen.add(original_id)
            money = self._item_money(item, path)
            shipping = _plus(shipping, money.subtotals.get("SHIPPING"))
            tax = _plus(tax, money.subtotals.get("TAX"))
            lines.append(self._line(item, path, original_id, index + 1, money, link))
        return lines, shipping, tax

    def _line(
        self, item: JsonObject, path: str, original_id: str, number: int, money: _ItemMoney, link: str | None
    ) -> Line:
        product = section(item, "product", path)
        product_path = f"{path}.product"
        price = section(product, "price", product_path)
        cancellation = _line_cancellation(item, path)
        is_executed = cancellation is not None and bool(cancellation.executed_by or cancellation.execution_reason)
        ordered, shipped, cancelled = self._quantities(item, path, is_executed)
        asin = text(product, "asin", product_path)
        has_link = link and asin and len(asin) == _ASIN_LETTERS and asin.isascii() and asin.isalnum()
        return Line(
            original_id=original_id,
            number=number,
            sku=text(product, "sellerSku", product_path),
            title=text(product, "title", product_path),
            product_url=f"{link}{asin}" if has_link else None,
            quantity_ordered=ordered,
            quantity_shipped=shipped,
            quantity_cancelled=cancelled,
            source_unit_price=self._money(price, "unitPrice", f"{product_path}.price") if price else None,
            line_total=money.line_total,
            taxes=money.taxes,
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
        """Units shipped of an item that does not say so itself: what the order's status leaves no doubt about, else None."""
        if self.status in _NOTHING_SHIPPED:
            return 0
        if self.status is Status.SHIPPED and not is_executed:
            return ordered
        self._problem(
            "quantity_unknown", f"{path}.quantityFulfilled", "not sent, and the order's status does not tell it"
        )
        return None

    def _item_money(self, item: JsonObject, path: str) -> _ItemMoney:
        """An item's amounts, added up by kind, and what of them the goods cost."""
        proceeds = section(item, "proceeds", path)
        if not proceeds:
            return _NO_MONEY
        path = f"{path}.proceeds"
        total = self._money(proceeds, "proceedsTotal", path)
        breakdowns = objects(proceeds, "breakdowns", path)
        if not breakdowns:
            return _ItemMoney({}, total, ())
        subtotals: dict[str, Decimal] = {}
        taxes: list[Tax] = []
        goods_tax = goods_discount = _ZERO
        for index, each in enumerate(breakdowns):
            here = f"{path}.breakdowns[{index}]"
            kind = text(each, "type", here) or "OTHER"
            value = self._money(each, "subtotal", here)
            if value is None:
                continue
            subtotals[kind] = subtotals.get(kind, _ZERO) + value
            if kind == "TAX":
                details = self._details(each, here) or [("TAX", value)]
                taxes += [Tax(code=code, amount=part) for code, part in details]
                goods_tax += sum((part for code, part in details if code in _GOODS_TAXES), _ZERO)
            elif kind == "DISCOUNT":
                details = self._details(each, here) or [("ITEM", value)]
                goods_discount += sum((part for code, part in details if code == "ITEM"), _ZERO)
        goods = subtotals.get("ITEM")
        if goods is None:
            return _ItemMoney(subtotals, None, tuple(taxes))
        meaning = _meaning_of(subtotals, total)
        if meaning is None:
            self._problem(
                "amount_ambiguous", path, "the breakdowns do not add up to proceedsTotal, with or without tax"
            )
            meaning = _Meaning(is_tax_additive=False, discount_sign=1)
        line_total = goods + meaning.discount_sign * goods_discount
        return _ItemMoney(subtotals, line_total + goods_tax if meaning.is_tax_additive else line_total, tuple(taxes))

    def _details(self, breakdown: JsonObject, path: str) -> list[tuple[str, Decimal]]:
        found: list[tuple[str, Decimal]] = []
        for index, each in enumerate(objects(breakdown, "detailedBreakdowns", path)):
            here = f"{path}.detailedBreakdowns[{index}]"
            value = self._money(each, "value", here)
            if value is not None:
                found.append((text(each, "subtype", here) or "OTHER", value))
        return found

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


class _ItemMoney(NamedTuple):
    """An item's subtotals by kind, the price of its goods (tax included, all units), and its taxes as stated."""

    subtotals: dict[str, Decimal]
    line_total: Decimal | None
    taxes: tuple[Tax, ...]


class _Meaning(NamedTuple):
    """How an item's breakdowns are meant: is TAX on top of ITEM or within it, and is a DISCOUNT to be added or taken off."""

    is_tax_additive: bool
    discount_sign: int


_NO_MONEY = _ItemMoney({}, None, ())
_NO_ADDRESS = Address()
_NO_PAYMENT = Payment()

# The tax on a discount is stated as a subtype of its own, negative; it belongs to the goods as the discount does.
_GOODS_TAXES = frozenset({"ITEM", "DISCOUNT", "TAX"})


def _meaning_of(subtotals: dict[str, Decimal], total: Decimal | None) -> _Meaning | None:
    """Find by arithmetic how the breakdowns make up the item's total; None when no reading does.

    Amazon documents neither whether ITEM includes the tax nor the sign of DISCOUNT; see
    https://developer-docs.amazon.com/sp-api/reference/orders-v2026-01-01.
    """
    tax = subtotals.get("TAX", _ZERO)
    if total is None:
        return None if tax else _Meaning(is_tax_additive=False, discount_sign=1)
    everything = sum(subtotals.values(), _ZERO)
    discount = subtotals.get("DISCOUNT", _ZERO)
    for sign, all_of_it in ((1, everything), (-1, everything - 2 * discount)):
        if all_of_it == total:
            return _Meaning(is_tax_additive=bool(tax), discount_sign=sign)
        if all_of_it - tax == total:
            return _Meaning(is_tax_additive=False, discount_sign=sign)
        if discount <= 0:
            break
    return None


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


_NO_CANCELLATION = Cancellation()


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
