"""Notices that a buyer's account was deleted: kept encrypted until they are carried out, and whose orders they are about.

Whether a notice is authentic is judged by the pipeline; what goes with an order's personal data is in `personal_data`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.kept_documents import open_parties
from warehouse.ledger.base.database import insert_into
from warehouse.ledger.base.rows import Json
from warehouse.ledger.base.schema import account_deletions, channels, connections, orders, parties
from warehouse.order_states import CLOSED_STATUSES
from warehouse.personal import read_parties

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.base.database import Ledger
    from warehouse.privacy import KeyRing

MOST_NOTICES = 50_000
"""Anybody may send one: beyond so many none is taken until they were judged."""
ORDERS_PER_QUERY = 500


class TooManyNotices(Exception):
    """So many wait that no more are taken."""


@dataclass(frozen=True, slots=True)
class DeletionNotice:
    """A notice as it came; nobody has judged it yet."""

    id: str
    body: bytes = field(repr=False)
    signature: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class BuyersOrder:
    """An order that has personal data, and what its marketplace tells beside the members of an order, personal data too."""

    id: str
    is_closed: bool
    marketplace_data: Json = field(repr=False)


def keep(transaction: Transaction, keys: KeyRing, connection: str, body: bytes, signature: str, now: datetime) -> None:
    """Keep a notice; one that is kept already is the same.

    Raises:
        TooManyNotices: It is not kept.
    """
    if count(transaction) >= MOST_NOTICES:
        raise TooManyNotices
    content = signature.encode() + b"\n" + body
    own_id = hashlib.sha256(connection.encode() + b"\n" + content).hexdigest()
    row = {
        "id": own_id,
        "connection": connection,
        "received_at": now,
        "sealed": keys.seal(content, bound_to(own_id)),
    }
    transaction.execute(insert_into(transaction, account_deletions).on_conflict_do_nothing(), [row])


def bound_to(own_id: str) -> str:
    """What a notice is sealed for."""
    return f"account_deletion:{own_id}"


def sealed_sample(transaction: Transaction, limit: int) -> Iterator[tuple[str, bytes]]:
    """The oldest notices as they are sealed, each with what it is sealed for."""
    query = sa.select(account_deletions.c.id, account_deletions.c.sealed).order_by(account_deletions.c.received_at)
    for row in transaction.execute(query.limit(limit)):
        yield bound_to(row.id), bytes(row.sealed)


def count(transaction: Transaction) -> int:
    """How many notices are kept."""
    return int(transaction.execute(sa.select(sa.func.count()).select_from(account_deletions)).scalar_one())


def oldest(transaction: Transaction) -> datetime | None:
    """When the oldest notice that is kept was received."""
    found: datetime | None = transaction.execute(sa.select(sa.func.min(account_deletions.c.received_at))).scalar()
    return found


def waiting_connections(transaction: Transaction) -> list[str]:
    """The connections that notices are kept of, by code."""
    query = sa.select(account_deletions.c.connection).distinct().order_by(account_deletions.c.connection)
    return list(transaction.execute(query).scalars())


def kept(transaction: Transaction, keys: KeyRing, connection: str) -> list[DeletionNotice]:
    """The notices of a connection, the oldest first.

    Raises:
        KeyRingError: The ring lacks the key that one was sealed with.
    """
    query = (
        sa.select(account_deletions.c.id, account_deletions.c.sealed)
        .where(account_deletions.c.connection == connection)
        .order_by(account_deletions.c.received_at, account_deletions.c.id)
    )
    found = []
    for row in transaction.execute(query):
        signature, _, body = keys.open(bytes(row.sealed), bound_to(row.id)).partition(b"\n")
        found.append(DeletionNotice(row.id, body, signature.decode()))
    return found


def drop(transaction: Transaction, ids: Sequence[str]) -> None:
    """Let go of notices."""
    if ids:
        gone = sa.delete(account_deletions).where(account_deletions.c.id == sa.bindparam("own_id"))
        transaction.execute(gone, [{"own_id": each} for each in ids])


def orders_with_buyers(ledger: Ledger, keys: KeyRing, kind: str) -> Iterator[BuyersOrder]:
    """Every order of a kind of marketplace that has personal data, read in short transactions.

    There is no other way to find a buyer: nothing that would tell them apart stands unencrypted in the ledger.

    Raises:
        KeyRingError: The ring lacks the key that something was sealed with.
    """
    last: int | None = None
    key = parties.c.order_key
    while True:
        query = (
            sa.select(key, orders.c.id, orders.c.status, parties.c.sealed)
            .join(orders, orders.c.id == parties.c.order_id)
            .join(channels, channels.c.code == orders.c.channel)
            .join(connections, connections.c.code == channels.c.connection)
            .where(connections.c.kind == kind, sa.literal_column("orders.pii_state = 'present'"))
            .order_by(key)
            .limit(ORDERS_PER_QUERY)
        )
        if last is not None:
            query = query.where(key > last)
        with ledger.read() as transaction:
            rows = transaction.execute(query).all()
        if not rows:
            return
        for row in rows:
            data = read_parties(open_parties(keys, row.id, bytes(row.sealed))).marketplace_data
            yield BuyersOrder(row.id, row.status in CLOSED_STATUSES, data or {})
        last = rows[-1].order_key
