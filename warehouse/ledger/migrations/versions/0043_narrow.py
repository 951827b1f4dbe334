"""Narrower indexes: of orders by a time alone, of which nothing is sorted by id, and of lines that have a GTIN."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0043"
down_revision = "0042"

INDEXES = (
    ("ix_orders_received", "orders", ["received_at"], None),
    ("ix_orders_updated", "orders", ["marketplace_updated_at"], None),
    ("ix_orders_personal", "orders", ["received_at"], "pii_state = 'present'"),
    ("ix_order_lines_gtin", "order_lines", ["channel", "gtin"], "gtin IS NOT NULL"),
)


def upgrade() -> None:
    """Each is dropped and made anew."""
    for name, table, columns, condition in INDEXES:
        where = None if condition is None else sa.text(condition)
        op.drop_index(name, table)
        op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
