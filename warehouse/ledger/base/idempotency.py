"""Idempotency keys: a request that a client sends again under the same key is answered as it was, and worked on once.

A key is claimed in a small transaction before the work, and its answer is kept in the transaction that ends the work. What the
work is, and how an answer looks, is the API's matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base.database import insert_into
from warehouse.ledger.base.schema import idempotency_keys
from warehouse.processes import is_gone, this_process

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.base.database import Ledger

LIFETIME = timedelta(hours=48)
"""How long an answer can be asked for again."""

PATIENCE = timedelta(minutes=5)
"""How long a claim may go without an answer: no request takes as long."""

KEYS_PER_COMMIT = 500


class KeyInFlight(Exception):
    """Somebody else is working on this key."""


class KeyReused(Exception):
    """The key was given with another request before."""


@dataclass(frozen=True, slots=True)
class RequestClaim:
    """The right to work on a key; ours as long as nobody has taken it over."""

    consumer: str
    key: str
    holder: str
    claimed_at: datetime


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What a request was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def claim(
    transaction: Transaction, consumer: str, key: str, body_hash: bytes, now: datetime
) -> RequestClaim | KeptAnswer:
    """Take a key to work on it, or get the answer that its work had.

    A claim without an answer is taken over when its process was one of this machine and is gone, or after some minutes.

    Args:
        transaction: A write transaction of its own: the work must not begin before this is committed.
        consumer: Whose key it is; another consumer's is another key.
        key: The key.
        body_hash: SHA-256 of everything that makes the request what it is.
        now: The present.

    Raises:
        KeyInFlight: It is being worked on.
        KeyReused: It was given with another request before.
    """
    mine = RequestClaim(consumer, key, this_process(), now)
    row = {"consumer": consumer, "key": key, "body_hash": body_hash, "holder": mine.holder, "created_at": now}
    insert = insert_into(transaction, idempotency_keys).values(**row).on_conflict_do_nothing()
    if transaction.execute(insert.returning(idempotency_keys.c.key)).first() is not None:
        return mine
    found = transaction.execute(sa.select(idempotency_keys).where(*_of(consumer, key)).with_for_update()).one_or_none()
    if found is None:  # given up in between
        raise KeyInFlight
    if found.body_hash != body_hash:
        raise KeyReused
    if found.holder is None:
        return KeptAnswer(found.status, found.headers, found.body)
    if found.created_at > now - PATIENCE and not is_gone(found.holder):
        raise KeyInFlight
    transaction.execute(
        sa.update(idempotency_keys).where(*_of(consumer, key)).values(holder=mine.holder, created_at=mine.claimed_at)
    )
    return mine


def keep(transaction: Transaction, held: RequestClaim, answer: KeptAnswer) -> None:
    """Keep what a request is answered, in the transaction that ends its work.

    Raises:
        KeyInFlight: The claim has been taken over: the work of this transaction must be rolled back.
    """
    kept = {"holder": None, "status": answer.status, "headers": dict(answer.headers), "body": answer.body}
    if transaction.execute(sa.update(idempotency_keys).where(*_held(held)).values(**kept)).rowcount != 1:
        raise KeyInFlight


def give_up(transaction: Transaction, held: RequestClaim) -> None:
    """Let a key go without an answer: the same request may come again, and another one too."""
    transaction.execute(sa.delete(idempotency_keys).where(*_held(held)))


def prune(ledger: Ledger, before: datetime) -> int:
    """Forget the keys of before a time, in short transactions; returns how many."""
    gone = 0
    while True:
        with ledger.write() as transaction:
            old = (
                sa.select(idempotency_keys.c.consumer, idempotency_keys.c.key)
                .where(idempotency_keys.c.created_at < before)
                .order_by(idempotency_keys.c.created_at)
                .limit(KEYS_PER_COMMIT)
            )
            named = sa.tuple_(idempotency_keys.c.consumer, idempotency_keys.c.key)
            deleted = transaction.execute(sa.delete(idempotency_keys).where(named.in_(old))).rowcount
        gone += deleted
        if deleted < KEYS_PER_COMMIT:
            return gone


def _of(consumer: str, key: str) -> tuple[sa.ColumnElement[bool], ...]:
    return idempotency_keys.c.consumer == consumer, idempotency_keys.c.key == key


def _held(held: RequestClaim) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        *_of(held.consumer, held.key),
        idempotency_keys.c.holder == held.holder,
        idempotency_keys.c.created_at == held.claimed_at,
    )
