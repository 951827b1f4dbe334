"""Which members a pydantic model has at a place of what was read by it: to say what was probably meant by an unknown one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Sequence


def members_at(model: type[BaseModel], place: Sequence[int | str]) -> list[str]:
    """The names that there are at a place; [] where anything may be, as in a mapping.

    Args:
        model: By which it was read.
        place: As pydantic tells it: keys, and places in lists.
    """
    found: Any = model
    for part in place:
        kind = _plain(found)
        if get_origin(kind) in {list, tuple}:
            found = get_args(kind)[0]
        elif get_origin(kind) is dict:
            found = get_args(kind)[1]
        elif _is_model(kind):
            found = {each.alias or name: each.annotation for name, each in kind.model_fields.items()}.get(str(part))
    kind = _plain(found)
    return [each.alias or name for name, each in kind.model_fields.items()] if _is_model(kind) else []


def _plain(annotation: Any) -> Any:  # noqa: ANN401 - a type of any form
    """What a value is when it is there, without what is said of it."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if type(None) in get_args(annotation):
        return _plain(next(each for each in get_args(annotation) if each is not type(None)))
    return annotation


def _is_model(annotation: Any) -> bool:  # noqa: ANN401 - as above
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
