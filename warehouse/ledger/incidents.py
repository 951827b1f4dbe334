"""Problems as rows: one open incident per (scope, subject, stage, code, order), counted while it lasts, resolved when it ends.

This is the one door for every stage. Who is told about an incident is not decided here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from warehouse.ledger.schema import incidents, orders

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection

OPEN = ("scope", "subject", "stage", "code", "order_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A problem as a stage sees it. No field may hold a secret or personal data.

    Attributes:
        scope: `channel`, `connection` or `system`.
        subject: The channel's or connection's code, or the component's name.
        stage: `pull`, `normalise`, `publish`, `products`, `api`…
        code: Stable snake_case word.
        message: Plain sentence.
        hint: What to do, or "".
        order_id: Internal order id when it is about one order, else "".
        details: JSON-able technical details.
        occurrences: How many times it happened.
    """

    scope: str
    subject: str
    stage: str
    code: str
    message: str
    hint: str = ""
    order_id: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    occurrences: int = 1


def report(connection: Connection, problem: Report, now: datetime) -> None:
    """Open an incident, or count another occurrence of the one that is open; its text becomes the latest."""
    row = {
        "scope": problem.scope,
        "subject": problem.subject,
        "stage": problem.stage,
        "code": problem.code,
        "order_id": problem.order_id,
        "message": problem.message,
        "hint": problem.hint,
        "details": dict(problem.details),
        "first_seen_at": now,
        "last_seen_at": now,
        "occurrences": problem.occurrences,
    }
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(incidents)
    insert = insert.on_conflict_do_update(
        index_elements=list(OPEN),
        index_where=sa.text("resolved_at IS NULL"),
        set_={
            "message": insert.excluded.message,
            "hint": insert.excluded.hint,
            "details": insert.excluded.details,
            "last_seen_at": insert.excluded.last_seen_at,
            "occurrences": incidents.c.occurrences + insert.excluded.occurrences,
        },
    )
    connection.execute(insert, [row])
    if problem.order_id:
        connection.execute(sa.update(orders).where(orders.c.id == problem.order_id).values(has_errors=True))


def resolve(
    connection: Connection, scope: str, subject: str, stage: str, now: datetime, *, codes: Sequence[str] | None = None
) -> int:
    """Close the open incidents of a stage after it succeeded; all of them, or those with the given codes. Returns how many."""
    condition = [
        incidents.c.resolved_at.is_(None),
        incidents.c.scope == scope,
        incidents.c.subject == subject,
        incidents.c.stage == stage,
    ]
    if codes is not None:
        condition.append(incidents.c.code.in_(codes))
    closed = connection.execute(sa.update(incidents).where(*condition).values(resolved_at=now, resolution="succeeded"))
    return int(closed.rowcount)


def resolve_order(
    connection: Connection, order_ids: Sequence[str], stage: str, now: datetime, *, codes: Sequence[str]
) -> int:
    """Close the open incidents of a stage that are about these orders, those with the given codes. Returns how many."""
    closed = connection.execute(
        sa.update(incidents)
        .where(
            incidents.c.resolved_at.is_(None),
            incidents.c.order_id.in_(order_ids),
            incidents.c.stage == stage,
            incidents.c.code.in_(codes),
        )
        .values(resolved_at=now, resolution="succeeded")
    )
    return int(closed.rowcount)


def resolve_by_hand(connection: Connection, incident_id: int, reason: str, now: datetime) -> bool:
    """Close one open incident with a person's reason; False when there is no such open incident."""
    closed = connection.execute(
        sa.update(incidents)
        .where(incidents.c.id == incident_id, incidents.c.resolved_at.is_(None))
        .values(resolved_at=now, resolution=reason)
    )
    return bool(closed.rowcount)


def listed(
    connection: Connection,
    *,
    is_open: bool | None = True,
    subjects: Sequence[str] | None = None,
    before_id: int | None = None,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """Incidents, newest first.

    Args:
        connection: A read transaction.
        is_open: True for open ones, False for resolved ones, None for all.
        subjects: Only of these channels or connections; None for all.
        before_id: Only those with a smaller id: the cursor of the next page.
        limit: At most this many.
    """
    query = sa.select(incidents).order_by(incidents.c.id.desc()).limit(limit)
    if is_open is not None:
        query = query.where(incidents.c.resolved_at.is_(None) if is_open else incidents.c.resolved_at.is_not(None))
    if subjects is not None:
        query = query.where(incidents.c.subject.in_(subjects))
    if before_id is not None:
        query = query.where(incidents.c.id < before_id)
    return [dict(row) for row in connection.execute(query).mappings()]
