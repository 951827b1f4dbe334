"""Named readers of the change feed: how far each one has read. Their tokens are in `tokens`, what they took over in
`acknowledgements`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base.schema import consumers

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.engine import Connection


def note_position(connection: Connection, consumer: str, position: int, now: datetime) -> None:
    """Remember the position that a consumer asked to read after: everything up to it has reached the consumer."""
    connection.execute(sa.update(consumers).where(consumers.c.name == consumer).values(position=position, read_at=now))


def position(connection: Connection, consumer: str) -> int | None:
    """The remembered position, None for an unknown consumer."""
    return connection.execute(sa.select(consumers.c.position).where(consumers.c.name == consumer)).scalar()
