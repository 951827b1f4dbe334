"""Notices of deleted buyers' accounts, until they are carried out."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from warehouse.ledger.base.schema import Instant

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """A table."""
    op.create_table(
        "account_deletions",
        sa.Column(
            "id",
            sa.String(64),
            primary_key=True,
            comment="SHA-256 of connection and notice: one row however often it comes",
        ),
        sa.Column("connection", sa.String(64), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False, comment="the notice and its signature, encrypted"),
        sa.Index("ix_account_deletions_received", "received_at"),
    )
