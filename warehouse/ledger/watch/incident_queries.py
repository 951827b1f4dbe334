"""Finding incidents, as a reader may see them. Opening and closing them is in `incidents`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa

from warehouse.ledger.base.rows import Json, columns_of, read_rows
from warehouse.ledger.base.schema import incidents
from warehouse.ledger.settings.channels import connections_serving, connections_serving_only

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection as Transaction


class IncidentRecord(NamedTuple):
    """A problem that is or was open; each member is a column of `incidents`, which says what it means."""

    id: int
    scope: str
    subject: str
    stage: str
    code: str
    kind: str
    order_id: str
    message: str
    cause: str
    hint: str
    details: Json
    run_id: str | None
    file_id: str
    attempt_id: str | None
    first_seen_at: datetime
    last_seen_at: datetime
    occurrences: int
    resolved_at: datetime | None
    resolution: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentFilter:
    """Which incidents.

    Attributes:
        visible_channels: What the reader may see. A reader of all channels (None) sees everything; any other sees the
            incidents of its channels, and those of a connection that serves no channel but its own.
        channels: Only what concerns any of these: their incidents and their connections'.
        is_open: True for open ones, False for resolved ones, None for both.
        kinds: Any of these kinds.
        stages: Any of these stages.
        codes: Any of these codes.
        order_id: About one order.
        id: The one with this number.
    """

    visible_channels: tuple[str, ...] | None = None
    channels: tuple[str, ...] = ()
    is_open: bool | None = True
    kinds: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    order_id: str | None = None
    id: int | None = None


OPEN = IncidentFilter()


def find_incidents(
    transaction: Transaction, wanted: IncidentFilter = OPEN, before_id: int | None = None, limit: int = 100
) -> list[IncidentRecord]:
    """The `limit` newest incidents with an id below `before_id`, newest first."""
    query = (
        sa.select(*columns_of(IncidentRecord, incidents))
        .where(*_matching(wanted))
        .order_by(incidents.c.id.desc())
        .limit(limit)
    )
    if before_id is not None:
        query = query.where(incidents.c.id < before_id)
    if wanted.channels:
        query = query.where(_about(wanted.channels, connections_serving(transaction, wanted.channels)))
    if wanted.visible_channels is not None:
        query = query.where(_visible(transaction, wanted.visible_channels))
    return [dict(row) for row in transaction.execute(query).mappings()]
    return read_rows(transaction, IncidentRecord, query.order_by(incidents.c.id.desc()).limit(limit))
