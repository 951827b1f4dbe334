"""In which line of `orders.yaml` a problem is. What the problems are is in `configuration`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable


def located(text: str, problems: Iterable[str]) -> list[str]:
    r"""The problems of a file with their lines, in the file's order; one without a place in the file comes first.

    >>> located("channels:\n  fr: {selctor: X}", ["channels.fr.selctor: there is no such key"])
    ['line 2: channels.fr.selctor: there is no such key']
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        return list(problems)
    found = [(_line(root, problem), problem) for problem in problems]
    return [f"line {line}: {problem}" if line else problem for line, problem in sorted(found, key=lambda each: each[0])]


def _line(node: yaml.Node | None, place: str) -> int:
    """The line of the deepest key that the place begins with, 0 when there is none."""
    line = 0
    while isinstance(node, yaml.MappingNode):
        step = next(((key, value) for key, value in node.value if _begins(place, key.value)), None)
        if step is None:
            return line
        key, node = step
        line, place = key.start_mark.line + 1, place[len(str(key.value)) + 1 :]
    return line


def _begins(place: str, key: object) -> bool:
    return isinstance(key, str) and place.startswith((f"{key}.", f"{key}:"))
