"""Query parameters: one model each, and everything that is not in it refused by name."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orders_api.kit.errors import Problem, from_validation

if TYPE_CHECKING:
    from starlette.requests import Request

Query = TypeVar("Query", bound=BaseModel)
MAY_HOLD_COMMAS = frozenset({"marketplace"})
ONE_AT_A_TIME = "one value at a time: for several repeat the parameter, name=first&name=second"
NAME_LIMIT = 64


class NoQuery(BaseModel):
    """No parameters: whatever is given is a mistake that the client should hear of."""

    model_config = ConfigDict(extra="forbid")


class PageQuery(NoQuery):
    """Which page of a list."""

    limit: int = Field(100, ge=1, le=1000, description="How many a page, at most.", examples=[100])
    cursor: str | None = Field(
        None, description="Where the page begins: from `next`, with all else as it was.", examples=["WzEsImlkIiwxN10"]
    )


def parse_query(request: Request, model: type[Query]) -> Query:
    """The query parameters of a request.

    Raises:
        Problem: 422, naming each parameter that is unknown, given twice, or not as described.
    """
    values: dict[str, Any] = {}
    repeated: set[str] = set()
    joined: set[str] = set()
    repeatable = _repeatable(model)
    for name, value in request.query_params.multi_items():
        if name in repeatable:
            values.setdefault(name, []).append(value)
            if "," in value and name not in MAY_HOLD_COMMAS:
                joined.add(name)
        elif name in values:
            repeated.add(name[:NAME_LIMIT])
        else:
            values[name] = value
    if repeated or joined:
        errors = [{"parameter": name, "message": "given more than once"} for name in sorted(repeated)]
        errors += [{"parameter": name, "message": ONE_AT_A_TIME} for name in sorted(joined)]
        raise Problem(422, "invalid_request", "The request is not as described: see errors.", errors=errors)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise from_validation("query", error.errors(include_input=False, include_url=False)) from None


@cache
def _repeatable(model: type[BaseModel]) -> frozenset[str]:
    return frozenset(name for name, field in model.model_fields.items() if get_origin(field.annotation) is list)
