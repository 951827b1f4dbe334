"""How many units of each line left, by the shipments of an order of Mirakl. What a line's own state tells is in `normalise`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from orders_pipeline.marketplaces.mirakl.states import UNSHIPPED_SHIPMENT_STATES
from orders_pipeline.marketplaces.protocol import Unreadable
from orders_pipeline.marketplaces.reading import count, objects, text
from warehouse.order_parts import OrderProblem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orders_pipeline.marketplaces.reading import JsonObject


class ShippedUnits:
    """Units in shipments that left; some shipments name the SKU only, which several lines may share."""

    def __init__(
        self, order_id: str, shipments: Sequence[JsonObject], lines: Sequence[JsonObject], problems: list[OrderProblem]
    ) -> None:
        """Add them up.

        Args:
            order_id: Shipments of another order do not count.
            shipments: As ST11 lists them.
            lines: The order's `order_lines`.
            problems: A shipment's line that the order does not have is added here.

        Raises:
            Unreadable: A quantity is missing, or a member has the wrong type.
        """
        self._by_id: dict[str, int] = {}
        self._by_sku: dict[str, int] = {}
        self._lines_by_sku: Counter[str | None] = Counter()
        if not shipments:
            return
        ids = {text(line, "order_line_id", f"$.order_lines[{at}]") for at, line in enumerate(lines)}
        self._lines_by_sku.update(text(line, "offer_sku", f"$.order_lines[{at}]") for at, line in enumerate(lines))
        seen: set[str] = set()
        for place, shipment in enumerate(shipments):
            path = f"$.shipments[{place}]"
            status = text(shipment, "status", path)
            shipment_id = text(shipment, "id", path) or path
            is_other = shipment_id in seen or text(shipment, "order_id", path) not in {None, order_id}
            if status == "CANCELED" or is_other:
                continue
            seen.add(shipment_id)
            for at, each in enumerate(objects(shipment, "shipment_lines", path)):
                here = f"{path}.shipment_lines[{at}]"
                quantity = count(each, "quantity", here)
                if quantity is None:
                    raise Unreadable("missing", f"{here}.quantity", "required and not sent")
                units = 0 if status in UNSHIPPED_SHIPMENT_STATES else quantity
                line_id, sku = text(each, "order_line_id", here), text(each, "offer_sku", here)
                if line_id is not None and line_id in ids:
                    self._by_id[line_id] = self._by_id.get(line_id, 0) + units
                elif sku is not None and sku in self._lines_by_sku:
                    self._by_sku[sku] = self._by_sku.get(sku, 0) + units
                else:
                    message = "a shipment names a line that the order does not have"
                    problems.append(OrderProblem(code="shipment_line_unknown", path=here, message=message))

    def take(self, line_id: str, sku: str | None, kept: int | None) -> int | None:
        """The units of one line, asked once of each in their order; None when no shipment names the line.

        Args:
            line_id: The marketplace's id of the line.
            sku: What its offer is called.
            kept: Units that are not cancelled: of lines that share a SKU each takes no more, and the last all that is left.
        """
        shipped = self._by_id.get(line_id)
        if sku is not None and sku in self._by_sku:
            units = self._by_sku[sku]
            self._lines_by_sku[sku] -= 1
            if kept is not None and self._lines_by_sku[sku]:
                units = min(units, max(0, kept - (shipped or 0)))
            self._by_sku[sku] -= units
            shipped = (shipped or 0) + units
        return shipped
