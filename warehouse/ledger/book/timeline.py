"""What happened to an order, oldest first: arrivals, acknowledgements, files, incidents. The words are in `event_texts`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa

from warehouse.clock import iso
from warehouse.ledger.base.rows import Json
from warehouse.ledger.base.schema import (
    file_members,
    file_rows,
    files,
    incidents,
    order_events,
    order_versions,
    orders,
)
from warehouse.ledger.book.event_texts import event_text

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction
    from sqlalchemy.engine import RowMapping

Row = dict[str, Any]


TIMELINE_LIMIT = 1000
"""Entries of each source in a timeline at most, the newest ones."""


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened to an order: when, its kind in one word, a plain sentence, and technical details."""

    at: datetime
    kind: str
    text: str
    data: Json


def of_order(transaction: Transaction, order_id: str) -> list[TimelineEntry]:
    """What happened to an order, oldest first; nothing personal is in it."""
    entries = [
        *_arrivals(transaction, order_id),
        *_own_events(transaction, order_id),
        *_troubles(transaction, order_id),
        *_exports(transaction, order_id),
        *_imports(transaction, order_id),
    ]
    return sorted(entries, key=lambda entry: entry.at)  # stable: at the same instant, arrivals come before events


def _arrivals(transaction: Transaction, order_id: str) -> list[TimelineEntry]:
    """Received, and every revision since; published versions are dropped after a while, the arrival is known for good."""
    order = transaction.execute(
        sa.select(orders.c.received_at, orders.c.marketplace, orders.c.is_historical).where(orders.c.id == order_id)
    ).one()
    query = (
        sa.select(order_versions)
        .where(order_versions.c.order_id == order_id)
        .order_by(order_versions.c.revision.desc())
        .limit(TIMELINE_LIMIT)
    )
    versions = list(transaction.execute(query).mappings())[::-1]
    first_status = versions[0]["status"] if versions and versions[0]["revision"] == 1 else None
    received = TimelineEntry(
        order.received_at,
        "received",
        f"Received from {order.marketplace}" + (f" as {first_status}" if first_status else ""),
        {"status": first_status, "is_historical": order.is_historical},
    )
    entries, before = [received], first_status
    for version in versions:
        if version["revision"] > 1:
            entries.append(_changed(version, before))
        before = version["status"]
    return entries


def _changed(version: RowMapping, status_before: str | None) -> TimelineEntry:
    members = orjson.loads(version["changed"])
    text = f"Changed to revision {version['revision']}: {', '.join(members)}"
    data: Row = {
        "revision": version["revision"],
        "position": version["position"],
        "members": members,
        "marketplace_updated_at": iso(version["marketplace_updated_at"]),
    }
    if "status" in members:
        text += f" ({status_before or 'unknown'} to {version['status']})"
        data |= {"status_from": status_before, "status_to": version["status"]}
    return TimelineEntry(version["recorded_at"], "changed", text, data)


def _own_events(transaction: Transaction, order_id: str) -> list[TimelineEntry]:
    query = (
        sa.select(order_events)
        .where(order_events.c.order_id == order_id)
        .order_by(order_events.c.id.desc())
        .limit(TIMELINE_LIMIT)
    )
    rows = list(transaction.execute(query).mappings())[::-1]
    return [TimelineEntry(row["at"], row["kind"], event_text(row["kind"], row["data"]), row["data"]) for row in rows]


def _exports(transaction: Transaction, order_id: str) -> list[TimelineEntry]:
    """The files that the order went out in, once they were uploaded."""
    query = (
        sa.select(files.c.id, files.c.name, files.c.storage, files.c.finished_at, file_members.c.revision)
        .join_from(file_members, files)
        .where(file_members.c.order_id == order_id, files.c.finished_at.is_not(None), files.c.state == "uploaded")
        .order_by(files.c.id.desc())
        .limit(TIMELINE_LIMIT)
    )
    return [
        TimelineEntry(
            row.finished_at,
            "exported",
            f"Exported in the file {row.name} to {row.storage} (revision {row.revision})",
            {"file": row.id, "name": row.name, "storage": row.storage, "revision": row.revision},
        )
        for row in list(transaction.execute(query))[::-1]
    ]


def _imports(transaction: Transaction, order_id: str) -> list[TimelineEntry]:
    """The rows of shipment files that named the order."""
    row = file_rows.c
    query = (
        sa.select(files.c.id, files.c.name, row.number, row.outcome, row.code, row.message, row.recorded_at)
        .join_from(file_rows, files)
        .where(row.order_id == order_id)
        .order_by(files.c.id.desc(), row.number.desc())
        .limit(TIMELINE_LIMIT)
    )
    return [
        TimelineEntry(
            each.recorded_at,
            "imported",
            f"Row {each.number} of the file {each.name}: {each.outcome}"
            + (f": {each.message}" if each.message else ""),
            {"file": each.id, "row": each.number, "outcome": each.outcome, "code": each.code},
        )
        for each in list(transaction.execute(query))[::-1]
    ]


def _troubles(transaction: Transaction, order_id: str) -> list[TimelineEntry]:
    query = (
        sa.select(incidents)
        .where(incidents.c.order_id == order_id)
        .order_by(incidents.c.id.desc())
        .limit(TIMELINE_LIMIT)
    )
    entries = []
    for row in list(transaction.execute(query).mappings())[::-1]:
        data = {"incident": row["id"], "stage": row["stage"], "code": row["code"]}
        opened = {
            **data,
            "hint": row["hint"],
            "occurrences": row["occurrences"],
            "last_seen_at": iso(row["last_seen_at"]),
        }
        entries.append(TimelineEntry(row["first_seen_at"], "incident_opened", row["message"], opened))
        if row["resolved_at"] is not None:
            resolved = {**data, "resolution": row["resolution"]}
            entries.append(
                TimelineEntry(row["resolved_at"], "incident_resolved", f"Resolved: {row['message']}", resolved)
            )
    return entries
