"""An index of the orders whose marketplace's clock ran ahead of ours: a list by a range of arrivals asks whether there are any."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"

AHEAD = sa.text("purchased_at > received_at")


def upgrade() -> None:
    """The index, of few rows."""
    op.create_index("ix_orders_ahead", "orders", ["received_at"], sqlite_where=AHEAD, postgresql_where=AHEAD)
