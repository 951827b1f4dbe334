"""Problems as rows: one open incident per (scope, subject, stage, code, order, file), counted while it lasts, resolved when it
ends. What is about one order or file is closed by that order or file alone.

This is the one door for every stage. Who is told about an incident is not decided here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC
from functools import cache
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from structlog.contextvars import get_contextvars

from warehouse.incidents import CAUSES, kind_of
from warehouse.ledger.base.database import insert_of
from warehouse.ledger.base.rows import Json
from warehouse.ledger.base.schema import incident_days, incidents, orders
from warehouse.ledger.watch import activity, order_counts
from warehouse.ledger.watch.activity import ActivityEntry, Level

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction
    from sqlalchemy.engine import Row
    from sqlalchemy.sql.dml import ReturningUpdate

OPEN = ("scope", "subject", "stage", "code", "order_id", "file_id")
LATEST = ("message", "cause", "hint", "details", "run_id", "attempt_id", "last_seen_at")
ORDERS_PER_QUERY = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentReport:
    """A problem as a stage sees it. No field may hold a secret or personal data.

    Attributes:
        scope: `channel`, `connection` or `system`.
        subject: The channel's or connection's code, or the component's name.
        stage: `pull`, `normalise`, `publish`, `products`, `api`… with `code` it makes the incident's kind.
        code: Stable snake_case word.
        message: Plain sentence.
        cause: What lies behind it, where more is known than the usual cause of the code.
        hint: What to do, or "".
        order_id: Internal order id when it is about one order, else "".
        details: JSON-able technical details.
        occurrences: How many times it happened.
        run_id: Dagster's run in which it happened; unless given, the one that the log lines of the moment name.
        file_id: The imported or exported file when it is about one, else "".
        attempt_id: The attempt to confirm a shipment that it is about.
    """

    scope: str
    subject: str
    stage: str
    code: str
    message: str
    cause: str = ""
    hint: str = ""
    order_id: str = ""
    details: Json = field(default_factory=dict)
    occurrences: int = 1
    run_id: str | None = None
    file_id: str = ""
    attempt_id: str | None = None


def report(transaction: Transaction, problem: IncidentReport, now: datetime) -> int:
    """Open an incident, or count another occurrence of the one that is open; its text becomes the latest. Returns its id."""
    row = {
        "scope": problem.scope,
        "subject": problem.subject,
        "stage": problem.stage,
        "code": problem.code,
        "kind": kind_of(problem.stage, problem.code).value,
        "order_id": problem.order_id,
        "message": problem.message,
        "cause": problem.cause or CAUSES.get(problem.code, ""),
        "hint": problem.hint,
        "details": dict(problem.details),
        "run_id": problem.run_id or get_contextvars().get("run_id"),
        "file_id": problem.file_id,
        "attempt_id": problem.attempt_id,
        "first_seen_at": now,
        "last_seen_at": now,
        "occurrences": problem.occurrences,
    }
    opened = transaction.execute(_open_or_count(transaction.dialect.name), row).one()
    if problem.occurrences:
        seen = {"incident": opened.id, "day": now.astimezone(UTC).date(), "occurrences": problem.occurrences}
        transaction.execute(_count_of_day(transaction.dialect.name), seen)
    if opened.occurrences == problem.occurrences:
        activity.record(transaction, [_opened(problem, opened.id)], now)
    if problem.order_id:
        order_counts.before_writing(transaction, [problem.order_id])
        transaction.execute(sa.update(orders).where(orders.c.id == problem.order_id).values(has_errors=True))
    return int(opened.id)


@cache
def _open_or_count(dialect: str) -> Any:  # noqa: ANN401 - the dialect's Insert
    insert = insert_of(dialect, incidents)
    return insert.on_conflict_do_update(
        index_elements=list(OPEN),
        index_where=sa.text("resolved_at IS NULL"),
        set_={name: insert.excluded[name] for name in LATEST}
        | {"occurrences": incidents.c.occurrences + insert.excluded.occurrences},
    ).returning(incidents.c.id, incidents.c.occurrences)


@cache
def _count_of_day(dialect: str) -> Any:  # noqa: ANN401 - as above
    insert = insert_of(dialect, incident_days)
    counted = incident_days.c.occurrences + insert.excluded.occurrences
    return insert.on_conflict_do_update(index_elements=["incident", "day"], set_={"occurrences": counted})


def acknowledge(transaction: Transaction, incident_id: int, by: str, until: datetime) -> bool:
    """Note who looks after an open incident, and until when nobody is alerted of it; False when there is none."""
    changed = transaction.execute(
        sa.update(incidents)
        .where(incidents.c.id == incident_id, incidents.c.resolved_at.is_(None))
        .values(acknowledged_by=by, acknowledged_until=until)
    )
    return bool(changed.rowcount)


def resolve(
    transaction: Transaction,
    scope: str,
    subjects: Sequence[str],
    stages: Sequence[str],
    now: datetime,
    *,
    codes: Sequence[str] | None = None,
) -> int:
    """Close the open incidents of stages that succeeded, except those about one order or file. Returns how many.

    Args:
        transaction: A write transaction.
        scope: As it was reported.
        subjects: As they were reported.
        stages: As they were reported.
        now: When it succeeded.
        codes: Only these; None for all.
    """
    about = {"of_scope": scope, "of_subjects": list(subjects), "of_stages": list(stages)}
    if codes is None:
        return len(_close(transaction, _STAGE_SUCCEEDED, about, "succeeded", now))
    return len(_close(transaction, _CODES_SUCCEEDED, about | {"of_codes": list(codes)}, "succeeded", now))


def resolve_order(
    transaction: Transaction, order_ids: Sequence[str], stage: str, now: datetime, *, codes: Sequence[str] | None = None
) -> int:
    """Close the open incidents of a stage that are about these orders: all, or those with the given codes. Returns how many."""
    condition = [incidents.c.order_id.in_(order_ids), incidents.c.stage == stage]
    if codes is not None:
        condition.append(incidents.c.code.in_(codes))
    return len(_close(transaction, _CLOSING.where(*condition), {}, "succeeded", now))


def resolve_file(transaction: Transaction, file_id: str, resolution: str, now: datetime) -> int:
    """Close the open incidents that are about one file. Returns how many."""
    return len(_close(transaction, _CLOSING.where(incidents.c.file_id == file_id), {}, resolution, now))


def files_in_trouble(transaction: Transaction, scope: str, subject: str, stage: str) -> list[str]:
    """The files that open incidents of a stage are about, the oldest incident first."""
    query = (
        sa.select(incidents.c.file_id)
        .where(
            incidents.c.scope == scope,
            incidents.c.subject == subject,
            incidents.c.stage == stage,
            incidents.c.resolved_at.is_(None),
            incidents.c.file_id != "",
        )
        .order_by(incidents.c.id)
    )
    return list(dict.fromkeys(transaction.execute(query).scalars()))


def resolve_by_hand(transaction: Transaction, incident_id: int, reason: str, now: datetime) -> bool:
    """Close one open incident with a person's reason; False when there is no such open incident."""
    return bool(_close(transaction, _CLOSING.where(incidents.c.id == incident_id), {}, reason, now))


def resolve_orders_by_hand(transaction: Transaction, order_ids: Sequence[str], reason: str, now: datetime) -> None:
    """Close the open incidents about these orders with a person's reason."""
    _close(transaction, _CLOSING.where(incidents.c.order_id.in_(order_ids)), {}, reason, now)


_CLOSING = (
    sa.update(incidents)
    .where(incidents.c.resolved_at.is_(None))
    .values(resolved_at=sa.bindparam("over_at"), resolution=sa.bindparam("how"))
    .returning(*[incidents.c[name] for name in ("id", *OPEN, "message")])
)
_STAGE_SUCCEEDED = _CLOSING.where(
    incidents.c.scope == sa.bindparam("of_scope"),
    incidents.c.subject.in_(sa.bindparam("of_subjects", expanding=True)),
    incidents.c.stage.in_(sa.bindparam("of_stages", expanding=True)),
    incidents.c.order_id == "",
    incidents.c.file_id == "",
)
_CODES_SUCCEEDED = _STAGE_SUCCEEDED.where(incidents.c.code.in_(sa.bindparam("of_codes", expanding=True)))
"""Built once: every success closes what may have been open before it."""


def _close(
    transaction: Transaction,
    closing: ReturningUpdate[Any],
    about: Json,
    resolution: str,
    now: datetime,
) -> Sequence[Row[Any]]:
    """Close open incidents; an order without any other trouble has no errors any more."""
    closed = transaction.execute(closing, {**about, "over_at": now, "how": resolution}).all()
    activity.record(transaction, [_resolved(row, resolution) for row in closed], now)
    ids = sorted({row.order_id for row in closed if row.order_id})
    for start in range(0, len(ids), ORDERS_PER_QUERY):
        chunk = ids[start : start + ORDERS_PER_QUERY]
        order_counts.before_writing(transaction, chunk)
        transaction.execute(
            sa.update(orders)
            .where(orders.c.id.in_(chunk), orders.c.id.not_in(_troubled(chunk)))
            .values(has_errors=orders.c.has_problems)
        )
    return closed


def mark_troubled(transaction: Transaction, order_ids: Sequence[str]) -> None:
    """Give orders that were just written from their payload the errors of their open incidents back."""
    transaction.execute(sa.update(orders).where(orders.c.id.in_(_troubled(order_ids))).values(has_errors=True))


def _troubled(order_ids: Sequence[str]) -> sa.Select[tuple[str]]:
    return sa.select(incidents.c.order_id).where(incidents.c.order_id.in_(order_ids), incidents.c.resolved_at.is_(None))


def _opened(problem: IncidentReport, number: int) -> ActivityEntry:
    return ActivityEntry(
        stage=problem.stage,
        kind="incident_opened",
        level=Level.ERROR,
        text=problem.message,
        channel=problem.subject if problem.scope == "channel" else None,
        connection=problem.subject if problem.scope == "connection" else None,
        order_id=problem.order_id or None,
        data={"incident": number, "code": problem.code, "subject": problem.subject},
    )


def _resolved(row: Row[Any], resolution: str) -> ActivityEntry:
    return ActivityEntry(
        stage=row.stage,
        kind="incident_resolved",
        text=f"Resolved: {row.message}",
        channel=row.subject if row.scope == "channel" else None,
        connection=row.subject if row.scope == "connection" else None,
        order_id=row.order_id or None,
        data={"incident": row.id, "code": row.code, "subject": row.subject, "resolution": resolution},
    )
