"""What a payload tells that no member of our order names: kept in the marketplace's own shape, with and without personal data.

Which members are named, and which are personal, is each marketplace's knowledge; this module only takes JSON apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from warehouse.privacy import tree_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warehouse.privacy import PathStep

    Tree = Mapping[str, "Tree"]

DEEPEST = 30
LARGEST_INTEGER = 2**63 - 1
"""Beyond these a value is no order's: it is left out, or written as text, so that every store and every reader can keep it."""


_NOTHING_NAMED: dict[str, Any] = {}
_PLAIN = frozenset({bool, int, float, type(None)})


class SourceData(NamedTuple):
    """The rest of a payload, and the same with its personal data; `personal` is None where it has none."""

    clear: dict[str, Any]
    personal: dict[str, Any] | None


def named(*paths: str) -> Tree:
    """The members that an order of ours names, from dotted paths; `*` stands for every element of a list.

    >>> named("id", "lines.*.sku")
    {'id': {}, 'lines': {'*': {'sku': {}}}}
    """
    tree: dict[str, Any] = {}
    for path in paths:
        branch = tree
        for step in path.split("."):
            branch = branch.setdefault(step, {})
    return tree


def rest_of(
    payload: Mapping[str, Any], tree: Tree, pii_paths: Sequence[tuple[PathStep, ...]], lines: str, line_id: str
) -> SourceData:
    """What is left of a payload without the named members, and without what says nothing (null, "", [], {}).

    Args:
        payload: One order of the marketplace.
        tree: From `named`.
        pii_paths: Where personal data stands in the payload.
        lines: The member that lists the order's lines.
        line_id: What tells them apart; a line of which nothing else is left goes.

    >>> rest_of({"id": 1, "a": "", "l": [{"n": 1, "x": 2, "s": "A"}]}, named("id"), [("l", "*", "s")], "l", "n")
    SourceData(clear={'l': [{'n': 1, 'x': 2}]}, personal={'l': [{'n': 1, 'x': 2, 's': 'A'}]})
    """
    whole = _with_telling_lines(_rest(payload, tree, 0) or {}, lines, line_id)
    clear = _with_telling_lines(_impersonal(whole, tree_of(tuple(pii_paths))) or {}, lines, line_id)
    return SourceData(clear, None if clear == whole else whole)


def _with_telling_lines(data: dict[str, Any], lines: str, line_id: str) -> dict[str, Any]:
    sent = data.get(lines)
    if not isinstance(sent, list):
        return data
    telling = [each for each in sent if not isinstance(each, dict) or each.keys() - {line_id}]
    kept = {key: value for key, value in data.items() if key != lines}
    return {**kept, lines: telling} if telling else kept


def _rest(value: Any, tree: Tree, depth: int) -> Any:  # noqa: ANN401 - any JSON value
    """What is left of a value; None when nothing is."""
    kind = type(value)
    if kind is str:
        return _text(value) or None
    if kind is dict and depth < DEEPEST:
        found = {}
        for key, each in value.items():
            branch = tree.get(key, _NOTHING_NAMED)
            if each is not None and (branch or key not in tree):
                left = _rest(each, branch, depth + 1)
                if left is not None:
                    found[_text(key)] = left
        return found or None
    if kind is list and depth < DEEPEST:
        branch = tree.get("*", _NOTHING_NAMED)
        return [left for each in value if (left := _rest(each, branch, depth + 1)) is not None] or None
    if kind is int and abs(value) > LARGEST_INTEGER:
        return hex(value)  # Python refuses to write out more than 4,300 decimal digits
    if kind in {dict, list}:
        return None
    return value if kind in _PLAIN else str(value)


def _impersonal(value: Any, tree: Mapping[PathStep, Any]) -> Any:  # noqa: ANN401 - any JSON value
    """What is left of a value without personal data; what no path leads to is not looked at."""
    if not tree:
        return None
    if isinstance(value, dict) and tree.keys() != {"*"}:
        found = {}
        for key, each in value.items():
            if any(isinstance(step, frozenset) and key not in step for step in tree):
                continue
            left = _impersonal(each, tree[key]) if key in tree else each
            if left is not None:
                found[key] = left
        return found or None
    if isinstance(value, list) and "*" in tree:
        return [left for each in value if (left := _impersonal(each, tree["*"])) is not None] or None
    # Where a payload has another shape than the paths expect, what stands there may be personal: it goes as a whole.
    return value if isinstance(value, bool) else None


def _text(value: str) -> str:
    """Text that every store can keep: a lone surrogate is legal JSON and illegal UTF-8, PostgreSQL has no NUL."""
    if value.isascii() and "\x00" not in value:
        return value
    return value.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")
