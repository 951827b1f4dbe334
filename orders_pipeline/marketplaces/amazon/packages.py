"""What Amazon says of an order's packages: what a confirmation is verified by.

Amazon repeats our reference as `packageReferenceId`. Packages are sent for merchant-fulfilled orders only, and only when
the data set PACKAGES is asked for.
"""

from __future__ import annotations

from orders_pipeline.marketplaces.protocol import Unreadable
from orders_pipeline.marketplaces.reading import JsonObject, count, objects, package_code, required_text, section, text
from warehouse.order_parts import Package

NOT_SHIPPED = frozenset({"PENDING", "CANCELLED", "CANCELED"})


def read_packages(order: JsonObject, *, is_nothing_shipped: bool) -> tuple[Package, ...] | None:
    """The packages of an order object; None when it does not say.

    Args:
        order: As `searchOrders` and `getOrder` send it.
        is_nothing_shipped: Its fulfilment leaves no doubt that nothing was shipped: then no member means no packages, while
            otherwise it means that packages were not asked for.

    Raises:
        Unreadable: A package names no line or no units, or has a value of the wrong type.
    """
    if order.get("packages") is None:
        return () if is_nothing_shipped else None
    return tuple([_package(each, f"$.packages[{index}]") for index, each in enumerate(objects(order, "packages", "$"))])


def _package(of: JsonObject, path: str) -> Package:
    carrier = package_code(of, "carrier", path)
    status = text(section(of, "packageStatus", path), "status", f"{path}.packageStatus") or ""
    return Package(
        label=package_code(of, "packageReferenceId", path),
        carriers=(carrier,) if carrier else (),
        tracking_number=package_code(of, "trackingNumber", path),
        quantities=_quantities(of, path),
        is_shipped=status.upper() not in NOT_SHIPPED,
    )


def _quantities(of: JsonObject, path: str) -> tuple[tuple[str, int], ...]:
    units: dict[str, int] = {}
    for index, item in enumerate(objects(of, "packageItems", path)):
        here = f"{path}.packageItems[{index}]"
        line = required_text(item, "orderItemId", here)
        quantity = count(item, "quantity", here)
        if quantity is None:
            raise Unreadable("missing", f"{here}.quantity", "required and not sent")
        units[line] = units.get(line, 0) + quantity
    return tuple(units.items())
