"""What is in a package that is reported: which units of which lines, and whether so many may ship."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from warehouse.ledger.shipping.open_orders import OpenLine, OpenOrder
from warehouse.shipment_reports import Item, ReportFault, ReportRefused, refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from warehouse.shipments import Requirements


class WantedUnits(NamedTuple):
    """What a package is to hold: units by line id, and the field of the report that says so."""

    units: dict[str, int]
    fields: dict[str, str]


def wanted_units(order: OpenOrder, items: Sequence[Item], present: Mapping[str, int] | None = None) -> WantedUnits:
    """Find what is given, or all that remains; `present` is what the package holds already, where it is known.

    Raises:
        ReportRefused: An item names no line, or no units of it; or nothing remains.
    """
    if not items:
        left = {each.id: each.shippable() for each in order.lines.values()}
        unknown = [each for each, units in left.items() if units is None]
        if unknown:
            message = "The marketplace does not tell all quantities of this order: name the items."
            raise refusal("quantity_unknown", "items", message, order.id)
        found = {each: units for each, units in left.items() if units}
        if not found and any(each.remaining() for each in order.lines.values()):
            message = "The marketplace does not let ship what remains: see may_not_ship_reason of the lines."
            raise refusal("may_not_ship", "items", message, order.id)
        if not found:
            raise refusal("nothing_remains", "items", "Nothing of this order remains to be shipped.", order.id)
        return WantedUnits(found, dict.fromkeys(found, "items"))
    wanted = WantedUnits({}, {})
    for index, item in enumerate(items):
        field = f"items/{index}"
        if item.item_id is None and item.item_original_id is None and item.item_sku is not None:
            for line_id, units in _spread(order, item, field, wanted.units, present or {}).items():
                wanted.units[line_id] = wanted.units.get(line_id, 0) + units
                wanted.fields[line_id] = f"{field}/item_quantity_shipped"
            continue
        line = order.line(item, field)
        if line.id in wanted.units:
            raise refusal("duplicate_item", field, "Another item names the same line.", order.id)
        given = item.item_quantity_shipped
        wanted.units[line.id] = _all_of(line) if given is None else given
        wanted.fields[line.id] = f"{field}/item_quantity_shipped"
    return wanted


def check_quantities(order: OpenOrder, wanted: WantedUnits) -> None:
    """Refuse more than may be shipped, and nothing."""
    faults = []
    for line_id, units in wanted.units.items():
        field = wanted.fields[line_id]
        left = order.lines[line_id].remaining()
        if units < 1:
            message = "Nothing of this line remains." if left == 0 else "Must be at least 1."
            faults.append(ReportFault(code="quantity_invalid", field=field, message=message))
        elif left is None:
            message = "The marketplace does not tell how much of this line was ordered."
            faults.append(ReportFault(code="quantity_unknown", field=field, message=message))
        elif units > left:
            message = f"Only {left} of this line remain to be shipped."
            faults.append(ReportFault(code="quantity_exceeds_remaining", field=field, message=message))
        elif units > (order.lines[line_id].shippable() or 0):
            message = (
                f"The marketplace lets ship {order.lines[line_id].shippable()} of this line: see may_not_ship_reason."
            )
            faults.append(ReportFault(code="may_not_ship", field=field, message=message))
    if faults:
        raise ReportRefused(faults, order.id)


def check_split(order: OpenOrder, quantities: Mapping[str, int], needs: Requirements) -> None:
    """Refuse a part of an order, or another package, where the marketplace takes none."""
    left = {each.id: each.shippable() for each in order.lines.values()}
    is_whole = all(quantities.get(each, 0) == (units or 0) for each, units in left.items())
    if not needs.takes_part and not is_whole:
        message = "The marketplace takes an order only as a whole: ship everything in one package."
        raise refusal("partial_not_possible", "items", message, order.id)
    if not needs.takes_several_packages and order.packages:
        message = "The marketplace takes only one package an order."
        raise refusal("several_packages_not_possible", "package_id", message, order.id)


def _spread(
    order: OpenOrder, item: Item, field: str, taken: Mapping[str, int], present: Mapping[str, int]
) -> dict[str, int]:
    """The units of a SKU by line id: of the lines that the package holds already, then of the open ones in their order.

    Raises:
        ReportRefused: The order has no such line, or not so many units of them that may ship.
    """
    lines = order.lines_of_sku(item, field)
    known = [(each, each.shippable(), each.remaining()) for each in lines]
    if any(left is None for _, left, _ in known):
        message = "The marketplace does not tell how much of this SKU was ordered: name the lines."
        raise refusal("quantity_unknown", f"{field}/item_sku", message, order.id)
    open_units = {
        each.id: max(0, max(left or 0, present.get(each.id, 0)) - taken.get(each.id, 0)) for each, left, _ in known
    }
    may_ship = sum(open_units.values())
    wanted = may_ship if item.item_quantity_shipped is None else item.item_quantity_shipped
    if wanted < 1 or wanted > may_ship:
        barred = sum((left or 0) for _, _, left in known) - sum((left or 0) for _, left, _ in known)
        place = f"{field}/item_quantity_shipped"
        if barred and wanted <= may_ship + barred:
            message = f"The marketplace lets ship {may_ship} of this SKU: see may_not_ship_reason of its lines."
            raise refusal("may_not_ship", place, message, order.id)
        if wanted < 1:
            message = "Nothing of this SKU remains." if not may_ship else "Must be at least 1."
            raise refusal("quantity_invalid", place, message, order.id)
        message = f"Only {may_ship} of this SKU remain to be shipped."
        raise refusal("quantity_exceeds_remaining", place, message, order.id)
    found = {}
    for line_id in sorted(open_units, key=lambda each: each not in present):
        units = min(wanted, open_units[line_id])
        if units > 0:
            found[line_id] = units
            wanted -= units
    return found


def _all_of(line: OpenLine) -> int:
    """What an item without a quantity means: all that may be shipped, else all that remains, which is then refused."""
    return line.shippable() or line.remaining() or 0


def take_up(order: OpenOrder, quantities: Mapping[str, int]) -> dict[str, tuple[int, int]]:
    """Take units up; line id → (units, shipped by others)."""
    return {line_id: (units, order.lines[line_id].add(units)) for line_id, units in quantities.items()}


def units_of(lines: Mapping[str, tuple[int, int]]) -> dict[str, int]:
    """Line id → units, of line id → (units, shipped by others)."""
    return {line_id: units for line_id, (units, _) in lines.items()}
