"""What happened to an order, oldest first: arrivals, acknowledgements, files, incidents. The words are in `event_texts`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa

from warehouse.clock import iso
from warehouse.ledger.base.rows import Json
from warehouse.ledger.base.schema import (
    file_members,
    file_rows,
    files,
    order_events,
    order_versions,
    orders,
)
from warehouse.ledger.book import versions
from warehouse.ledger.book.event_texts import event_text
from warehouse.ledger.book.order_ids import order_keys
from warehouse.ledger.book.revisions import MOST_CHANGES, changes
from warehouse.ledger.watch.incident_queries import IncidentFilter, find_incidents
from warehouse.sentences import Sentence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection as Transaction
    from sqlalchemy.engine import RowMapping

    from warehouse.ledger.watch.incident_queries import IncidentRecord

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
    names = ("id", "received_at", "marketplace", "is_historical")
    query = sa.select(*(orders.c[name] for name in names)).where(orders.c.id == order_id)
    order = dict(transaction.execute(query).mappings().one())
    wanted = IncidentFilter(order_id=order_id, is_open=None)
    return of_read_order(transaction, order, find_incidents(transaction, wanted, None, TIMELINE_LIMIT))


def of_read_order(transaction: Transaction, order: Json, troubles: Sequence[IncidentRecord]) -> list[TimelineEntry]:
    """The same of an order that was read already, with its incidents, the newest first."""
    order_id = order["id"]
    entries = [
        *_arrivals(transaction, order),
        *_own_events(transaction, order_id),
        *_troubles(troubles),
        *_exports(transaction, order_id),
        *_imports(transaction, order_id),
    ]
    return sorted(entries, key=lambda entry: entry.at)  # stable: at the same instant, arrivals come before events


def _arrivals(transaction: Transaction, order: Json) -> list[TimelineEntry]:
    """Received, and every revision since; published versions are dropped after a while, the arrival is known for good."""
    query = (
        sa.select(*versions.COLUMNS)
        .where(order_versions.c.order_key.in_(order_keys([order["id"]])))
        .order_by(order_versions.c.revision.desc())
        .limit(TIMELINE_LIMIT)
    )
    known = list(transaction.execute(query).mappings())[::-1]
    first_status = known[0]["status"] if known and known[0]["revision"] == 1 else None
    at = order["received_at"]
    said = Sentence("Received from %(name)s", name=order["marketplace"])
    if first_status:
        said = Sentence(
            "Received from %(name)s as %(status)s", name=order["marketplace"], status=Sentence(first_status)
        )
    received = TimelineEntry(
        datetime.fromisoformat(at) if isinstance(at, str) else at,
        "received",
        said,
        {"status": first_status, "is_historical": order["is_historical"]},
    )
    entries = [received]
    for before, version in zip([None, *known], known, strict=False):
        if version["revision"] > 1:
            entries.append(_changed(version, before, first_status))
    return entries


def _changed(version: RowMapping, before: RowMapping | None, first_status: str | None) -> TimelineEntry:
    status_before = first_status if before is None else before["status"]
    members = orjson.loads(version["changed"])
    text = Sentence(
        "Changed to revision %(revision)s: %(members)s", revision=version["revision"], members=", ".join(members)
    )
    data: Row = {
        "revision": version["revision"],
        "position": version["position"],
        "members": members,
        "marketplace_updated_at": iso(version["marketplace_updated_at"]),
    }
    if "status" in members:
        before_it, after = Sentence(status_before or "unknown"), Sentence(version["status"])
        text = Sentence("%(said)s (%(before)s to %(after)s)", said=text, before=before_it, after=after)
        data |= {"status_from": status_before, "status_to": version["status"]}
    if before is not None and before["revision"] == version["revision"] - 1:
        found = list(islice(changes(_facts(before), _facts(version)), MOST_CHANGES + 1))
        data |= {"changes": [each._asdict() for each in found[:MOST_CHANGES]], "has_more": len(found) > MOST_CHANGES}
    return TimelineEntry(version["recorded_at"], "changed", text, data)


def _facts(version: RowMapping) -> Row:
    """What a revision says, without personal data."""
    facts: Row = orjson.loads(f"{{{version['facts']}}}")
    return {"status": version["status"], "marketplace_updated_at": iso(version["marketplace_updated_at"]), **facts}


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
            Sentence(
                "Exported in the file %(name)s to %(storage)s (revision %(revision)s)",
                name=row.name,
                storage=row.storage,
                revision=row.revision,
            ),
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
            _row_text(each.number, each.name, each.outcome, each.message),
            {"file": each.id, "row": each.number, "outcome": each.outcome, "code": each.code},
        )
        for each in list(transaction.execute(query))[::-1]
    ]


def _row_text(number: int, name: str, outcome: str, message: str | None) -> Sentence:
    said = Sentence(
        "Row %(number)s of the file %(name)s: %(outcome)s", number=number, name=name, outcome=Sentence(outcome)
    )
    return Sentence("%(said)s: %(why)s", said=said, why=message) if message else said


def _troubles(rows: Sequence[IncidentRecord]) -> list[TimelineEntry]:
    entries = []
    for row in reversed(rows):
        data = {"incident": row.id, "stage": row.stage, "code": row.code}
        seen = {"hint": row.hint, "occurrences": row.occurrences, "last_seen_at": iso(row.last_seen_at)}
        entries.append(TimelineEntry(row.first_seen_at, "incident_opened", row.message, {**data, **seen}))
        if row.resolved_at is not None:
            resolved = {**data, "resolution": row.resolution}
            entries.append(
                TimelineEntry(
                    row.resolved_at,
                    "incident_resolved",
                    Sentence("Resolved: %(message)s", message=row.message),
                    resolved,
                )
            )
    return entries
