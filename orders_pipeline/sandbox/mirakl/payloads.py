"""Genuine payloads of Mirakl: where their orders are, and what serving them needs."""

from __future__ import annotations

from orders_pipeline.sandbox.json_values import JsonValue
from orders_pipeline.sandbox.loading import Checker, Loaded, listed, unwrapped


def read(payload: JsonValue, name: str) -> Loaded:
    """Find and check the orders or shipments of a Mirakl payload.

    Accepted: OR11 pages ``{"orders": [...]}``, a bare order, a list of orders, ST11 pages ``{"data": [...]}``, and all
    of these wrapped as ``{"response": ...}`` or ``{"payload": ...}``.
    """
    content, path = unwrapped(payload, name, "$", ("orders", "order_id", "data"))
    if isinstance(content, dict) and "data" in content and "order_id" not in content:
        shipments, locate = listed(content, name, path, "data", "id")
        for index, shipment in enumerate(shipments):
            _check_shipment(Checker(name, shipment, locate(index)))
        return Loaded(shipments=shipments)
    orders, locate = listed(content, name, path, "orders", "order_id")
    for index, order in enumerate(orders):
        _check_order(Checker(name, order, locate(index)))
    return Loaded(orders=orders)


def _check_order(order: Checker) -> None:
    order.text("order_id")
    order.text("order_state")
    order.moment("created_date")
    order.moment("last_updated_date")
    for line in order.children("order_lines"):
        line.text("order_line_id")
        line.whole_number("quantity")


def _check_shipment(shipment: Checker) -> None:
    shipment.text("id")
    shipment.text("order_id")
    shipment.text("status")
    shipment.moment("created_date")
    for line in shipment.children("shipment_lines"):
        line.whole_number("quantity")
