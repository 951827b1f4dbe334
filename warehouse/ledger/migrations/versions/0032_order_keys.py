"""What belongs to an order is found by a number that grows with every new order, and not by its id, which is random."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from warehouse.ledger.base.schema import Instant, Sequence

revision = "0032"
down_revision = "0031"

KEY_COMMENT = "grows with every new order: what belongs to an order is found by it, so that new rows lie together"


def upgrade() -> None:
    """Known orders get their keys in the order in which they stand; a new one's is its first position, which is higher."""
    is_postgresql = op.get_context().dialect.name == "postgresql"
    if is_postgresql:  # a default that differs from row to row writes the table anew at once, which an update would double
        op.execute("CREATE SEQUENCE order_keys")
        op.execute("ALTER TABLE orders ADD COLUMN key BIGINT NOT NULL DEFAULT nextval('order_keys')")
        op.execute("ALTER TABLE orders ALTER COLUMN key SET DEFAULT 0")
        op.execute("DROP SEQUENCE order_keys")
        op.execute(f"COMMENT ON COLUMN orders.key IS '{KEY_COMMENT}'")
    key = "key" if is_postgresql else "rowid"  # which the index of the ids holds: the orders themselves are read once
    for table, index, members in (
        ("order_lines", "ix_order_lines_order", ["order_key"]),
        ("order_versions", "ix_order_versions_order", ["order_key", "revision"]),
    ):
        op.drop_index(index, table)
        op.add_column(table, sa.Column("order_key", Sequence, nullable=False, server_default="0"))
        # not by a join, which may go through the orders by id: then every row is another page, and a million take hours
        found = f"SELECT {key} FROM orders WHERE orders.id = {table}.order_id"  # noqa: S608 - ours
        op.execute(f"UPDATE {table} SET order_key = coalesce(({found}), 0)")  # noqa: S608 - ours
        op.create_index(index, table, members)
    op.rename_table("parties", "parties_by_id")
    op.create_table(
        "parties",
        sa.Column("order_key", Sequence, primary_key=True, autoincrement=False),
        sa.Column("order_id", sa.String(36), sa.ForeignKey("orders.id"), nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False, comment="buyer and addresses, encrypted"),
        sa.Column("updated_at", Instant, nullable=False),
    )
    op.execute(
        "INSERT INTO parties (order_key, order_id, sealed, updated_at) "  # noqa: S608 - ours
        f"SELECT (SELECT {key} FROM orders WHERE orders.id = known.order_id), known.order_id, known.sealed, known.updated_at "
        "FROM parties_by_id AS known"
    )
    op.drop_table("parties_by_id")
    if is_postgresql:  # as they were called: a dump of an earlier release drops them by these names
        for name in ("parties_pkey", "parties_order_id_fkey"):
            op.execute(f"ALTER TABLE parties RENAME CONSTRAINT {name}1 TO {name}")
    else:
        op.add_column("orders", sa.Column("key", Sequence, nullable=False, server_default="0"))
        op.execute("UPDATE orders SET key = rowid")
