"""How a member is described, and what can be read off the description: the one place that API, tables and files are told from.

A member is described where it is declared: `ship_by: Annotated[datetime | None, Member("Until when…", "2026-11-04T…")]`. What
the members of an order are is in `warehouse.orders`; nothing here knows an order.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum, StrEnum
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from msgspec import Struct


@dataclass(frozen=True, slots=True)
class Member:
    """What a member is.

    Attributes:
        meaning: For people, in one or two sentences that stand by themselves.
        example: As JSON has it.
        name: On the wire, where the attribute cannot be called so.
        column: What begins the names of the columns that a record becomes; default: its name.
        before: Of one that is worked out: the member that it stands before. Those that are kept stand as they are declared.
        is_personal: Whether it tells who bought; then it is encrypted at rest, and shown only to who may see it.
        filters: The parameters of a list that go by it.
        sorts: Whether a list can be sorted by it.
        may_be_missing: Whether orders that an earlier release has kept lack it until they are read again.
    """

    meaning: str
    example: Any
    _: KW_ONLY
    name: str = ""
    column: str = ""
    before: str = ""
    is_personal: bool = False
    filters: tuple[str, ...] = ()
    sorts: bool = False
    may_be_missing: bool = False


class Kind(Enum):
    """What the value of a member is."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "flag"
    MOMENT = "moment"
    AMOUNT = "amount"
    RECORD = "record"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A member as it was declared.

    Attributes:
        name: On the wire.
        attribute: In Python.
        about: Its description.
        kind: What its value is, or each of its values.
        type: The Python type of that: for a RECORD its class, for a TEXT of a vocabulary its enum.
        is_list: Whether it has many values.
        is_nullable: Whether it may be unknown.
    """

    name: str
    attribute: str
    about: Member
    kind: Kind
    type: Any
    is_list: bool
    is_nullable: bool

    @property
    def members(self) -> tuple[Described, ...]:
        """Of a RECORD: its members."""
        return described(self.type)


@dataclass(frozen=True, slots=True)
class Leaf:
    """A member that is a column: `path` leads to it through records that are not lists."""

    path: tuple[Described, ...]

    @property
    def member(self) -> Described:
        """The last of the path."""
        return self.path[-1]

    @property
    def name(self) -> str:
        """Of the column."""
        return "_".join([*(each.about.column or each.name for each in self.path[:-1]), self.member.name])

    @property
    def is_nullable(self) -> bool:
        """Whether it may be unknown, or what it is within."""
        return any(each.is_nullable for each in self.path)


@cache
def described(of: type) -> tuple[Described, ...]:
    """The members of a class that are described, in their order; fields and properties without a `Member` are none.

    Raises:
        TypeError: A type that no member may have.
    """
    hints = get_type_hints(of, include_extras=True)
    found = [_described(name, hint) for name, hint in hints.items()]
    worked_out = [
        _described(name, get_type_hints(made.fget, include_extras=True)["return"])
        for name, made in vars(of).items()
        if isinstance(made, property) and made.fget is not None and not name.startswith("_")
    ]
    kept = [each for each in found if each is not None]
    for each in worked_out:
        if each is not None:
            kept.insert([other.name for other in kept].index(each.about.before), each)
    return tuple(kept)


def leaves(members: tuple[Described, ...], above: tuple[Described, ...] = ()) -> Iterator[Leaf]:
    """The members as columns: a record becomes its own members; lists and JSON are columns as they are."""
    for each in members:
        if each.kind is Kind.RECORD and not each.is_list:
            yield from leaves(each.members, (*above, each))
        else:
            yield Leaf((*above, each))


_SCALARS = {str: Kind.TEXT, int: Kind.NUMBER, bool: Kind.FLAG, datetime: Kind.MOMENT, Decimal: Kind.AMOUNT}


def _described(attribute: str, hint: Any) -> Described | None:  # noqa: ANN401 - a type of any form
    if get_origin(hint) is not Annotated:
        return None
    inner, *notes = get_args(hint)
    about = next((each for each in notes if isinstance(each, Member)), None)
    if about is None:
        return None
    choices = get_args(inner) if get_origin(inner) in {Union, types.UnionType} else (inner,)
    (kept,) = [each for each in choices if each is not type(None)]
    is_list = get_origin(kept) is tuple
    of = get_args(kept)[0] if is_list else kept
    return Described(
        name=about.name or attribute,
        attribute=attribute,
        about=about,
        kind=_kind(of),
        type=of,
        is_list=is_list,
        is_nullable=len(choices) > 1,
    )


def _kind(of: Any) -> Kind:  # noqa: ANN401 - a type of any form
    if of in _SCALARS:
        return _SCALARS[of]
    if get_origin(of) is Mapping:
        return Kind.JSON
    if isinstance(of, type) and issubclass(of, StrEnum):
        return Kind.TEXT
    if is_dataclass(of) or (isinstance(of, type) and issubclass(of, Struct)):
        return Kind.RECORD
    raise TypeError(f"no member of an order may be a {of}")
