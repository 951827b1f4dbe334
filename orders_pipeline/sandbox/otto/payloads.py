"""Genuine payloads of OTTO: where their orders are, and what serving them needs."""

from __future__ import annotations

from orders_pipeline.sandbox.json_values import JsonValue
from orders_pipeline.sandbox.loading import Checker, Loaded, listed, unwrapped


def read(payload: JsonValue, name: str) -> Loaded:
    """Find and check the orders of an OTTO payload.

    Accepted: listings ``{"resources": [...]}``, a bare order, a list of orders, and all of these wrapped as
    ``{"response": ...}`` or ``{"payload": ...}``.
    """
    content, path = unwrapped(payload, name, "$", ("resources", "salesOrderId"))
    orders, locate = listed(content, name, path, "resources", "salesOrderId")
    for index, order in enumerate(orders):
        _check(Checker(name, order, locate(index)))
    return Loaded(orders=orders)


def _check(order: Checker) -> None:
    order.text("salesOrderId")
    order.text("orderDate")
    for item in order.children("positionItems"):
        item.text("positionItemId")
        item.text("fulfillmentStatus")
