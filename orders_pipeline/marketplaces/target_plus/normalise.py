"""Reading an order of Target into ours, bare or in the envelope with its addresses and fulfilments.

What lives here: what an order and its lines are. What does not: amounts (`amounts`), states (`states`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from orders_pipeline.marketplaces.addresses import cleaned, phone
from orders_pipeline.marketplaces.countries import country_code
from orders_pipeline.marketplaces.protocol import Unreadable
from orders_pipeline.marketplaces.reading import (
    JsonObject,
    amount,
    code,
    count,
    currency_code,
    instant,
    objects,
    package_code,
    required_identifier,
    section,
    text,
    tolerated,
)
from orders_pipeline.marketplaces.source_data import named, rest_of
from orders_pipeline.marketplaces.target_plus.amounts import charges, line_total, shipping_total
from orders_pipeline.marketplaces.target_plus.documents import ADDRESSES, FULFILLMENTS
from orders_pipeline.marketplaces.target_plus.personal_data import PII_PATHS
from orders_pipeline.marketplaces.target_plus.shipping_methods import carrier_of
from orders_pipeline.marketplaces.target_plus.states import (
    CANCELED,
    OPEN,
    PARTIALLY_SHIPPED,
    REFUNDED,
    SHIPPED,
    STATUSES,
    UNIT_STATES,
    spelled,
)
from warehouse.order_checks import check
from warehouse.order_lines import Line
from warehouse.order_parts import Address, Cancellation, Customer, DeliveryWindow, OrderProblem, Package
from warehouse.order_rules import conserved
from warehouse.order_states import Bar, FulfilledBy, Status
from warehouse.orders import Order

if TYPE_CHECKING:
    from datetime import datetime

    from orders_pipeline.marketplaces.protocol import ChannelContext

_NAME = ("first_name", "last_name", "email", "phone_numbers", "address1", "address2", "city", "state", "postal_code")
_LINE = ("order_line_number", "tcin", "external_id", "quantity", "unit_price", "total_price", "order_line_statuses")
_AMOUNTS = ("total_shipping_price", "total_shipping_discount", "total_handling_price", "total_gift_option_price")
NAMED = named(
    *("id", "order_status", "status", "order_date", "last_modified", "requested_shipment_date", "currency"),
    *("requested_delivery_date", "level_of_service"),
    *(
        f"{before}{address}.{each}"
        for before in ("addresses.", "")
        for address in ("shipping_address", "billing_address")
        for each in (*_NAME, "country_code")
    ),
    *(f"order_lines.*.{each}" for each in (*_LINE, *_AMOUNTS, "total_item_discount", "cancellation_reason")),
)


def normalise(payload: Any, channel: ChannelContext) -> list[Order]:  # noqa: ANN401 - any JSON value
    """Read one order.

    Raises:
        Unreadable: Not an object; ids or the order's date are missing; a value has the wrong type or cannot be right; two
            lines share one number.
    """
    if not isinstance(payload, dict):
        raise Unreadable("wrong_type", "$", "expected an order object")
    if "order" not in payload or "id" in payload:
        return [_TargetReading(payload, {}, "$").order(channel)]
    order = payload["order"]
    if not isinstance(order, dict):
        raise Unreadable("wrong_type", "$.order", "expected an order object")
    return [_TargetReading(order, payload, "$.order").order(channel)]


class _LineUnits(NamedTuple):
    """A line's units by what their states say; None where they cannot be told."""

    shipped: int | None
    cancelled: int | None
    state: str | None


class _TargetReading:
    """One order while it is read, and the problems met on the way."""

    def __init__(self, order: JsonObject, beside: JsonObject, path: str) -> None:
        self.of = order
        self.beside = beside
        self.path = path
        self.problems: list[OrderProblem] = []

    def order(self, channel: ChannelContext) -> Order:
        of, path = self.of, self.path
        original_id = required_identifier(of, "id", path)
        purchased_at = instant(of, "order_date", path) or instant(of, "created", path)
        if purchased_at is None:
            raise Unreadable("missing", f"{path}.order_date", "required and not sent")
        word = self._state()
        sent = objects(of, "order_lines", path)
        places = [f"{path}.order_lines[{at}]" for at in range(len(sent))]
        lines = self._lines(sent, places, word)
        shipping, contact = self._address("shipping_address")
        billing, buyer = self._address("billing_address")
        rest = rest_of(of, NAMED, PII_PATHS, "order_lines", "order_line_number")
        order = Order(
            original_id=original_id,
            channel=channel.code,
            marketplace=channel.marketplace,
            status=STATUSES.get(word or "", Status.UNKNOWN),
            marketplace_status=word,
            fulfilled_by=FulfilledBy.MERCHANT,
            purchased_at=purchased_at,
            marketplace_updated_at=max(purchased_at, self._moment("last_modified") or purchased_at),
            ship_by=self._moment("requested_shipment_date"),
            deliver_by=DeliveryWindow(latest=self._moment("requested_delivery_date")),
            service_level=self._words(of, "level_of_service", path),
            currency=tolerated(self.problems, lambda: currency_code(of, "currency", path, self.problems), None),
            shipping_total=tolerated(self.problems, lambda: shipping_total(sent, places), None),
            charges=charges(sent, places, self.problems),
            customer=Customer(
                name=billing.name or shipping.name,
                email=buyer or contact,
                phone=billing.phone or shipping.phone,
            ),
            shipping_address=shipping,
            billing_address=billing,
            cancellation=_order_cancellation(lines),
            bar=Bar.FULLY_REFUNDED if word == REFUNDED else None,
            lines=lines,
            packages=tolerated(self.problems, self._packages, None),
            marketplace_data=rest.clear,
            personal_marketplace_data=rest.personal,
            problems=tuple(self.problems),
        )
        return check(order, path)

    def _state(self) -> str | None:
        """The order's state: it is called `order_status` or `status`."""
        key = "status" if self.of.get("order_status") in (None, "") else "order_status"
        word = spelled(text(self.of, key, self.path))
        if word not in STATUSES:
            said = "the order has no state" if word is None else f"unknown state {word[:40]!r}"
            self._problem("status_unknown", f"{self.path}.{key}", said)
        return word

    def _words(self, of: JsonObject, key: str, path: str) -> str | None:
        """Text that only describes the order."""
        return tolerated(self.problems, lambda: text(of, key, path), None)

    def _moment(self, key: str) -> datetime | None:
        return tolerated(self.problems, lambda: instant(self.of, key, self.path), None)

    def _problem(self, word: str, path: str, message: str) -> None:
        self.problems.append(OrderProblem(code=word, path=path, message=message))

    # -- lines

    def _lines(self, sent: list[JsonObject], places: list[str], word: str | None) -> tuple[Line, ...]:
        if not sent:
            self._problem("no_lines", f"{self.path}.order_lines", "the order has no lines")
        found = tuple(
            self._line(each, place, number, word)
            for number, (each, place) in enumerate(zip(sent, places, strict=True), 1)
        )
        if len({each.original_id for each in found}) < len(found):
            raise Unreadable("duplicate_line", f"{self.path}.order_lines", "two lines share one number")
        return found

    def _line(self, of: JsonObject, path: str, number: int, word: str | None) -> Line:
        ordered = count(of, "quantity", path)
        if ordered is None:
            self._problem("quantity_missing", f"{path}.quantity", "the line has no quantity")
        units = self._units(of, path, ordered, word)
        settled = conserved(ordered, units.shipped, units.cancelled)
        if settled.is_contradictory:
            said = "more units are done than were ordered"
            self._problem("quantity_contradictory", f"{path}.order_line_statuses", said)
        reason = self._words(of, "cancellation_reason", path)
        return Line(
            original_id=required_identifier(of, "order_line_number", path),
            number=number,
            sku=code(of, "external_id", path),
            marketplace_sku=tolerated(self.problems, lambda: code(of, "tcin", path), None),
            quantity_ordered=settled.ordered,
            quantity_shipped=settled.shipped,
            quantity_cancelled=settled.cancelled,
            source_unit_price=tolerated(self.problems, lambda: amount(of, "unit_price", path), None),
            line_total=tolerated(self.problems, lambda: line_total(of, ordered, path), None),
            quantity_priced=settled.ordered,
            marketplace_status=units.state,
            cancellation=Cancellation(execution_reason=reason) if settled.cancelled else None,
            bar=Bar.CONTRADICTORY if settled.is_contradictory else None,
        )

    def _units(self, of: JsonObject, path: str, ordered: int | None, word: str | None) -> _LineUnits:
        """What the states of its units say; without any, what the order's state says of all of them."""
        sent = objects(of, "order_line_statuses", path)
        if not sent:
            return _LineUnits(*_all_or_none(ordered, word), None)
        totals: dict[str, int] = {}
        is_known = True
        states: list[str | None] = []
        for at, each in enumerate(sent):
            here = f"{path}.order_line_statuses[{at}]"
            state = spelled(text(each, "status", here))
            units = count(each, "quantity", here)
            units = ordered if units is None and len(sent) == 1 else units
            if state not in UNIT_STATES:
                said = "a state is missing" if state is None else f"unknown state {state[:40]!r}"
                self._problem("status_unknown", f"{here}.status", said)
            states.append(state)
            if state is None or state not in UNIT_STATES or units is None:
                is_known = False
            else:
                totals[state] = totals.get(state, 0) + units
        least = next((each for each in (*OPEN, SHIPPED, CANCELED) if each in states), states[0])
        if not is_known:
            return _LineUnits(None, None, least)
        return _LineUnits(totals.get(SHIPPED, 0), totals.get(CANCELED, 0), least)

    # -- packages and people

    def _packages(self) -> tuple[Package, ...] | None:
        """One package per tracking number and method; None where nobody has asked for fulfilments."""
        if self.beside.get(FULFILLMENTS) is None:
            return None
        found: dict[tuple[str, str | None], dict[str, int]] = {}
        for at, each in enumerate(objects(self.beside, FULFILLMENTS, "$")):
            here = f"$.{FULFILLMENTS}[{at}]"
            number = package_code(each, "tracking_number", here)
            if number is None:
                continue
            units = found.setdefault((number, package_code(each, "shipping_method", here)), {})
            line = required_identifier(each, "order_line_number", here)
            units[line] = units.get(line, 0) + (count(each, "quantity", here) or 0)
        return tuple(
            Package(
                carriers=() if method is None else tuple(filter(None, (carrier_of(method), method))),
                tracking_number=number,
                quantities=tuple(units.items()),
            )
            for (number, method), units in found.items()
        )

    def _address(self, key: str) -> tuple[Address, str | None]:
        """An address and its e-mail: within `addresses`, beside the order, or bare; nothing of it where it is not sent."""
        nothing: tuple[JsonObject, str] = ({}, self.path)
        of, path = tolerated(self.problems, lambda: self._sent_address(key), nothing)
        country = self._words(of, "country_code", path)
        found = country_code(country)
        if found is None and country is not None:
            self._problem("country_unknown", f"{path}.country_code", "neither a country code nor a known country name")
        names = (self._words(of, each, path) for each in ("first_name", "last_name"))
        none: list[JsonObject] = []
        numbers = tolerated(self.problems, lambda: objects(of, "phone_numbers", path), none)
        number = next(
            (self._words(each, "number", f"{path}.phone_numbers[{at}]") for at, each in enumerate(numbers)), None
        )
        return cleaned(
            Address(
                name=" ".join(filter(None, names)) or None,
                line_1=self._words(of, "address1", path),
                line_2=self._words(of, "address2", path),
                postal_code=self._words(of, "postal_code", path),
                city=self._words(of, "city", path),
                state=self._words(of, "state", path),
                country_code=found,
                source_country=country,
                phone=phone(number),
            )
        ), self._words(of, "email", path)

    def _sent_address(self, key: str) -> tuple[JsonObject, str]:
        for of, path in (
            (section(self.of, "addresses", self.path), f"{self.path}.addresses"),
            (section(self.beside, ADDRESSES, "$"), f"$.{ADDRESSES}"),
            (self.of, self.path),
        ):
            found = section(of, key, path)
            if found:
                return found, f"{path}.{key}"
        return {}, self.path


def _all_or_none(ordered: int | None, word: str | None) -> tuple[int | None, int | None]:
    """Units shipped and cancelled of a line that tells no states, where the order's state says it of every line."""
    if word in {SHIPPED, REFUNDED}:
        return ordered, 0
    if word == CANCELED:
        return 0, ordered
    return (0, 0) if word in OPEN and word != PARTIALLY_SHIPPED else (None, None)


def _order_cancellation(lines: tuple[Line, ...]) -> Cancellation | None:
    """That of the lines, when all of them are cancelled as a whole and for one reason."""
    is_whole = all(each.quantity_cancelled and each.quantity_cancelled == each.quantity_ordered for each in lines)
    found = {each.cancellation for each in lines} if is_whole else set()
    return found.pop() if len(found) == 1 else None
