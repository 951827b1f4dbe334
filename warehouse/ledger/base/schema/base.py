"""Tables that every room stands on: what one process keeps others from, and how far each stage has come."""

from __future__ import annotations

import sqlalchemy as sa

from warehouse.ledger.base.schema.columns import Instant, code, metadata

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    code("consumer", primary_key=True),
    sa.Column("key", sa.String(255), primary_key=True),
    sa.Column("body_hash", sa.LargeBinary(32), nullable=False),
    sa.Column("holder", sa.Text, comment="the process that works on it; null when it is answered"),
    sa.Column("status", sa.Integer),
    sa.Column("headers", sa.JSON),
    sa.Column("body", sa.LargeBinary),
    sa.Column("created_at", Instant, nullable=False),
    sa.Index("ix_idempotency_keys_created", "created_at"),
)

quota_buckets = sa.Table(
    "quota_buckets",
    metadata,
    code("connection", primary_key=True),
    code("operation", primary_key=True),
    sa.Column("tokens", sa.Float, nullable=False),
    sa.Column("refilled_at", Instant, nullable=False),
    sa.Column("per_second", sa.Float, nullable=False),
    sa.Column("burst", sa.Integer, nullable=False),
    sa.Column("blocked_until", Instant, comment="set by a 429"),
)

leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.String(128), primary_key=True),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column(
        "fence", sa.BigInteger, nullable=False, comment="grows with every holder; a write with an older one is refused"
    ),
    sa.Column("expires_at", Instant, nullable=False),
)

marks = sa.Table(
    "marks",
    metadata,
    code("name", primary_key=True),
    sa.Column("value", sa.BigInteger, nullable=False),
    comment="position, raw and normalised_through: counters and cursors that move in their stage's transaction",
)

counters = sa.Table(
    "counters",
    metadata,
    code("name", primary_key=True),
    code("subject", primary_key=True, comment="the channel or connection that it counts for"),
    sa.Column("bucket", sa.String(16), primary_key=True, comment='of a histogram: upper bound or sum; "" of a counter'),
    sa.Column("value", sa.Float, nullable=False),
)

sealing_keys = sa.Table(
    "sealing_keys",
    metadata,
    sa.Column(
        "id", sa.Text, primary_key=True, comment="a fingerprint, or an id given by hand: sealed data may name it"
    ),
    sa.Column("fingerprint", sa.String(16), nullable=False),
    sa.Column("check_value", sa.LargeBinary, nullable=False, comment="sealed: opens with the same key only"),
    sa.Column("created_at", Instant, nullable=False),
)
