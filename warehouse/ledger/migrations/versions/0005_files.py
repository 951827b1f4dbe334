"""Storages and file jobs: where files are exchanged, the jobs, the files they wrote and read, and their orders and rows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from warehouse.ledger.base import schema

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the tables of storages and file jobs; until now a position moved only with a change of the marketplace's."""
    op.create_table('files',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('direction', sa.String(length=64), nullable=False, comment='export or import'),
    sa.Column('channel', sa.String(length=64), nullable=False),
    sa.Column('storage', sa.String(length=64), nullable=False),
    sa.Column('folder', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('state', sa.String(length=64), nullable=False, comment='export: preparing, planned, uploaded; import: received, applied, refused, repeated'),
    sa.Column('size', sa.BigInteger(), nullable=False, comment='bytes'),
    sa.Column('sha256', sa.String(length=64), nullable=True, comment='hex; null: the bytes were never fetched'),
    sa.Column('rows', sa.Integer(), nullable=False, comment='rows below the header'),
    sa.Column('orders', sa.Integer(), nullable=False),
    sa.Column('fulfilled_by', sa.String(length=64), nullable=True, comment='the group of a split export'),
    sa.Column('country_code', sa.String(length=64), nullable=True, comment='the group of a split export'),
    sa.Column('applied', sa.Integer(), nullable=False),
    sa.Column('known', sa.Integer(), nullable=False),
    sa.Column('refused', sa.Integer(), nullable=False),
    sa.Column('details', sa.JSON(), nullable=False, comment='exports: the split; imports: encoding, unknown columns…'),
    sa.Column('error_code', sa.String(length=64), nullable=True),
    sa.Column('error', sa.Text(), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False, comment='uploads that were begun'),
    sa.Column('created_at', schema.Instant(length=27), nullable=False),
    sa.Column('finished_at', schema.Instant(length=27), nullable=True, comment='uploaded, or done with'),
    sa.Column('updated_at', schema.Instant(length=27), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_files_channel', 'files', ['channel', 'id'], unique=False)
    op.create_index('ix_files_sha256', 'files', ['sha256'], unique=False)
    op.create_index('ix_files_unfinished', 'files', ['channel', 'id'], unique=False, sqlite_where=sa.text('finished_at IS NULL'), postgresql_where=sa.text('finished_at IS NULL'))
    op.create_index('ix_files_updated', 'files', ['updated_at'], unique=False)
    op.create_index('ux_files_exported_name', 'files', ['name'], unique=True, sqlite_where=sa.text("direction = 'export'"), postgresql_where=sa.text("direction = 'export'"))
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
    op.create_table('file_members',
    sa.Column('file_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('order_id', sa.String(length=36), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False, comment='where that revision stood in the change feed'),
    sa.ForeignKeyConstraint(['file_id'], ['files.id'], ),
    sa.PrimaryKeyConstraint('file_id', 'order_id')
    )
    op.create_index('ix_file_members_order', 'file_members', ['order_id'], unique=False)
    op.create_table('file_rows',
    sa.Column('file_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False, comment='from 1, the header not counted'),
    sa.Column('channel', sa.String(length=64), nullable=False),
    sa.Column('order_id', sa.String(length=36), nullable=True),
    sa.Column('shipment_id', sa.String(length=36), nullable=True),
    sa.Column('outcome', sa.String(length=64), nullable=False, comment='applied, known or refused'),
    sa.Column('code', sa.String(length=64), nullable=True),
    sa.Column('column_name', sa.String(length=64), nullable=True),
    sa.Column('message', sa.Text(), nullable=True),
    sa.Column('recorded_at', schema.Instant(length=27), nullable=False),
    sa.ForeignKeyConstraint(['file_id'], ['files.id'], ),
    sa.PrimaryKeyConstraint('file_id', 'number')
    )
    op.create_index('ix_file_rows_order', 'file_rows', ['order_id'], unique=False)
    op.create_index('ix_file_rows_recorded', 'file_rows', ['recorded_at'], unique=False)
    op.create_table('file_jobs',
    sa.Column('channel', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=64), nullable=False, comment='export or import'),
    sa.Column('is_on', sa.Boolean(), nullable=False),
    sa.Column('frequency', sa.String(length=64), nullable=False, comment='15m, 30m, 45m, hourly, daily or weekly'),
    sa.Column('at', sa.String(length=5), nullable=False, comment='time of day of a daily or weekly job, HH:MM'),
    sa.Column('weekday', sa.String(length=64), nullable=False, comment='day of a weekly job'),
    sa.Column('storage', sa.String(length=64), nullable=False),
    sa.Column('folder', sa.Text(), nullable=False),
    sa.Column('settings', sa.JSON(), nullable=False, comment='the settings of this kind of job'),
    sa.Column('cursor', sa.BigInteger(), nullable=False, comment='exports: the marketplace change up to which orders were exported'),
    sa.Column('due_after', schema.Instant(length=27), nullable=False, comment='the first of its times after this one is when it is due'),
    sa.Column('retry_at', schema.Instant(length=27), nullable=True, comment='after a failure: due then, if that is sooner'),
    sa.Column('last_started_at', schema.Instant(length=27), nullable=True),
    sa.Column('last_finished_at', schema.Instant(length=27), nullable=True),
    sa.Column('created_at', schema.Instant(length=27), nullable=False),
    sa.Column('updated_at', schema.Instant(length=27), nullable=False),
    sa.ForeignKeyConstraint(['channel'], ['channels.code'], ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['storage'], ['storages.code'], ),
    sa.PrimaryKeyConstraint('channel', 'kind')
    )
    op.add_column('orders', sa.Column('marketplace_change', sa.BigInteger(), server_default='0', nullable=False, comment='number of the last change that came from the marketplace, in commit order: what file exports go by'))
    op.create_index('ix_orders_marketplace_change', 'orders', ['channel', 'marketplace_change'], unique=False)
    op.execute("UPDATE orders SET marketplace_change = position")
    op.execute("INSERT INTO marks (name, value) SELECT 'marketplace_changes', value FROM marks WHERE name = 'position'")
