"""The query of a page: lenient where the API is strict, since a person has typed it, or a link of last year holds it.

What is empty, unknown or not as described is left out, and the page says so: a list with a broken filter can always be read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_origin
from urllib.parse import urlencode

from pydantic import BaseModel, ValidationError

from orders_api.kit.queries import MAY_HOLD_COMMAS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.datastructures import QueryParams
    from starlette.requests import Request

Query = TypeVar("Query", bound=BaseModel)
NAME_LIMIT = 64
PLACE = "cursor"


@dataclass(frozen=True, slots=True)
class Asked(Generic[Query]):
    """What a page was asked.

    Attributes:
        query: As the model has it.
        items: What was understood, as it was written.
        ignored: Names that were not.
    """

    query: Query
    items: tuple[tuple[str, str], ...]
    ignored: tuple[str, ...]

    def address(self, path: str, **changes: str | None) -> str:
        """The same question with other values; None leaves a name out. It begins on the first page, unless told otherwise."""
        changes = {PLACE: None, **changes}
        kept = [(name, value) for name, value in self.items if name not in changes]
        return _address(path, [*kept, *((name, value) for name, value in changes.items() if value is not None)])

    def without(self, path: str, name: str, value: str) -> str:
        """The same question without one value."""
        return _address(path, [each for each in self.items if each != (name, value) and each[0] != PLACE])

    def explicit(self, name: str, value: str) -> Asked[Query]:
        """The same question with a value that it has anyway, where none is named."""
        return self if self.values(name) else replace(self, items=(*self.items, (name, value)))

    def values(self, name: str) -> tuple[str, ...]:
        """What was asked by this name."""
        return tuple(value for each, value in self.items if each == name)


def ask(request: Request, model: type[Query]) -> Asked[Query]:
    """The query of a request, as far as it can be understood."""
    return understand(request.query_params, model)


def understand(params: QueryParams, model: type[Query]) -> Asked[Query]:
    """A query that somebody has written, as far as it can be understood."""
    known, repeatable = _names(model)
    given = [
        (name, part)
        for name, value in params.multi_items()
        for part in _parts(value, is_list=name in repeatable and name not in MAY_HOLD_COMMAS)
    ]
    ignored = {name[:NAME_LIMIT] for name, _ in given if name not in known}
    items = [each for each in dict.fromkeys(given) if each[0] in known]
    while True:
        values: dict[str, Any] = {}
        for name, value in items:
            if name in repeatable:
                values.setdefault(name, []).append(value)
            else:
                values[name] = value
        try:
            query = model.model_validate(values)
        except ValidationError as error:
            wrong = {str(each["loc"][0]) for each in error.errors(include_url=False, include_input=False)}
            ignored |= wrong
            items = [each for each in items if each[0] not in wrong]
        else:
            return Asked(query, tuple(items), tuple(sorted(ignored)))


def _parts(value: str, *, is_list: bool) -> list[str]:
    """The values in what was typed: of a parameter that may be repeated `FR, DE` are two."""
    parts = value.split(",") if is_list else [value]
    return [each.strip() for each in parts if each.strip()]


@cache
def _names(model: type[BaseModel]) -> tuple[frozenset[str], frozenset[str]]:
    """All of a model's, and those that may be repeated."""
    fields = model.model_fields
    return frozenset(fields), frozenset(name for name, each in fields.items() if get_origin(each.annotation) is list)


def _address(path: str, items: Iterable[tuple[str, str]]) -> str:
    query = urlencode(list(items))
    return f"{path}?{query}" if query else path
