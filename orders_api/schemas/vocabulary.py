"""The words that all shapes of the API share: ids in examples, money, dates, text, and the base of every shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, get_args

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import CoreSchema
from pydantic_core.core_schema import no_info_wrap_validator_function

from warehouse.identifiers import UNSEEN, cleaned
from warehouse.shipments import shipping_moment

ORDER_ID = "0f1c2d5e-7f0b-5d1a-9c50-3b1c7a3f9a10"
LINE_ID = "9d1f3f4a-50c1-5a6e-8f0e-0a6a2f0b7c11"
SHIPMENT_ID = "3f6a5b1e-2c0d-5f7a-8b9c-1d2e3f4a5b6c"
REPORT_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
FILE_ID = "file_k5xg6y3b7m2a4d6qwzr5t3n7ue"
INCIDENT_ID = "incident_m2a4d6qwzr5t3n7uek5xg6y3b7"
ATTEMPT_ID = "attempt_zr5t3n7uek5xg6y3b7m2a4d6qw"
SHIPPED_AT = "2026-11-03T14:05:00.000Z"
ORIGINAL_ID = "402-1234567-7654321"
PURCHASED_AT = "2026-11-02T09:12:44.000Z"
RECEIVED_AT = "2026-11-02T09:15:03.512Z"
ITEM_ID = AliasChoices("item_id", "line_id")
ITEM_ORIGINAL_ID = AliasChoices("item_original_id", "line_original_id")
"""How a line is named in a request; the second name is the one of earlier releases."""
Money = Annotated[str, StringConstraints(pattern=r"^-?\d+(\.\d+)?$")]
"""A decimal number as text, in the order's currency: no rounding by a reader's floating point."""


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


DIGITS_AS_NUMBER = BeforeValidator(_as_text)
"""A whole number stands for its digits: clients write ids without quotes. A number with a point or exponent does not."""
PlainText = Annotated[str, DIGITS_AS_NUMBER, StringConstraints(pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f]*$")]
"""Text without control characters other than tab and line ends."""
Word = Annotated[
    str,
    BeforeValidator(lambda value: cleaned(value) if isinstance(value, str) else value),
    DIGITS_AS_NUMBER,
    StringConstraints(strip_whitespace=True, min_length=1, pattern=rf"^[^{UNSEEN}]*$"),
]
"""Text of one line, with something in it; cleaned as identifiers are at every door."""
ShippingDate = Annotated[
    datetime,
    BeforeValidator(shipping_moment),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "format": "date-time"},
                {"type": "integer", "minimum": 10**12, "maximum": 10**13 - 1},
                {"type": "string", "pattern": r"^[1-9]\d{12}$"},
            ]
        }
    ),
]
"""Epoch milliseconds, or ISO 8601 with an offset."""


class Shape(BaseModel):
    """Base of every shape: what is not described is not there. Most only describe, and are built when that is asked for."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


class Body(Shape):
    """Base of what is sent to us as a whole: built with its route, which checks it."""

    model_config = ConfigDict(defer_build=False)


class ListPage(Shape):
    """Base of a page of a list."""

    next: str | None = Field(
        description="Path of the next page: this one with another `cursor`. Also in the Link header; null on the last one.",
        examples=["/v1/…?cursor=WzEsImlkIl0"],
    )


class Faults(tuple[Mapping[str, Any], ...]):
    """What pydantic found wrong with one element of a list."""

    __slots__ = ()


class OnItsOwn:
    """`list[Annotated[Shape | Faults, OnItsOwn()]]`: a wrong element stands for its faults, and spoils no other."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:  # noqa: ANN401 - a type
        """As pydantic asks for it."""
        shape, _ = get_args(source)
        return no_info_wrap_validator_function(_judge, handler.generate_schema(shape))


def _judge(value: object, read: Callable[[object], Any]) -> Any:  # noqa: ANN401 - of the shape, or its faults
    try:
        return read(value)
    except ValidationError as error:
        return Faults(error.errors(include_input=False, include_url=False, include_context=False))


def alternatives(*, is_exclusive: bool, **named: tuple[str, ...]) -> ConfigDict:
    """A shape that is described as several: each with the members that it cannot do without.

    Args:
        is_exclusive: Whether the members of one alternative must not be there in another.
        named: Name of the alternative → its members.
    """
    distinguishing = {member for members in named.values() for member in members}

    def describe(schema: dict[str, Any]) -> None:
        whole = dict(schema)
        about = {name: whole.pop(name) for name in ("title", "description")}
        found = []
        for name, members in named.items():
            barred = distinguishing - set(members) if is_exclusive else set()
            properties = {
                member: _left_out(each) if member in barred else _given(each) if member in members else each
                for member, each in whole["properties"].items()
            }
            required = [*whole.get("required", ()), *members]
            found.append({**whole, "title": f"{about['title']}{name}", "properties": properties, "required": required})
        schema.clear()
        schema.update({**about, "oneOf" if is_exclusive else "anyOf": found})

    return ConfigDict(json_schema_extra=describe)


def _given(member: dict[str, Any]) -> dict[str, Any]:
    """A member that must be there, and not null."""
    kind: dict[str, Any]
    (kind,) = [each for each in member["anyOf"] if each != {"type": "null"}]
    return {name: value for name, value in member.items() if name not in {"anyOf", "default"}} | kind


def _left_out(member: dict[str, Any]) -> dict[str, Any]:
    """A member that may be null at most."""
    return {"title": member["title"], "type": "null", "description": "Left out, or null.", "examples": [None]}
