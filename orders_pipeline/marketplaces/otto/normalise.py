"""Reading an order of OTTO into ours (Orders API v4): each position item is one unit, and one line.

What lives here: what an order and its units are. What does not: amounts (`amounts`), states (`states`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from orders_pipeline.marketplaces.addresses import cleaned, phone
from orders_pipeline.marketplaces.countries import country_code
from orders_pipeline.marketplaces.otto.amounts import OttoAmounts
from orders_pipeline.marketplaces.otto.personal_data import PII_PATHS
from orders_pipeline.marketplaces.otto.states import (
    ANNOUNCED,
    CANCELLED,
    CANCELLED_BY,
    LEFT,
    known_state,
    order_state,
    status_of,
)
from orders_pipeline.marketplaces.protocol import Unreadable
from orders_pipeline.marketplaces.reading import (
    JsonObject,
    amount,
    code,
    instant,
    objects,
    package_code,
    required_identifier,
    section,
    text,
    tolerated,
)
from orders_pipeline.marketplaces.source_data import named, rest_of
from warehouse.order_checks import check
from warehouse.order_lines import Line
from warehouse.order_parts import Address, Cancellation, Customer, DeliveryWindow, OrderProblem, Package, Payment, Tax
from warehouse.order_states import Bar, FulfilledBy
from warehouse.orders import Order

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from orders_pipeline.marketplaces.protocol import ChannelContext

VAT = "VAT"

_ITEM = "positionItems.*"
_NAME = ("firstName", "lastName", "street", "houseNumber", "addition", "zipCode", "city", "countryCode")
NAMED = named(
    *("salesOrderId", "orderDate", "lastModifiedDate", "orderLifecycleInformation.lifecycleChangeDate"),
    *("payment.paymentMethod", "initialDeliveryFees.*.deliveryFeeAmount"),
    *(f"{address}.{each}" for address in ("deliveryAddress", "invoiceAddress") for each in (*_NAME, "phoneNumber")),
    "deliveryAddress.email",
    *(f"{_ITEM}.{each}" for each in ("positionItemId", "fulfillmentStatus", "cancellationReason", "trackingInfo")),
    *(f"{_ITEM}.itemValue{each}.amount" for each in ("GrossPrice", "ReducedGrossPrice")),
    *(f"{_ITEM}.itemValue{each}.currency" for each in ("GrossPrice", "ReducedGrossPrice", "Discount")),
    *(f"{_ITEM}.product.{each}" for each in ("sku", "articleNumber", "ean", "productTitle", "shopUrl", "vatRate")),
)


def normalise(payload: Any, channel: ChannelContext) -> list[Order]:  # noqa: ANN401 - any JSON value
    """Read one order.

    Raises:
        Unreadable: Not an object; ids or the order's date are missing; a value has the wrong type or cannot be right; two
            units share one id.
    """
    if not isinstance(payload, dict):
        raise Unreadable("wrong_type", "$", "expected an order object")
    return [_OttoReading(payload).order(channel)]


class _UnitRead(NamedTuple):
    """A unit's line with what the order needs of it."""

    line: Line
    state: str | None
    is_reduced: bool
    deliver_by: datetime | None
    tracking: tuple[str, str | None] | None


class _OttoReading:
    """One order while it is read, and the problems met on the way."""

    def __init__(self, order: JsonObject) -> None:
        self.of = order
        self.problems: list[OrderProblem] = []
        self.amounts = OttoAmounts(self.problems)

    def order(self, channel: ChannelContext) -> Order:
        of = self.of
        original_id = required_identifier(of, "salesOrderId", "$")
        purchased_at = instant(of, "orderDate", "$")
        if purchased_at is None:
            raise Unreadable("missing", "$.orderDate", "required and not sent")
        reads = self._units()
        states = [read.state for read in reads]
        address, delivery = self._address("deliveryAddress")
        billing, invoice = self._address("invoiceAddress")
        reduced = [read.line.original_id for read in reads if read.is_reduced]
        rest = rest_of(of, NAMED, PII_PATHS, "positionItems", "positionItemId")
        lifecycle = section(of, "orderLifecycleInformation", "$")
        order = Order(
            original_id=original_id,
            channel=channel.code,
            marketplace=channel.marketplace,
            status=status_of(states),
            marketplace_status=order_state(states) or next((read.line.marketplace_status for read in reads), None),
            fulfilled_by=FulfilledBy.MERCHANT,
            purchased_at=purchased_at,
            marketplace_updated_at=max(
                purchased_at,
                self._moment(of, "lastModifiedDate", "$") or purchased_at,
                self._moment(lifecycle, "lifecycleChangeDate", "$.orderLifecycleInformation") or purchased_at,
            ),
            deliver_by=DeliveryWindow(latest=_promised(reads)),
            shipping_total=self.amounts.delivery_fees(of),
            charges=self.amounts.discounts(of, reduced),
            payment=Payment(method=self._words(section(of, "payment", "$"), "paymentMethod", "$.payment")),
            customer=Customer(
                name=billing.name or address.name,
                email=self._words(delivery, "email", "$.deliveryAddress")
                or self._words(invoice, "email", "$.invoiceAddress"),
                phone=billing.phone or address.phone,
            ),
            shipping_address=address,
            billing_address=billing,
            cancellation=_order_cancellation(reads),
            lines=tuple(read.line for read in reads),
            packages=_packages(reads),
            marketplace_data=rest.clear,
            personal_marketplace_data=rest.personal,
            currency=self.amounts.currency,
            problems=tuple(self.problems),
        )
        return check(order, "$", gtin_path="$.positionItems")

    def _words(self, of: JsonObject, key: str, path: str) -> str | None:
        """Text that only describes the order."""
        return tolerated(self.problems, lambda: text(of, key, path), None)

    def _moment(self, of: JsonObject, key: str, path: str) -> datetime | None:
        return tolerated(self.problems, lambda: instant(of, key, path), None)

    def _problem(self, word: str, path: str, message: str) -> None:
        self.problems.append(OrderProblem(code=word, path=path, message=message))

    # -- units

    def _units(self) -> list[_UnitRead]:
        sent = objects(self.of, "positionItems", "$")
        if not sent:
            self._problem("no_lines", "$.positionItems", "the order has no units")
        found = [self._unit(each, f"$.positionItems[{at}]", at + 1) for at, each in enumerate(sent)]
        if len({read.line.original_id for read in found}) < len(found):
            raise Unreadable("duplicate_line", "$.positionItems", "two units share one id")
        return found

    def _unit(self, of: JsonObject, path: str, number: int) -> _UnitRead:
        product, here = section(of, "product", path), f"{path}.product"
        amounts = self.amounts.of_unit(of, path)
        word = text(of, "fulfillmentStatus", path)
        state = known_state(word)
        if state is None:
            said = "the unit has no state" if word is None else f"unknown state {word[:40]!r}"
            self._problem("status_unknown", f"{path}.fulfillmentStatus", said)
        rate = tolerated(self.problems, lambda: amount(product, "vatRate", here), None)
        reason = self._words(of, "cancellationReason", path)
        line = Line(
            original_id=required_identifier(of, "positionItemId", path),
            number=number,
            sku=code(product, "sku", here),
            marketplace_sku=tolerated(self.problems, lambda: code(product, "articleNumber", here), None),
            gtin=tolerated(self.problems, lambda: code(product, "ean", here), None),
            title=self._words(product, "productTitle", here),
            product_url=self._words(product, "shopUrl", here),
            quantity_ordered=1,
            quantity_shipped=None if state is None else int(state in LEFT),
            quantity_cancelled=None if state is None else int(state in CANCELLED),
            source_unit_price=amounts.gross,
            line_total=amounts.total,
            quantity_priced=1,
            taxes=() if rate is None else (Tax(code=VAT, rate=rate),),
            marketplace_status=word,
            cancellation=None
            if state not in CANCELLED
            else Cancellation(executed_by=CANCELLED_BY[state], execution_reason=reason),
            bar=Bar.LINE_PENDING if state == ANNOUNCED else None,
        )
        promised = self._moment(of, "expectedDeliveryDate", path)
        return _UnitRead(line, state, amounts.is_reduced, promised, self._tracking(of, path))

    def _tracking(self, of: JsonObject, path: str) -> tuple[str, str | None] | None:
        here = f"{path}.trackingInfo"

        def read() -> tuple[str, str | None] | None:
            sent = section(of, "trackingInfo", path)
            number = package_code(sent, "trackingNumber", here)
            return None if number is None else (number, package_code(sent, "carrier", here))

        return tolerated(self.problems, read, None)

    # -- people

    def _address(self, key: str) -> tuple[Address, JsonObject]:
        """An address, and what was sent of it; it is left out while a unit is only announced."""
        of, path = section(self.of, key, "$"), f"$.{key}"
        country = text(of, "countryCode", path)
        found = country_code(country)
        if found is None and country is not None:
            self._problem("country_unknown", f"{path}.countryCode", "neither a country code nor a known country name")
        names = (text(of, each, path) for each in ("firstName", "lastName"))
        street = (text(of, each, path) for each in ("street", "houseNumber"))
        return cleaned(
            Address(
                name=" ".join(filter(None, names)) or None,
                line_1=" ".join(filter(None, street)) or None,
                line_2=text(of, "addition", path),
                postal_code=text(of, "zipCode", path),
                city=text(of, "city", path),
                country_code=found,
                source_country=country,
                phone=phone(text(of, "phoneNumber", path)),
            )
        ), of


def _promised(reads: Sequence[_UnitRead]) -> datetime | None:
    """The earliest promise of those units that are not cancelled."""
    return min((read.deliver_by for read in reads if read.deliver_by and read.state not in CANCELLED), default=None)


def _packages(reads: Sequence[_UnitRead]) -> tuple[Package, ...]:
    """One package per tracking number and carrier, of the units that have left."""
    found: dict[tuple[str, str | None], list[tuple[str, int]]] = {}
    for read in reads:
        if read.state in LEFT and read.tracking is not None:
            found.setdefault(read.tracking, []).append((read.line.original_id, 1))
    return tuple(
        Package(carriers=(carrier,) if carrier else (), tracking_number=number, quantities=tuple(units))
        for (number, carrier), units in found.items()
    )


def _order_cancellation(reads: Sequence[_UnitRead]) -> Cancellation | None:
    """That of the units, when all of them are cancelled by one side and for one reason."""
    found = {read.line.cancellation for read in reads}
    return found.pop() if len(found) == 1 else None
