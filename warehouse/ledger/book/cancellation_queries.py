"""Reading requests to cancel: one, filtered pages, and those after a number. Nothing writes here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from warehouse.cancellations import MERCHANT
from warehouse.ledger.base.rows import Json, columns_of, read_rows
from warehouse.ledger.base.schema import cancellation_requests

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Transaction


class CancellationRecord(NamedTuple):
    """A request to cancel; each member is a column of `cancellation_requests`, which says what it means."""

    id: str
    number: int
    order_id: str
    original_id: str
    channel: str
    marketplace: str
    requester: str
    reason: str | None
    lines: Sequence[Json]
    requested_at: datetime
    seen_at: datetime
    state: str
    updated_at: datetime
    hold_until: datetime | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    decision_reason: str | None = None
    attempts: int = 0
    due_at: datetime | None = None
    claimed_until: datetime | None = None
    told_at: datetime | None = None
    shipped_despite: bool = False
    closed_at: datetime | None = None


COLUMNS = columns_of(CancellationRecord, cancellation_requests)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFilter:
    """Which requests; an empty tuple or None does not filter.

    Attributes:
        visible_channels: What the reader may see; None for everything.
        states: Any of these.
        channels: Any of these.
        order_id: Of one order.
        shipped_despite: Only those whose units were shipped nevertheless, or only the others.
    """

    visible_channels: tuple[str, ...] | None = None
    states: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    order_id: str | None = None
    shipped_despite: bool | None = None


def find(
    transaction: Transaction, wanted_id: str, visible_channels: tuple[str, ...] | None
) -> CancellationRecord | None:
    """One request, None when there is none or the reader may not see it."""
    query = sa.select(*COLUMNS).where(cancellation_requests.c.id == wanted_id)
    found = read_rows(transaction, CancellationRecord, query)
    return next((row for row in found if visible_channels is None or row.channel in visible_channels), None)


def find_requests(
    transaction: Transaction, wanted: RequestFilter, before: int | None = None, limit: int = 100
) -> list[CancellationRecord]:
    """The `limit` newest requests with a number below `before`, newest first."""
    table = cancellation_requests.c
    conditions: list[sa.ColumnElement[bool]] = []
    if before is not None:
        conditions.append(table.number < before)
    sets = ((table.state, wanted.states), (table.channel, wanted.channels))
    conditions += [column.in_(values) for column, values in sets if values]
    if wanted.visible_channels is not None:
        conditions.append(table.channel.in_(wanted.visible_channels))
    if wanted.order_id is not None:
        conditions.append(table.order_id == wanted.order_id)
    if wanted.shipped_despite is not None:
        conditions.append(table.shipped_despite == (sa.true() if wanted.shipped_despite else sa.false()))
    query = sa.select(*COLUMNS).where(*conditions).order_by(table.number.desc()).limit(limit)
    return read_rows(transaction, CancellationRecord, query)


def requests_after(transaction: Transaction, number: int, codes: Sequence[str]) -> list[CancellationRecord]:
    """Requests of others than the merchant with a higher number, in order; of some channels, or of all when none is named."""
    table = cancellation_requests.c
    condition = [table.number > number, table.requester != MERCHANT]
    if codes:
        condition.append(table.channel.in_(codes))
    query = sa.select(*COLUMNS).where(*condition).order_by(table.number)
    return read_rows(transaction, CancellationRecord, query)
