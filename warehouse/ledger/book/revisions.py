"""What changed from one revision of an order to the next, member by member. Pure: the revisions are given."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

MOST_CHANGES = 100
"""Members that are told of one revision; of more than these it says that there were more."""


class MemberChange(NamedTuple):
    """A member with its value before and after; None where there was none, or it was not told."""

    path: str
    before: Any
    after: Any


def changes(before: Any, after: Any, path: str = "") -> Iterator[MemberChange]:  # noqa: ANN401 - any JSON value
    """Each plain member that is not as it was, by its path.

    >>> list(changes({"lines": [{"sku": "A", "n": 1}], "total": "5"}, {"lines": [{"sku": "A", "n": 2}], "total": "5"}))
    [MemberChange(path='lines[0].n', before=1, after=2)]
    >>> list(changes({"ship_by": None}, {"ship_by": {"from": "8", "until": None}}))
    [MemberChange(path='ship_by.from', before=None, after='8')]
    """
    if before == after:
        return
    if isinstance(before, dict | None) and isinstance(after, dict | None):
        old, new = before or {}, after or {}
        for name in {**old, **new}:
            yield from changes(old.get(name), new.get(name), f"{path}.{name}".removeprefix("."))
    elif isinstance(before, list | None) and isinstance(after, list | None):
        old_values, new_values = before or [], after or []
        for index in range(max(len(old_values), len(new_values))):
            old_value, new_value = (each[index] if index < len(each) else None for each in (old_values, new_values))
            yield from changes(old_value, new_value, f"{path}[{index}]")
    else:
        yield MemberChange(path, before, after)
