"""Facts and personal members of orders are packed from here on, which earlier releases cannot read: they refuse this ledger."""

revision = "0038"
down_revision = "0036"


def upgrade() -> None:
    """What is there stays as it is, and is packed when it is written next: nothing of a large book is rewritten now."""
