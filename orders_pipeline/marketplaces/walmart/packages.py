"""What Walmart says of an order's packages: units that left, by carrier and tracking number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.reading import package_code, section, text
from orders_pipeline.marketplaces.walmart.states import LEFT, known_state
from warehouse.order_parts import Package

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orders_pipeline.marketplaces.reading import JsonObject


def packages_of(units: Sequence[tuple[str, JsonObject, int | None, str]]) -> tuple[Package, ...]:
    """One package per tracking number and carrier; a line's `sellerOrderId` names its last one only, so none is known by it.

    Args:
        units: Of each state of each line: the line's id, the state as sent, its units, and its path.

    Raises:
        Unreadable: A member has the wrong type.
    """
    found: dict[tuple[str, tuple[str, ...]], dict[str, int]] = {}
    for line_id, sent, quantity, path in units:
        state = known_state(text(sent, "status", path) or "")
        info = section(sent, "trackingInfo", path)
        here = f"{path}.trackingInfo"
        number = package_code(info, "trackingNumber", here)
        if state not in LEFT or number is None:
            continue
        carrier = section(info, "carrierName", here)
        names = (package_code(carrier, name, f"{here}.carrierName") for name in ("carrier", "otherCarrier"))
        lines = found.setdefault((number, tuple(each for each in names if each is not None)), {})
        lines[line_id] = lines.get(line_id, 0) + (quantity or 0)
    return tuple(
        Package(carriers=carriers, tracking_number=number, quantities=tuple(lines.items()))
        for (number, carriers), lines in found.items()
    )
