"""Genuine payload files: finding the orders in them and checking that they can be served.

What lives here: the accepted wrappings, the checks (only what serving needs; unknown values and extra fields are
welcome) and the error that names file and JSON path. What does not: storing the orders (the marketplaces' states).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from orders_pipeline.sandbox.clock import parse_iso
from orders_pipeline.sandbox.json_values import JsonObject, JsonValue


class PayloadError(ValueError):
    """A payload does not fit; ``path`` is the JSON path of the first misfit."""

    def __init__(self, name: str, path: str, message: str) -> None:
        """Name the file, the JSON path in it, and the reason."""
        super().__init__(f"{name}: {path}: {message}")
        self.name = name
        self.path = path
        self.message = message


@dataclass(frozen=True)
class Loaded:
    """What a payload held."""

    orders: list[JsonObject] = field(default_factory=list)
    shipments: list[JsonObject] = field(default_factory=list)


def read_file(path: Path) -> JsonValue:
    """Parse a payload file; raises PayloadError when it cannot be read or is not JSON."""
    try:
        return orjson.loads(path.read_bytes())
    except OSError as error:
        raise PayloadError(str(path), "$", f"cannot be read: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise PayloadError(str(path), "$", f"is not JSON: {error}") from error


def amazon_orders(payload: JsonValue, name: str) -> Loaded:
    """Find and check the orders of an Amazon payload.

    Accepted: ``{"orders": [...]}``, ``{"order": {...}}``, a bare order, a list of orders, and all of these wrapped as
    ``{"response": ...}`` or ``{"payload": ...}``.
    """
    content, path = _unwrapped(payload, name, "$", ("orders", "order", "orderId"))
    if isinstance(content, dict) and "order" in content and "orderId" not in content:
        content, path = [content["order"]], f"{path}.order"
        locate = _always(path)
    else:
        content, locate = _listed(content, name, path, "orders", "orderId")
    for index, order in enumerate(content):
        _check_amazon_order(_Checker(name, order, locate(index)))
    return Loaded(orders=content)


def mirakl_orders(payload: JsonValue, name: str) -> Loaded:
    """Find and check the orders or shipments of a Mirakl payload.

    Accepted: OR11 pages ``{"orders": [...]}``, a bare order, a list of orders, ST11 pages ``{"data": [...]}``, and all
    of these wrapped as ``{"response": ...}`` or ``{"payload": ...}``.
    """
    content, path = _unwrapped(payload, name, "$", ("orders", "order_id", "data"))
    if isinstance(content, dict) and "data" in content and "order_id" not in content:
        shipments, locate = _listed(content, name, path, "data", "id")
        for index, shipment in enumerate(shipments):
            _check_mirakl_shipment(_Checker(name, shipment, locate(index)))
        return Loaded(shipments=shipments)
    orders, locate = _listed(content, name, path, "orders", "order_id")
    for index, order in enumerate(orders):
        _check_mirakl_order(_Checker(name, order, locate(index)))
    return Loaded(orders=orders)


READERS: dict[str, Callable[[JsonValue, str], Loaded]] = {"amazon": amazon_orders, "mirakl": mirakl_orders}


def _unwrapped(payload: JsonValue, name: str, path: str, known: tuple[str, ...]) -> tuple[JsonValue, str]:
    if isinstance(payload, dict) and not any(key in payload for key in known):
        for wrapper in ("response", "payload"):
            if wrapper in payload:
                return _unwrapped(payload[wrapper], name, f"{path}.{wrapper}", known)
        expected = ", ".join(known)
        raise PayloadError(name, path, f"has none of the fields that an order payload starts with ({expected})")
    return payload, path


def _listed(
    content: JsonValue, name: str, path: str, key: str, id_field: str
) -> tuple[list[JsonObject], Callable[[int], str]]:
    """Return the list of objects in a page, a bare object or a bare list, and how to name each one's path."""
    if isinstance(content, dict) and id_field in content and key not in content:
        return [content], _always(path)
    if isinstance(content, dict):
        content, path = content[key], f"{path}.{key}"
    if not isinstance(content, list):
        raise PayloadError(name, path, "must be a list")
    return content, lambda index: f"{path}[{index}]"


def _always(path: str) -> Callable[[int], str]:
    return lambda _index: path


class _Checker:
    """Checks fields of one object and names their JSON paths."""

    def __init__(self, name: str, value: JsonValue, path: str) -> None:
        self.name = name
        self.path = path
        if not isinstance(value, dict):
            raise PayloadError(name, path, "must be an object")
        self.value: JsonObject = value

    def text(self, key: str) -> str:
        value = self.value.get(key)
        if not isinstance(value, str) or not value:
            self.fail(key, "must be a text that is not empty")
        return str(value)

    def moment(self, key: str) -> None:
        if parse_iso(self.text(key)) is None:
            self.fail(key, "must be an ISO 8601 date-time with its offset")

    def whole_number(self, key: str) -> None:
        value = self.value.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            self.fail(key, "must be a whole number, 0 or more")

    def child(self, key: str) -> _Checker:
        return _Checker(self.name, self.value.get(key), f"{self.path}.{key}")

    def children(self, key: str) -> list[_Checker]:
        value = self.value.get(key)
        if not isinstance(value, list):
            self.fail(key, "must be a list")
        return [_Checker(self.name, each, f"{self.path}.{key}[{index}]") for index, each in enumerate(value or ())]

    def fail(self, key: str, message: str) -> None:
        found = "is missing" if key not in self.value else message
        raise PayloadError(self.name, f"{self.path}.{key}", found)


def _check_amazon_order(order: _Checker) -> None:
    order.text("orderId")
    order.moment("createdTime")
    order.moment("lastUpdatedTime")
    order.child("salesChannel").text("channelName")
    for item in order.children("orderItems"):
        item.text("orderItemId")
        item.whole_number("quantityOrdered")
        item.child("product")


def _check_mirakl_order(order: _Checker) -> None:
    order.text("order_id")
    order.text("order_state")
    order.moment("created_date")
    order.moment("last_updated_date")
    for line in order.children("order_lines"):
        line.text("order_line_id")
        line.whole_number("quantity")


def _check_mirakl_shipment(shipment: _Checker) -> None:
    shipment.text("id")
    shipment.text("order_id")
    shipment.text("status")
    shipment.moment("created_date")
    for line in shipment.children("shipment_lines"):
        line.whole_number("quantity")
