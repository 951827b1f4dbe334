"""What each kind of marketplace is, as the pipeline describes it; and one word for the limits of a call.

Connections that named their longest waits `read_seconds` and `total_seconds` name them like all others.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from warehouse.ledger.base.schema import Instant

revision = "0015"
down_revision = "0014"

RENAMED = {"read_seconds": "read_timeout_seconds", "total_seconds": "total_timeout_seconds"}


def upgrade() -> None:
    """A table, and the settings' new names."""
    op.create_table(
        "marketplace_kinds",
        sa.Column("kind", sa.String(64), primary_key=True),
        sa.Column("data", sa.JSON(), nullable=False, comment="as `warehouse.marketplace_kinds` describes a kind"),
        sa.Column("updated_at", Instant(), nullable=False),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column(
            "channels",
            "selector",
            existing_type=sa.Text(),
            existing_nullable=True,
            comment="what picks its orders, in the marketplace's word; null: the whole connection",
        )
    connections = sa.table("connections", sa.column("code", sa.Text), sa.column("settings", sa.JSON))
    transaction = op.get_bind()
    for code, settings in transaction.execute(sa.select(connections.c.code, connections.c.settings)).all():
        named = {RENAMED.get(name, name): value for name, value in settings.items()}
        if named != settings:
            transaction.execute(sa.update(connections).where(connections.c.code == code).values(settings=named))
