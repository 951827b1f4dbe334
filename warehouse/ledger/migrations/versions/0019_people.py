"""People who log in, their sessions and links, and the log of what they did; indexes of what is searched for by its id."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from warehouse.ledger.base.schema import Instant

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """New tables; what is there stays as it is."""
    op.create_table(
        "users",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("role", sa.String(64), nullable=False, comment="viewer, operator, configurator or admin"),
        sa.Column("may_see_personal_data", sa.Boolean(), nullable=False),
        sa.Column("channels", sa.JSON(), comment="list of channel codes; null: all"),
        sa.Column("password_hash", sa.Text(), comment="Argon2id; null: a link alone lets them in"),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
    )
    op.create_table(
        "sessions",
        sa.Column("key", sa.LargeBinary(32), primary_key=True, comment="SHA-256 of what the browser keeps"),
        sa.Column("user", sa.String(64), sa.ForeignKey("users.name", ondelete="CASCADE"), nullable=False),
        sa.Column("address", sa.Text(), nullable=False, comment="where the log-in came from"),
        sa.Column("opened_at", Instant(), nullable=False),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.Column("notice", sa.JSON(), comment="what the next page says, once: tone and text"),
        sa.Column("reveals", sa.JSON(), nullable=False, comment="order id → until when its personal data may be shown"),
    )
    op.create_index("ix_sessions_user", "sessions", ["user"])
    op.create_table(
        "log_in_links",
        sa.Column("key", sa.LargeBinary(32), primary_key=True, comment="SHA-256 of what is in the link"),
        sa.Column("user", sa.String(64), sa.ForeignKey("users.name", ondelete="CASCADE"), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
    )
    op.create_table(
        "audit_entries",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer, "sqlite"),
            primary_key=True,
            autoincrement=False,
            comment="in commit order",
        ),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False, comment="console with the address, command, or api"),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False, comment='"" when no request asked for it'),
        sa.Column(
            "hash", sa.LargeBinary(32), nullable=False, comment="SHA-256 of the hash before it and of all this"
        ),
    )
    op.create_index("ix_audit_entries_subject", "audit_entries", ["subject", "id"])
    marks = sa.table("marks", sa.column("name", sa.Text), sa.column("value", sa.BigInteger))
    op.bulk_insert(marks, [{"name": "audited", "value": 0}])
    op.create_index("ix_acknowledgements_number", "acknowledgements", ["order_number"])
    op.create_index("ix_order_lines_gtin", "order_lines", ["channel", "gtin"])
    op.create_index("ix_files_name", "files", ["name"])
