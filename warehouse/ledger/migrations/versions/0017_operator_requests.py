"""What operators ask of the pipeline, and when a pipeline has last looked for it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from warehouse.ledger.base.schema import Instant

revision = "0017"
down_revision = "0016"

IS_OPEN = sa.text("finished_at IS NULL")


def upgrade() -> None:
    """Nothing has been asked yet."""
    op.create_table(
        "operator_requests",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column(
            "kind",
            sa.String(64),
            nullable=False,
            comment="what is asked: warehouse.operator_requests.RequestKind",
        ),
        sa.Column("subject", sa.Text, nullable=False, comment="code of the connection, channel, storage or recipient"),
        sa.Column("arguments", sa.Text, nullable=False, comment="JSON object, in its one form"),
        sa.Column("fingerprint", sa.LargeBinary(32), nullable=False, comment="SHA-256 of kind, subject and arguments"),
        sa.Column("asked_by", sa.Text, nullable=False),
        sa.Column("asked_at", Instant, nullable=False),
        sa.Column("claims", sa.Integer, nullable=False, comment="how often a process has taken it up"),
        sa.Column("claimed_at", Instant),
        sa.Column("claimed_until", Instant, comment="after it somebody else may take it up"),
        sa.Column("finished_at", Instant),
        sa.Column("outcome", sa.String(64), comment="done, failed or expired; null: open"),
        sa.Column("result", sa.Text, comment="JSON object: what came of it"),
    )
    op.create_index(
        "ux_operator_requests_open",
        "operator_requests",
        ["fingerprint"],
        unique=True,
        sqlite_where=IS_OPEN,
        postgresql_where=IS_OPEN,
    )
    op.create_index("ix_operator_requests_asked", "operator_requests", ["asked_at"])
    op.execute("INSERT INTO marks (name, value) VALUES ('pipeline_seen', 0)")
