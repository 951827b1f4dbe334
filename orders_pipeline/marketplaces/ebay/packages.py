"""What eBay says of an order's packages (getShippingFulfillments): units that left, by carrier and tracking number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.reading import count, objects, package_code, text
from warehouse.order_parts import Package

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orders_pipeline.marketplaces.reading import JsonObject


def packages_of(sent: Sequence[JsonObject]) -> tuple[Package, ...]:
    """One package per fulfillment.

    Raises:
        Unreadable: A member has the wrong type.
    """
    return tuple(_package(each, f"$.fulfillments[{at}]") for at, each in enumerate(sent))


def _package(sent: JsonObject, path: str) -> Package:
    units: dict[str, int] = {}
    for at, each in enumerate(objects(sent, "lineItems", path)):
        here = f"{path}.lineItems[{at}]"
        line = text(each, "lineItemId", here)
        quantity = count(each, "quantity", here)
        if line is not None:
            units[line] = units.get(line, 0) + (
                1 if quantity is None else quantity
            )  # a unit, when eBay names no number
    carrier = package_code(sent, "shippingCarrierCode", path)
    return Package(
        reference=package_code(sent, "fulfillmentId", path),
        carriers=() if carrier is None else (carrier,),
        tracking_number=package_code(sent, "shipmentTrackingNumber", path),
        quantities=tuple(units.items()),
    )
