"""Genuine payloads of Amazon: where their orders are, and what serving them needs."""

from __future__ import annotations

from orders_pipeline.sandbox.json_values import JsonValue
from orders_pipeline.sandbox.loading import Checker, Loaded, always, listed, unwrapped


def read(payload: JsonValue, name: str) -> Loaded:
    """Find and check the orders of an Amazon payload.

    Accepted: ``{"orders": [...]}``, ``{"order": {...}}``, a bare order, a list of orders, and all of these wrapped as
    ``{"response": ...}`` or ``{"payload": ...}``.
    """
    content, path = unwrapped(payload, name, "$", ("orders", "order", "orderId"))
    if isinstance(content, dict) and "order" in content and "orderId" not in content:
        content, path = [content["order"]], f"{path}.order"
        locate = always(path)
    else:
        content, locate = listed(content, name, path, "orders", "orderId")
    for index, order in enumerate(content):
        _check_order(Checker(name, order, locate(index)))
    return Loaded(orders=content)


def _check_order(order: Checker) -> None:
    order.text("orderId")
    order.moment("createdTime")
    order.moment("lastUpdatedTime")
    order.child("salesChannel").text("channelName")
    for item in order.children("orderItems"):
        item.text("orderItemId")
        item.whole_number("quantityOrdered")
        item.child("product")
