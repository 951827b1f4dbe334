"""An index of the closed orders that may be retired once they are old, and how many have been."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    """None is retired yet."""
    whole = sa.text("facts <> '' AND closed_at IS NOT NULL")
    op.create_index(
        "ix_orders_to_retire", "orders", ["closed_at", "key"], sqlite_where=whole, postgresql_where=whole
    )
    marks = sa.table("marks", sa.column("name"), sa.column("value"))
    op.bulk_insert(marks, [{"name": "retired", "value": 0}])
