"""What Walmart says of an order's packages: units that left, by carrier and tracking number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.reading import package_code, section, text
from orders_pipeline.marketplaces.walmart.states import LEFT, known_state
from warehouse.orders import Package

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orders_pipeline.marketplaces.reading import JsonObject


def packages_of(units: Sequence[tuple[str, JsonObject, int | None, str | None, str]]) -> tuple[Package, ...]:
    """One package per tracking number and carrier.

    Args:
        units: Of each state of each line: the line's id, the state as sent, its units, the seller's own order id, and its path.

    Raises:
        Unreadable: A member has the wrong type.
    """
    found: dict[tuple[str, tuple[str, ...]], dict[str, int]] = {}
    labels: dict[tuple[str, tuple[str, ...]], str | None] = {}
    for line_id, sent, quantity, label, path in units:
        state = known_state(text(sent, "status", path) or "")
        info = section(sent, "trackingInfo", path)
        here = f"{path}.trackingInfo"
        number = package_code(info, "trackingNumber", here)
        if state not in LEFT or number is None:
            continue
        carrier = section(info, "carrierName", here)
        names = (package_code(carrier, name, f"{here}.carrierName") for name in ("carrier", "otherCarrier"))
        key = (number, tuple(each for each in names if each is not None))
        lines = found.setdefault(key, {})
        lines[line_id] = lines.get(line_id, 0) + (quantity or 0)
        labels.setdefault(key, label)
    return tuple(
        Package(label=labels[key], carriers=key[1], tracking_number=key[0], quantities=tuple(lines.items()))
        for key, lines in found.items()
    )
