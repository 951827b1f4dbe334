"""Products, so that order lines link to the merchant's catalogue."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from warehouse.ledger.base import schema

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the products table."""
    op.create_table('products',
    sa.Column('channel', sa.String(length=64), nullable=False),
    sa.Column('sku', sa.Text(), nullable=False),
    sa.Column('gtin', sa.Text(), nullable=True),
    sa.Column('title', sa.Text(), nullable=True),
    sa.Column('url', sa.Text(), nullable=True),
    sa.Column('updated_at', schema.Instant(length=27), nullable=False),
    sa.PrimaryKeyConstraint('channel', 'sku')
    )
    op.create_index('ix_products_gtin', 'products', ['channel', 'gtin'], unique=False)
