"""Genuine payloads of Target Plus: where their orders are, and what serving them needs."""

from __future__ import annotations

from orders_pipeline.sandbox.json_values import JsonValue
from orders_pipeline.sandbox.loading import Checker, Loaded, listed, unwrapped


def read(payload: JsonValue, name: str) -> Loaded:
    """Find and check the orders of a Target payload.

    Accepted: a bare array as the listing has it, a bare order, and both wrapped as ``{"response": ...}``,
    ``{"payload": ...}`` or ``{"orders": [...]}``.
    """
    content, path = unwrapped(payload, name, "$", ("orders", "order_lines"))
    orders, locate = listed(content, name, path, "orders", "order_lines")
    for index, order in enumerate(orders):
        checker = Checker(name, order, locate(index))
        checker.text("id")
        checker.text("order_date")
        for line in checker.children("order_lines"):
            line.text("order_line_number")
            line.whole_number("quantity")
    return Loaded(orders=orders)
