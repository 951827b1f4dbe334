"""What of an order tells who bought: which members that is, taking them out, writing and reading them apart from the facts.

A member is personal when its description says so (`warehouse.members`); what the marketplace tells beyond the described
members is divided by its own module. Encryption is in `warehouse.privacy`, the clock that purges in `warehouse.ledger.book`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from operator import attrgetter
from typing import Any

import orjson
from msgspec.structs import replace

from warehouse.members import Described, Kind, Leaf, described, leaves
from warehouse.order_lines import Line
from warehouse.order_parts import Address, Customer
from warehouse.order_states import PiiState
from warehouse.orders import Order
from warehouse.wire import in_one_order, read, writer

DETAILS = "personal_details"
HAS_DETAILS = f',"{DETAILS}":{{'
"""No text within a JSON string can look like this: its quotes would be escaped."""

_TELLING: Mapping[type, tuple[str, ...]] = {Customer: ("name", "email", "phone"), Address: ("name", "line_1")}
"""What of a party must be known for the buyer to be known; of every other party, anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Personal:
    """Everything personal that is known of an order.

    Attributes:
        members: By attribute of the order.
        details: Those of its lines: what they are, as in `detail_name` → the marketplace's line id → what it says.
        marketplace_data: What no member names, with its personal data; None where there is none.
    """

    members: Mapping[str, Any]
    details: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    marketplace_data: Mapping[str, Any] | None = None


@cache
def personal_members() -> tuple[Described, ...]:
    """The personal members of an order."""
    return tuple(each for each in described(Order) if each.about.is_personal)


@cache
def line_details() -> tuple[Leaf, ...]:
    """The personal members within its lines."""
    return tuple(each for each in leaves(described(Line)) if any(part.about.is_personal for part in each.path))


def detail_name(leaf: Leaf) -> str:
    """What one of `line_details` is called where all lines' are together: `gift_messages`."""
    return "_".join(part.name for part in leaf.path) + "s"


def personal(order: Order) -> Personal:
    """Everything personal that an order tells."""
    return Personal(
        members={each.attribute: getattr(order, each.attribute) for each in personal_members()},
        details={
            detail_name(leaf): {line.original_id: value for line in order.lines if (value := value_of(line, leaf))}
            for leaf in line_details()
        },
        marketplace_data=order.personal_marketplace_data,
    )


def without_personal_data(order: Order) -> Order:
    """The same order with nothing in it that tells who bought; the country it ships to stays."""
    bare = {each.attribute: read(each, None) for each in personal_members()}
    lines = order.lines
    for leaf in line_details():
        lines = tuple(with_detail(line, leaf, None) for line in lines)
    return replace(
        order,
        **bare | {"shipping_address": Address(country_code=order.shipping_address.country_code)},
        personal_marketplace_data=None,
        lines=lines,
    )


def with_detail(line: Line, leaf: Leaf, value: object) -> Line:
    """The same line with one of its personal members set; a record that it belongs in is made when there is something."""
    changed: Line = _set(line, leaf.path, value)
    return changed


def pii_state(order: Order) -> PiiState:
    """`PRESENT` when the payload told anything personal, else `WITHHELD`."""
    if order.personal_marketplace_data or any(text_of(order) for text_of in _telling()):
        return PiiState.PRESENT
    of_lines = (value_of(line, leaf) for leaf in line_details() for line in order.lines)
    return PiiState.PRESENT if any(of_lines) else PiiState.WITHHELD


@cache
def _telling() -> tuple[Callable[[Order], Any], ...]:
    """What reads each text by which the buyer is known."""
    paths = [
        f"{each.attribute}.{name}" if each.kind is Kind.RECORD else each.attribute
        for each in personal_members()
        for name in (_TELLING.get(each.type, each.type.__struct_fields__) if each.kind is Kind.RECORD else [""])
    ]
    return tuple(attrgetter(path) for path in paths)


def parties(of: Personal) -> str:
    """The personal members of the document, without braces; a party of which nothing is known is null.

    What belongs inside members of the facts (a line's gift message) is in one more member, which `put_in_place` puts there.
    """
    members: dict[str, Any] = {}
    for each in personal_members():
        value = of.members.get(each.attribute)
        members[each.name] = _party(each, value) if each.kind is Kind.RECORD and value is not None else value
    data = None if of.marketplace_data is None else in_one_order(of.marketplace_data)
    if data is not None or any(of.details.values()):
        members[DETAILS] = {
            **{name: of.details.get(name, {}) for name in map(detail_name, line_details())},
            "marketplace_data": data,
        }
    return orjson.dumps(members).decode()[1:-1]


def read_parties(rendered: str) -> Personal:
    """Reverse `parties`."""
    members = orjson.loads("{" + rendered + "}")
    details = dict(members.get(DETAILS) or {})
    data = details.pop("marketplace_data", None)
    return Personal(
        members={each.attribute: read(each, members.get(each.name)) for each in personal_members()},
        details={name: values or {} for name, values in details.items()},
        marketplace_data=data,
    )


def put_in_place(document: bytes) -> bytes:
    """The same document with the personal details in the lines and the marketplace data that they belong to."""
    members = orjson.loads(document)
    details = members.pop(DETAILS)
    for leaf in line_details():
        values = details.get(detail_name(leaf)) or {}
        for line in members["lines"]:
            place: dict[str, Any] | None = line
            for part in leaf.path[:-1]:
                place = place and place.get(part.name)
            if place is not None and line["original_id"] in values:
                place[leaf.member.name] = values[line["original_id"]]
    if details["marketplace_data"] is not None:
        members["marketplace_data"] = details["marketplace_data"]
    return orjson.dumps(members)


def _party(each: Described, value: Any) -> dict[str, Any] | None:  # noqa: ANN401 - a party of any kind
    values = writer(each.type, is_personal=True)(value)
    return values if any(values.values()) else None


def value_of(line: Line, leaf: Leaf) -> Any:  # noqa: ANN401 - a member's value
    """What a line tells in one of its personal members."""
    value: Any = line
    for part in leaf.path:
        value = None if value is None else getattr(value, part.attribute)
    return value


def _set(record: Any, path: tuple[Described, ...], value: object) -> Any:  # noqa: ANN401 - the line, or a record of it
    first, *rest = path
    if not rest:
        return replace(record, **{first.attribute: value})
    within = getattr(record, first.attribute)
    if within is None and value is None:
        return record
    return replace(record, **{first.attribute: _set(first.type() if within is None else within, tuple(rest), value)})
