"""The dictionaries that payloads are packed with: one for each kind of marketplace, made once there are payloads enough.

They are made of payloads without personal data only, never change and never go: kept payloads name them. How packing works is
in `warehouse.packing`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base.database import insert_into
from warehouse.ledger.base.schema import connections, payload_dictionaries, raw_orders
from warehouse.packing import MAGIC, Dictionary, dictionary_of, train, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.base.database import Ledger

SAMPLES = 200
"""Payloads that a dictionary is made of: with more it is no better."""

_OF_KIND = (
    sa.select(payload_dictionaries.c.content)
    .where(payload_dictionaries.c.kind == sa.bindparam("kind"))
    .order_by(payload_dictionaries.c.made_at, payload_dictionaries.c.id)
    .limit(1)
)
_NAMED = sa.select(payload_dictionaries.c.content).where(
    payload_dictionaries.c.id.in_(sa.bindparam("ids", expanding=True))
)
_dictionary = lru_cache(maxsize=32)(Dictionary)


def of_kind(ledger: Ledger, kind: str, now: datetime) -> Dictionary | None:
    """What payloads of a kind are packed with; made when there is none and there are payloads enough. None: there are not."""
    with ledger.read() as transaction:
        content = transaction.execute(_OF_KIND, {"kind": kind}).scalar_one_or_none()
        samples = [] if content is not None else _samples(transaction, kind)
    if content is not None:
        return _dictionary(content)
    made = train(samples) if samples else None
    if made is None:
        return None
    with ledger.write() as transaction:
        row = {"id": made.id, "kind": kind, "content": made.content, "made_at": now}
        transaction.execute(insert_into(transaction, payload_dictionaries).on_conflict_do_nothing(), row)
    return _dictionary(made.content)


def named_by(transaction: Transaction, payloads: Iterable[bytes]) -> Mapping[int, Dictionary]:
    """The dictionaries that kept payloads name, by id."""
    ids = {dictionary_of(each) for each in payloads} - {0}
    if not ids:
        return {}
    made = map(_dictionary, transaction.execute(_NAMED, {"ids": sorted(ids)}).scalars())
    return {each.id: each for each in made}


def texts(transaction: Transaction, payloads: Iterable[bytes]) -> list[str]:
    """Kept payloads as JSON."""
    return [each.decode() for each in _plain(transaction, list(payloads))]


def as_json(payload: bytes, dictionary: Dictionary | None) -> bytes:
    """A kept payload as JSON; earlier releases kept it as it is.

    Raises:
        ValueError: It was packed with another dictionary.
    """
    return unpack(payload, dictionary) if payload.startswith(MAGIC) else payload


def _plain(transaction: Transaction, packed: Sequence[bytes]) -> list[bytes]:
    known = named_by(transaction, packed)
    return [as_json(each, known.get(dictionary_of(each))) for each in packed]


def _samples(transaction: Transaction, kind: str) -> list[bytes]:
    """Payloads of a kind, of the first orders of each connection; none where there are not enough."""
    found: list[bytes] = []
    for code in transaction.execute(sa.select(connections.c.code).where(connections.c.kind == kind)).scalars():
        query = sa.select(raw_orders.c.payload).where(raw_orders.c.connection == code)
        few = query.order_by(raw_orders.c.original_id, raw_orders.c.seq).limit(SAMPLES - len(found))
        found += filter(None, transaction.execute(few).scalars())  # those of retired orders are in the lake
    return _plain(transaction, found) if len(found) >= SAMPLES else []
