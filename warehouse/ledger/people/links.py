"""Links that log somebody in once: an invitation, a forgotten password, the demo. Only the SHA-256 of each is kept."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base.schema import log_in_links
from warehouse.ledger.people.users import User, UserError, find
from warehouse.sentences import Sentence

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

GOOD_FOR = timedelta(hours=24)
SECRET_BYTES = 32


def make_link(transaction: Transaction, name: str, now: datetime) -> str:
    """The secret of a link for somebody, good once and for a day; one that was made for them before ends.

    Raises:
        UserError: `unknown_user`.
    """
    if find(transaction, name) is None:
        raise UserError("unknown_user", Sentence("there is no user %(name)s", name=name))
    over = sa.or_(log_in_links.c.user == name, log_in_links.c.expires_at <= now)
    transaction.execute(sa.delete(log_in_links).where(over))
    secret = secrets.token_urlsafe(SECRET_BYTES)
    row = {"key": _key(secret), "user": name, "expires_at": now + GOOD_FOR}
    transaction.execute(sa.insert(log_in_links).values(row))
    return secret


def user_of_link(transaction: Transaction, secret: str, now: datetime) -> User | None:
    """Whom a link logs in; None when it was used, is too old, or is none of ours."""
    link = log_in_links.c
    query = sa.select(link.user).where(link.key == _key(secret), link.expires_at > now)
    name = transaction.execute(query).scalar_one_or_none()
    return None if name is None else find(transaction, name)


def use_link(transaction: Transaction, secret: str, now: datetime) -> User | None:
    """The same, and the link is used up."""
    user = user_of_link(transaction, secret, now)
    used = transaction.execute(sa.delete(log_in_links).where(log_in_links.c.key == _key(secret)))
    return user if used.rowcount else None


def _key(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
