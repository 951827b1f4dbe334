"""An order as Acme writes it: reading it, where people are in it, and finding it in a file."""

from __future__ import annotations

from typing import Any

from orders_pipeline.marketplaces.payloads import elements, parse
from orders_pipeline.marketplaces.protocol import ChannelContext, RawOrder, Unreadable
from orders_pipeline.marketplaces.reading import amount, count, instant, required_text, text
from warehouse.order_lines import Line
from warehouse.order_parts import Address, Cancellation, Customer, Package
from warehouse.order_states import FulfilledBy, Status
from warehouse.orders import Order

PII_PATHS = (("buyer", frozenset({"city", "country"})),)

STATUSES = {
    "NEW": Status.PENDING,
    "OPEN": Status.WAITING_FOR_SHIPMENT,
    "SHIPPED": Status.SHIPPED,
    "CANCELLED": Status.CANCELED,
}


def raw_order(value: Any, body: bytes) -> RawOrder:
    """One order with its exact bytes."""
    named = value if isinstance(value, dict) else {}
    return RawOrder(str(named.get("id") or "?"), named.get("site"), body)


def documents(data: bytes) -> list[RawOrder]:
    """Every order of a listing, or a bare one."""
    found = elements(data, ("orders",))
    return [raw_order(parse(data), data)] if found is None else [raw_order(*each) for each in found]


def normalise(payload: Any, channel: ChannelContext) -> list[Order]:
    """One order."""
    if not isinstance(payload, dict) or not isinstance(payload.get("lines"), list):
        raise Unreadable("no_order", "$", "expected an order with lines")
    buyer = payload.get("buyer") if isinstance(payload.get("buyer"), dict) else {}
    lines = tuple(_line(each, number) for number, each in enumerate(payload["lines"], 1))
    purchased, updated = instant(payload, "created", "$"), instant(payload, "updated", "$")
    if purchased is None or updated is None:
        raise Unreadable("missing", "$.created", "an order has its dates")
    status = STATUSES.get(payload.get("state") if isinstance(payload.get("state"), str) else "", Status.UNKNOWN)
    if status is Status.WAITING_FOR_SHIPMENT and any(each.quantity_shipped for each in lines):
        status = Status.PARTIALLY_SHIPPED
    asked = payload.get("request") if isinstance(payload.get("request"), dict) else None
    order = Order(
        original_id=required_text(payload, "id", "$"),
        channel=channel.code,
        marketplace=channel.marketplace,
        status=status,
        marketplace_status=text(payload, "state", "$"),
        fulfilled_by=FulfilledBy.MERCHANT,
        purchased_at=purchased,
        marketplace_updated_at=updated,
        service_level=text(payload, "method", "$"),
        currency="EUR",
        customer=Customer(name=text(buyer, "name", "$.buyer")),
        shipping_address=Address(
            name=text(buyer, "name", "$.buyer"),
            line_1=text(buyer, "street", "$.buyer"),
            city=text(buyer, "city", "$.buyer"),
            country_code=text(buyer, "country", "$.buyer"),
        ),
        cancellation=None
        if asked is None
        else Cancellation(
            requested_by=text(asked, "by", "$.request"),
            request_reason=text(asked, "reason", "$.request"),
            executed_by=text(asked, "by", "$.request") if status is Status.CANCELED else None,
        ),
        lines=lines,
        packages=tuple(_package(each) for each in payload.get("packages") or () if isinstance(each, dict)),
    )
    return [order]


def _line(line: Any, number: int) -> Line:
    path = f"$.lines[{number - 1}]"
    if not isinstance(line, dict):
        raise Unreadable("no_line", path, "expected a line")
    return Line(
        original_id=required_text(line, "id", path),
        number=number,
        sku=text(line, "sku", path),
        title=text(line, "title", path),
        quantity_ordered=count(line, "quantity", path),
        quantity_shipped=count(line, "shipped", path),
        quantity_cancelled=count(line, "cancelled", path),
        line_total=amount(line, "total", path),
    )


def _package(package: dict[str, Any]) -> Package:
    units = package.get("lines") if isinstance(package.get("lines"), dict) else {}
    return Package(
        reference=str(package.get("reference")),
        label=str(package.get("reference")),
        carriers=(str(package.get("carrier")),),
        tracking_number=text(package, "tracking", "$.packages"),
        quantities=tuple((str(line), int(quantity)) for line, quantity in units.items()),
    )
