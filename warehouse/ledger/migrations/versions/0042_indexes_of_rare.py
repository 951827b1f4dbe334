"""Indexes by which lists find few rows: what a consumer has said of orders, and requests to cancel of a channel."""

from __future__ import annotations

from alembic import op

revision = "0042"
down_revision = "0041"


def upgrade() -> None:
    """The index of what a consumer has refused becomes one of all that it has said."""
    op.drop_index("ix_acknowledgements_refused", "acknowledgements")
    op.create_index("ix_acknowledgements_consumer", "acknowledgements", ["consumer", "outcome", "order_id"])
    op.create_index("ix_cancellation_requests_channel", "cancellation_requests", ["channel", "number"])
