"""What alerting keeps: what people have been told, and the messages on their way.

A message is planned and what it tells is noted in one transaction, so that no restart tells it again. What deserves a message
is decided in `orders_pipeline.alerts.plan`; sending is in `orders_pipeline.alerts.delivery`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from warehouse.ledger.base.database import insert_into, upsert
from warehouse.ledger.base.rows import columns_of, read_rows
from warehouse.ledger.base.schema import alert_messages, alert_recipients, announced_troubles, incidents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy.engine import Connection as Transaction


LONGEST_WAIT = timedelta(hours=1)
CLAIM = timedelta(minutes=5)
"""How long sending one message may take before another process may try it again."""


class Stream(StrEnum):
    """What a message is about; each stream of a recipient has a pace of its own."""

    PROBLEMS = "problems"
    NOTICES = "notices"
    CANCELLATIONS = "cancellations"
    SUMMARY = "summary"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Open incidents that are one condition: the same subject, stage and code, whichever orders or files they are about.

    `newest` is the id of the newest of them, and `about` what it is about one of: `orders`, `files`, or "" for neither.
    `is_muted` when somebody looks after all of them for now.
    """

    scope: str
    subject: str
    stage: str
    code: str
    kind: str
    message: str
    hint: str
    incidents: int
    occurrences: int
    newest: int
    about: str
    first_seen_at: datetime
    last_seen_at: datetime
    is_muted: bool = False

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes it one condition."""
        return (self.scope, self.subject, self.stage, self.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncedTrouble:
    """A condition that a recipient knows of, how often it had happened when it was told last, and its newest incident then."""

    scope: str
    subject: str
    stage: str
    code: str
    occurrences: int
    newest: int
    message: str
    at: datetime

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes it one condition."""
        return (self.scope, self.subject, self.stage, self.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message on its way, or that has arrived."""

    id: str
    recipient: str
    stream: Stream
    subject: str
    body: str
    created_at: datetime
    state: str = "pending"
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Pace:
    """When messages of a recipient's stream arrived in the last hour, and whether one is still on its way."""

    recent: tuple[datetime, ...] = ()
    is_waiting: bool = False


# -- recipients


# -- what there is to tell, and what is told


_CONDITION = [incidents.c[name] for name in ("scope", "subject", "stage", "code")]
_NOW = sa.bindparam("now", type_=incidents.c.acknowledged_until.type)
_GROUPED = (
    sa.select(
        sa.func.max(incidents.c.id).label("newest"),
        sa.func.count().label("incidents"),
        sa.func.sum(incidents.c.occurrences).label("occurrences"),
        sa.func.sum(sa.case((incidents.c.acknowledged_until > _NOW, 1), else_=0)).label("muted"),
        sa.type_coerce(sa.func.min(incidents.c.first_seen_at), incidents.c.first_seen_at.type).label("first"),
        sa.type_coerce(sa.func.max(incidents.c.last_seen_at), incidents.c.last_seen_at.type).label("last"),
    )
    .where(incidents.c.resolved_at.is_(None))
    .group_by(*_CONDITION)
    .subquery()
)
_TROUBLES = (
    sa.select(incidents, _GROUPED)
    .join(_GROUPED, _GROUPED.c.newest == incidents.c.id)
    .order_by(_GROUPED.c.first, incidents.c.id)
)
"""Built once: every run asks it."""


def troubles(transaction: Transaction, now: datetime) -> list[Trouble]:
    """Every condition that is open, the oldest first."""
    return [
        Trouble(
            scope=row[incidents.c.scope],
            subject=row[incidents.c.subject],
            stage=row[incidents.c.stage],
            code=row[incidents.c.code],
            kind=row[incidents.c.kind],
            message=row[incidents.c.message],
            hint=row[incidents.c.hint],
            incidents=row[_GROUPED.c.incidents],
            occurrences=int(row[_GROUPED.c.occurrences]),
            newest=row[incidents.c.id],
            about=_about(row[incidents.c.order_id], row[incidents.c.file_id]),
            first_seen_at=row[_GROUPED.c.first],
            last_seen_at=row[_GROUPED.c.last],
            is_muted=int(row[_GROUPED.c.muted]) == row[_GROUPED.c.incidents],
        )
        for row in transaction.execute(_TROUBLES, {"now": now}).mappings()
    ]


def _about(order_id: str, file_id: str) -> str:
    return "files" if file_id else "orders" if order_id else ""


_ANNOUNCED = sa.select(announced_troubles)


def announced(transaction: Transaction) -> dict[str, list[AnnouncedTrouble]]:
    """Recipient → the conditions that it knows of."""
    found: dict[str, list[AnnouncedTrouble]] = {}
    for row in transaction.execute(_ANNOUNCED).mappings():
        known = AnnouncedTrouble(**{name: row[name] for name in AnnouncedTrouble.__slots__})
        found.setdefault(row["recipient"], []).append(known)
    return found


def passed(transaction: Transaction, since: datetime) -> list[Trouble]:
    """Conditions that ended since a time, and of which nothing is open any more; the oldest first."""
    later = incidents.alias("later")
    goes_on = sa.exists().where(
        later.c.resolved_at.is_(None),
        *(later.c[name] == incidents.c[name] for name in ("scope", "subject", "stage", "code")),
    )
    query = sa.select(incidents).where(incidents.c.resolved_at > since, ~goes_on).order_by(incidents.c.id)
    found: dict[tuple[str, ...], Trouble] = {}
    for row in transaction.execute(query).mappings():
        one = {name: row[name] for name in ("scope", "subject", "stage", "code", "kind", "message", "hint")}
        key = (row["scope"], row["subject"], row["stage"], row["code"])
        before = found.get(key)
        found[key] = Trouble(
            **one,
            incidents=1 + (before.incidents if before else 0),
            occurrences=row["occurrences"] + (before.occurrences if before else 0),
            newest=row["id"],
            about=_about(row["order_id"], row["file_id"]),
            first_seen_at=before.first_seen_at if before else row["first_seen_at"],
            last_seen_at=row["last_seen_at"],
        )
    return list(found.values())


_LAST_PLANNED = sa.select(
    alert_messages.c.recipient,
    alert_messages.c.stream,
    sa.type_coerce(sa.func.max(alert_messages.c.created_at), alert_messages.c.created_at.type).label("newest"),
).group_by(alert_messages.c.recipient, alert_messages.c.stream)


def last_planned(transaction: Transaction) -> dict[tuple[str, str], datetime]:
    """(recipient, stream) → when its newest message was planned."""
    return {(row.recipient, row.stream): row.newest for row in transaction.execute(_LAST_PLANNED)}


def note_announced(
    transaction: Transaction,
    recipient: str,
    current: Iterable[Trouble],
    over: Iterable[AnnouncedTrouble],
    now: datetime,
) -> None:
    """Remember what a planned message tells."""
    rows = [
        {
            "recipient": recipient,
            **dict(zip(("scope", "subject", "stage", "code"), each.key, strict=True)),
            "occurrences": each.occurrences,
            "newest": each.newest,
            "message": each.message,
            "at": now,
        }
        for each in current
    ]
    if rows:
        keys = ("recipient", "scope", "subject", "stage", "code")
        transaction.execute(upsert(transaction, announced_troubles, keys), rows)
    for each in over:
        key = zip((announced_troubles.c[name] for name in ("scope", "subject", "stage", "code")), each.key, strict=True)
        transaction.execute(
            sa.delete(announced_troubles).where(
                announced_troubles.c.recipient == recipient, *(column == value for column, value in key)
            )
        )


def note_requests_through(transaction: Transaction, recipient: str, through: int) -> None:
    """Remember up to which cancellation request a recipient has been told."""
    transaction.execute(
        sa.update(alert_recipients).where(alert_recipients.c.code == recipient).values(requests_through=through)
    )


# -- messages on their way


def paces(transaction: Transaction, now: datetime, length: timedelta) -> Mapping[tuple[str, str], Pace]:
    """(recipient, stream) → its pace over the last `length`, of those that had any message.

    What counts is when a message was taken, however long before it was written. One that was taken in the future was sent by a
    clock that ran ahead, and counts for nothing.
    """
    table = alert_messages.c
    is_waiting = table.state.in_(("pending", "sending"))
    query = sa.select(table.recipient, table.stream, table.sent_at, is_waiting).where(
        sa.or_(table.sent_at.between(now - length, now), is_waiting)
    )
    found: dict[tuple[str, str], Pace] = {}
    for recipient, stream, sent_at, waits in transaction.execute(query):
        known = found.get((recipient, stream), Pace())
        is_recent = sent_at is not None and now - length < sent_at <= now
        recent = (*known.recent, sent_at) if is_recent else known.recent
        found[recipient, stream] = Pace(recent, known.is_waiting or bool(waits))
    return found


def exists(transaction: Transaction, ids: Sequence[str]) -> frozenset[str]:
    """Those of the messages that were planned already."""
    return frozenset(transaction.execute(sa.select(alert_messages.c.id).where(alert_messages.c.id.in_(ids))).scalars())


def put(transaction: Transaction, message: Message) -> None:
    """Put a message into the outbox, due at once; one of the same id that is there already stays."""
    row = {
        "id": message.id,
        "recipient": message.recipient,
        "stream": message.stream.value,
        "subject": message.subject,
        "body": message.body,
        "created_at": message.created_at,
        "state": "pending",
        "due_at": message.created_at,
        "attempts": 0,
    }
    transaction.execute(insert_into(transaction, alert_messages).on_conflict_do_nothing(), [row])


_DUE = (
    sa.select(alert_messages)
    .where(
        alert_messages.c.state.in_(("pending", "sending")),
        # no message waits for longer than that: a clock that ran ahead has set it
        sa.or_(alert_messages.c.due_at <= sa.bindparam("now"), alert_messages.c.due_at > sa.bindparam("latest")),
    )
    .order_by(alert_messages.c.created_at, alert_messages.c.id)
)


def due(transaction: Transaction, now: datetime) -> list[Message]:
    """Messages to be sent now, oldest first; among them those whose sender has died."""
    rows = transaction.execute(_DUE, {"now": now, "latest": now + LONGEST_WAIT})
    return [
        Message(**{name: row[name] for name in Message.__slots__ if name != "stream"}, stream=Stream(row["stream"]))
        for row in rows.mappings()
    ]


def claim(transaction: Transaction, message: Message, now: datetime) -> bool:
    """Take a message to send it; False when it is gone or somebody else has taken it."""
    claimed = transaction.execute(
        sa.update(alert_messages)
        .where(
            alert_messages.c.id == message.id,
            alert_messages.c.state == message.state,
            alert_messages.c.attempts == message.attempts,
        )
        .values(state="sending", due_at=now + CLAIM, attempts=alert_messages.c.attempts + 1)
    )
    return bool(claimed.rowcount)


def mark_sent(transaction: Transaction, message: Message, now: datetime) -> None:
    """Remember that a message has arrived."""
    transaction.execute(
        sa.update(alert_messages)
        .where(alert_messages.c.id == message.id)
        .values(state="sent", sent_at=now, error_code=None)
    )


def mark_failed(transaction: Transaction, message: Message, code: str, now: datetime) -> None:
    """Put a message back; the next attempt waits twice as long as the last one, an hour at most."""
    wait = min(LONGEST_WAIT, timedelta(minutes=2 ** min(message.attempts, 10)))
    transaction.execute(
        sa.update(alert_messages)
        .where(alert_messages.c.id == message.id)
        .values(state="pending", due_at=now + wait, error_code=code)
    )


class MessageRecord(NamedTuple):
    """A message in the outbox, without its text; each member is a column of `alert_messages`."""

    id: str
    recipient: str
    stream: str
    subject: str
    created_at: datetime
    state: str
    due_at: datetime
    attempts: int
    sent_at: datetime | None
    error_code: str | None


def outbox(transaction: Transaction, limit: int) -> list[MessageRecord]:
    """The newest messages."""
    query = sa.select(*columns_of(MessageRecord, alert_messages)).order_by(
        alert_messages.c.created_at.desc(), alert_messages.c.id
    )
    return read_rows(transaction, MessageRecord, query.limit(limit))


def prune(transaction: Transaction, before: datetime) -> int:
    """Let go of messages that arrived and are older than a time. Returns how many."""
    old = sa.and_(alert_messages.c.created_at < before, alert_messages.c.state == "sent")
    return int(transaction.execute(sa.delete(alert_messages).where(old)).rowcount)
