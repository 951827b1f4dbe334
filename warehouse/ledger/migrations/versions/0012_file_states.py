"""The states of a file that came with later releases, in the column's comment."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """One comment, where the database keeps comments."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.alter_column(
        "files",
        "state",
        existing_type=sa.String(length=64),
        existing_nullable=False,
        comment="export: preparing, planned, uploaded, given_up; import: waiting, received, applied, refused, repeated",
    )
