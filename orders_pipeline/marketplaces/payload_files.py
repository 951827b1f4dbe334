"""Orders in payload files: in pages, single answers, lists, recorded exchanges and files of lines, whatever the marketplace.

Each order keeps its exact bytes. Where a marketplace's answers have their orders is told by a `PayloadShape`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orders_pipeline.marketplaces.payloads import NotJson, elements, member, parse
from orders_pipeline.marketplaces.protocol import RawOrder, Unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence

WRAPPERS = ("response", "payload", "body")
"""Members under which recorders keep the answer."""
DEEPEST = 4
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_Bodies = list[tuple[Any, bytes]]
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PayloadShape:
    """Where a marketplace's answers have their orders.

    Attributes:
        name: The marketplace's, for messages.
        own_members: An object with any of these is an order.
        lists: Paths of lists of orders in an answer.
        singles: Paths of a single order in an answer.
        original_id: The id of an order, None when it has none that a store could keep.
        selector: What picks its channel, None when it names nothing.
        others: Member by which something that holds no orders is known → what that is.
    """

    name: str
    own_members: tuple[str, ...]
    lists: tuple[Path, ...]
    singles: tuple[Path, ...]
    original_id: Callable[[Any], str | None]
    selector: Callable[[Any], str | None]
    others: Mapping[str, str] = field(default_factory=dict)

    def raw_order(self, value: Any, body: bytes, place: int) -> RawOrder:  # noqa: ANN401 - any JSON value
        """One order as sent: `value` is what `body` parses to; `place` (from 1) names an order without an id."""
        return RawOrder(self.original_id(value) or f"?{place}", self.selector(value), body)


def find_orders(data: bytes, shape: PayloadShape) -> list[RawOrder]:
    """Every order in one payload file, in the order of the file.

    Understood are an answer with a list of orders or with one, an order, a list of any of these, each of them under `response`,
    `payload` or `body`, and newline-delimited JSON of any of these. An element that is no object or has no id is kept under the
    id "?" and its place: it is quarantined, not lost.

    Raises:
        Unreadable: The file holds no order at all, with the path where one was expected.
    """
    data = data.removeprefix(_BYTE_ORDER_MARK)
    try:
        bodies = _bodies(data, shape, "$", DEEPEST)
    except NotJson as error:
        lines = _lines(data, shape)
        if lines is None:
            raise Unreadable("not_json", "$", str(error)) from None
        bodies = lines
    if not bodies:
        raise Unreadable("no_order", "$", "only empty lists of orders")
    return [shape.raw_order(value, body, place) for place, (value, body) in enumerate(bodies, start=1)]


def _bodies(data: bytes, shape: PayloadShape, path: str, depth: int) -> _Bodies:
    value = parse(data)
    if isinstance(value, list):
        return _of_list(elements(data, ()) or [], shape, path, depth)
    if not isinstance(value, dict):
        raise Unreadable("no_order", path, "expected an order, an answer with orders or a list of orders")
    if _is_order(value, shape):
        return [(value, data.strip())]
    page = next((place for place in shape.lists if _at(value, place) is not None), None)
    if page is not None:
        return _page(data, page, path)
    single = next((place for place in shape.singles if _at(value, place) is not None), None)
    if single is not None:
        found = member(data, single)
        return [found] if found else []
    return _wrapped(value, data, shape, path, depth)


def _wrapped(value: dict[str, Any], data: bytes, shape: PayloadShape, path: str, depth: int) -> _Bodies:
    for key in WRAPPERS:
        if value.get(key) and depth:
            inner = member(data, (key,))
            return _bodies(inner[1], shape, f"{path}.{key}", depth - 1) if inner else []
    for key in filter(value.__contains__, shape.others):
        raise Unreadable("no_order", f"{path}.{key}", shape.others[key])
    if "errors" in value or "error" in value:
        raise Unreadable("no_order", path, f"an error answer of {shape.name}, not orders")
    empty = next((f"{path}.{key}" for key in WRAPPERS if key in value), path)
    raise Unreadable("no_order", empty, "no order here: neither an answer with orders nor an order's own members")


def _page(data: bytes, place: Path, path: str) -> _Bodies:
    found = elements(data, place)
    if not found:
        reason = "the answer's list of orders is empty" if found == [] else "expected a list of orders"
        raise Unreadable("no_order", ".".join((path, *place)), reason)
    return found


def _of_list(items: Sequence[tuple[Any, bytes]], shape: PayloadShape, path: str, depth: int) -> _Bodies:
    if not items:
        raise Unreadable("no_order", path, "the list of orders is empty")
    found: _Bodies = []
    for index, (value, body) in enumerate(items):
        found += _of_element(value, body, shape, f"{path}[{index}]", depth)
    return found


def _of_element(value: Any, body: bytes, shape: PayloadShape, path: str, depth: int) -> _Bodies:  # noqa: ANN401 - any JSON value
    """The orders of one element of a list or one line: itself, or what it is wrapped around; never refuses the rest."""
    if not depth or not _is_answer(value, shape):
        return [(value, body)]
    if any(_at(value, place) == [] for place in shape.lists):
        return []
    try:
        return _bodies(body, shape, path, depth - 1)
    except Unreadable:
        return [(value, body)]  # kept to be quarantined: the elements beside it are orders


def _lines(data: bytes, shape: PayloadShape) -> _Bodies | None:
    """The orders of newline-delimited JSON; None when not even its first line is an order or an answer with orders.

    A line that is not JSON, as the last one of a file cut short, is kept: it is quarantined under its place.
    """
    lines = [line.strip() for line in data.splitlines() if line.strip()]
    first = _parsed(lines[0]) if lines else None
    if not (_is_answer(first, shape) or _is_order(first, shape)):
        return None
    return [
        found for at, line in enumerate(lines) for found in _of_element(_parsed(line), line, shape, f"$[{at}]", DEEPEST)
    ]


def _parsed(line: bytes) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return parse(line)
    except NotJson:
        return None


def _at(value: Any, place: Path) -> Any:  # noqa: ANN401 - any JSON value
    for key in place:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _is_order(value: object, shape: PayloadShape) -> bool:
    return isinstance(value, dict) and any(key in value for key in shape.own_members)


def _is_answer(value: object, shape: PayloadShape) -> bool:
    """Whether an object is something around orders rather than an order."""
    if not isinstance(value, dict) or _is_order(value, shape):
        return False
    places = (*shape.lists, *shape.singles, *((key,) for key in WRAPPERS))
    return any(_at(value, place) is not None for place in places)
