"""Genuine payloads of eBay: where their orders are, and what serving them needs."""

from __future__ import annotations

from orders_pipeline.sandbox.json_values import JsonValue
from orders_pipeline.sandbox.loading import Checker, Loaded, listed, unwrapped


def read(payload: JsonValue, name: str) -> Loaded:
    """Find and check the orders of an eBay payload.

    Accepted: listings ``{"orders": [...]}``, a bare order, a list of orders, and all of these wrapped as ``{"response": ...}``
    or ``{"payload": ...}``.
    """
    content, path = unwrapped(payload, name, "$", ("orders", "orderId"))
    orders, locate = listed(content, name, path, "orders", "orderId")
    for index, order in enumerate(orders):
        _check(Checker(name, order, locate(index)))
    return Loaded(orders=orders)


def _check(order: Checker) -> None:
    order.text("orderId")
    order.moment("creationDate")
    order.moment("lastModifiedDate")
    for line in order.children("lineItems"):
        line.text("lineItemId")
        line.whole_number("quantity")
