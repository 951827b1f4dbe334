"""Reading requests to cancel: one, filtered pages, and those after a number. Nothing writes here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from warehouse.cancellations import MERCHANT
from warehouse.ledger.base.schema import cancellation_requests

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.book.cancellations import Row


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


def find(transaction: Transaction, wanted_id: str, visible_channels: tuple[str, ...] | None) -> Row | None:
    """One request, None when there is none or the reader may not see it."""
    query = sa.select(cancellation_requests).where(cancellation_requests.c.id == wanted_id)
    row = transaction.execute(query).mappings().one_or_none()
    if row is None or (visible_channels is not None and row["channel"] not in visible_channels):
        return None
    return dict(row)


def listed(transaction: Transaction, wanted: RequestFilter, before: int | None, limit: int) -> list[Row]:
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
    query = sa.select(cancellation_requests).where(*conditions).order_by(table.number.desc()).limit(limit)
    return [dict(row) for row in transaction.execute(query).mappings()]


def requests_after(transaction: Transaction, number: int, codes: Sequence[str]) -> list[dict[str, Any]]:
    """Requests of others than the merchant with a higher number, in order; of some channels, or of all when none is named."""
    table = cancellation_requests.c
    condition = [table.number > number, table.requester != MERCHANT]
    if codes:
        condition.append(table.channel.in_(codes))
    query = sa.select(cancellation_requests).where(*condition).order_by(table.number)
    return [dict(row) for row in transaction.execute(query).mappings()]
