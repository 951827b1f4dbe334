"""Reading an order of eBay into ours (Fulfillment API v1).

What lives here: what an order and its lines are. What does not: amounts (`amounts`), states (`states`), packages (`packages`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from orders_pipeline.marketplaces.addresses import cleaned, phone
from orders_pipeline.marketplaces.countries import country_code
from orders_pipeline.marketplaces.ebay.amounts import EbayAmounts, EbayLineAmounts
from orders_pipeline.marketplaces.ebay.documents import is_envelope
from orders_pipeline.marketplaces.ebay.packages import packages_of
from orders_pipeline.marketplaces.ebay.personal_data import PII_PATHS
from orders_pipeline.marketplaces.ebay.states import (
    BUYER,
    CANCEL_STATES,
    CANCELED,
    FULFILMENT_STATES,
    FULLY_REFUNDED,
    NONE_REQUESTED,
    PAYMENT_STATES,
    REQUEST_ENDED,
    shipped_units,
    status_of,
    word,
)
from orders_pipeline.marketplaces.protocol import Unreadable
from orders_pipeline.marketplaces.reading import (
    JsonObject,
    code,
    count,
    identifier,
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
from warehouse.order_parts import (
    Address,
    Cancellation,
    Customer,
    DeliveryPoint,
    DeliveryWindow,
    Gift,
    OrderProblem,
    Package,
    Payment,
    References,
)
from warehouse.order_rules import conserved
from warehouse.order_states import Bar, FulfilledBy, Status
from warehouse.orders import Order

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from orders_pipeline.marketplaces.ebay.amounts import EbayTotals
    from orders_pipeline.marketplaces.protocol import ChannelContext

BY_EBAY = "FULFILLED_BY_EBAY"
INSTRUCTIONS = frozenset({"DIGITAL", "PREPARE_FOR_PICKUP", "SELLER_DEFINED", "SHIP_TO", BY_EBAY})
FROM_VAULT = frozenset({"VAULT_TO_VAULT", "VAULT_TO_BUYER"})
"""What lies in eBay's vault eBay itself hands over."""

_START = "fulfillmentStartInstructions.*"
_LINE = "lineItems.*"
_LINE_MEMBERS = (
    *("sku", "legacyItemId", "title", "quantity", "lineItemCost", "discountedLineItemCost", "taxes", "refunds"),
    *("lineItemFulfillmentStatus", "lineItemFulfillmentInstructions.shipByDate", "giftDetails.message"),
    *("deliveryCost.shippingCost", "deliveryCost.handlingCost", "deliveryCost.discountAmount"),
)
NAMED = named(
    *("orderId", "creationDate", "lastModifiedDate", "orderFulfillmentStatus", "fulfillmentHrefs", "pricingSummary"),
    *("buyer.buyerRegistrationAddress", "paymentSummary.payments.*.paymentMethod"),
    *("paymentSummary.payments.*.paymentDate", f"{_START}.shippingStep.shipTo"),
    *(f"{_START}.{name}" for name in ("minEstimatedDeliveryDate", "maxEstimatedDeliveryDate")),
    *(f"{_START}.shippingStep.shippingServiceCode", f"{_START}.pickupStep.merchantLocationKey"),
    *(f"{_LINE}.{name}" for name in _LINE_MEMBERS),
)


def normalise(payload: Any, channel: ChannelContext) -> list[Order]:  # noqa: ANN401 - any JSON value
    """Read one order: bare as listings and single answers have it, or in our envelope `{"order": …, "fulfillments": […]}`.

    Paths of an order in an envelope are those of the order itself ("$.lineItems[0].sku").

    Raises:
        Unreadable: Not an object; ids or the order's date are missing; a value has the wrong type or cannot be right; two lines
            share one id.
    """
    if not isinstance(payload, dict):
        raise Unreadable("wrong_type", "$", "expected an order object")
    if not is_envelope(payload):
        return [_EbayReading(payload, None).order(channel)]
    if not isinstance(payload["order"], dict):
        raise Unreadable("wrong_type", "$.order", "expected an order object")
    packages = objects(payload, "fulfillments", "$") if payload.get("fulfillments") is not None else None
    return [_EbayReading(payload["order"], packages).order(channel)]


class _LineRead(NamedTuple):
    """A line that is not settled yet: whether taxes belong to it is only known when all lines are read."""

    of: JsonObject
    path: str
    id: str
    amounts: EbayLineAmounts
    ship_by: datetime | None


class _EbayReading:
    """One order while it is read, and the problems met on the way."""

    def __init__(self, order: JsonObject, packages: list[JsonObject] | None) -> None:
        self.of = order
        self.problems: list[OrderProblem] = []
        self.amounts = EbayAmounts(self.problems)
        self.fulfilment = self._state(order, "orderFulfillmentStatus", "$", FULFILMENT_STATES)
        self.payment = self._state(order, "orderPaymentStatus", "$", PAYMENT_STATES)
        self.cancel = self._state(section(order, "cancelStatus", "$"), "cancelState", "$.cancelStatus", CANCEL_STATES)
        self.status = status_of(self.fulfilment, self.payment, self.cancel)
        self.packages = None if packages is None else self._packages(packages)

    def order(self, channel: ChannelContext) -> Order:
        of = self.of
        original_id = required_identifier(of, "orderId", "$")
        purchased_at = instant(of, "creationDate", "$")
        if purchased_at is None:
            raise Unreadable("missing", "$.creationDate", "required and not sent")
        for name, state in (("orderFulfillmentStatus", self.fulfilment), ("orderPaymentStatus", self.payment)):
            if state is None:
                self._problem("status_missing", f"$.{name}", "the order does not say it")
        reads = self._lines()
        amounts = [read.amounts for read in reads]
        totals = self.amounts.settled(of, amounts)
        start = next(iter(objects(of, "fulfillmentStartInstructions", "$")), {})
        here = "$.fulfillmentStartInstructions[0]"
        step = section(start, "shippingStep", here)
        ship_to = section(step, "shipTo", f"{here}.shippingStep")
        address = self._address(ship_to, f"{here}.shippingStep.shipTo")
        buyer = section(of, "buyer", "$")
        registered = section(buyer, "buyerRegistrationAddress", "$.buyer")
        billing = self._address(registered, "$.buyer.buyerRegistrationAddress")
        is_hub = start.get("ebaySupportedFulfillment") is True
        rest = rest_of(of, NAMED, PII_PATHS, "lineItems", "lineItemId")
        order = Order(
            original_id=original_id,
            channel=channel.code,
            marketplace=channel.marketplace,
            status=self.status,
            marketplace_status=text(of, "orderFulfillmentStatus", "$"),
            fulfilled_by=self._fulfilled_by(start, here),
            purchased_at=purchased_at,
            marketplace_updated_at=tolerated(self.problems, lambda: instant(of, "lastModifiedDate", "$"), None)
            or purchased_at,
            ship_by=min((read.ship_by for read in reads if read.ship_by is not None), default=None),
            service_level=tolerated(
                self.problems, lambda: text(step, "shippingServiceCode", f"{here}.shippingStep"), None
            ),
            deliver_by=DeliveryWindow(
                earliest=tolerated(self.problems, lambda: instant(start, "minEstimatedDeliveryDate", here), None),
                latest=tolerated(self.problems, lambda: instant(start, "maxEstimatedDeliveryDate", here), None),
            ),
            total=totals.total,
            shipping_total=totals.shipping,
            tax_total=totals.tax_total(amounts),
            charges=totals.charges,
            payment=tolerated(self.problems, self._payment, Payment()),
            programs=tuple(sorted(each for each in section(of, "program", "$") if identifier(each))),
            customer=Customer(
                name=billing.name or (None if is_hub else address.name),
                email=self._email(registered, "$.buyer.buyerRegistrationAddress")
                or self._email(ship_to, f"{here}.shippingStep.shipTo"),
                phone=billing.phone or (None if is_hub else address.phone),
                company=billing.company,
            ),
            shipping_address=address,
            billing_address=billing,
            delivery_point=DeliveryPoint(id=tolerated(self.problems, lambda: self._store(start, here), None)),
            references=References(vat_id=tolerated(self.problems, lambda: self._vat_id(buyer), None)),
            cancellation=tolerated(self.problems, self._cancellation, None),
            bar=Bar.FULLY_REFUNDED if self._is_refunded_open() else None,
            lines=tuple(self._line(read, at, totals) for at, read in enumerate(reads, 1)),
            packages=self.packages,
            marketplace_data=rest.clear,
            personal_marketplace_data=rest.personal,
            currency=self.amounts.currency,
            problems=tuple(self.problems),
        )
        return check(order, "$.pricingSummary.total", "$.buyer.taxIdentifier.taxpayerId")

    def _problem(self, code: str, path: str, message: str) -> None:
        self.problems.append(OrderProblem(code=code, path=path, message=message))

    def _state(self, of: JsonObject, key: str, path: str, known: frozenset[str]) -> str | None:
        state = word(text(of, key, path))
        if state is not None and state not in known:
            self._problem("status_unknown", f"{path}.{key}", f"unknown state {state[:40]!r}")
        return state

    def _is_refunded_open(self) -> bool:
        return self.payment == FULLY_REFUNDED and self.status is Status.PARTIALLY_SHIPPED

    # -- lines

    def _lines(self) -> list[_LineRead]:
        sent = objects(self.of, "lineItems", "$")
        if not sent:
            self._problem("no_lines", "$.lineItems", "the order has no lines")
        found = []
        for at, each in enumerate(sent):
            path = f"$.lineItems[{at}]"
            ship_by = self._ship_by(each, path)
            line_id = required_identifier(each, "lineItemId", path)
            found.append(_LineRead(each, path, line_id, self.amounts.of_line(each, path), ship_by))
        ids = [read.id for read in found]
        if len(set(ids)) < len(ids):
            raise Unreadable("duplicate_line", "$.lineItems", "two lines share one id")
        return found

    def _ship_by(self, line: JsonObject, path: str) -> datetime | None:
        of = section(line, "lineItemFulfillmentInstructions", path)
        here = f"{path}.lineItemFulfillmentInstructions"
        return tolerated(self.problems, lambda: instant(of, "shipByDate", here), None)

    def _line(self, read: _LineRead, number: int, totals: EbayTotals) -> Line:
        of, path = read.of, read.path
        ordered = count(of, "quantity", path)
        if ordered is None:
            self._problem("quantity_missing", f"{path}.quantity", "the line has no quantity")
        state = self._state(of, "lineItemFulfillmentStatus", path, FULFILMENT_STATES)
        shipped = shipped_units(state or self.fulfilment, ordered, self._packed(read.id))
        settled = conserved(ordered, shipped, self._cancelled(ordered, shipped))
        refunded_total = tolerated(self.problems, lambda: self.amounts.refunded(of, path), None)
        return Line(
            original_id=read.id,
            number=number,
            sku=self._sku(of, path),
            marketplace_sku=code(of, "legacyItemId", path),
            title=text(of, "title", path),
            quantity_ordered=settled.ordered,
            quantity_shipped=settled.shipped,
            quantity_cancelled=settled.cancelled,
            quantity_refunded=self._refunded(settled.ordered, refunded_total, read.amounts.goods),
            line_total=totals.line_total(read.amounts),
            quantity_priced=settled.ordered,
            refunded_total=refunded_total,
            taxes=totals.taxes(read.amounts),
            marketplace_status=text(of, "lineItemFulfillmentStatus", path),
            gift=tolerated(self.problems, lambda: self._gift(of, path), None),
        )

    def _sku(self, of: JsonObject, path: str) -> str | None:
        """The seller's own, else the listing's number and its variation's: eBay asks no seller for a SKU."""
        own = code(of, "sku", path)
        if own is not None:
            return own
        numbers = (code(of, name, path) for name in ("legacyItemId", "legacyVariationId"))
        instead = "-".join(each for each in numbers if each is not None and each != "0")
        self._problem("sku_missing", f"{path}.sku", "the listing has no SKU: its number stands for it")
        return instead or None

    def _packed(self, line_id: str) -> int | None:
        if self.packages is None:
            return None
        return sum(units for each in self.packages for name, units in each.quantities if name == line_id)

    def _cancelled(self, ordered: int | None, shipped: int | None) -> int | None:
        if self.status is Status.CANCELED:
            return None if ordered is None or shipped is None else ordered - shipped
        return 0 if self.cancel is None or self.cancel in CANCEL_STATES else None

    def _refunded(self, ordered: int | None, refunded: Decimal | None, goods: Decimal | None) -> int | None:
        """Units refunded: eBay tells amounts only, so all of them, none, or unknown."""
        if self.payment == FULLY_REFUNDED or (refunded and goods is not None and refunded >= goods):
            return ordered
        return 0 if not refunded and self.payment not in {None, "PARTIALLY_REFUNDED"} else None

    def _gift(self, of: JsonObject, path: str) -> Gift | None:
        details = section(of, "giftDetails", path)
        return Gift(message=text(details, "message", f"{path}.giftDetails")) if details else None

    # -- the order

    def _packages(self, sent: list[JsonObject]) -> tuple[Package, ...] | None:
        """The packages; one that cannot be read must not cost the order, so it is a problem and nothing is known of any."""
        try:
            return packages_of(sent)
        except Unreadable as odd:
            self._problem("package_unreadable", odd.path, odd.reason)
            return None

    def _fulfilled_by(self, start: JsonObject, path: str) -> FulfilledBy:
        """EBay where it says so, else the seller."""
        kind = word(text(start, "fulfillmentInstructionsType", path))
        program = section(self.of, "program", "$")
        by = word(
            text(section(program, "fulfillmentProgram", "$.program"), "fulfilledBy", "$.program.fulfillmentProgram")
        )
        vault = word(text(section(program, "ebayVault", "$.program"), "fulfillmentType", "$.program.ebayVault"))
        if kind is not None and kind not in INSTRUCTIONS:
            said = f"unknown kind of instructions {kind[:40]!r}"
            self._problem("fulfilled_by_unknown", f"{path}.fulfillmentInstructionsType", said)
        is_theirs = kind == BY_EBAY or by == "EBAY" or vault in FROM_VAULT
        return FulfilledBy.MARKETPLACE if is_theirs else FulfilledBy.MERCHANT

    def _payment(self) -> Payment:
        summary = section(self.of, "paymentSummary", "$")
        first = next(iter(objects(summary, "payments", "$.paymentSummary")), {})
        path = "$.paymentSummary.payments[0]"
        return Payment(method=text(first, "paymentMethod", path), paid_at=instant(first, "paymentDate", path))

    def _email(self, contact: JsonObject, path: str) -> str | None:
        return tolerated(self.problems, lambda: text(contact, "email", path), None)

    def _store(self, start: JsonObject, path: str) -> str | None:
        return package_code(section(start, "pickupStep", path), "merchantLocationKey", f"{path}.pickupStep")

    def _vat_id(self, buyer: JsonObject) -> str | None:
        sent, path = section(buyer, "taxIdentifier", "$.buyer"), "$.buyer.taxIdentifier"
        is_vat = "VAT" in (text(sent, "taxIdentifierType", path) or "").upper()
        return text(sent, "taxpayerId", path) if is_vat else None

    def _cancellation(self) -> Cancellation | None:
        """Who asks for it, while that is open, and who carried it out. Listings never have the requests themselves."""
        sent, path = section(self.of, "cancelStatus", "$"), "$.cancelStatus"
        requests = objects(sent, "cancelRequests", path)
        read = [
            tuple(
                text(each, name, f"{path}.cancelRequests[{at}]")
                for name in ("cancelRequestState", "cancelInitiator", "cancelReason")
            )
            for at, each in enumerate(requests)
        ]
        if self.cancel == CANCELED:
            done = next(
                (each for each in read if word(each[0]) == "COMPLETED"), read[-1] if read else (None, None, None)
            )
            return Cancellation(executed_by=word(done[1]), execution_reason=done[2])
        if self.cancel in {None, NONE_REQUESTED}:
            return None
        if not read:
            return Cancellation(requested_by="UNKNOWN")
        asked = next((each for each in read if word(each[1]) == BUYER and word(each[0]) not in REQUEST_ENDED), None)
        return None if asked is None else Cancellation(requested_by=BUYER, request_reason=asked[2])

    def _address(self, contact: JsonObject, path: str) -> Address:
        of, here = section(contact, "contactAddress", path), f"{path}.contactAddress"
        country = text(of, "countryCode", here)
        found = country_code(country)
        if found is None and country is not None:
            self._problem("country_unknown", f"{here}.countryCode", "neither a country code nor a known country name")
        number = text(section(contact, "primaryPhone", path), "phoneNumber", f"{path}.primaryPhone")
        return cleaned(
            Address(
                name=text(contact, "fullName", path),
                company=text(contact, "companyName", path),
                line_1=text(of, "addressLine1", here),
                line_2=text(of, "addressLine2", here),
                postal_code=text(of, "postalCode", here),
                city=text(of, "city", here),
                state=text(of, "stateOrProvince", here),
                country_code=found,
                source_country=country,
                phone=phone(number),
            )
        )
