"""Units that were reported as shipped and that the marketplace has cancelled: they may have left, and somebody has to look.

The report stays on the shipment, each order has an incident of its own, and its cancellation requests count as shipped
despite them. How many units that are is worked out in `fulfilment`; reporting shipments is in `shipments`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from warehouse.ledger.base.schema import cancellation_requests, orders, shipment_lines, shipments
from warehouse.ledger.watch import incidents
from warehouse.order_states import ConfirmationStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction
    from sqlalchemy.engine import RowMapping

STAGE = "ship"
CODE = "shipped_despite_cancellation"


def note(transaction: Transaction, left: Mapping[str, Mapping[str, int]], now: datetime) -> None:
    """Bring the shipments of these orders in line with how many of their units the marketplace has cancelled.

    Args:
        transaction: A write transaction that holds `orders.lock_book`.
        left: Order id → line id → units that were reported and are cancelled; no line: none.
        now: When it was seen.
    """
    if not left:
        return
    found = _read(transaction, left)
    changed = [each for each in found if each["share"] != each["may_have_left"]]
    if not changed:
        return
    transaction.execute(
        sa.update(shipment_lines)
        .where(
            shipment_lines.c.shipment_id == sa.bindparam("shipment"),
            shipment_lines.c.line_id == sa.bindparam("line"),
        )
        .values(may_have_left=sa.bindparam("units")),
        [{"shipment": each["shipment_id"], "line": each["line_id"], "units": each["share"]} for each in changed],
    )
    touched = sorted({each["shipment_id"] for each in changed})
    transaction.execute(sa.update(shipments).where(shipments.c.id.in_(touched)).values(updated_at=now))
    _tell(transaction, found, changed, now)


_REPORTED = (
    sa.select(
        *(shipments.c[name] for name in ("order_id", "channel", "package_id")),
        *(shipment_lines.c[name] for name in ("shipment_id", "line_id", "quantity", "may_have_left")),
    )
    .join_from(shipments, shipment_lines)
    .where(
        shipments.c.order_id.in_(sa.bindparam("ids", expanding=True)),
        sa.or_(
            shipment_lines.c.may_have_left > 0,
            shipments.c.order_id.in_(sa.bindparam("with_cancelled", expanding=True)),
        ),
    )
    .order_by(
        sa.case((shipments.c.status == ConfirmationStatus.VERIFIED.value, 1), else_=0),
        shipments.c.reported_at.desc(),
        shipments.c.reference.desc(),
    )
)


def _read(transaction: Transaction, left: Mapping[str, Mapping[str, int]]) -> list[dict[str, Any]]:
    """What was reported of the orders' lines, with the `share` of each package in the cancelled units.

    What the marketplace has not shown comes first, then the latest report: that is what it is most likely to have cancelled.
    """
    open_units = {line: units for lines in left.values() for line, units in lines.items()}
    values = {"ids": sorted(left), "with_cancelled": [own_id for own_id, lines in left.items() if lines]}
    found = []
    for row in transaction.execute(_REPORTED, values).mappings():
        share = min(row["quantity"], open_units.get(row["line_id"], 0))
        if share:
            open_units[row["line_id"]] -= share
        found.append({**row, "share": share})
    return found


def _tell(
    transaction: Transaction, found: Sequence[Mapping[str, Any]], changed: Sequence[Mapping[str, Any]], now: datetime
) -> None:
    """Open an incident for each order of which more units may have left than before, and close it when none is left."""
    growing = {each["order_id"] for each in changed if each["share"] > each["may_have_left"]}
    units: dict[str, int] = {}
    for each in found:
        units[each["order_id"]] = units.get(each["order_id"], 0) + each["share"]
    over = [own_id for own_id, count in units.items() if not count]
    if over:
        incidents.resolve_order(transaction, over, STAGE, now, codes=[CODE])
    if not growing:
        return
    transaction.execute(
        sa.update(cancellation_requests)
        .where(cancellation_requests.c.order_id.in_(sorted(growing)))
        .values(shipped_despite=True, updated_at=now)
    )
    query = sa.select(orders.c.id, orders.c.original_id, orders.c.channel).where(orders.c.id.in_(sorted(growing)))
    for order in transaction.execute(query.order_by(orders.c.id)).mappings().all():
        packages = sorted({each["package_id"] for each in found if each["order_id"] == order["id"] and each["share"]})
        incidents.report(transaction, _problem(order, units[order["id"]], packages), now)


def _problem(order: RowMapping, units: int, packages: Sequence[str]) -> incidents.IncidentReport:
    return incidents.IncidentReport(
        scope="channel",
        subject=order["channel"],
        stage=STAGE,
        code=CODE,
        message=f"order {order['original_id']}: {units} unit(s) that the marketplace has cancelled were reported as shipped",
        hint="stop the package if it has not left, else settle it with the buyer; then resolve this incident",
        order_id=order["id"],
        details={"original_id": order["original_id"], "units": units, "packages": packages},
    )
