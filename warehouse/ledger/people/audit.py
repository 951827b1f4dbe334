"""Who did what, and when: entries that are only ever added, each bound to the one before it by a hash.

Whoever changes or drops an entry in the middle breaks the chain, and `verify` says where. It also says how many there are and
what the last hash is: kept elsewhere, they show that none was cut off the end. No entry holds a secret or personal data.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa

from warehouse.ledger.base.database import AUDITED, next_values
from warehouse.ledger.base.rows import Json
from warehouse.ledger.base.schema import audit_entries

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

START = bytes(32)
"""Before the first entry."""
READ_AT_ONCE = 1000
MEMBERS = ("id", "at", "actor", "origin", "action", "subject", "details", "request_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """Something that somebody did.

    Attributes:
        actor: Who: the user of the console, the system's user of a command, the consumer of a token.
        origin: From where: `console` with the address, `command`, or `api`.
        action: What, in one snake_case word.
        subject: To what: an order's id, a channel's code, a user's name.
        details: JSON-able: the old and the new value of what changed; of a secret only that it did.
        request_id: Of the request that asked for it, "" when there is none.
    """

    actor: str
    origin: str
    action: str
    subject: str
    details: Json = field(default_factory=dict)
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class RecordedEntry:
    """An entry as it stands in the log, with its number and its time."""

    number: int
    at: datetime
    entry: AuditEntry


@dataclass(frozen=True, slots=True)
class Chain:
    """What `verify` found.

    Attributes:
        entries: How many entries hold together, from the first one on.
        last_hash: Of the last of them, hexadecimal.
        broken_at: The first entry that does not fit the one before it; None when all do.
    """

    entries: int
    last_hash: str
    broken_at: int | None


def record(transaction: Transaction, entry: AuditEntry, now: datetime) -> int:
    """Add an entry, in the transaction of what it tells. Returns its number."""
    number = next_values(transaction, AUDITED, 1)  # its lock lets one chain on after the other
    previous = transaction.execute(_LAST).scalar_one_or_none() or START
    row = {
        "id": number,
        "at": now,
        "actor": entry.actor,
        "origin": entry.origin,
        "action": entry.action,
        "subject": entry.subject,
        "details": dict(entry.details),
        "request_id": entry.request_id,
    }
    transaction.execute(sa.insert(audit_entries).values({**row, "hash": _hash(previous, row)}))
    return number


def newest(
    transaction: Transaction,
    limit: int,
    before: int | None = None,
    *,
    actor: str = "",
    action: str = "",
    subject: str = "",
) -> list[RecordedEntry]:
    """The newest entries before a number, of an actor, an action and a subject where these are given."""
    query = sa.select(audit_entries).order_by(audit_entries.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(audit_entries.c.id < before)
    for column, wanted in (("actor", actor), ("action", action), ("subject", subject)):
        if wanted:
            query = query.where(audit_entries.c[column] == wanted)
    return _read(transaction, query)


def about(transaction: Transaction, subjects: Collection[str], limit: int) -> list[RecordedEntry]:
    """The newest entries about any of these."""
    wanted = audit_entries.c.subject.in_(subjects)
    return _read(transaction, sa.select(audit_entries).where(wanted).order_by(audit_entries.c.id.desc()).limit(limit))


def verify(transaction: Transaction) -> Chain:
    """Go through the whole chain."""
    previous, count = START, 0
    for row in _entries(transaction):
        if _hash(previous, row) != row["hash"]:
            return Chain(count, previous.hex(), row["id"])
        previous, count = row["hash"], count + 1
    return Chain(count, previous.hex(), None)


_LAST = sa.select(audit_entries.c.hash).order_by(audit_entries.c.id.desc()).limit(1)


def _read(transaction: Transaction, query: sa.Select[Any]) -> list[RecordedEntry]:
    rows = transaction.execute(query).mappings()
    return [
        RecordedEntry(row["id"], row["at"], AuditEntry(**{name: row[name] for name in AuditEntry.__slots__}))
        for row in rows
    ]


def _entries(transaction: Transaction) -> Iterator[Json]:
    after = -1
    while True:
        query = sa.select(audit_entries).where(audit_entries.c.id > after).order_by(audit_entries.c.id)
        rows = [dict(each) for each in transaction.execute(query.limit(READ_AT_ONCE)).mappings()]
        yield from rows
        if len(rows) < READ_AT_ONCE:
            return
        after = rows[-1]["id"]


def _hash(previous: bytes, row: Json) -> bytes:
    members = [row[name] if name != "at" else row["at"].astimezone(UTC).isoformat() for name in MEMBERS]
    return hashlib.sha256(previous + orjson.dumps(members, option=orjson.OPT_SORT_KEYS)).digest()
