"""Amazon's orders, found: each order in a search page, a single answer, a list, a recorded exchange, a file of lines.

Each order keeps its exact bytes. What an order says is not read here but for its id and its marketplace id; that is
`normalise`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orders_pipeline.marketplaces.payloads import NotJson, elements, member, parse
from orders_pipeline.marketplaces.protocol import RawOrder, Unreadable
from orders_pipeline.marketplaces.reading import identifier

if TYPE_CHECKING:
    from collections.abc import Sequence

WRAPPERS = ("response", "payload", "body")
"""Members under which recorders and other APIs of Amazon keep the answer."""

_Bodies = list[tuple[Any, bytes]]

_DEPTH = 4
_LINES_AT_LEAST = 2
_OWN_MEMBERS = ("orderId", "orderItems", "createdTime", "lastUpdatedTime")


def documents(data: bytes) -> list[RawOrder]:
    """Every order in one payload file, in the order of the file.

    Understood are a `searchOrders` answer, a `getOrder` answer, one order, a list of any of these, each of them under
    `response`, `payload` or `body` (also twice), and newline-delimited JSON of any of these.

    An element that is no object or has no id is kept under the id "?" and its place: it is quarantined, not lost.

    Raises:
        Unreadable: The file holds no order at all, with the path where one was expected.
    """
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        bodies = _bodies(data, "$", _DEPTH)
    except NotJson as error:
        lines = _lines(data)
        if lines is None:
            raise Unreadable("not_json", "$", str(error)) from None
        bodies = lines
    if not bodies:
        raise Unreadable("no_order", "$", "only empty lists of orders")
    return [raw_order(value, body, place) for place, (value, body) in enumerate(bodies, start=1)]


def raw_order(value: Any, body: bytes, place: int) -> RawOrder:  # noqa: ANN401 - any JSON value
    """One order as sent: `value` is what `body` parses to; `place` (from 1) names an order without an id."""
    if not isinstance(value, dict):
        return RawOrder(f"?{place}", None, body)
    channel = value.get("salesChannel")
    selector = channel.get("marketplaceId") if isinstance(channel, dict) else None
    return RawOrder(identifier(value.get("orderId")) or f"?{place}", identifier(selector), body)


def _bodies(data: bytes, path: str, depth: int) -> _Bodies:
    value = parse(data)
    if isinstance(value, list):
        return _of_list(elements(data, ()) or [], path, depth)
    if not isinstance(value, dict):
        raise Unreadable("no_order", path, "expected an order, an answer with orders or a list of orders")
    if _is_order(value):
        found = member(data, ())
        return [found] if found else []
    if "orders" in value:
        return _page(data, path)
    if "order" in value:
        found = member(data, ("order",))
        return [found] if found else []
    return _wrapped(value, data, path, depth)


def _page(data: bytes, path: str) -> _Bodies:
    found = elements(data, ("orders",))
    if not found:
        reason = "the answer's list of orders is empty" if found == [] else "expected a list of orders"
        raise Unreadable("no_order", f"{path}.orders", reason)
    return found


def _wrapped(value: dict[str, Any], data: bytes, path: str, depth: int) -> _Bodies:
    for key in WRAPPERS:
        if value.get(key) and depth:
            inner = member(data, (key,))
            return _bodies(inner[1], f"{path}.{key}", depth - 1) if inner else []
    if "errors" in value:
        raise Unreadable("no_order", f"{path}.errors", "an error answer of Amazon, not orders")
    if "Orders" in value or "AmazonOrderId" in value:
        raise Unreadable("no_order", path, "an answer of Orders v0; only Orders 2026-01-01 is read")
    empty = next((f"{path}.{key}" for key in WRAPPERS if key in value), path)
    raise Unreadable("no_order", empty, "no order here: neither `orders` nor `order`, nor an order's own members")


def _of_list(items: Sequence[tuple[Any, bytes]], path: str, depth: int) -> _Bodies:
    if not items:
        raise Unreadable("no_order", path, "the list of orders is empty")
    found: _Bodies = []
    for index, (value, body) in enumerate(items):
        found += _of_element(value, body, f"{path}[{index}]", depth)
    return found


def _of_element(value: Any, body: bytes, path: str, depth: int) -> _Bodies:  # noqa: ANN401 - any JSON value
    """The orders of one element of a list or one line: itself, or what it is wrapped around; never refuses the rest."""
    if not depth or not _is_answer(value):
        return [(value, body)]
    if value.get("orders") == []:
        return []
    try:
        return _bodies(body, path, depth - 1)
    except Unreadable:
        return [(value, body)]  # kept to be quarantined: the elements beside it are orders


def _lines(data: bytes) -> _Bodies | None:
    """The orders of newline-delimited JSON; None when not even its first line is an order or an answer with orders.

    A line that is not JSON, as the last one of a file cut short, is kept: it is quarantined under its place.
    """
    lines = [line.strip() for line in data.splitlines() if line.strip()]
    first = _parsed(lines[0]) if lines else None
    if len(lines) < _LINES_AT_LEAST or not (_is_answer(first) or _is_order(first)):
        return None
    found: _Bodies = []
    for index, line in enumerate(lines):
        found += _of_element(_parsed(line), line, f"$[{index}]", _DEPTH)
    return found


def _parsed(line: bytes) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return parse(line)
    except NotJson:
        return None


def _is_order(value: object) -> bool:
    return isinstance(value, dict) and any(key in value for key in _OWN_MEMBERS)


def _is_answer(value: object) -> bool:
    """Whether an object is something around orders rather than an order."""
    if not isinstance(value, dict) or _is_order(value):
        return False
    return any(key in value for key in ("orders", "order", *WRAPPERS))
