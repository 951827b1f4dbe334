"""Being logged in: sessions, each known by 256 random bits of which only the SHA-256 is kept.

A session ends 12 hours after the log-in, after two hours without a request, when its user is removed, or with a new password.
What it carries besides is little: a notice for the next page, and the orders whose personal data it may show for a while.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from warehouse.ledger.base.rows import columns_of, read_rows
from warehouse.ledger.base.schema import sessions, users
from warehouse.ledger.people.users import User, user_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection as Transaction

SECRET_BYTES = 32
LONGEST = timedelta(hours=12)
LONGEST_IDLE = timedelta(hours=2)
SEEN_EVERY = timedelta(minutes=1)
"""How exactly the last request is remembered."""
REVEALED_FOR = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class OpenSession:
    """Somebody who is logged in.

    Attributes:
        key: Names the session in the ledger.
        user: Who it is, with the rights of this moment.
        opened_at: When they logged in.
        seen_at: Their last request, to the minute.
        notice: What the next page is to say, with its tone; None for nothing.
        reveals: Order id → until when its personal data may be shown.
        schema_version: The migration that the ledger is at by now.
    """

    key: bytes
    user: User
    opened_at: datetime
    seen_at: datetime
    notice: Mapping[str, str] | None
    reveals: Mapping[str, str]
    schema_version: str

    def may_show(self, order_id: str, now: datetime) -> bool:
        """Whether the personal data of an order was revealed a short while ago, and still may be."""
        until = self.reveals.get(order_id)
        return self.user.may_see_personal_data and until is not None and now < datetime.fromisoformat(until)


class LiveSession(NamedTuple):
    """A place where somebody is logged in.

    Attributes:
        key: Names the session in the ledger; nobody can log in with it.
        address: Where the log-in came from.
        opened_at: When that was.
        seen_at: The last request, to the minute.
    """

    key: bytes
    address: str
    opened_at: datetime
    seen_at: datetime


def open_session(transaction: Transaction, user: User, address: str, now: datetime) -> str:
    """Log somebody in; returns the secret that their browser keeps. Sessions that are over are cleared away."""
    over = sa.or_(sessions.c.opened_at <= now - LONGEST, sessions.c.seen_at <= now - LONGEST_IDLE)
    transaction.execute(sa.delete(sessions).where(over))
    secret = secrets.token_urlsafe(SECRET_BYTES)
    row = {
        "key": _key(secret),
        "user": user.name,
        "address": address,
        "opened_at": now,
        "seen_at": now,
        "notice": None,
        "reveals": {},
    }
    transaction.execute(sa.insert(sessions).values(row))
    return secret


def find_session(transaction: Transaction, secret: str, now: datetime) -> OpenSession | None:
    """The live session of a secret."""
    row = transaction.execute(_BY_KEY, {"wanted": _key(secret)}).mappings().first()
    if row is None or now >= row["opened_at"] + LONGEST or now >= row["seen_at"] + LONGEST_IDLE:
        return None
    rest = (row[each] for each in ("opened_at", "seen_at", "notice", "reveals", "schema_version"))
    return OpenSession(row["key"], user_of(row), *rest)


def end_session(transaction: Transaction, key: bytes) -> None:
    """Log somebody out."""
    transaction.execute(sa.delete(sessions).where(sessions.c.key == key))


def live_sessions(transaction: Transaction, user: str, now: datetime) -> list[LiveSession]:
    """Where somebody is logged in, the last used first."""
    found = (
        sa.select(*columns_of(LiveSession, sessions))
        .where(sessions.c.user == user, sessions.c.opened_at > now - LONGEST, sessions.c.seen_at > now - LONGEST_IDLE)
        .order_by(sessions.c.seen_at.desc(), sessions.c.key)
    )
    return read_rows(transaction, LiveSession, found)


def end_one(transaction: Transaction, user: str, key: bytes) -> bool:
    """Log somebody out at one place. False when they are not logged in there."""
    own = sa.delete(sessions).where(sessions.c.key == key, sessions.c.user == user)
    return bool(transaction.execute(own).rowcount)


def end_others(transaction: Transaction, session: OpenSession) -> int:
    """End every other session of the same user. Returns how many there were."""
    others = sa.delete(sessions).where(sessions.c.user == session.user.name, sessions.c.key != session.key)
    return transaction.execute(others).rowcount


def note_seen(transaction: Transaction, key: bytes, now: datetime) -> None:
    """Remember when the last request of a session was."""
    _change(transaction, key, seen_at=now)


def tell_next(transaction: Transaction, session: OpenSession, tone: str, text: str) -> None:
    """Let the next page of a session say something, once."""
    _change(transaction, session.key, notice={"tone": tone, "text": text})


def clear_notice(transaction: Transaction, key: bytes) -> None:
    """The page that says it was answered."""
    _change(transaction, key, notice=None)


def reveal(transaction: Transaction, session: OpenSession, order_id: str, now: datetime) -> None:
    """Let a session show the personal data of an order for five minutes."""
    live = {each: until for each, until in session.reveals.items() if now < datetime.fromisoformat(until)}
    live[order_id] = (now + REVEALED_FOR).isoformat()
    _change(transaction, session.key, reveals=live)


_SCHEMA_VERSION = sa.literal_column("(SELECT version_num FROM alembic_version)", sa.Text).label("schema_version")
_BY_KEY = sa.select(sessions, *(each for each in users.c if each.name != "updated_at"), _SCHEMA_VERSION).where(
    sessions.c.key == sa.bindparam("wanted"), sessions.c.user == users.c.name
)


def _change(transaction: Transaction, key: bytes, **values: Any) -> None:  # noqa: ANN401 - columns
    transaction.execute(sa.update(sessions).where(sessions.c.key == key).values(values))


def _key(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
