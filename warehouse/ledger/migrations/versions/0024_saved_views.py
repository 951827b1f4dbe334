"""Views of lists that people keep; and on PostgreSQL, whose index of ids serves their beginnings in any locale from here on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from warehouse.ledger.base.schema.columns import Instant

revision = "0024"
down_revision = "0023"

DEFAULT = sa.text("is_default")


def upgrade() -> None:
    """The table, and the index."""
    op.create_table(
        "saved_views",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("owner", sa.String(64), sa.ForeignKey("users.name", ondelete="CASCADE"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("query", sa.Text, nullable=False, comment="of the list's address: filters, sort, columns"),
        sa.Column("is_shared", sa.Boolean, nullable=False),
        sa.Column("is_default", sa.Boolean, nullable=False, comment="whether the list opens with it"),
        sa.Column("place", sa.Integer, nullable=False, comment="among the owner's"),
        sa.Column("updated_at", Instant, nullable=False),
    )
    op.create_index("ux_saved_views_name", "saved_views", ["owner", "name"], unique=True)
    op.create_index(
        "ux_saved_views_default", "saved_views", ["owner"], unique=True, sqlite_where=DEFAULT, postgresql_where=DEFAULT
    )
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index("ix_orders_original", "orders")
        pattern = {"original_id": "text_pattern_ops"}
        op.create_index("ix_orders_original", "orders", ["channel", "original_id"], postgresql_ops=pattern)
