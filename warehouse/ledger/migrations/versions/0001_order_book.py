"""The order book: connections, channels, raw orders, orders, consumers, incidents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from warehouse.ledger.base import schema

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create every table of the first release."""
    op.create_table('connections',
    sa.Column('code', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=64), nullable=False),
    sa.Column('label', sa.Text(), nullable=False),
    sa.Column('endpoint', sa.Text(), nullable=True),
    sa.Column('region', sa.String(length=64), nullable=True),
    sa.Column('settings', sa.JSON(), nullable=False),
    sa.Column('credentials', sa.JSON(), nullable=False, comment='name → env:NAME, file:PATH, or sealed:BASE64'),
    sa.Column('state', sa.JSON(), nullable=False, comment='what pulling learnt: clock skew, window length, abilities'),
    sa.Column('created_at', schema.Instant(length=27), nullable=False),
    sa.Column('updated_at', schema.Instant(length=27), nullable=False),
    sa.PrimaryKeyConstraint('code')
    )
    op.create_table('consumers',
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False, comment='last position it asked to read after'),
    sa.Column('read_at', schema.Instant(length=27), nullable=True),
    sa.Column('created_at', schema.Instant(length=27), nullable=False),
    sa.PrimaryKeyConstraint('name')
    )
    op.create_table('incidents',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('scope', sa.String(length=64), nullable=False, comment='channel, connection, or system'),
    sa.Column('subject', sa.String(length=64), nullable=False, comment="the channel's or connection's code, or the component"),
    sa.Column('stage', sa.String(length=64), nullable=False),
    sa.Column('code', sa.String(length=64), nullable=False),
    sa.Column('order_id', sa.String(length=36), nullable=False, comment='"" when not about one order'),
    sa.Column('message', sa.Text(), nullable=False),
    sa.Column('hint', sa.Text(), nullable=False),
    sa.Column('details', sa.JSON(), nullable=False),
    sa.Column('first_seen_at', schema.Instant(length=27), nullable=False),
    sa.Column('last_seen_at', schema.Instant(length=27), nullable=False),
    sa.Column('occurrences', sa.Integer(), nullable=False),
    sa.Column('resolved_at', schema.Instant(length=27), nullable=True),
    sa.Column('resolution', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_incidents_order', 'incidents', ['order_id'], unique=False)
    op.create_index('ux_incidents_open', 'incidents', ['scope', 'subject', 'stage', 'code', 'order_id'], unique=True, sqlite_where=sa.text('resolved_at IS NULL'), postgresql_where=sa.text('resolved_at IS NULL'))
    op.create_table('leases',
    sa.Column('name', sa.String(length=128), nullable=False),
    sa.Column('holder', sa.Text(), nullable=False),
    sa.Column('fence', sa.BigInteger(), nullable=False, comment='grows with every holder; a write with an older one is refused'),
    sa.Column('expires_at', schema.Instant(length=27), nullable=False),
    sa.PrimaryKeyConstraint('name')
    )
    op.create_table('marks',
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('value', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('name'),
    comment="position, raw and normalised_through: counters and cursors that move in their stage's transaction"
    )
    op.create_table('order_events',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('order_id', sa.String(length=36), nullable=False),
    sa.Column('at', schema.Instant(length=27), nullable=False),
    sa.Column('kind', sa.String(length=64), nullable=False),
    sa.Column('data', sa.JSON(), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_order_events_order', 'order_events', ['order_id', 'id'], unique=False)
    op.create_table('order_versions',
    sa.Column('position', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('order_id', sa.String(length=36), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('status', sa.String(length=24), nullable=False),
    sa.Column('marketplace_updated_at', schema.Instant(length=27), nullable=False),
    sa.Column('recorded_at', schema.Instant(length=27), nullable=False),
    sa.Column('raw_seq', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('changed', sa.Text(), nullable=False, comment='JSON list of the members that changed; [] for the first'),
    sa.Column('facts', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('position')
    )
    op.create_index('ix_order_versions_order', 'order_versions', ['order_id', 'revision'], unique=False)
    op.create_table('orders',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('original_id', sa.Text(), nullable=False),
    sa.Column('channel', sa.String(length=64), nullable=False),
    sa.Column('marketplace', sa.Text(), nullable=False),
    sa.Column('status', sa.String(length=24), nullable=False),
    sa.Column('marketplace_status', sa.Text(), nullable=True),
    sa.Column('fulfilled_by', sa.String(length=12), nullable=True),
    sa.Column('purchased_at', schema.Instant(length=27), nullable=False),
    sa.Column('marketplace_updated_at', schema.Instant(length=27), nullable=False),
    sa.Column('received_at', schema.Instant(length=27), nullable=False),
    sa.Column('ship_by', schema.Instant(length=27), nullable=True),
    sa.Column('currency', sa.String(length=8), nullable=True),
    sa.Column('total', sa.Text(), nullable=True, comment='decimal text, exactly as carried'),
    sa.Column('shipping_country_code', sa.String(length=2), nullable=True),
    sa.Column('has_errors', sa.Boolean(), nullable=False),
    sa.Column('has_cancellation_request', sa.Boolean(), nullable=False),
    sa.Column('is_historical', sa.Boolean(), nullable=False),
    sa.Column('confirmation_status', sa.String(length=64), nullable=False),
    sa.Column('pii_state', sa.String(length=64), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('position', sa.BigInteger(), nullable=False),
    sa.Column('content_hash', sa.LargeBinary(length=32), nullable=False),
    sa.Column('raw_seq', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('facts', sa.Text(), nullable=False, comment='rendered JSON members of the document, without personal data'),
    sa.Column('acknowledgements', sa.Text(), nullable=False, comment='rendered JSON list'),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_orders_channel_purchased', 'orders', ['channel', 'purchased_at', 'id'], unique=False)
    op.create_index('ix_orders_original', 'orders', ['channel', 'original_id'], unique=False)
    op.create_index('ix_orders_purchased', 'orders', ['purchased_at', 'id'], unique=False)
    op.create_index('ix_orders_received', 'orders', ['received_at', 'id'], unique=False)
    op.create_index('ix_orders_status_purchased', 'orders', ['status', 'purchased_at', 'id'], unique=False)
    op.create_index('ix_orders_updated', 'orders', ['marketplace_updated_at', 'id'], unique=False)
    op.create_index('ux_orders_position', 'orders', ['position'], unique=True)
    op.create_table('pulls',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('connection', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=64), nullable=False, comment='tick, backfill or sweep'),
    sa.Column('channels', sa.JSON(), nullable=False),
    sa.Column('since', schema.Instant(length=27), nullable=False),
    sa.Column('until', schema.Instant(length=27), nullable=False),
    sa.Column('started_at', schema.Instant(length=27), nullable=False),
    sa.Column('finished_at', schema.Instant(length=27), nullable=True),
    sa.Column('outcome', sa.String(length=64), nullable=False, comment='running, complete, failed or abandoned'),
    sa.Column('pages', sa.Integer(), nullable=False),
    sa.Column('orders_seen', sa.Integer(), nullable=False),
    sa.Column('orders_new', sa.Integer(), nullable=False, comment='raw payloads stored, because they were new or had changed'),
    sa.Column('orders_skipped', sa.Integer(), nullable=False, comment='of channels that are not retrieved'),
    sa.Column('error_code', sa.String(length=64), nullable=True),
    sa.Column('error', sa.Text(), nullable=True),
    sa.Column('missing_data', sa.JSON(), nullable=False, comment='data sets the marketplace refused to include'),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_pulls_connection', 'pulls', ['connection', 'id'], unique=False)
    op.create_table('quarantine',
    sa.Column('connection', sa.String(length=64), nullable=False),
    sa.Column('original_id', sa.Text(), nullable=False),
    sa.Column('raw_seq', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('channel', sa.String(length=64), nullable=True),
    sa.Column('code', sa.String(length=64), nullable=False),
    sa.Column('path', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('since', schema.Instant(length=27), nullable=False),
    sa.PrimaryKeyConstraint('connection', 'original_id')
    )
    op.create_table('quota_buckets',
    sa.Column('connection', sa.String(length=64), nullable=False),
    sa.Column('operation', sa.String(length=64), nullable=False),
    sa.Column('tokens', sa.Float(), nullable=False),
    sa.Column('refilled_at', schema.Instant(length=27), nullable=False),
    sa.Column('per_second', sa.Float(), nullable=False),
    sa.Column('burst', sa.Integer(), nullable=False),
    sa.Column('blocked_until', schema.Instant(length=27), nullable=True, comment='set by a 429'),
    sa.PrimaryKeyConstraint('connection', 'operation')
    )
    op.create_table('raw_orders',
    sa.Column('seq', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), autoincrement=False, nullable=False, comment='order of arrival, in commit order'),
    sa.Column('connection', sa.String(length=64), nullable=False),
    sa.Column('channel', sa.String(length=64), nullable=True, comment='null: the payload does not say, or not readably'),
    sa.Column('original_id', sa.Text(), nullable=False),
    sa.Column('content_hash', sa.LargeBinary(length=32), nullable=False),
    sa.Column('pull_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('page', sa.Integer(), nullable=False),
    sa.Column('received_at', schema.Instant(length=27), nullable=False),
    sa.Column('is_historical', sa.Boolean(), nullable=False),
    sa.Column('body', sa.LargeBinary(), nullable=True, comment='the exact bytes, compressed and sealed; null after the purge'),
    sa.Column('payload', sa.Text(), nullable=False, comment='the same JSON without personal data'),
    sa.PrimaryKeyConstraint('seq')
    )
    op.create_index('ix_raw_orders_original', 'raw_orders', ['connection', 'original_id', 'seq'], unique=False)
    op.create_table('acknowledgements',
    sa.Column('order_id', sa.String(length=36), nullable=False),
    sa.Column('consumer', sa.String(length=64), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('outcome', sa.String(length=64), nullable=False, comment='ok or error'),
    sa.Column('order_number', sa.Text(), nullable=True, comment="the consumer's own number for the order"),
    sa.Column('message', sa.Text(), nullable=True),
    sa.Column('at', schema.Instant(length=27), nullable=False),
    sa.ForeignKeyConstraint(['consumer'], ['consumers.name'], ),
    sa.ForeignKeyConstraint(['order_id'], ['orders.id'], ),
    sa.PrimaryKeyConstraint('order_id', 'consumer')
    )
    op.create_table('channels',
    sa.Column('code', sa.String(length=64), nullable=False),
    sa.Column('label', sa.Text(), nullable=False),
    sa.Column('marketplace', sa.Text(), nullable=False),
    sa.Column('connection', sa.String(length=64), nullable=False),
    sa.Column('selector', sa.Text(), nullable=True, comment='Amazon: marketplace id; Mirakl: channel code; null: the whole connection'),
    sa.Column('retrieval', sa.Boolean(), nullable=False),
    sa.Column('confirmation', sa.Boolean(), nullable=False),
    sa.Column('acceptance', sa.String(length=64), nullable=False, comment='manual, automatic or off'),
    sa.Column('settings', sa.JSON(), nullable=False),
    sa.Column('created_at', schema.Instant(length=27), nullable=False),
    sa.Column('updated_at', schema.Instant(length=27), nullable=False),
    sa.ForeignKeyConstraint(['connection'], ['connections.code'], ),
    sa.PrimaryKeyConstraint('code')
    )
    op.create_index('ix_channels_connection', 'channels', ['connection'], unique=False)
    op.create_table('order_lines',
    sa.Column('id', sa.String(length=36), nullable=False),
    sa.Column('order_id', sa.String(length=36), nullable=False),
    sa.Column('original_id', sa.Text(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('channel', sa.String(length=64), nullable=False),
    sa.Column('sku', sa.Text(), nullable=True),
    sa.Column('gtin', sa.Text(), nullable=True),
    sa.Column('quantity_ordered', sa.Integer(), nullable=True),
    sa.Column('quantity_shipped', sa.Integer(), nullable=True),
    sa.Column('quantity_cancelled', sa.Integer(), nullable=True),
    sa.ForeignKeyConstraint(['order_id'], ['orders.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_order_lines_order', 'order_lines', ['order_id'], unique=False)
    op.create_index('ix_order_lines_sku', 'order_lines', ['channel', 'sku'], unique=False)
    op.create_table('parties',
    sa.Column('order_id', sa.String(length=36), nullable=False),
    sa.Column('sealed', sa.LargeBinary(), nullable=False, comment='buyer and addresses, encrypted'),
    sa.Column('updated_at', schema.Instant(length=27), nullable=False),
    sa.ForeignKeyConstraint(['order_id'], ['orders.id'], ),
    sa.PrimaryKeyConstraint('order_id')
    )
    op.create_table('tokens',
    sa.Column('id', sa.String(length=16), nullable=False),
    sa.Column('consumer', sa.String(length=64), nullable=False),
    sa.Column('secret_hash', sa.LargeBinary(length=32), nullable=False),
    sa.Column('scopes', sa.JSON(), nullable=False),
    sa.Column('channels', sa.JSON(), nullable=True, comment='list of channel codes; null: all'),
    sa.Column('created_at', schema.Instant(length=27), nullable=False),
    sa.Column('expires_at', schema.Instant(length=27), nullable=True),
    sa.Column('revoked_at', schema.Instant(length=27), nullable=True),
    sa.Column('last_used_at', schema.Instant(length=27), nullable=True),
    sa.ForeignKeyConstraint(['consumer'], ['consumers.name'], ),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_tokens_consumer', 'tokens', ['consumer'], unique=False)
    op.create_table('coverage',
    sa.Column('channel', sa.String(length=64), nullable=False),
    sa.Column('complete_from', schema.Instant(length=27), nullable=False),
    sa.Column('complete_through', schema.Instant(length=27), nullable=False, comment='the pull cursor: nothing up to here is missing'),
    sa.Column('updated_at', schema.Instant(length=27), nullable=False),
    sa.ForeignKeyConstraint(['channel'], ['channels.code'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('channel')
    )
    op.bulk_insert(
        sa.table("marks", sa.column("name", sa.String), sa.column("value", sa.BigInteger)),
        [{"name": name, "value": 0} for name in ("position", "raw", "normalised_through", "products")],
    )
