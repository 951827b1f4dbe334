"""Described values as JSON has them, and back: amounts as decimal text, moments in ISO 8601, unknown as null.

What the members are is read off their description (`warehouse.members`); nothing here knows an order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from operator import attrgetter
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
    places: dict[str, Any] = dict.fromkeys(each.name for each in members)
    written = [each for each in members if is_personal or not each.about.is_personal]
    names = [each.name for each in written]
    values_of = _values_of([each.attribute for each in written])
    conversions = [
        (each.name, convert) for each in written if (convert := _write(each, is_personal=is_personal)) is not None
    ]

    def write(value: Any) -> dict[str, Any]:  # noqa: ANN401 - a value of the class
        found = places.copy()
        found.update(zip(names, values_of(value), strict=True))
        for name, convert in conversions:
            own = found[name]
            if own is not None:
                found[name] = convert(own)
        return found

    return write


def _values_of(attributes: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """What takes the values of some attributes at once."""
    of = attrgetter(*attributes)
    return of if len(attributes) > 1 else lambda value: (of(value),)


def _write(each: Described, *, is_personal: bool) -> Write | None:
    """How what is known of a member is written; None: as it is."""
    convert = _of_kind(each, is_personal=is_personal)
    if convert is None or not each.is_list:
        return convert
    return lambda values: [convert(value) for value in values]


def _of_kind(each: Described, *, is_personal: bool) -> Write | None:
    match each.kind:
        case Kind.TEXT | Kind.NUMBER | Kind.FLAG:
            return None
        case Kind.MOMENT:
            return iso
        case Kind.AMOUNT:
            return money
        case Kind.JSON:
            return in_one_order
        case Kind.RECORD:
            return writer(each.type, is_personal=is_personal)


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
