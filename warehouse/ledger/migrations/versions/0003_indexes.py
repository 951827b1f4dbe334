"""Orders with errors and with cancellation requests are few: an index each, so that their lists cost what they show.

And one by time for acknowledgements, of which each publish takes the latest.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the three indexes."""
    for name, column in (("ix_orders_errors", "has_errors"), ("ix_orders_cancellation", "has_cancellation_request")):
        op.create_index(
            name,
            "orders",
            ["purchased_at", "id"],
            sqlite_where=sa.text(f"{column} = 1"),
            postgresql_where=sa.text(column),
        )
    op.create_index("ix_acknowledgements_at", "acknowledgements", ["at"])
