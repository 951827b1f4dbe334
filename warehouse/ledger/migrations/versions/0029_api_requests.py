"""Requests to the API, counted by the minute."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from warehouse.ledger.base.schema import Instant

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    """None has been counted yet."""
    op.create_table(
        "api_requests",
        sa.Column("minute", Instant, primary_key=True),
        sa.Column("alike", sa.String(36), primary_key=True, comment="digest of what the requests have in common"),
        sa.Column("consumer", sa.String(64), nullable=False, comment='whose token; "": no token was accepted'),
        sa.Column("method", sa.String(8), nullable=False),
        sa.Column("route", sa.Text, nullable=False, comment='template of the path; "": no route takes it'),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("code", sa.String(64), nullable=False, comment='of the problem; "" where there was none'),
        sa.Column("requests", sa.Integer, nullable=False),
        sa.Column("milliseconds", sa.BigInteger, nullable=False, comment="all of them together"),
        sa.Column("slowest", sa.Integer, nullable=False, comment="in milliseconds"),
        sa.Column("last_at", Instant, nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False, comment="of the last"),
        sa.Index("ix_api_requests_consumer", "consumer", "minute"),
    )
