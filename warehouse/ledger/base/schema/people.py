"""Tables of what people ask."""

from __future__ import annotations

import sqlalchemy as sa

from warehouse.ledger.base.schema.columns import Instant, code, metadata, partial_index

operator_requests = sa.Table(
    "operator_requests",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    code("kind", nullable=False, comment="what is asked: warehouse.operator_requests.RequestKind"),
    sa.Column("subject", sa.Text, nullable=False, comment="code of the connection, channel, storage or recipient"),
    sa.Column("arguments", sa.Text, nullable=False, comment="JSON object, in its one form"),
    sa.Column("fingerprint", sa.LargeBinary(32), nullable=False, comment="SHA-256 of kind, subject and arguments"),
    sa.Column("asked_by", sa.Text, nullable=False),
    sa.Column("asked_at", Instant, nullable=False),
    sa.Column("claims", sa.Integer, nullable=False, comment="how often a process has taken it up"),
    sa.Column("claimed_at", Instant),
    sa.Column("claimed_until", Instant, comment="after it somebody else may take it up"),
    sa.Column("finished_at", Instant),
    code("outcome", comment="done, failed or expired; null: open"),
    sa.Column("result", sa.Text, comment="JSON object: what came of it"),
    partial_index("ux_operator_requests_open", "fingerprint", where="finished_at IS NULL", unique=True),
    sa.Index("ix_operator_requests_asked", "asked_at"),
)
