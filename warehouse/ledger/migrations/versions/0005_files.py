"""Storages: where files are exchanged with other systems."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from warehouse.ledger import schema

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the table of storages."""
    op.create_table('storages',
    sa.Column('code', sa.String(length=64), nullable=False),
    sa.Column('label', sa.Text(), nullable=False),
    sa.Column('kind', sa.String(length=64), nullable=False),
    sa.Column('settings', sa.JSON(), nullable=False),
    sa.Column('credentials', sa.JSON(), nullable=False, comment='name → env:NAME, file:PATH, or sealed:BASE64'),
    sa.Column('created_at', schema.Instant(length=27), nullable=False),
    sa.Column('updated_at', schema.Instant(length=27), nullable=False),
    sa.PrimaryKeyConstraint('code')
    )
