"""Genuine payloads of Walmart: where their orders are, and what serving them needs."""

from __future__ import annotations

from orders_pipeline.sandbox.json_values import JsonValue
from orders_pipeline.sandbox.loading import Checker, Loaded, listed, unwrapped


def read(payload: JsonValue, name: str) -> Loaded:
    """Find and check the orders of a Walmart payload.

    Accepted: listings ``{"list": {"elements": {"order": [...]}}}``, single answers ``{"order": {...}}``, a bare order, a list
    of orders, and all of these wrapped as ``{"response": ...}`` or ``{"payload": ...}``.
    """
    content, path = unwrapped(payload, name, "$", ("list", "order", "purchaseOrderId"))
    if isinstance(content, dict) and isinstance(content.get("list"), dict):
        content, path = content["list"].get("elements") or {}, f"{path}.list.elements"
    if isinstance(content, dict) and isinstance(content.get("order"), dict):
        content, path = content["order"], f"{path}.order"
    orders, locate = listed(content, name, path, "order", "purchaseOrderId")
    for index, order in enumerate(orders):
        _check(Checker(name, order, locate(index)))
    return Loaded(orders=orders)


def _check(order: Checker) -> None:
    order.text("purchaseOrderId")
    order.whole_number("orderDate")
    for line in order.child("orderLines").children("orderLine"):
        line.text("lineNumber")
        line.child("orderLineQuantity").text("amount")
        line.child("orderLineStatuses").children("orderLineStatus")
