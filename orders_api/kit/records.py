"""Between the API's shapes and the ledger's records: members that are called the same go over by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeVar

from warehouse.clock import iso

if TYPE_CHECKING:
    from pydantic import BaseModel

Record = TypeVar("Record")


def fill(shape: type[BaseModel], row: object, **own: object) -> dict[str, Any]:
    """A document of this shape.

    Args:
        shape: Says which members there are.
        row: Has those that are called the same; a mapping or a record.
        own: The other members.
    """
    member = row.__getitem__ if isinstance(row, Mapping) else partial(getattr, row)
    found = {name: own[name] if name in own else member(name) for name in shape.model_fields}
    return {name: iso(value) if isinstance(value, datetime) else value for name, value in found.items()}


def make(record: type[Record], asked: BaseModel, **own: object) -> Record:
    """A record of what was asked.

    Args:
        record: A dataclass.
        asked: Has its members that are called the same.
        own: Its other members.
    """
    names = _same_members(record, type(asked))  # type: ignore[arg-type] # classes can be hashed
    same = {name: getattr(asked, name) for name in names if name not in own}
    return record(**same, **own)


@cache
def _same_members(record: type[Any], shape: type[BaseModel]) -> frozenset[str]:
    return frozenset(each.name for each in fields(record)) & shape.model_fields.keys()
