"""What our shipments make of an order: its quantities, its status, and how far its confirmations have come.

The marketplace's facts and our shipments have a writer each; what readers see is put together from both here, whenever one
of them changes. Taking shipments in is in `shipments`, telling the marketplace in `confirmations`; how an arriving order
meets the book is in `orders`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa

from warehouse.ledger.database import POSITION, next_values
from warehouse.ledger.schema import order_lines, order_versions, orders, shipment_lines, shipments
from warehouse.orders import CLOSED_STATUSES, ConfirmationStatus, Status, effective_status

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection, RowMapping

_WORST_FIRST = (
    ConfirmationStatus.REJECTED,
    ConfirmationStatus.IN_DOUBT,
    ConfirmationStatus.HELD,
    ConfirmationStatus.SENDING,
    ConfirmationStatus.QUEUED,
    ConfirmationStatus.SENT,
    ConfirmationStatus.VERIFIED,
    ConfirmationStatus.NONE,
)
"""An order with several shipments shows the state that needs somebody most."""

_UNDER_WAY = frozenset({ConfirmationStatus.QUEUED.value, ConfirmationStatus.SENDING.value})
"""Going to and fro between these is no news: it moves no revision."""


@dataclass(frozen=True, slots=True)
class Reported:
    """Units of one line that we have reported, and those that others had shipped when we did."""

    units: int
    by_others: int


def shipped_units(told: int | None, reported: Reported | None) -> int | None:
    """Units of a line that were shipped, by whomever, as far as the marketplace and our shipments tell together.

    Args:
        told: What the marketplace says; None when it does not.
        reported: Our shipments of the line; None without any.

    >>> shipped_units(1, Reported(units=1, by_others=1)), shipped_units(2, Reported(units=1, by_others=0))
    (2, 2)
    """
    if reported is None:
        return told
    return max(told or 0, reported.units + reported.by_others)


def remaining_units(ordered: int | None, shipped: int | None, cancelled: int | None) -> int | None:
    """Ordered − shipped − cancelled, never below 0; None when a part is unknown."""
    if ordered is None or shipped is None or cancelled is None:
        return None
    return max(0, ordered - shipped - cancelled)


def reported_units(connection: Connection, order_ids: Sequence[str]) -> dict[str, dict[str, Reported]]:
    """Order id → line id → our shipments of it, of the orders that have any."""
    query = (
        sa.select(
            shipments.c.order_id,
            shipment_lines.c.line_id,
            sa.func.sum(shipment_lines.c.quantity),
            sa.func.max(shipment_lines.c.shipped_by_others),
        )
        .join_from(shipments, shipment_lines)
        .where(shipments.c.order_id.in_(order_ids))
        .group_by(shipments.c.order_id, shipment_lines.c.line_id)
    )
    found: dict[str, dict[str, Reported]] = {}
    for order_id, line_id, units, by_others in connection.execute(query):
        found.setdefault(order_id, {})[line_id] = Reported(int(units), int(by_others))
    return found


def raised(facts: str, told: Status, reported: Mapping[str, Reported]) -> tuple[str, Status]:
    """Facts and status of an order as readers see them.

    Args:
        facts: The marketplace's facts, as `documents.facts` renders them.
        told: The marketplace's state in our words.
        reported: Our shipments by line id.
    """
    members = orjson.loads("{" + facts + "}")
    for line in members["lines"]:
        line["quantity_shipped"] = shipped_units(line["quantity_shipped"], reported.get(line["id"]))
        line["quantity_remaining_to_ship"] = remaining_units(
            line["quantity_ordered"], line["quantity_shipped"], line["quantity_cancelled"]
        )
    status = effective_status(told, [line["quantity_remaining_to_ship"] for line in members["lines"]])
    return orjson.dumps(members).decode()[1:-1], status


def overall(states: Iterable[str]) -> ConfirmationStatus:
    """The confirmation status of an order from those of its shipments.

    >>> overall(["verified", "rejected"]).value, overall([]).value
    ('rejected', 'none')
    """
    present = set(states)
    return next((each for each in _WORST_FIRST if each.value in present), ConfirmationStatus.NONE)


def restate(connection: Connection, order_ids: Iterable[str], now: datetime) -> None:
    """Bring orders in line with their shipments; each that a reader sees differently gets a revision and a position.

    Args:
        connection: A write transaction that holds `orders.lock_book`.
        order_ids: Orders whose shipments have changed.
        now: When it is recorded.
    """
    chosen = sorted(set(order_ids))
    reported = reported_units(connection, chosen)
    states = _confirmation_states(connection, chosen)
    told = _told_quantities(connection, chosen)
    news: list[dict[str, Any]] = []
    quiet: list[dict[str, Any]] = []
    for row in connection.execute(sa.select(*_COLUMNS).where(orders.c.id.in_(chosen))).mappings():
        own_id = row["id"]
        source = Status(row["source_status"] or row["status"])
        facts, status = raised(_as_told(row["facts"], told), source, reported.get(own_id, {}))
        confirmation = overall(states.get(own_id, ())).value
        changed = _changed(row, facts, status, confirmation)
        values = {
            "own_id": own_id,
            "new_status": status.value,
            "source": source.value,
            "confirmation": confirmation,
            "new_facts": facts,
        }
        if not changed:
            quiet.append(values)
            continue
        news.append({**values, "changed": changed, "row": row})
    if quiet:
        _write_quiet(connection, quiet)
    if news:
        _write_news(connection, news, now)


_COLUMNS = (
    orders.c.id,
    orders.c.status,
    orders.c.source_status,
    orders.c.confirmation_status,
    orders.c.revision,
    orders.c.marketplace_updated_at,
    orders.c.raw_seq,
    orders.c.facts,
)


def _changed(row: RowMapping, facts: str, status: Status, confirmation: str) -> list[str]:
    """Names of the members that a reader sees differently."""
    changed = ["status"] if row["status"] != status.value else []
    if row["facts"] != facts:
        changed.append("lines")
    if row["confirmation_status"] != confirmation and not {row["confirmation_status"], confirmation} <= _UNDER_WAY:
        changed.append("confirmation_status")
    return changed


def _as_told(facts: str, told: Mapping[str, int | None]) -> str:
    """The marketplace's own facts again: what it said of shipped units is kept with the lines."""
    members = orjson.loads("{" + facts + "}")
    for line in members["lines"]:
        line["quantity_shipped"] = told.get(line["id"], line["quantity_shipped"])
    return orjson.dumps(members).decode()[1:-1]


def _told_quantities(connection: Connection, order_ids: Sequence[str]) -> dict[str, int | None]:
    query = sa.select(order_lines.c.id, order_lines.c.quantity_shipped).where(order_lines.c.order_id.in_(order_ids))
    return {row.id: row.quantity_shipped for row in connection.execute(query)}


def _confirmation_states(connection: Connection, order_ids: Sequence[str]) -> dict[str, set[str]]:
    query = sa.select(shipments.c.order_id, shipments.c.status).where(shipments.c.order_id.in_(order_ids))
    found: dict[str, set[str]] = {}
    for row in connection.execute(query):
        found.setdefault(row.order_id, set()).add(row.status)
    return found


def _write_quiet(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    update = (
        sa.update(orders)
        .where(orders.c.id == sa.bindparam("own_id"), orders.c.confirmation_status != sa.bindparam("confirmation"))
        .values(confirmation_status=sa.bindparam("confirmation"))
    )
    connection.execute(update, [{name: row[name] for name in ("own_id", "confirmation")} for row in rows])


_CLOSING = sa.bindparam("closing", type_=orders.c.closed_at.type)
"""When an order that was open is closed; None where it is open."""


def _write_news(connection: Connection, news: Sequence[Mapping[str, Any]], now: datetime) -> None:
    first = next_values(connection, POSITION, len(news))
    update = (
        sa.update(orders)
        .where(orders.c.id == sa.bindparam("own_id"))
        .values(
            status=sa.bindparam("new_status"),
            source_status=sa.bindparam("source"),
            confirmation_status=sa.bindparam("confirmation"),
            facts=sa.bindparam("new_facts"),
            revision=sa.bindparam("new_revision"),
            position=sa.bindparam("new_position"),
            closed_at=sa.case((_CLOSING.is_(None), sa.null()), else_=sa.func.coalesce(orders.c.closed_at, _CLOSING)),
        )
    )
    written, versions = [], []
    for position, each in enumerate(news, first):
        row = each["row"]
        plain = {name: value for name, value in each.items() if name not in {"changed", "row"}}
        closing = now if each["new_status"] in CLOSED_STATUSES else None
        written.append({**plain, "closing": closing, "new_revision": row["revision"] + 1, "new_position": position})
        versions.append(
            {
                "position": position,
                "order_id": row["id"],
                "revision": row["revision"] + 1,
                "status": each["new_status"],
                "marketplace_updated_at": row["marketplace_updated_at"],
                "recorded_at": now,
                "raw_seq": row["raw_seq"],
                "changed": orjson.dumps(each["changed"]).decode(),
                "facts": each["new_facts"],
            }
        )
    connection.execute(update, written)
    connection.execute(sa.insert(order_versions), versions)
