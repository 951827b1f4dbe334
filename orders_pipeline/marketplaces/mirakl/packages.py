"""What Mirakl says of an order's packages: what a confirmation is verified by.

With multi-shipment every shipment (ST11) is a package, and its lines repeat our name of it. Without it, an order's own
members (`shipping_tracking` and the like) describe the one package that it has.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

from msgspec.structs import replace

from orders_pipeline.marketplaces.reading import JsonObject, count, objects, package_code, section, text
from warehouse.order_lines import Line
from warehouse.order_parts import Package

CANCELED = "CANCELED"


def of_shipments(
    shipments: Sequence[JsonObject], order_id: str, lines: Sequence[Line], unshipped_states: Collection[str]
) -> tuple[Package, ...]:
    """One package per shipment of the order that is not canceled.

    Raises:
        Unreadable: A value of the wrong type.
    """
    by_sku: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        by_sku[line.sku or ""].append(line.original_id)
    known = {line.original_id: line.original_id for line in lines}
    known |= {sku: ids[0] for sku, ids in by_sku.items() if sku not in known and len(ids) == 1}
    found: dict[str, Package] = {}
    for place, shipment in enumerate(shipments):
        path = f"$.shipments[{place}]"
        reference = text(shipment, "id", path)
        status = text(shipment, "status", path)
        is_other = text(shipment, "order_id", path) not in {None, order_id}
        key = reference or path
        if status != CANCELED and not is_other and key not in found:
            package = _package(shipment, path, known)
            found[key] = replace(package, reference=reference, is_shipped=status not in unshipped_states)
    return tuple(found.values())


def _package(shipment: JsonObject, path: str, known: dict[str, str]) -> Package:
    tracking = section(shipment, "tracking", path)
    here = f"{path}.tracking"
    labels: set[str | None] = set()
    units: dict[str, int] = {}
    is_known = True
    for at, each in enumerate(objects(shipment, "shipment_lines", path)):
        line_path = f"{path}.shipment_lines[{at}]"
        labels.add(package_code(each, "package_reference", line_path))
        name = text(each, "order_line_id", line_path)
        line = known.get(name or "") or known.get(package_code(each, "offer_sku", line_path) or "")
        if line is None:
            is_known = False
        else:
            units[line] = units.get(line, 0) + (count(each, "quantity", line_path) or 0)
    return Package(
        label=labels.pop() if len(labels) == 1 else None,
        carriers=_carriers(tracking, here, ("carrier_code", "carrier_name", "carrier_standard_code")),
        tracking_number=package_code(tracking, "tracking_number", here),
        quantities=tuple(units.items()) if is_known else (),
    )


def of_order(order: JsonObject, lines: Sequence[Line]) -> tuple[Package, ...] | None:
    """The one package of an order that has shipped lines; None when neither tracking nor carrier is told.

    Raises:
        Unreadable: A value of the wrong type.
    """
    carriers = _carriers(order, "$", ("shipping_carrier_code", "shipping_company", "shipping_carrier_standard_code"))
    number = package_code(order, "shipping_tracking", "$")
    if not carriers and number is None:
        return None
    units = tuple((line.original_id, line.quantity_shipped) for line in lines if line.quantity_shipped)
    return (Package(carriers=carriers, tracking_number=number, quantities=units),)


def within(packages: tuple[Package, ...] | None, lines: Sequence[Line]) -> tuple[Package, ...] | None:
    """What of an order's packages belongs to some of its lines; a package that does not tell its lines may."""
    if packages is None:
        return None
    ids = {line.original_id for line in lines}
    cut = [(each, tuple([(line, units) for line, units in each.quantities if line in ids])) for each in packages]
    return tuple([replace(each, quantities=kept) for each, kept in cut if kept or not each.quantities])


def _carriers(of: JsonObject, path: str, names: Sequence[str]) -> tuple[str, ...]:
    words = [package_code(of, name, path) for name in names]
    return tuple(dict.fromkeys(word for word in words if word))
