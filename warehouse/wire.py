"""Described values as JSON has them, and back: amounts as decimal text, moments in ISO 8601, unknown as null.

What the members are is read off their description (`warehouse.members`); nothing here knows an order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any

import orjson

from warehouse.clock import iso
from warehouse.members import Described, Kind, described

Write = Callable[[Any], Any]


def money(value: Decimal | None) -> str | None:
    """A decimal string without an exponent; None stays None.

    >>> from decimal import Decimal
    >>> money(Decimal("1E+2")), money(Decimal("39.90"))
    ('100', '39.90')
    """
    return None if value is None else format(value, "f")


def in_one_order(data: Mapping[str, Any]) -> orjson.Fragment:
    """The same members by name: the order in which a marketplace sends them, or a store keeps them, is no change."""
    return orjson.Fragment(orjson.dumps(data, option=orjson.OPT_SORT_KEYS))


@cache
def writer(of: type, *, is_personal: bool = False) -> Callable[[Any], dict[str, Any]]:
    """What makes the JSON object of a described value.

    Args:
        of: The class of the values.
        is_personal: Whether their personal members are wanted; else these keep their places, as null.
    """
    return compiled(described(of), is_personal=is_personal)


def compiled(members: tuple[Described, ...], *, is_personal: bool = False) -> Callable[[Any], dict[str, Any]]:
    """As `writer`, for some members of a class."""
    parts = [(each.name, each.attribute, _write(each, is_personal=is_personal)) for each in members]

    def write(value: Any) -> dict[str, Any]:  # noqa: ANN401 - a value of the class
        return {
            name: getattr(value, attribute) if convert is None else convert(getattr(value, attribute))
            for name, attribute, convert in parts
        }

    return write


def _write(each: Described, *, is_personal: bool) -> Write | None:
    """How one member is written; None: as it is."""
    if each.about.is_personal and not is_personal:
        return _nothing
    convert = _of_kind(each, is_personal=is_personal)
    if convert is None or not each.is_list:
        return convert
    return lambda values: [convert(value) for value in values]


def _of_kind(each: Described, *, is_personal: bool) -> Write | None:
    match each.kind:
        case Kind.TEXT | Kind.NUMBER | Kind.FLAG:
            return None
        case Kind.MOMENT:
            return _moment
        case Kind.AMOUNT:
            return money
        case Kind.JSON:
            return in_one_order
        case Kind.RECORD:
            within = writer(each.type, is_personal=is_personal)
            return lambda value: None if value is None else within(value)


def _nothing(_value: object) -> None:
    """Null, whatever it was."""


def _moment(value: datetime | None) -> str | None:
    return None if value is None else iso(value)


def read(each: Described, value: Any) -> Any:  # noqa: ANN401 - a member's value
    """A member as its type has it, from JSON; members of a record that are missing keep their defaults."""
    if value is None:
        return each.type() if each.kind is Kind.RECORD and not each.is_nullable else None
    match each.kind:
        case Kind.TEXT | Kind.NUMBER | Kind.FLAG | Kind.JSON:
            return value
        case Kind.MOMENT:
            return datetime.fromisoformat(value)
        case Kind.AMOUNT:
            return Decimal(value)
        case Kind.RECORD:
            return each.type(**{own.attribute: read(own, value[own.name]) for own in each.members if own.name in value})
