"""Orders with errors and with cancellation requests are few: an index each, so that their lists cost what they show."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the two partial indexes."""
    for name, column in (("ix_orders_errors", "has_errors"), ("ix_orders_cancellation", "has_cancellation_request")):
        op.create_index(
            name,
            "orders",
            ["purchased_at", "id"],
            sqlite_where=sa.text(f"{column} = 1"),
            postgresql_where=sa.text(column),
        )
