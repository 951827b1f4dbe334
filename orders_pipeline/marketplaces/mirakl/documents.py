"""Mirakl's orders, found: each order in an OR11 page, a list, our envelope, a recorded exchange, a file of lines.

Each order keeps its exact bytes. What an order says is not read here but for its id and its channel; that is
`normalise`. The envelope that joins an order and its shipments is made here too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orders_pipeline.marketplaces.payloads import NotJson, elements, member, parse
from orders_pipeline.marketplaces.protocol import RawOrder, Unreadable
from orders_pipeline.marketplaces.reading import identifier

if TYPE_CHECKING:
    from collections.abc import Iterable

WRAPPERS = ("response", "body")
"""Members under which recorders keep the answer."""

_Bodies = list[tuple[Any, bytes]]

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DEPTH = 3
_OWN_MEMBERS = ("order_id", "order_lines", "order_state", "commercial_id")


def documents(data: bytes) -> list[RawOrder]:
    """Every order in one payload file, in the order of the file.

    Understood are an OR11 page, one order, our envelope of an order and its shipments, a list of orders (as the async
    export writes) or envelopes, any of these under `response` of a recorded exchange, and newline-delimited JSON.

    An element that is no object or has no id is kept under the id "?" and its place (from 1), so that it is
    quarantined, not lost.

    Raises:
        Unreadable: The file holds no order at all, with the path where one was expected.
    """
    data = data.removeprefix(_BYTE_ORDER_MARK)
    try:
        bodies = _bodies(data, "$", _DEPTH)
    except NotJson as error:
        lines = _lines(data)
        if lines is None:
            raise Unreadable("not_json", "$", str(error)) from None
        bodies = lines
    if not bodies:
        raise Unreadable("no_order", "$", "only empty lists of orders")
    return [raw_order(value, body, place) for place, (value, body) in enumerate(bodies, 1)]


def raw_order(value: Any, body: bytes, place: int) -> RawOrder:  # noqa: ANN401 - any JSON value
    """One order or envelope as sent: `value` is what `body` parses to; `place` names an order without an id."""
    order = value["order"] if _is_envelope(value) else value
    return RawOrder(order_id(order) or f"?{place}", channel_code(order), body)


def order_id(order: object) -> str | None:
    """The id of an order or of the order a shipment belongs to; None when there is none that a store could keep."""
    return identifier(order.get("order_id")) if isinstance(order, dict) else None


def channel_code(order: object) -> str | None:
    """The code of the sales channel an order came from, None when it names none."""
    channel = order.get("channel") if isinstance(order, dict) else None
    return identifier(channel.get("code")) if isinstance(channel, dict) else None


def envelope(order: bytes, shipments: Iterable[bytes] | None) -> bytes:
    """The exact bytes of an order and of its shipments in one JSON object; None where the instance has no shipments.

    >>> envelope(b'{"order_id": "A-1"}', [b'{"id": 1.50}'])
    b'{"order":{"order_id": "A-1"},"shipments":[{"id": 1.50}]}'
    """
    joined = b"null" if shipments is None else b"[" + b",".join(shipments) + b"]"
    return b'{"order":' + order + b',"shipments":' + joined + b"}"


def envelope_without_shipments(order: bytes) -> bytes:
    """The exact bytes of an order in an envelope of which the shipments, if there are any, were not read."""
    return b'{"order":' + order + b"}"


def _bodies(data: bytes, path: str, depth: int) -> _Bodies:
    value = parse(data)
    if isinstance(value, list):
        if not value:
            raise Unreadable("no_order", path, "the list of orders is empty")
        return elements(data, ()) or []
    if _is_order(value) or _is_envelope(value):
        return [(value, data.strip())]
    if not isinstance(value, dict):
        raise Unreadable("no_order", path, "expected an order, a page of orders or a list of orders")
    if "orders" in value:
        return _page(data, path)
    return _wrapped(value, data, path, depth)


def _page(data: bytes, path: str) -> _Bodies:
    found = elements(data, ("orders",))
    if not found:
        reason = "the page has no orders" if found == [] else "expected a list of orders"
        raise Unreadable("no_order", f"{path}.orders", reason)
    return found


def _wrapped(value: dict[str, Any], data: bytes, path: str, depth: int) -> _Bodies:
    for key in WRAPPERS:
        inner = member(data, (key,)) if depth and value.get(key) else None
        if inner is not None:
            return _bodies(inner[1], f"{path}.{key}", depth - 1)
    if "data" in value:
        raise Unreadable("no_order", f"{path}.data", "shipments (ST11) without their orders")
    if "status" in value and "message" in value:
        raise Unreadable("no_order", path, "an error answer of Mirakl, not orders")
    raise Unreadable("no_order", path, "no order here: neither `orders` nor an order's own members")


def _lines(data: bytes) -> _Bodies | None:
    """The orders of newline-delimited JSON; None when not even its first line is an order or a page of orders.

    A line that is not JSON, as the last one of a file cut short, is kept: it is quarantined under its place.
    """
    lines = [line.strip() for line in data.splitlines() if line.strip()]
    first = _parsed(lines[0]) if lines else None
    if not (_is_order(first) or _is_envelope(first) or (isinstance(first, dict) and "orders" in first)):
        return None
    found: _Bodies = []
    for line in lines:
        value = _parsed(line)
        is_page = isinstance(value, dict) and isinstance(value.get("orders"), list)
        found += (elements(line, ("orders",)) or []) if is_page else [(value, line)]
    return found


def _parsed(line: bytes) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return parse(line)
    except NotJson:
        return None


def _is_order(value: object) -> bool:
    return isinstance(value, dict) and any(key in value for key in _OWN_MEMBERS)


def _is_envelope(value: object) -> bool:
    return isinstance(value, dict) and "order" in value and not _is_order(value)
