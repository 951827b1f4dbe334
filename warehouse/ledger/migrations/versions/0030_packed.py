"""Payloads without personal data are compressed, with dictionaries that are kept beside them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from warehouse.ledger.base.schema import Instant

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    """Payloads that are there stay as they are, and go with their time: SQLite takes bytes beside text, PostgreSQL rewrites."""
    op.create_table(
        "payload_dictionaries",
        sa.Column(
            "id", sa.BigInteger, primary_key=True, autoincrement=False, comment="what compressed payloads call it by"
        ),
        sa.Column("kind", sa.String(64), nullable=False, comment="of the marketplaces whose payloads it is for"),
        sa.Column("content", sa.LargeBinary, nullable=False, comment="what payloads have in common, nothing personal"),
        sa.Column("made_at", Instant, nullable=False),
    )
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER TABLE raw_orders ALTER COLUMN payload TYPE bytea USING convert_to(payload, 'UTF8')")
        op.execute("COMMENT ON COLUMN raw_orders.payload IS 'the same JSON without personal data, compressed'")
