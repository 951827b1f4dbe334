"""Indexes by which a tick finds what changed since the last publish, however many rows there are."""

from __future__ import annotations

from alembic import op

revision = "0044"
down_revision = "0043"


def upgrade() -> None:
    """One for each table that is published by when its rows changed and had none."""
    op.create_index("ix_incidents_last_seen", "incidents", ["last_seen_at"])
    op.create_index("ix_cancellation_requests_updated", "cancellation_requests", ["updated_at"])
