"""Reading what was put aside because it could not be read as an order. Putting aside and releasing is in `raw_orders`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from warehouse.ledger.base.rows import columns_of, read_rows
from warehouse.ledger.base.schema import quarantine, raw_orders
from warehouse.ledger.book.payload_dictionaries import texts
from warehouse.ledger.settings.channels import connections_serving_only

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Transaction


class QuarantineRecord(NamedTuple):
    """A payload that could not be read; each member is a column of `quarantine`."""

    connection: str
    original_id: str
    raw_seq: int
    channel: str | None
    code: str
    path: str
    reason: str
    since: datetime


class PayloadAside(NamedTuple):
    """What was sent of it: when, and the JSON without personal data; None when it is not kept any more."""

    received_at: datetime
    payload: str


def quarantined(transaction: Transaction, limit: int = 1000) -> list[QuarantineRecord]:
    """Orders in quarantine, longest first."""
    query = sa.select(*columns_of(QuarantineRecord, quarantine)).order_by(quarantine.c.since, quarantine.c.original_id)
    return read_rows(transaction, QuarantineRecord, query.limit(limit))


def quarantined_for(transaction: Transaction, code: str, limit: int) -> list[int]:
    """The payloads that are in quarantine for one reason, by seq, the first first."""
    query = sa.select(quarantine.c.raw_seq).where(quarantine.c.code == code).order_by(quarantine.c.raw_seq)
    return list(transaction.execute(query.limit(limit)).scalars())


def find_quarantined(
    transaction: Transaction,
    visible_channels: tuple[str, ...] | None,
    before_seq: int | None = None,
    limit: int = 100,
    raw_seq: int | None = None,
) -> list[QuarantineRecord]:
    """Those that a reader may see, the last payload first.

    Args:
        transaction: A transaction.
        visible_channels: What the reader may see; None for everything. Any other reader sees what is of its channels, and what
            is of no known channel but of a connection that serves no channel but its own.
        before_seq: Payloads with a lower number.
        limit: At most so many.
        raw_seq: The one with this number.
    """
    table = quarantine.c
    query = sa.select(*columns_of(QuarantineRecord, quarantine)).order_by(table.raw_seq.desc()).limit(limit)
    if visible_channels is not None:
        own = connections_serving_only(transaction, visible_channels)
        is_unknown = sa.func.coalesce(table.channel, "") == ""
        query = query.where(sa.or_(table.channel.in_(visible_channels), sa.and_(is_unknown, table.connection.in_(own))))
    if before_seq is not None:
        query = query.where(table.raw_seq < before_seq)
    if raw_seq is not None:
        query = query.where(table.raw_seq == raw_seq)
    return read_rows(transaction, QuarantineRecord, query)


def payload_aside(transaction: Transaction, raw_seq: int) -> PayloadAside | None:
    """What was sent."""
    query = sa.select(*columns_of(PayloadAside, raw_orders)).where(raw_orders.c.seq == raw_seq)
    for received_at, payload in transaction.execute(query):
        return PayloadAside(received_at, *texts(transaction, [payload]))
    return None
