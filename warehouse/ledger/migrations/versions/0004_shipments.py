"""Shipments: what the ERP reported, every attempt to tell the marketplace, acceptances, carriers, idempotency keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from warehouse.ledger.base import schema

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the tables of shipments."""
    op.create_table('carriers',
    sa.Column('channel', sa.String(length=64), nullable=False),
    sa.Column('code', sa.Text(), nullable=False, comment="the ERP's word, in capitals"),
    sa.Column('carrier_code', sa.Text(), nullable=True, comment="the marketplace's code; null: a carrier that goes by its name"),
    sa.Column('carrier_name', sa.Text(), nullable=True),
    sa.Column('tracking_url', sa.Text(), nullable=True, comment='with {tracking_number} where the number goes'),
    sa.Column('updated_at', schema.Instant(length=27), nullable=False),
    sa.PrimaryKeyConstraint('channel', 'code')
    )
    op.create_table('idempotency_keys',
    sa.Column('consumer', sa.String(length=64), nullable=False),
    sa.Column('key', sa.String(length=255), nullable=False),
    sa.Column('body_hash', sa.LargeBinary(length=32), nullable=False),
    sa.Column('holder', sa.Text(), nullable=True, comment='the process that works on it; null when it is answered'),
    sa.Column('status', sa.Integer(), nullable=True),
    sa.Column('headers', sa.JSON(), nullable=True),
    sa.Column('body', sa.LargeBinary(), nullable=True),
    sa.Column('created_at', schema.Instant(length=27), nullable=False),
    sa.PrimaryKeyConstraint('consumer', 'key')
    )
    op.create_index('ix_idempotency_keys_created', 'idempotency_keys', ['created_at'], unique=False)
    op.create_table('acceptances',
    sa.Column('order_id', sa.String(length=36), nullable=False),
    sa.Column('channel', sa.String(length=64), nullable=False),
    sa.Column('decisions', sa.JSON(), nullable=False, comment='line id → whether it is accepted'),
    sa.Column('status', sa.String(length=64), nullable=False, comment='queued, sending, done or rejected'),
    sa.Column('requested_by', sa.String(length=64), nullable=False, comment='the consumer, or automatic'),
    sa.Column('requested_at', schema.Instant(length=27), nullable=False),
    sa.Column('updated_at', schema.Instant(length=27), nullable=False),
    sa.Column('due_at', schema.Instant(length=27), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('fence', sa.Integer(), nullable=False),
    sa.Column('claimed_by', sa.Text(), nullable=True),
    sa.Column('claimed_until', schema.Instant(length=27), nullable=True),
    sa.Column('code', sa.String(length=64), nullable=True),
    sa.Column('message', sa.Text(), nullable=True),
    sa.Column('hint', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['order_id'], ['orders.id'], ),
    sa.PrimaryKeyConstraint('order_id')
    )
    op.create_index('ix_acceptances_due', 'acceptances', ['status', 'due_at'], unique=False)
    op.create_table('shipments',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('order_id', sa.String(length=36), nullable=False),
    sa.Column('channel', sa.String(length=64), nullable=False),
    sa.Column('package_id', sa.Text(), nullable=False, comment="the ERP's name of the package"),
    sa.Column('reference', sa.Integer(), nullable=False, comment="the package's number within its order, for good"),
    sa.Column('tracking_number', sa.Text(), nullable=True),
    sa.Column('carrier_code', sa.Text(), nullable=True, comment="the ERP's word"),
    sa.Column('carrier_name', sa.Text(), nullable=True),
    sa.Column('tracking_url', sa.Text(), nullable=True),
    sa.Column('shipping_method', sa.Text(), nullable=True),
    sa.Column('ship_from', sa.Text(), nullable=True),
    sa.Column('return_tracking_number', sa.Text(), nullable=True),
    sa.Column('return_carrier', sa.Text(), nullable=True),
    sa.Column('shipped_at', schema.Instant(length=27), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False, comment='grows with every change of what is told'),
    sa.Column('sent_version', sa.Integer(), nullable=True, comment='the version that the marketplace has; null: none'),
    sa.Column('status', sa.String(length=64), nullable=False),
    sa.Column('held_reason', sa.String(length=64), nullable=True),
    sa.Column('source', sa.String(length=64), nullable=False, comment='api or file'),
    sa.Column('consumer', sa.String(length=64), nullable=False, comment='who reported it last'),
    sa.Column('report_id', sa.String(length=36), nullable=False, comment='the request or file that reported it last'),
    sa.Column('reported_at', schema.Instant(length=27), nullable=False),
    sa.Column('updated_at', schema.Instant(length=27), nullable=False),
    sa.Column('due_at', schema.Instant(length=27), nullable=True, comment='when the pipeline may take it up; null: it waits for nobody'),
    sa.Column('attempts', sa.Integer(), nullable=False, comment='since it was last queued'),
    sa.Column('fence', sa.Integer(), nullable=False, comment='grows with every claim; a result with an older one is refused'),
    sa.Column('claimed_by', sa.Text(), nullable=True),
    sa.Column('claimed_until', schema.Instant(length=27), nullable=True),
    sa.Column('sent_at', schema.Instant(length=27), nullable=True),
    sa.Column('verified_at', schema.Instant(length=27), nullable=True),
    sa.Column('known_as', sa.Text(), nullable=True, comment="the marketplace's own id of the package"),
    sa.Column('told_carrier', sa.Text(), nullable=True, comment='the carrier as the marketplace was told'),
    sa.Column('code', sa.String(length=64), nullable=True, comment='of the last attempt that failed'),
    sa.Column('message', sa.Text(), nullable=True),
    sa.Column('hint', sa.Text(), nullable=True),
    sa.Column('difference', sa.JSON(none_as_null=True), nullable=True, comment='member → [ours, theirs], where reading back showed something else'),
    sa.ForeignKeyConstraint(['order_id'], ['orders.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('order_id', 'package_id', name='ux_shipments_package'),
    sa.UniqueConstraint('order_id', 'reference', name='ux_shipments_reference')
    )
    op.create_index('ix_shipments_channel_status', 'shipments', ['channel', 'status', 'reported_at'], unique=False)
    op.create_index('ix_shipments_due', 'shipments', ['status', 'due_at'], unique=False)
    op.create_index('ix_shipments_report', 'shipments', ['report_id'], unique=False)
    op.create_index('ix_shipments_reported', 'shipments', ['reported_at', 'id'], unique=False)
    op.create_index('ix_shipments_updated', 'shipments', ['updated_at'], unique=False)
    op.create_index('ix_shipments_tracking', 'shipments', ['tracking_number'], unique=False)
    op.create_index('ix_shipments_package', 'shipments', ['package_id'], unique=False)
    op.create_table('channel_requirements',
    sa.Column('channel', sa.String(length=64), nullable=False),
    sa.Column('data', sa.JSON(), nullable=False),
    sa.Column('asked_at', schema.Instant(length=27), nullable=False),
    sa.ForeignKeyConstraint(['channel'], ['channels.code'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('channel')
    )
    op.create_table('confirmation_attempts',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('shipment_id', sa.String(length=36), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('fence', sa.Integer(), nullable=False),
    sa.Column('operation', sa.String(length=64), nullable=True, comment='the last call that was made; null before the first one'),
    sa.Column('started_at', schema.Instant(length=27), nullable=False),
    sa.Column('finished_at', schema.Instant(length=27), nullable=True),
    sa.Column('outcome', sa.String(length=64), nullable=False, comment='running, sent, rejected, in_doubt, retry or refuted'),
    sa.Column('http_status', sa.Integer(), nullable=True),
    sa.Column('request_id', sa.Text(), nullable=True, comment="the marketplace's id of the call"),
    sa.Column('code', sa.String(length=64), nullable=True),
    sa.Column('message', sa.Text(), nullable=True),
    sa.Column('hint', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['shipment_id'], ['shipments.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_confirmation_attempts_finished', 'confirmation_attempts', ['finished_at'], unique=False)
    op.create_index('ix_confirmation_attempts_shipment', 'confirmation_attempts', ['shipment_id', 'id'], unique=False)
    op.create_index('ix_confirmation_attempts_started', 'confirmation_attempts', ['started_at'], unique=False)
    op.create_table('shipment_lines',
    sa.Column('shipment_id', sa.String(length=36), nullable=False),
    sa.Column('line_id', sa.String(length=36), nullable=False),
    sa.Column('quantity', sa.Integer(), nullable=False),
    sa.Column('shipped_by_others', sa.Integer(), nullable=False, comment='units of the line that the marketplace knew when it was reported and that were none of ours'),
    sa.ForeignKeyConstraint(['shipment_id'], ['shipments.id'], ),
    sa.PrimaryKeyConstraint('shipment_id', 'line_id')
    )
    op.add_column('orders', sa.Column('source_status', sa.String(length=24), nullable=True, comment="the marketplace's state in our words, of orders with shipments of ours, which raise `status`"))
