"""What of the ledger the lake's tables are published from, and whether any of it is new: asked of the ledger alone.

Opening the lake costs an idle tick more than all else that it does, so the ledger remembers how far it was when the last
publish began. Carrying rows over is in `publishing`, which asks the lake itself how far it has come: what is remembered here
only saves opening it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from warehouse.ledger.base.database import (
    LAKE_AT,
    LAKE_POSITION,
    LAKE_PRODUCTS,
    LAKE_RAW_SEQ,
    POSITION,
    PRODUCTS,
    RAW_SEQ,
    mark,
    set_mark,
)
from warehouse.ledger.base.schema import (
    acknowledgements,
    cancellation_requests,
    confirmation_attempts,
    file_rows,
    files,
    incidents,
    order_versions,
    products,
    raw_orders,
    shipment_lines,
    shipments,
)
from warehouse.ledger.book import versions
from warehouse.ledger.exchange.file_queries import HIDDEN

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Transaction

ORDERS_PER_BATCH = 8_000
PAYLOADS_PER_BATCH = 4_000
"""Payloads are ten times as long as orders."""

LATE_COMMIT = timedelta(hours=1)
"""Rows without a position are read again this long: their time is taken before their transaction commits."""

PULLS_WAIT = timedelta(minutes=30)
"""How long finished pulls may wait for something else to be published with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A ledger table that only grows, in the order of one number; `packed` names the column that is read as text."""

    table: sa.Table
    number: sa.Column[Any]
    columns: tuple[sa.ColumnElement[Any], ...]
    rows: int
    packed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recent:
    """A ledger table whose rows change and say when.

    Attributes:
        table: The table.
        keys: What tells its rows apart.
        changed_at: When a row changed: the latest of these.
        wanted: Which of its rows are published; None: all.
        part: A column of another table that names a row of this one by its key; those rows change only with this one.
    """

    table: sa.Table
    keys: tuple[str, ...]
    changed_at: tuple[sa.Column[Any], ...]
    wanted: sa.ColumnElement[bool] | None = None
    part: sa.Column[Any] | None = None


LOGS = (
    Log(
        table=raw_orders,
        number=raw_orders.c.seq,
        columns=tuple(column for column in raw_orders.columns if column.name != "body"),
        rows=PAYLOADS_PER_BATCH,
        packed="payload",
    ),
    Log(
        table=order_versions,
        number=order_versions.c.position,
        columns=versions.COLUMNS,
        rows=ORDERS_PER_BATCH,
    ),
)
RECENT = (
    Recent(table=products, keys=("channel", "sku"), changed_at=(products.c.updated_at,)),
    Recent(table=acknowledgements, keys=("order_id", "consumer"), changed_at=(acknowledgements.c["at"],)),
    Recent(table=shipments, keys=("id",), changed_at=(shipments.c.updated_at,), part=shipment_lines.c.shipment_id),
    Recent(
        table=confirmation_attempts,
        keys=("id",),
        changed_at=(confirmation_attempts.c.started_at, confirmation_attempts.c.finished_at),
    ),
    Recent(table=incidents, keys=("id",), changed_at=(incidents.c.last_seen_at, incidents.c.resolved_at)),
    Recent(table=cancellation_requests, keys=("id",), changed_at=(cancellation_requests.c.updated_at,)),
    Recent(
        table=files,
        keys=("id",),
        changed_at=(files.c.updated_at,),
        wanted=files.c.state.not_in(HIDDEN),  # it may be gone the next moment
    ),
    Recent(table=file_rows, keys=("file_id", "number"), changed_at=(file_rows.c.recorded_at,)),
)


def changed_since(recent: Recent, moment: datetime) -> sa.ColumnElement[bool]:
    """Rows that say that they changed after a moment."""
    return sa.or_(*(column > moment for column in recent.changed_at))


class LedgerReach(NamedTuple):
    """How far the ledger is: the last position of an order, the last payload, the last change of products."""

    orders: int
    raw_orders: int
    products: int


def reach(transaction: Transaction) -> LedgerReach:
    """How far the ledger is now."""
    return LedgerReach(*(mark(transaction, name) for name in (POSITION, RAW_SEQ, PRODUCTS)))


def remember(transaction: Transaction, published: LedgerReach, began_at: datetime) -> None:
    """Note how far the ledger was when a publish began that has ended well."""
    values = (*published, int(began_at.timestamp()))
    for name, value in zip((LAKE_POSITION, LAKE_RAW_SEQ, LAKE_PRODUCTS, LAKE_AT), values, strict=True):
        set_mark(transaction, name, value)


def is_published(transaction: Transaction, now: datetime) -> bool:
    """Whether nothing but pulls, and those for less than `PULLS_WAIT`, has happened since the last publish that ended well.

    Rows that say when they changed are taken for new until an hour after it: see `LATE_COMMIT`. Channels that were renamed
    wait as pulls do.
    """
    published_at = datetime.fromtimestamp(mark(transaction, LAKE_AT), UTC)
    if not timedelta() <= now - published_at < PULLS_WAIT:
        return False
    known = LedgerReach(*(mark(transaction, name) for name in (LAKE_POSITION, LAKE_RAW_SEQ, LAKE_PRODUCTS)))
    return known == reach(transaction) and not any(
        _has_changed(transaction, each, published_at - LATE_COMMIT) for each in RECENT if each.table is not products
    )


def _has_changed(transaction: Transaction, recent: Recent, moment: datetime) -> bool:
    changed = sa.select(sa.literal(1)).select_from(recent.table).where(changed_since(recent, moment))
    return transaction.execute(changed.limit(1)).first() is not None
