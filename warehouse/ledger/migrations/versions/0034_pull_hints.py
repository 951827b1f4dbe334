"""Hints that orders have changed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from warehouse.ledger.base.schema import Instant

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    """None has come yet."""
    op.create_table(
        "pull_hints",
        sa.Column("connection", sa.String(64), primary_key=True),
        sa.Column("changed_at", Instant, primary_key=True, comment="when orders changed, rounded up to ten seconds"),
    )
