"""The wire shape of an order, rendered once when it changes and put together from its pieces when it is read.

A document has three pieces with one writer each: the *head* (our own facts, from columns), the *facts* (what the marketplace
says, without personal data, rendered at commit) and the *parties* (personal data, kept encrypted). Reading a page of orders
is then joining strings; only an order with personal data inside its lines or its marketplace data is taken apart for it.
Names are those of the API, of `orders normalize`, of events and exports.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from warehouse.clock import iso
from warehouse.orders import (
    Address,
    Bar,
    Cancellation,
    ConfirmationStatus,
    Customer,
    DeliveryPoint,
    DeliveryWindow,
    Gift,
    Line,
    Order,
    Payment,
    References,
    line_id,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal

NO_PARTIES = (
    '"customer":null,"shipping_address":null,"billing_address":null,'
    '"delivery_point":null,"delivery_instructions":null,"references":null'
)
HASH_BYTES = 16

_DETAILS = "personal_details"
_HAS_DETAILS = f',"{_DETAILS}":{{'
"""No text within a JSON string can look like this: its quotes would be escaped."""
_FIRST_NEWER = ',"delivery_point":'
_NEWER_PARTIES = NO_PARTIES[NO_PARTIES.index(_FIRST_NEWER) :]
"""What parties that an earlier release sealed do not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Personal:
    """Everything personal that is known of an order; `gift_messages` and `customisation_urls` by the marketplace's line id."""

    customer: Customer = field(default_factory=Customer)
    shipping_address: Address = field(default_factory=Address)
    billing_address: Address = field(default_factory=Address)
    delivery_point: DeliveryPoint = field(default_factory=DeliveryPoint)
    delivery_instructions: str | None = None
    references: References = field(default_factory=References)
    gift_messages: Mapping[str, str] = field(default_factory=dict)
    customisation_urls: Mapping[str, str] = field(default_factory=dict)
    marketplace_data: Mapping[str, Any] | None = None


def money(value: Decimal | None) -> str | None:
    """A decimal string without an exponent; None stays None.

    >>> from decimal import Decimal
    >>> money(Decimal("1E+2")), money(Decimal("39.90"))
    ('100', '39.90')
    """
    return None if value is None else format(value, "f")


def facts(order: Order) -> str:
    """The members of the document that come from the marketplace and are not personal, without the braces around them."""
    own_id, whole, bar = order.id, order.whole_bar, order.may_not_ship_reason
    members = {
        "id": own_id,
        "original_id": order.original_id,
        "channel": order.channel,
        "marketplace": order.marketplace,
        "marketplace_status": order.marketplace_status,
        "fulfilled_by": order.fulfilled_by,
        "purchased_at": iso(order.purchased_at),
        "ship_by": _iso(order.ship_by),
        "accept_by": _iso(order.accept_by),
        "service_level": order.service_level,
        "deliver_by": _window(order.deliver_by),
        "currency": order.currency,
        "total": money(order.total),
        "shipping_total": money(order.shipping_total),
        "tax_total": money(order.tax_total),
        "charges": [
            {"code": each.code, "label": each.label, "amount": money(each.amount), "tax": money(each.tax)}
            for each in order.charges
        ],
        "payment": _payment(order.payment),
        "is_business": order.is_business,
        "programs": order.programs,
        "shipping_country_code": order.shipping_address.country_code,
        "cancellation": _cancellation(order.cancellation),
        "related_order": None
        if order.related_order is None
        else {"original_id": order.related_order.original_id, "relation": order.related_order.relation},
        "may_ship": bar is None,
        "may_not_ship_reason": bar,
        "split_of": order.split_of,
        "problems": [{"code": each.code, "path": each.path, "message": each.message} for each in order.problems],
        "lines": [_line(own_id, each, whole) for each in order.lines],
        "marketplace_data": _in_one_order(order.marketplace_data),
    }
    return orjson.dumps(members).decode()[1:-1]


def personal(order: Order) -> Personal:
    """Everything personal that an order tells."""
    return Personal(
        customer=order.customer,
        shipping_address=order.shipping_address,
        billing_address=order.billing_address,
        delivery_point=order.delivery_point,
        delivery_instructions=order.delivery_instructions,
        references=order.references,
        gift_messages={
            line.original_id: line.gift.message for line in order.lines if line.gift is not None and line.gift.message
        },
        customisation_urls={line.original_id: line.customisation_url for line in order.lines if line.customisation_url},
        marketplace_data=order.personal_marketplace_data,
    )


def parties(of: Personal) -> str:
    """The personal members of the document, without braces; a party of which nothing is known is null.

    What belongs inside members of the facts (a line's gift message) is in one more member, which `document` puts in place.
    """
    members: dict[str, Any] = {
        "customer": _party(of.customer),
        "shipping_address": _party(of.shipping_address),
        "billing_address": _party(of.billing_address),
        "delivery_point": _party(of.delivery_point),
        "delivery_instructions": of.delivery_instructions,
        "references": _party(of.references),
    }
    details = {
        "gift_messages": of.gift_messages,
        "customisation_urls": of.customisation_urls,
        "marketplace_data": None if of.marketplace_data is None else _in_one_order(of.marketplace_data),
    }
    if any(details.values()):
        members[_DETAILS] = details
    return orjson.dumps(members).decode()[1:-1]


def read_parties(rendered: str) -> Personal:
    """Reverse `parties`."""
    members = orjson.loads("{" + rendered + "}")
    details = members.get(_DETAILS) or {}
    return Personal(
        customer=Customer(**(members["customer"] or {})),
        shipping_address=Address(**(members["shipping_address"] or {})),
        billing_address=Address(**(members["billing_address"] or {})),
        delivery_point=DeliveryPoint(**(members.get("delivery_point") or {})),
        delivery_instructions=members.get("delivery_instructions"),
        references=References(**(members.get("references") or {})),
        gift_messages=details.get("gift_messages") or {},
        customisation_urls=details.get("customisation_urls") or {},
        marketplace_data=details.get("marketplace_data"),
    )


def content_hash(rendered_facts: str, rendered_parties: str) -> bytes:
    """What a revision is told by: 16 bytes for the facts, 16 for the parties (BLAKE2b, RFC 7693)."""
    return _digest(rendered_facts) + _digest(rendered_parties)


def head(row: Mapping[str, Any]) -> str:
    """The members that are our own, from the columns of the `orders` table."""
    confirmation, pii = row["confirmation_status"], row["pii_state"]
    return (
        f'"position":{row["position"]},"revision":{row["revision"]},"status":"{row["status"]}",'
        f'"marketplace_updated_at":"{_wire(row["marketplace_updated_at"])}","received_at":"{_wire(row["received_at"])}",'
        f'"confirmation_status":"{confirmation}","has_errors":{_bool(row["has_errors"])},'
        f'"historical":{_bool(row["is_historical"])},"pii_state":"{pii}","acknowledgements":{row["acknowledgements"]}'
    )


def document(row: Mapping[str, Any], rendered_parties: str | None) -> str:
    """One order as JSON text.

    Args:
        row: The columns of the `orders` table, `facts` among them.
        rendered_parties: The order's personal members, or None where the reader may not see them: then they are null and
            `redacted` is true.
    """
    if rendered_parties is None:
        return f'{{{head(row)},{row["facts"]},"redacted":true,{NO_PARTIES}}}'
    if _FIRST_NEWER not in rendered_parties:
        rendered_parties += _NEWER_PARTIES
    whole = f'{{{head(row)},{row["facts"]},"redacted":false,{rendered_parties}}}'
    return _put_in_place(whole) if _HAS_DETAILS in rendered_parties else whole


def preview(order: Order, received_at: datetime) -> str:
    """An order that is in no ledger, in the same shape: revision and position are 0."""
    row = {
        "position": 0,
        "revision": 0,
        "status": order.status,
        "marketplace_updated_at": order.marketplace_updated_at,
        "received_at": received_at,
        "confirmation_status": ConfirmationStatus.NONE,
        "has_errors": bool(order.problems),
        "is_historical": False,
        "pii_state": pii_state(order),
        "acknowledgements": "[]",
        "facts": facts(order),
    }
    return document(row, parties(personal(order)))


def pii_state(order: Order) -> str:
    """`present` when the payload told anything personal, else `withheld`."""
    known = (
        _party(order.delivery_point),
        order.delivery_instructions,
        _party(order.references),
        order.personal_marketplace_data,
        *(line.customisation_url or (line.gift and line.gift.message) for line in order.lines),
        order.customer.name,
        order.customer.email,
        order.customer.phone,
        order.shipping_address.name,
        order.shipping_address.line_1,
        order.billing_address.name,
        order.billing_address.line_1,
    )
    return "present" if any(known) else "withheld"


def _line(order: str, line: Line, whole_bar: Bar | None) -> dict[str, Any]:
    bar = whole_bar or line.may_not_ship_reason
    return {
        "id": line_id(order, line.original_id),
        "original_id": line.original_id,
        "number": line.number,
        "sku": line.sku,
        "marketplace_sku": line.marketplace_sku,
        "gtin": line.gtin,
        "title": line.title,
        "product_url": line.product_url,
        "condition": line.condition,
        "quantity_ordered": line.quantity_ordered,
        "quantity_shipped": line.quantity_shipped,
        "quantity_cancelled": line.quantity_cancelled,
        "quantity_remaining_to_ship": line.quantity_remaining_to_ship,
        "quantity_refunded": line.quantity_refunded,
        "may_ship": bar is None,
        "may_not_ship_reason": bar,
        "unit_price": money(line.unit_price),
        "source_unit_price": money(line.source_unit_price),
        "line_total": money(line.line_total),
        "kept_total": money(line.kept_total),
        "refunded_total": money(line.refunded_total),
        "taxes": [{"code": tax.code, "amount": money(tax.amount), "rate": money(tax.rate)} for tax in line.taxes],
        "marketplace_status": line.marketplace_status,
        "cancellation": _cancellation(line.cancellation),
        "gift": _gift(line.gift),
        "is_customised": line.is_customised,
        "customisation_url": None,
        "ship_from": line.ship_from,
        "is_replacement": line.is_replacement,
    }


def _gift(gift: Gift | None) -> dict[str, str | None] | None:
    return None if gift is None else {"message": None, "wrap": gift.wrap}


def _window(window: DeliveryWindow) -> dict[str, str | None]:
    return {"from": _iso(window.earliest), "until": _iso(window.latest)}


def _put_in_place(whole: str) -> str:
    """The same document with the personal details in the lines and the marketplace data that they belong to."""
    members = orjson.loads(whole)
    details = members.pop(_DETAILS)
    messages, links = details["gift_messages"], details["customisation_urls"]
    for line in members["lines"]:
        own_id = line["original_id"]
        if own_id in messages and line.get("gift"):
            line["gift"]["message"] = messages[own_id]
        if own_id in links:
            line["customisation_url"] = links[own_id]
    if details["marketplace_data"] is not None:
        members["marketplace_data"] = details["marketplace_data"]
    return orjson.dumps(members).decode()


def _payment(payment: Payment) -> dict[str, str | None]:
    return {"method": payment.method, "workflow": payment.workflow, "paid_at": _iso(payment.paid_at)}


def _cancellation(cancellation: Cancellation | None) -> dict[str, str | None] | None:
    if cancellation is None:
        return None
    return {
        "requested_by": cancellation.requested_by,
        "request_reason": cancellation.request_reason,
        "executed_by": cancellation.executed_by,
        "execution_reason": cancellation.execution_reason,
    }


def _party(party: Customer | Address | DeliveryPoint | References) -> dict[str, str | None] | None:
    values = {name: getattr(party, name) for name in party.__slots__}
    return values if any(values.values()) else None


def _in_one_order(data: Mapping[str, Any]) -> orjson.Fragment:
    """The same members by name: the order in which a marketplace sends them, or a store keeps them, is no change."""
    return orjson.Fragment(orjson.dumps(data, option=orjson.OPT_SORT_KEYS))


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=HASH_BYTES).digest()


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)


def _wire(moment: datetime | str) -> str:
    """A column's instant; a reader of whole pages has the ledger's text cut to the wire's, which spares two conversions."""
    return moment if isinstance(moment, str) else iso(moment)


def _bool(value: object) -> str:
    return "true" if value else "false"
