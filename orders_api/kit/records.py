"""Between the API's shapes and the ledger's records: members that are called the same go over by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
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
    found = {name: own[name] if name in own else _member(row, name) for name in shape.model_fields}
    return {name: iso(value) if isinstance(value, datetime) else value for name, value in found.items()}


def make(record: type[Record], asked: BaseModel, **own: object) -> Record:
    """A record of what was asked.

    Args:
        record: A dataclass.
        asked: Has its members that are called the same.
        own: Its other members.
    """
    names = {each.name for each in fields(record)}  # type: ignore[arg-type] # any dataclass has no name at run time
    same = {name: getattr(asked, name) for name in names & type(asked).model_fields.keys()}
    return record(**{**same, **own})


def _member(row: object, name: str) -> object:
    return row[name] if isinstance(row, Mapping) else getattr(row, name)
