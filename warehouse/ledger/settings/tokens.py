"""API tokens: made, listed, rotated, revoked and verified.

Only the SHA-256 of a token's secret is kept; the secret itself has 256 bits and is shown once. What a scope permits is decided
where it is asked for (`orders_api.kit.auth`), not here.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from warehouse.ledger.base.prepared import Prepared, Question
from warehouse.ledger.base.schema import channels, consumers, tokens
from warehouse.sentences import Sentence

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction
    from sqlalchemy.engine import RowMapping

PREFIX = "orders"
ID_BYTES = 6
SECRET_ALPHABET = string.ascii_letters + string.digits
SECRET_CHARACTERS = 43
"""62 ** 43 > 2 ** 256. Letters and digits only, so that a double click selects a whole token but for its underscores."""

LIVE_TOKENS_PER_CONSUMER = 2
"""The old one and the new one while a rotation is under way."""

USE_NOTED_EVERY = timedelta(minutes=1)
CONSUMER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
TOKEN = re.compile(rf"{PREFIX}_([0-9a-f]{{{2 * ID_BYTES}}})_([A-Za-z0-9]{{{SECRET_CHARACTERS}}})")
UNKNOWN_SECRET_HASH = bytes(32)


class Scope(StrEnum):
    """What a token may do."""

    ORDERS_READ = "orders:read"
    ORDERS_READ_PII = "orders:read:pii"
    ORDERS_WRITE = "orders:write"
    SHIPMENTS_WRITE = "shipments:write"
    OPERATIONS_WRITE = "operations:write"
    CONFIGURATION_WRITE = "configuration:write"
    METRICS_READ = "metrics:read"
    ADMIN = "admin"


class TokenError(Exception):
    """A token cannot be made or rotated as asked; `code` is a stable snake_case word."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A token without its secret.

    Attributes:
        id: Public part of the token, 12 hexadecimal digits.
        consumer: Whose cursor and acknowledgements it moves.
        scopes: What it may do.
        channels: Channel codes it may see; None for all, those connected later among them.
        created_at: When it was made.
        expires_at: From when on it is refused; None for never.
        revoked_at: When it was taken back; None while it is not.
        last_used_at: Last use, to the minute; None for never.
    """

    id: str
    consumer: str
    scopes: frozenset[Scope]
    channels: tuple[str, ...] | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def is_live(self, now: datetime) -> bool:
        """Whether it is accepted at this instant."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def create(
    transaction: Transaction,
    consumer: str,
    scopes: Collection[Scope],
    channel_codes: Collection[str] | None,
    expires_at: datetime | None,
    now: datetime,
) -> tuple[TokenInfo, str]:
    """Make a token, and its consumer when it is the first one of that name.

    Returns:
        What is known of the token, and the token itself, which cannot be shown again.

    Raises:
        TokenError: `invalid_consumer`, `no_scope`, `no_channel`, `unknown_channel`, `expired`, or `too_many_tokens` when the
            consumer has two live tokens already.
    """
    _check_rights(transaction, consumer, scopes, channel_codes)
    if expires_at is not None and expires_at <= now:
        raise TokenError("expired", Sentence("the expiry lies in the past"))
    _add_consumer(transaction, consumer, now)
    _check_room(transaction, consumer, now)
    return _insert(transaction, consumer, frozenset(scopes), channel_codes, expires_at, now)


def rotate(
    transaction: Transaction, token_id: str, expires_at: datetime | None, grace: timedelta | None, now: datetime
) -> tuple[TokenInfo, str]:
    """Make another token for the same consumer with the same rights; the old one goes on living.

    A third live token is refused rather than the oldest revoked: revoking on its own could cut off a system that has not
    been given the new token yet.

    Args:
        transaction: A write transaction.
        token_id: The token to replace.
        expires_at: When the new one ends; None for never.
        grace: How long the old one is still accepted; None until it is revoked.
        now: The present instant.

    Raises:
        TokenError: `unknown_token` (or one that is not live), `expired`, or `too_many_tokens`.
    """
    old = found(transaction, token_id)
    if old is None or not old.is_live(now):
        raise TokenError("unknown_token", Sentence("there is no live token with this id"))
    if expires_at is not None and expires_at <= now:
        raise TokenError("expired", Sentence("the expiry lies in the past"))
    _lock_consumer(transaction, old.consumer)
    _check_room(transaction, old.consumer, now)
    if grace is not None:
        ends = now + grace if old.expires_at is None else min(old.expires_at, now + grace)
        transaction.execute(sa.update(tokens).where(tokens.c.id == token_id).values(expires_at=ends))
    return _insert(transaction, old.consumer, old.scopes, old.channels, expires_at, now)


def revoke(transaction: Transaction, token_id: str, now: datetime) -> bool:
    """Take a token back, from its next use on. False when there is none with this id that is not revoked yet."""
    done = transaction.execute(
        sa.update(tokens).where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None)).values(revoked_at=now)
    )
    return bool(done.rowcount)


def listed(transaction: Transaction) -> list[TokenInfo]:
    """Every token, the revoked and expired ones too, by consumer and age."""
    query = sa.select(tokens).order_by(tokens.c.consumer, tokens.c.created_at, tokens.c.id)
    return [_info(row) for row in transaction.execute(query).mappings()]


def found(transaction: Transaction, token_id: str) -> TokenInfo | None:
    """The token with this id, live or not."""
    row = _by_id(transaction, token_id)
    return None if row is None else _info(row)


def verify(transaction: Transaction, presented: str, now: datetime) -> TokenInfo | None:
    """The live token that was presented, or None; an unknown id costs the same comparison as a wrong secret."""
    parts = TOKEN.fullmatch(presented)
    if parts is None:
        return None
    token_id, secret = parts.groups()
    row = _by_id(transaction, token_id)
    expected = UNKNOWN_SECRET_HASH if row is None else row["secret_hash"]
    if not hmac.compare_digest(expected, _digest(secret)) or row is None:
        return None
    info = _info(row)
    return info if info.is_live(now) else None


def questions(presented: str) -> list[Question]:
    """What `verify` asks about a token that is presented."""
    parts = TOKEN.fullmatch(presented)
    return [] if parts is None else [Question(_BY_ID, {"token_id": parts[1]})]


def is_use_due(info: TokenInfo, now: datetime) -> bool:
    """Whether this use is to be noted: once a minute is enough."""
    return info.last_used_at is None or now - info.last_used_at >= USE_NOTED_EVERY


def note_use(transaction: Transaction, token_id: str, now: datetime) -> None:
    """Remember when a token was last used."""
    transaction.execute(sa.update(tokens).where(tokens.c.id == token_id).values(last_used_at=now))


_BY_ID = Prepared(sa.select(tokens).where(tokens.c.id == sa.bindparam("token_id")))


def _by_id(transaction: Transaction, token_id: str) -> Mapping[str, Any] | None:
    rows = _BY_ID.rows(transaction, {"token_id": token_id})
    return dict(zip(tokens.c.keys(), rows[0], strict=True)) if rows else None


def _check_rights(
    transaction: Transaction, consumer: str, scopes: Collection[Scope], channel_codes: Collection[str] | None
) -> None:
    if CONSUMER_NAME.fullmatch(consumer) is None:
        raise TokenError(
            "invalid_consumer", Sentence("a consumer's name is 1 to 64 letters, digits, dots, hyphens or underscores")
        )
    if not scopes:
        raise TokenError("no_scope", Sentence("a token needs at least one scope"))
    if channel_codes is None:
        return
    if not channel_codes:
        raise TokenError("no_channel", Sentence("an empty list of channels would let the token see nothing"))
    known = set(transaction.execute(sa.select(channels.c.code).where(channels.c.code.in_(channel_codes))).scalars())
    if unknown := sorted(set(channel_codes) - known):
        raise TokenError("unknown_channel", Sentence("there is no channel %(names)s", names=", ".join(unknown)))


def _add_consumer(transaction: Transaction, consumer: str, now: datetime) -> None:
    insert = postgresql.insert(consumers) if transaction.dialect.name == "postgresql" else sqlite.insert(consumers)
    row = {"name": consumer, "position": 0, "read_at": None, "created_at": now}
    transaction.execute(insert.on_conflict_do_nothing(), [row])
    _lock_consumer(transaction, consumer)


def _lock_consumer(transaction: Transaction, consumer: str) -> None:
    """Two transactions that count and add tokens of one consumer go one after the other."""
    transaction.execute(sa.select(consumers.c.name).where(consumers.c.name == consumer).with_for_update())


def _check_room(transaction: Transaction, consumer: str, now: datetime) -> None:
    rows = transaction.execute(sa.select(tokens).where(tokens.c.consumer == consumer)).mappings()
    if sum(_info(row).is_live(now) for row in rows) >= LIVE_TOKENS_PER_CONSUMER:
        raise TokenError(
            "too_many_tokens",
            Sentence("%(consumer)s has two live tokens already: revoke one of them first", consumer=consumer),
        )


def _insert(
    transaction: Transaction,
    consumer: str,
    scopes: frozenset[Scope],
    channel_codes: Collection[str] | None,
    expires_at: datetime | None,
    now: datetime,
) -> tuple[TokenInfo, str]:
    token_id = secrets.token_hex(ID_BYTES)
    secret = "".join(secrets.choice(SECRET_ALPHABET) for _ in range(SECRET_CHARACTERS))
    chosen = None if channel_codes is None else tuple(sorted(set(channel_codes)))
    info = TokenInfo(token_id, consumer, scopes, chosen, now, expires_at, None, None)
    transaction.execute(
        sa.insert(tokens).values(
            id=token_id,
            consumer=consumer,
            secret_hash=_digest(secret),
            scopes=sorted(scopes),
            channels=chosen,
            created_at=now,
            expires_at=expires_at,
        )
    )
    return info, f"{PREFIX}_{token_id}_{secret}"


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _info(row: Mapping[str, Any] | RowMapping) -> TokenInfo:
    allowed: Sequence[str] | None = row["channels"]
    return TokenInfo(
        row["id"],
        row["consumer"],
        frozenset(Scope(each) for each in row["scopes"]),
        None if allowed is None else tuple(allowed),
        row["created_at"],
        row["expires_at"],
        row["revoked_at"],
        row["last_used_at"],
    )
