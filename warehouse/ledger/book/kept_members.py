"""What a payload does not say any more and the book keeps: personal members, details of lines, amounts."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import orjson
from msgspec import Struct
from msgspec.structs import replace

from warehouse import documents, personal
from warehouse.kept_documents import open_parties
from warehouse.ledger.book.arrivals import Arrival, arrive
from warehouse.order_lines import Line
from warehouse.order_parts import Address, Charge, DeliveryPoint
from warehouse.order_states import PiiState
from warehouse.orders import Order

if TYPE_CHECKING:
    from warehouse.personal import Personal
    from warehouse.privacy import KeyRing


class KnownOrder(NamedTuple):
    """An order of the book as far as arrivals are compared with it; members are columns of `orders`."""

    id: str
    key: int
    revision: int
    status: str
    content_hash: bytes
    marketplace_updated_at: datetime
    pii_state: str


class KnownContent(NamedTuple):
    """What the book says of an order: its facts, and the personal members as they are sealed, if there are any."""

    facts: str
    sealed: bytes | None

    def members(self) -> dict[str, Any]:
        """The facts, read."""
        found: dict[str, Any] = orjson.loads("{" + self.facts + "}")
        return found


PLACE = ("line_1", "postal_code", "city", "country_code")


def keep_known(keys: KeyRing, arrival: Arrival, row: KnownOrder, content: KnownContent) -> Arrival:
    """The same arrival with what is already known of the parties filled in, or with none when they were purged."""
    order = original = arrival.order
    if row.pii_state == PiiState.EXPIRED:
        bare = personal.without_personal_data(order)
        redone = arrive(bare, arrival.raw_seq, arrival.received_at, is_historical=arrival.is_historical)
        return dataclasses.replace(redone, rendered=replace(redone.rendered, pii_state=PiiState.EXPIRED.value))
    if order.is_whole:
        return arrival
    order = _keep_amounts(order, content)
    kept = order
    if (
        content.sealed is not None
        and row.content_hash[documents.HASH_BYTES :] != arrival.rendered.content_hash[documents.HASH_BYTES :]
    ):
        known = personal.read_parties(open_parties(keys, row.id, content.sealed))
        kept = _keep_personal(order, known, content)
    if kept is original:
        return arrival
    return arrive(kept, arrival.raw_seq, arrival.received_at, is_historical=arrival.is_historical)


def _keep_personal(order: Order, known: Personal, content: KnownContent) -> Order:
    """The same order with what it does not tell any more of the buyer filled in from what is known.

    How the parcel is to be handed over belongs to the address: with a new place, only what was sent for it counts.
    """
    kept = {
        each.attribute: _filled(getattr(order, each.attribute), known.members.get(each.attribute))
        for each in personal.personal_members()
    }
    shipping = merge_address(order.shipping_address, known.members["shipping_address"])
    kept |= {
        "shipping_address": shipping,
        "billing_address": merge_address(order.billing_address, known.members["billing_address"]),
    }
    is_same_place = order.shipping_address == Address() or shipping is not order.shipping_address
    kept["delivery_point"] = order.delivery_point
    if is_same_place and order.delivery_point == DeliveryPoint():
        kept["delivery_point"] = known.members["delivery_point"]
    if not is_same_place:
        kept["delivery_instructions"] = order.delivery_instructions
    data = order.personal_marketplace_data
    if data is None and known.marketplace_data is not None and _is_same_data(order, content):
        data = known.marketplace_data
    lines = tuple(_keep_details(line, known) for line in order.lines)
    return replace(order, **kept, personal_marketplace_data=data, lines=lines)


def _filled(sent: Any, known: Any) -> Any:  # noqa: ANN401 - a party, or a text
    """What is sent, with gaps filled from what is known."""
    if known is None or not isinstance(sent, Struct):
        return sent or known
    gaps = {name: getattr(known, name) for name in sent.__struct_fields__ if not getattr(sent, name)}
    return replace(sent, **gaps)


def _keep_details(line: Line, known: Personal) -> Line:
    for leaf in personal.line_details():
        detail = known.details.get(personal.detail_name(leaf), {}).get(line.original_id)
        if detail is not None and personal.value_of(line, leaf) is None:
            line = personal.with_detail(line, leaf, detail)
    return replace(line, is_customised=line.is_customised or line.customisation_url is not None)


def _is_same_data(order: Order, content: KnownContent) -> bool:
    """Whether the marketplace's own data is what is known but for its personal part, which is withheld now."""
    return bool(content.members().get("marketplace_data") == orjson.loads(orjson.dumps(order.marketplace_data)))


def _keep_amounts(order: Order, content: KnownContent) -> Order:
    """The same order with amounts that it does not tell any more filled in from what is known.

    A marketplace leaves them out when it answers with fewer data sets than usual; a price once told stays true.
    """
    is_priced = None not in (order.total, order.currency, *(each.line_total for each in order.lines))
    if is_priced:
        return order
    known = content.members()
    known_lines = {each["original_id"]: each for each in known["lines"]}
    known_charges = tuple(
        Charge(
            code=each["code"],
            label=each["label"],
            amount=Decimal(each["amount"]),
            tax=_amount(None, each["tax"]),
        )
        for each in known["charges"]
    )
    lines = tuple(
        replace(
            line,
            line_total=_amount(line.line_total, known_lines.get(line.original_id, {}).get("line_total")),
            source_unit_price=_amount(
                line.source_unit_price, known_lines.get(line.original_id, {}).get("source_unit_price")
            ),
        )
        for line in order.lines
    )
    filled = replace(
        order,
        currency=order.currency or known["currency"],
        total=_amount(order.total, known["total"]),
        shipping_total=_amount(order.shipping_total, known["shipping_total"]),
        tax_total=_amount(order.tax_total, known["tax_total"]),
        charges=order.charges or known_charges,
        lines=lines,
    )
    return order if filled == order else filled


def _amount(new: Decimal | None, known: str | None) -> Decimal | None:
    return Decimal(known) if new is None and known is not None else new


def merge_address(sent: Address, known: Address) -> Address:
    """What is sent, with gaps filled from what is known, as long as both are the same place; a new place is taken as sent.

    >>> merge_address(Address(city="Nantes"), Address(line_1="1 rue A", city="Nantes", phone="1")).line_1
    '1 rue A'
    >>> merge_address(Address(line_1="2 rue B", city="Paris"), Address(line_1="1 rue A", line_2="3e", city="Nantes")).line_2
    """
    for name in PLACE:
        new, old = getattr(sent, name), getattr(known, name)
        if new is not None and old is not None and new != old:
            return sent
    return cast("Address", _filled(sent, known))
