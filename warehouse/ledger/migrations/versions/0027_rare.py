"""Indexes for lists that find few orders: changed before they were purchased, and those whose personal data was purged."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"

AHEAD = sa.text("purchased_at > marketplace_updated_at")
PURGED = sa.text("pii_state = 'expired'")


def upgrade() -> None:
    """Two partial indexes."""
    name, columns = "ix_orders_changed_ahead", ["marketplace_updated_at"]
    op.create_index(name, "orders", columns, sqlite_where=AHEAD, postgresql_where=AHEAD)
    name, columns = "ix_orders_purged", ["purchased_at", "id"]
    op.create_index(name, "orders", columns, sqlite_where=PURGED, postgresql_where=PURGED)
