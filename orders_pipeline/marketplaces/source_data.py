"""What a payload tells that no member of our order names: kept in the marketplace's own shape, with and without personal data.

Which members are named, and which are personal, is each marketplace's knowledge; this module only takes JSON apart.
"""

from __future__ import annotations

from functools import lru_cache
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
_PLAIN = frozenset({bool, float, type(None)})


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
        lines: The member that lists the order's lines; a dotted path where it stands deeper.
        line_id: What tells them apart; a line of which nothing else is left goes.

    >>> rest_of({"id": 1, "a": "", "l": [{"n": 1, "x": 2, "s": "A"}]}, named("id"), [("l", "*", "s")], "l", "n")
    SourceData(clear={'l': [{'n': 1, 'x': 2}]}, personal={'l': [{'n': 1, 'x': 2, 's': 'A'}]})
    """
    whole = _with_telling_lines(_rest(payload, tree, 0) or {}, lines, line_id)
    clear = _impersonal(whole, _personal(tuple(pii_paths))) or {}
    return SourceData(whole, None) if clear is whole else SourceData(_with_telling_lines(clear, lines, line_id), whole)


def _with_telling_lines(data: dict[str, Any], lines: str, line_id: str) -> dict[str, Any]:
    outer, _, inner = lines.partition(".")
    if inner:
        rest = data.get(outer)
        kept = {key: value for key, value in data.items() if key != outer}
        within = _with_telling_lines(rest, inner, line_id) if isinstance(rest, dict) else rest
        return {**kept, outer: within} if within else kept
    sent = data.get(lines)
    if not isinstance(sent, list):
        return data
    telling = [each for each in sent if not isinstance(each, dict) or len(each) > (line_id in each)]
    if len(telling) == len(sent) > 0:
        return data
    kept = {key: value for key, value in data.items() if key != lines}
    return {**kept, lines: telling} if telling else kept


def _rest(value: Any, tree: Tree, depth: int) -> Any:  # noqa: ANN401 - any JSON value
    """What is left of a value; None when nothing is."""
    kind = type(value)
    if kind is str:
        return _text(value) or None
    if kind in _PLAIN or (kind is int and abs(value) <= LARGEST_INTEGER):
        return value
    if kind is dict and depth < DEEPEST:
        return _rest_of_members(value, tree, depth + 1) or None
    if kind is list and depth < DEEPEST:
        branch = tree.get("*", _NOTHING_NAMED)
        return [left for each in value if (left := _rest(each, branch, depth + 1)) is not None] or None
    if kind is dict or kind is list:
        return None
    return hex(value) if kind is int else str(value)  # Python refuses to write out more than 4,300 decimal digits


def _rest_of_members(members: Mapping[str, Any], tree: Tree, depth: int) -> dict[str, Any]:
    """What is left of an object's members. Most are plain: they are taken here, which spares a call for each."""
    found = {}
    for key, each in members.items():
        if each is None or each == "":
            continue
        branch = tree.get(key)
        if branch is None:
            branch = _NOTHING_NAMED
        elif not branch:
            continue
        kind = type(each)
        if kind is str:
            left = each if each.isascii() and "\x00" not in each else _text(each) or None
        elif kind is float or kind is bool:
            left = each
        elif kind is dict and depth < DEEPEST:
            left = _rest_of_members(each, branch, depth + 1) or None
        else:
            left = _rest(each, branch, depth)
        if left is not None:
            found[key if key.isascii() and "\x00" not in key else _text(key)] = left
    return found


class _Personal(NamedTuple):
    """What of an object is personal: the members to look into, and those that alone may stay (None: all)."""

    branches: dict[str, Any]
    kept: frozenset[str] | None


@lru_cache
def _personal(paths: tuple[tuple[PathStep, ...], ...]) -> _Personal:
    return _compiled(tree_of(paths))


def _compiled(tree: Mapping[PathStep, Any]) -> _Personal:
    kept = [step for step in tree if isinstance(step, frozenset)]
    branches = {step: _compiled(branch) if branch else None for step, branch in tree.items() if isinstance(step, str)}
    return _Personal(branches, frozenset.intersection(*kept) if kept else None)


def _impersonal(value: Any, personal: _Personal | None) -> Any:  # noqa: ANN401 - any JSON value
    """What is left of a value without personal data: the value itself where it has none, None when nothing is left."""
    if personal is None:
        return None
    branches, kept = personal
    if isinstance(value, list) and "*" in branches:
        left = [_impersonal(each, branches["*"]) for each in value]
        if all(each is sent for each, sent in zip(left, value, strict=True)):
            return value
        return [each for each in left if each is not None] or None
    if not isinstance(value, dict) or branches.keys() == {"*"}:
        # Where a payload has another shape than the paths expect, what stands there may be personal: it goes as a whole.
        return value if isinstance(value, bool) else None
    changed = {} if kept is None else dict.fromkeys(value.keys() - kept)
    for key, branch in branches.items():
        if key in value and key not in changed:
            left = _impersonal(value[key], branch)
            if left is not value[key]:
                changed[key] = left
    if not changed:
        return value
    whole = {**value, **changed}
    return {key: each for key, each in whole.items() if each is not None} or None


def _text(value: str) -> str:
    """Text that every store can keep: a lone surrogate is legal JSON and illegal UTF-8, PostgreSQL has no NUL."""
    if value.isascii() and "\x00" not in value:
        return value
    return value.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")
