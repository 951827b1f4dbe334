"""Users may come from an identity provider, and may have an authenticator beside their password."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    """Three columns, empty for everybody there is."""
    op.add_column(
        "users",
        sa.Column(
            "subject",
            sa.Text(),
            comment="who they are at the identity provider: its address and its id; null: local",
        ),
    )
    op.add_column(
        "users",
        sa.Column("code_secret", sa.LargeBinary(), comment="encrypted: of the codes of an authenticator; null: none"),
    )
    op.add_column(
        "users",
        sa.Column("code_step", sa.BigInteger(), comment="the time step of the last code, which is good once"),
    )
    op.create_index("ux_users_subject", "users", ["subject"], unique=True)
