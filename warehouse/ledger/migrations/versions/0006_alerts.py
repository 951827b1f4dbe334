"""Incidents with kind, cause and links; the log; alerts; cancellation requests; what of an order's errors is its payload's."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from warehouse.ledger.base import schema

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Create the tables, and tell apart what `has_errors` mixed up."""
    op.create_table('alert_recipients',
    sa.Column('code', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=8), nullable=False, comment='email, or url for chat and webhooks'),
    sa.Column('address', sa.Text(), nullable=False, comment='the e-mail address; env:NAME, file:PATH or sealed:BASE64'),
    sa.Column('channels', sa.JSON(), nullable=False, comment='only of these; [] for all'),
    sa.Column('kinds', sa.JSON(), nullable=False, comment='only of these kinds; [] for all'),
    sa.Column('summary', sa.Boolean(), nullable=False, comment='whether the daily summary goes there'),
    sa.Column('requests_told', sa.BigInteger(), nullable=False, comment='number of the last cancellation request told'),
    sa.Column('created_at', schema.Instant(length=27), nullable=False),
    sa.Column('updated_at', schema.Instant(length=27), nullable=False),
    sa.PrimaryKeyConstraint('code')
    )
    op.create_table('log_entries',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('at', schema.Instant(length=27), nullable=False),
    sa.Column('level', sa.String(length=8), nullable=False, comment='info, warning or error'),
    sa.Column('stage', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=64), nullable=False, comment='what happened, in one word'),
    sa.Column('channel', sa.String(length=64), nullable=True),
    sa.Column('connection', sa.String(length=64), nullable=True),
    sa.Column('order_id', sa.String(length=36), nullable=True),
    sa.Column('text', sa.Text(), nullable=False),
    sa.Column('data', sa.JSON(), nullable=False),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_log_entries_at', 'log_entries', ['at'], unique=False)
    op.create_index('ix_log_entries_channel', 'log_entries', ['channel', 'id'], unique=False)
    op.create_index('ix_log_entries_order', 'log_entries', ['order_id', 'id'], unique=False, sqlite_where=sa.text('order_id IS NOT NULL'), postgresql_where=sa.text('order_id IS NOT NULL'))
    op.create_index('ix_log_entries_trouble', 'log_entries', ['id'], unique=False, sqlite_where=sa.text("level <> 'info'"), postgresql_where=sa.text("level <> 'info'"))
    op.create_table('alert_messages',
    sa.Column('id', sa.String(length=128), nullable=False, comment='names its recipient, stream and time; also the Message-ID'),
    sa.Column('recipient', sa.String(length=64), nullable=False),
    sa.Column('stream', sa.String(length=64), nullable=False, comment='problems, cancellations, summary or test'),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('body', sa.Text(), nullable=False),
    sa.Column('created_at', schema.Instant(length=27), nullable=False),
    sa.Column('state', sa.String(length=8), nullable=False, comment='pending, sending, sent or given_up'),
    sa.Column('due_at', schema.Instant(length=27), nullable=False, comment='when to try next; while sending: when the claim ends'),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('sent_at', schema.Instant(length=27), nullable=True),
    sa.Column('error_code', sa.String(length=64), nullable=True),
    sa.ForeignKeyConstraint(['recipient'], ['alert_recipients.code'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_alert_messages_due', 'alert_messages', ['due_at'], unique=False, sqlite_where=sa.text("state IN ('pending', 'sending')"), postgresql_where=sa.text("state IN ('pending', 'sending')"))
    op.create_index('ix_alert_messages_created', 'alert_messages', ['created_at'], unique=False)
    op.create_table('alerts_told',
    sa.Column('recipient', sa.String(length=64), nullable=False),
    sa.Column('scope', sa.String(length=64), nullable=False),
    sa.Column('subject', sa.String(length=64), nullable=False),
    sa.Column('stage', sa.String(length=64), nullable=False),
    sa.Column('code', sa.String(length=64), nullable=False),
    sa.Column('occurrences', sa.Integer(), nullable=False, comment='as they were told last'),
    sa.Column('message', sa.Text(), nullable=False),
    sa.Column('at', schema.Instant(length=27), nullable=False),
    sa.ForeignKeyConstraint(['recipient'], ['alert_recipients.code'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('recipient', 'scope', 'subject', 'stage', 'code')
    )
    op.create_table('cancellation_requests',
    sa.Column('id', sa.String(length=36), nullable=False, comment='made of the order and the requester'),
    sa.Column('number', sa.BigInteger(), nullable=False, comment='grows in commit order, also when it is asked for again'),
    sa.Column('order_id', sa.String(length=36), nullable=False),
    sa.Column('original_id', sa.Text(), nullable=False),
    sa.Column('channel', sa.String(length=64), nullable=False),
    sa.Column('marketplace', sa.Text(), nullable=False),
    sa.Column('requester', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.Column('lines', sa.JSON(), nullable=False, comment='id, original_id, quantity asked for, quantity shipped by then'),
    sa.Column('requested_at', schema.Instant(length=27), nullable=False, comment="the marketplace's clock: the order's change that brought it"),
    sa.Column('seen_at', schema.Instant(length=27), nullable=False),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('hold_until', schema.Instant(length=27), nullable=True, comment='until when the order is held; null: it is not'),
    sa.Column('decided_by', sa.Text(), nullable=True),
    sa.Column('decided_at', schema.Instant(length=27), nullable=True),
    sa.Column('decision_reason', sa.Text(), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('due_at', schema.Instant(length=27), nullable=True, comment='when the marketplace is told of the acceptance next; null: not to be told'),
    sa.Column('claimed_until', schema.Instant(length=27), nullable=True, comment='while the marketplace is being told: when that must be over'),
    sa.Column('told_at', schema.Instant(length=27), nullable=True, comment='when the marketplace took the acceptance'),
    sa.Column('shipped_despite', sa.Boolean(), nullable=False),
    sa.Column('closed_at', schema.Instant(length=27), nullable=True),
    sa.Column('updated_at', schema.Instant(length=27), nullable=False),
    sa.ForeignKeyConstraint(['order_id'], ['orders.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('ix_cancellation_requests_due', 'cancellation_requests', ['due_at'], unique=False, sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))
    op.create_index('ix_cancellation_requests_open', 'cancellation_requests', ['hold_until'], unique=False, sqlite_where=sa.text("state IN ('open', 'accepted')"), postgresql_where=sa.text("state IN ('open', 'accepted')"))
    op.create_index('ix_cancellation_requests_order', 'cancellation_requests', ['order_id'], unique=False)
    op.create_index('ux_cancellation_requests_number', 'cancellation_requests', ['number'], unique=True)
    op.add_column('incidents', sa.Column('kind', sa.String(length=64), server_default='system', nullable=False, comment='whose business it is: warehouse.incidents.Kind'))
    op.add_column('incidents', sa.Column('cause', sa.Text(), server_default='', nullable=False))
    op.add_column('incidents', sa.Column('run_id', sa.String(length=36), nullable=True, comment="Dagster's run in which it was seen last"))
    op.add_column('incidents', sa.Column('file_id', sa.String(length=36), nullable=True))
    op.add_column('incidents', sa.Column('attempt_id', sa.String(length=36), nullable=True))
    op.create_index('ix_incidents_first_seen', 'incidents', ['first_seen_at'], unique=False)
    op.create_index('ix_incidents_newest_open', 'incidents', ['id'], unique=False, sqlite_where=sa.text('resolved_at IS NULL'), postgresql_where=sa.text('resolved_at IS NULL'))
    op.create_index('ix_incidents_resolved', 'incidents', ['resolved_at'], unique=False)
    op.add_column('orders', sa.Column('has_problems', sa.Boolean(), server_default=sa.false(), nullable=False, comment="the payload's own"))
    marks = sa.table("marks", sa.column("name", sa.String), sa.column("value", sa.BigInteger))
    op.bulk_insert(marks, [{"name": name, "value": 0} for name in ("cancellations", "watched_at")])
    for stage, kind in (("pull", "retrieval"), ("sweep", "retrieval"), ("normalise", "normalisation")):
        op.execute(sa.text("UPDATE incidents SET kind = :kind WHERE stage = :stage").bindparams(kind=kind, stage=stage))
    op.execute(
        sa.text(
            "UPDATE orders SET has_problems = true WHERE has_errors AND facts NOT LIKE :none"
        ).bindparams(none='%"problems":[]%')
    )
    op.execute(
        sa.text(
            "UPDATE orders SET has_errors = has_problems WHERE has_errors AND NOT EXISTS "
            "(SELECT 1 FROM incidents WHERE incidents.order_id = orders.id AND incidents.resolved_at IS NULL)"
        )
    )
