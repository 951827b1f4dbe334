"""What alerting keeps: who is told of what, what they have been told, and the messages on their way.

A message is planned and what it tells is noted in one transaction, so that no restart tells it again. What deserves a message
is decided in `orders_pipeline.alerts.plan`; sending is in `orders_pipeline.alerts.delivery`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import idna
import sqlalchemy as sa

from warehouse.incidents import Kind
from warehouse.ledger.base.credentials import resolve_credentials, seal_secret
from warehouse.ledger.base.database import CANCELLATIONS, insert_into, mark, upsert
from warehouse.ledger.base.schema import alert_messages, alert_recipients, alerts_told, channels, incidents

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from sqlalchemy.engine import Connection

    from warehouse.privacy import KeyRing

EMAIL = re.compile(r"[^@\s<>,;\"\x00-\x1f]+@[^@\s<>,;\"\x00-\x1f]+")
LOCAL_PART = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
"""Before the @, as every mail server takes it (RFC 5321, dot-string)."""

LONGEST_ADDRESS = 254
REFERENCES = ("env:", "file:", "sealed:")
LONGEST_WAIT = timedelta(hours=1)
CLAIM = timedelta(minutes=10)
"""How long sending one message may take before another process may try it again."""


class RecipientKind(StrEnum):
    """By what way a recipient is told."""

    EMAIL = "email"
    URL = "url"


class Stream(StrEnum):
    """What a message is about; each stream of a recipient has a pace of its own."""

    PROBLEMS = "problems"
    NOTICES = "notices"
    CANCELLATIONS = "cancellations"
    SUMMARY = "summary"


class RecipientError(Exception):
    """A recipient that cannot be kept; the message names the field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Who is told.

    Attributes:
        code: A short code.
        kind: E-mail, or a chat or webhook address.
        address: The e-mail address, or where the URL is: `env:NAME`, `file:PATH` or `sealed:BASE64`.
        channels: Only what concerns these; () for everything.
        kinds: Only these kinds of incidents; () for all.
        summary: Whether the daily summary goes there.
        requests_told: Number of the last cancellation request told.
        created_at: When it was added; None for one that is not kept yet.
    """

    code: str
    kind: RecipientKind
    address: str
    channels: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    summary: bool = True
    requests_told: int = 0
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Open incidents that are one condition: the same subject, stage and code, whichever orders or files they are about.

    `newest` is the id of the newest of them, and `about` what it is about one of: `orders`, `files`, or "" for neither.
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

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes it one condition."""
        return (self.scope, self.subject, self.stage, self.code)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
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


def all_recipients(connection: Connection) -> list[Recipient]:
    """Every recipient, by code."""
    rows = connection.execute(sa.select(alert_recipients).order_by(alert_recipients.c.code)).mappings()
    return [
        Recipient(
            code=row["code"],
            kind=RecipientKind(row["kind"]),
            address=row["address"],
            channels=tuple(row["channels"]),
            kinds=tuple(row["kinds"]),
            summary=row["summary"],
            requests_told=row["requests_told"],
            created_at=row["created_at"],
        )
        for row in rows
    ]


def save_recipient(connection: Connection, recipient: Recipient, now: datetime) -> None:
    """Create a recipient, or change one; what it has been told is kept. A new one is told nothing of the past.

    Raises:
        RecipientError: The address is none, or a channel or kind does not exist.
    """
    problem = fault(recipient, set(connection.execute(sa.select(channels.c.code)).scalars()))
    if problem:
        raise RecipientError(f"{recipient.code}: {problem}")
    row = {
        "code": recipient.code,
        "kind": recipient.kind.value,
        "address": recipient.address,
        "channels": list(recipient.channels),
        "kinds": list(recipient.kinds),
        "summary": recipient.summary,
        "requests_told": mark(connection, CANCELLATIONS),
        "created_at": now,
        "updated_at": now,
    }
    changing = ("kind", "address", "channels", "kinds", "summary", "updated_at")
    connection.execute(upsert(connection, alert_recipients, ("code",), changing), [row])


def fault(recipient: Recipient, known_channels: AbstractSet[str]) -> str | None:
    """What is wrong with a recipient; None when it can be kept. Pure."""
    if recipient.kind is RecipientKind.EMAIL:
        if len(recipient.address) > LONGEST_ADDRESS or EMAIL.fullmatch(recipient.address) is None:
            return "email: this is no e-mail address"
        try:
            sendable(recipient.address)
        except ValueError as error:
            return f"email: {error}"
    elif not recipient.address.startswith(REFERENCES):
        return "url: must be written env:NAME or file:PATH; a secret never stands here"
    unknown = sorted(set(recipient.kinds) - {kind.value for kind in Kind})
    if unknown:
        return f"kinds: there is no kind {unknown[0]!r}; there are: {', '.join(Kind)}"
    missing = sorted(set(recipient.channels) - known_channels)
    return f"channels: there is no channel {missing[0]!r}" if missing else None


def sendable(address: str) -> str:
    """An e-mail address as mail servers take it: the domain in ASCII (RFC 5890).

    >>> sendable("crew@müller-shop.example")
    'crew@xn--mller-shop-9db.example'

    Raises:
        ValueError: It cannot be sent to; the message says why.
    """
    local, _, domain = address.rpartition("@")
    if LOCAL_PART.fullmatch(local) is None:
        raise ValueError("before the @ only ASCII letters, digits and common signs can be sent to")
    try:
        ascii_domain = idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        raise ValueError("what follows the @ is no domain") from None
    return f"{local}@{ascii_domain}"


def remove_recipient(connection: Connection, code: str) -> bool:
    """Remove a recipient with everything that is on its way to it; False when there is none of that code."""
    return bool(connection.execute(sa.delete(alert_recipients).where(alert_recipients.c.code == code)).rowcount)


def seal_url(keys: KeyRing, code: str, url: str) -> str:
    """A typed address, encrypted for one recipient."""
    return seal_secret(keys, f"alert:{code}", "url", url)


def open_url(keys: KeyRing, recipient: Recipient) -> str:
    """The address itself; raises like `credentials.resolve_credentials`."""
    return resolve_credentials(f"alert:{recipient.code}", {"url": recipient.address}, keys)["url"]


# -- what there is to tell, and what is told


def troubles(connection: Connection) -> list[Trouble]:
    """Every condition that is open, the oldest first."""
    key = [incidents.c[name] for name in ("scope", "subject", "stage", "code")]
    is_open = incidents.c.resolved_at.is_(None)
    grouped = (
        sa.select(
            sa.func.max(incidents.c.id).label("newest"),
            sa.func.count().label("incidents"),
            sa.func.sum(incidents.c.occurrences).label("occurrences"),
            sa.type_coerce(sa.func.min(incidents.c.first_seen_at), incidents.c.first_seen_at.type).label("first"),
            sa.type_coerce(sa.func.max(incidents.c.last_seen_at), incidents.c.last_seen_at.type).label("last"),
        )
        .where(is_open)
        .group_by(*key)
        .subquery()
    )
    query = (
        sa.select(incidents, grouped)
        .join(grouped, grouped.c.newest == incidents.c.id)
        .order_by(grouped.c.first, incidents.c.id)
    )
    return [
        Trouble(
            scope=row[incidents.c.scope],
            subject=row[incidents.c.subject],
            stage=row[incidents.c.stage],
            code=row[incidents.c.code],
            kind=row[incidents.c.kind],
            message=row[incidents.c.message],
            hint=row[incidents.c.hint],
            incidents=row[grouped.c.incidents],
            occurrences=int(row[grouped.c.occurrences]),
            newest=row[incidents.c.id],
            about=_about(row[incidents.c.order_id], row[incidents.c.file_id]),
            first_seen_at=row[grouped.c.first],
            last_seen_at=row[grouped.c.last],
        )
        for row in connection.execute(query).mappings()
    ]


def _about(order_id: str, file_id: str) -> str:
    return "files" if file_id else "orders" if order_id else ""


def told(connection: Connection) -> dict[str, list[Told]]:
    """Recipient → the conditions that it knows of."""
    found: dict[str, list[Told]] = {}
    for row in connection.execute(sa.select(alerts_told)).mappings():
        known = Told(**{name: row[name] for name in Told.__slots__})
        found.setdefault(row["recipient"], []).append(known)
    return found


def passed(connection: Connection, since: datetime) -> list[Trouble]:
    """Conditions that ended since a time, and of which nothing is open any more; the oldest first."""
    later = incidents.alias("later")
    goes_on = sa.exists().where(
        later.c.resolved_at.is_(None),
        *(later.c[name] == incidents.c[name] for name in ("scope", "subject", "stage", "code")),
    )
    query = sa.select(incidents).where(incidents.c.resolved_at > since, ~goes_on).order_by(incidents.c.id)
    found: dict[tuple[str, ...], Trouble] = {}
    for row in connection.execute(query).mappings():
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


def last_planned(connection: Connection) -> dict[tuple[str, str], datetime]:
    """(recipient, stream) → when its newest message was planned."""
    table = alert_messages.c
    newest = sa.type_coerce(sa.func.max(table.created_at), table.created_at.type).label("newest")
    query = sa.select(table.recipient, table.stream, newest).group_by(table.recipient, table.stream)
    return {(row.recipient, row.stream): row.newest for row in connection.execute(query)}


def note_told(
    connection: Connection, recipient: str, current: Iterable[Trouble], over: Iterable[Told], now: datetime
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
        connection.execute(upsert(connection, alerts_told, keys), rows)
    for each in over:
        key = zip((alerts_told.c[name] for name in ("scope", "subject", "stage", "code")), each.key, strict=True)
        connection.execute(
            sa.delete(alerts_told).where(
                alerts_told.c.recipient == recipient, *(column == value for column, value in key)
            )
        )


def note_requests_told(connection: Connection, recipient: str, through: int) -> None:
    """Remember up to which cancellation request a recipient has been told."""
    connection.execute(
        sa.update(alert_recipients).where(alert_recipients.c.code == recipient).values(requests_told=through)
    )


# -- messages on their way


def paces(connection: Connection, now: datetime, length: timedelta) -> Mapping[tuple[str, str], Pace]:
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
    for recipient, stream, sent_at, waits in connection.execute(query):
        known = found.get((recipient, stream), Pace())
        is_recent = sent_at is not None and now - length < sent_at <= now
        recent = (*known.recent, sent_at) if is_recent else known.recent
        found[recipient, stream] = Pace(recent, known.is_waiting or bool(waits))
    return found


def exists(connection: Connection, ids: Sequence[str]) -> frozenset[str]:
    """Those of the messages that were planned already."""
    return frozenset(connection.execute(sa.select(alert_messages.c.id).where(alert_messages.c.id.in_(ids))).scalars())


def put(connection: Connection, message: Message) -> None:
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
    connection.execute(insert_into(connection, alert_messages).on_conflict_do_nothing(), [row])


def due(connection: Connection, now: datetime) -> list[Message]:
    """Messages to be sent now, oldest first; among them those whose sender has died."""
    query = (
        sa.select(alert_messages)
        .where(
            alert_messages.c.state.in_(("pending", "sending")),
            # no message waits for longer than that: a clock that ran ahead has set it
            sa.or_(alert_messages.c.due_at <= now, alert_messages.c.due_at > now + LONGEST_WAIT),
        )
        .order_by(alert_messages.c.created_at, alert_messages.c.id)
    )
    return [
        Message(**{name: row[name] for name in Message.__slots__ if name != "stream"}, stream=Stream(row["stream"]))
        for row in connection.execute(query).mappings()
    ]


def claim(connection: Connection, message: Message, now: datetime) -> bool:
    """Take a message to send it; False when it is gone or somebody else has taken it."""
    claimed = connection.execute(
        sa.update(alert_messages)
        .where(
            alert_messages.c.id == message.id,
            alert_messages.c.state == message.state,
            alert_messages.c.attempts == message.attempts,
        )
        .values(state="sending", due_at=now + CLAIM, attempts=alert_messages.c.attempts + 1)
    )
    return bool(claimed.rowcount)


def mark_sent(connection: Connection, message: Message, now: datetime) -> None:
    """Remember that a message has arrived."""
    connection.execute(
        sa.update(alert_messages)
        .where(alert_messages.c.id == message.id)
        .values(state="sent", sent_at=now, error_code=None)
    )


def mark_failed(connection: Connection, message: Message, code: str, now: datetime) -> None:
    """Put a message back; the next attempt waits twice as long as the last one, an hour at most."""
    wait = min(LONGEST_WAIT, timedelta(minutes=2 ** min(message.attempts, 10)))
    connection.execute(
        sa.update(alert_messages)
        .where(alert_messages.c.id == message.id)
        .values(state="pending", due_at=now + wait, error_code=code)
    )


def outbox(connection: Connection, limit: int) -> list[dict[str, Any]]:
    """The newest messages, without their text."""
    columns = [column for column in alert_messages.columns if column.name != "body"]
    query = sa.select(*columns).order_by(alert_messages.c.created_at.desc(), alert_messages.c.id).limit(limit)
    return [dict(row) for row in connection.execute(query).mappings()]


def prune(connection: Connection, before: datetime) -> int:
    """Let go of messages that arrived and are older than a time. Returns how many."""
    old = sa.and_(alert_messages.c.created_at < before, alert_messages.c.state == "sent")
    return int(connection.execute(sa.delete(alert_messages).where(old)).rowcount)
