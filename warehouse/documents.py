"""The wire shape of an order, rendered once when it changes and put together from its pieces when it is read.

A document has three pieces with one writer each: the *head* (our own facts, from columns), the *facts* (what the marketplace
says, without personal data, rendered at commit) and the *parties* (personal data, kept encrypted). Reading a page of orders
is then joining strings. Names are those of the API, of `orders normalize`, of events and exports.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import orjson

from warehouse.clock import iso
from warehouse.orders import Address, Cancellation, ConfirmationStatus, Customer, Line, Order, Payment, line_id

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from decimal import Decimal

NO_PARTIES = '"customer":null,"shipping_address":null,"billing_address":null'
HASH_BYTES = 16


def money(value: Decimal | None) -> str | None:
    """A decimal string without an exponent; None stays None.

    >>> from decimal import Decimal
    >>> money(Decimal("1E+2")), money(Decimal("39.90"))
    ('100', '39.90')
    """
    return None if value is None else format(value, "f")


def facts(order: Order) -> str:
    """The members of the document that come from the marketplace and are not personal, without the braces around them."""
    own_id = order.id
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
        "currency": order.currency,
        "total": money(order.total),
        "shipping_total": money(order.shipping_total),
        "tax_total": money(order.tax_total),
        "payment": _payment(order.payment),
        "is_business": order.is_business,
        "programs": order.programs,
        "shipping_country_code": order.shipping_address.country_code,
        "cancellation": _cancellation(order.cancellation),
        "split_of": order.split_of,
        "problems": [{"code": each.code, "path": each.path, "message": each.message} for each in order.problems],
        "lines": [_line(own_id, each) for each in order.lines],
    }
    return orjson.dumps(members).decode()[1:-1]


def parties(customer: Customer, shipping: Address, billing: Address) -> str:
    """The personal members of the document, without braces; a party of which nothing is known is null."""
    members = {"customer": _party(customer), "shipping_address": _party(shipping), "billing_address": _party(billing)}
    return orjson.dumps(members).decode()[1:-1]


def read_parties(rendered: str) -> tuple[Customer, Address, Address]:
    """Reverse `parties`."""
    members = orjson.loads("{" + rendered + "}")
    return (
        Customer(**(members["customer"] or {})),
        Address(**(members["shipping_address"] or {})),
        Address(**(members["billing_address"] or {})),
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
    return f'{{{head(row)},{row["facts"]},"redacted":false,{rendered_parties}}}'


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
    return document(row, parties(order.customer, order.shipping_address, order.billing_address))


def pii_state(order: Order) -> str:
    """`present` when the payload told anything personal, else `withheld`."""
    known = (
        order.customer.name,
        order.customer.email,
        order.customer.phone,
        order.shipping_address.name,
        order.shipping_address.line_1,
        order.billing_address.name,
        order.billing_address.line_1,
    )
    return "present" if any(known) else "withheld"


def _line(order: str, line: Line) -> dict[str, Any]:
    return {
        "id": line_id(order, line.original_id),
        "original_id": line.original_id,
        "number": line.number,
        "sku": line.sku,
        "gtin": line.gtin,
        "title": line.title,
        "product_url": line.product_url,
        "quantity_ordered": line.quantity_ordered,
        "quantity_shipped": line.quantity_shipped,
        "quantity_cancelled": line.quantity_cancelled,
        "quantity_remaining_to_ship": line.quantity_remaining_to_ship,
        "unit_price": money(line.unit_price),
        "source_unit_price": money(line.source_unit_price),
        "line_total": money(line.line_total),
        "taxes": [{"code": tax.code, "amount": money(tax.amount), "rate": money(tax.rate)} for tax in line.taxes],
        "marketplace_status": line.marketplace_status,
        "cancellation": _cancellation(line.cancellation),
    }


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


def _party(party: Customer | Address) -> dict[str, str | None] | None:
    values = {name: getattr(party, name) for name in party.__slots__}
    return values if any(values.values()) else None


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=HASH_BYTES).digest()


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)


def _wire(moment: datetime | str) -> str:
    """A column's instant; a reader of whole pages has the ledger's text cut to the wire's, which spares two conversions."""
    return moment if isinstance(moment, str) else iso(moment)


def _bool(value: object) -> str:
    return "true" if value else "false"
