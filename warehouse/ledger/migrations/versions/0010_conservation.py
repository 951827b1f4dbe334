"""Quantities conserve on every line, held by a constraint; what the marketplace bars from being shipped has columns."""

from __future__ import annotations

from typing import Any

import orjson
import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

CHUNK = 1000

ORDER_MEMBERS: dict[str, Any] = {"may_ship": True, "may_not_ship_reason": None}
LINE_MEMBERS: dict[str, Any] = {
    **ORDER_MEMBERS,
    "quantity_refunded": None,
    "kept_total": None,
    "refunded_total": None,
}
"""What known orders lack; filled in when they are read again: open ones after migration 0014, others by `orders replay`."""


def upgrade() -> None:
    """New columns, quantities settled so that they conserve, the constraints; orders that said otherwise change."""
    op.add_column(
        "orders",
        sa.Column("may_not_ship_reason", sa.String(32), comment="why nothing of it may be shipped; null: it may"),
    )
    op.add_column(
        "shipment_lines",
        sa.Column(
            "may_have_left",
            sa.Integer(),
            nullable=False,
            server_default="0",
            comment="units of it that the marketplace shows as cancelled all the same",
        ),
    )
    for name, kind, comment in (
        ("quantity_remaining", sa.Integer(), None),
        ("quantity_refunded", sa.Integer(), None),
        ("told_shipped", sa.Integer(), "what the marketplace says was shipped"),
        ("bar", sa.String(32), "what the marketplace has against shipping this line; null: nothing"),
    ):
        op.add_column("order_lines", sa.Column(name, kind, comment=comment))
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        connection.execute(
            sa.text(
                "COMMENT ON COLUMN order_lines.quantity_shipped IS "
                "'by whomever, our shipments that the marketplace does not show yet too'"
            )
        )
    for statement in _SETTLE:
        connection.execute(sa.text(statement))
    _restate(connection)
    with op.batch_alter_table("shipment_lines") as table:
        table.create_check_constraint("ck_shipment_lines_may_have_left", "may_have_left BETWEEN 0 AND quantity")
    op.create_index(
        "ix_shipment_lines_left",
        "shipment_lines",
        ["shipment_id"],
        sqlite_where=sa.text("may_have_left > 0"),
        postgresql_where=sa.text("may_have_left > 0"),
    )
    with op.batch_alter_table("order_lines") as table:
        table.create_check_constraint(
            "ck_order_lines_conservation",
            "quantity_ordered = quantity_shipped + quantity_cancelled + quantity_remaining",
        )
        table.create_check_constraint(
            "ck_order_lines_not_negative",
            "quantity_shipped >= 0 AND quantity_cancelled >= 0 AND quantity_remaining >= 0",
        )


_SETTLE = (
    # where the marketplace contradicts itself, shipped wins
    "UPDATE order_lines SET quantity_ordered = quantity_shipped WHERE quantity_shipped > quantity_ordered",
    "UPDATE order_lines SET quantity_cancelled = quantity_ordered - coalesce(quantity_shipped, 0) "
    "WHERE coalesce(quantity_shipped, 0) + quantity_cancelled > quantity_ordered",
    "UPDATE order_lines SET told_shipped = quantity_shipped",
    # our reports count up to what is not cancelled
    """
    UPDATE order_lines SET quantity_shipped = (
        SELECT CASE
            WHEN coalesce(order_lines.told_shipped, 0) >= sum(parts.quantity) + max(parts.shipped_by_others)
            THEN coalesce(order_lines.told_shipped, 0)
            ELSE sum(parts.quantity) + max(parts.shipped_by_others)
        END
        FROM shipment_lines AS parts WHERE parts.line_id = order_lines.id
    ) WHERE id IN (SELECT line_id FROM shipment_lines)
    """,
    "UPDATE order_lines SET quantity_shipped = quantity_ordered - coalesce(quantity_cancelled, 0) "
    "WHERE quantity_shipped > quantity_ordered - coalesce(quantity_cancelled, 0)",
    "UPDATE order_lines SET quantity_remaining = quantity_ordered - quantity_shipped - quantity_cancelled",
)


def _restate(connection: sa.Connection) -> None:
    """Give every order whose document says other quantities than its lines a new revision at the end of the change feed."""
    after = ""
    while True:
        rows = connection.execute(_ORDERS, {"after": after, "chunk": CHUNK}).mappings().all()
        if not rows:
            return
        after = rows[-1]["id"]
        settled: dict[str, dict[str, Any]] = {}
        for line in connection.execute(_LINES, {"first": rows[0]["id"], "last": after}).mappings():
            settled.setdefault(line["order_id"], {})[line["id"]] = line
        plain = []
        for row in rows:
            facts, is_changed = _settled_facts(row["facts"], settled.get(row["id"], {}))
            if is_changed:
                _write(connection, dict(row), facts)
            else:
                plain.append({"own_id": row["id"], "facts": facts})
        if plain:
            connection.execute(sa.text("UPDATE orders SET facts = :facts WHERE id = :own_id"), plain)


_ORDERS = sa.text(
    "SELECT id, facts, revision, status, marketplace_updated_at, raw_seq FROM orders "
    "WHERE id > :after ORDER BY id LIMIT :chunk"
)
_LINES = sa.text(
    "SELECT id, order_id, quantity_ordered, quantity_shipped, quantity_cancelled, quantity_remaining FROM order_lines "
    "WHERE order_id BETWEEN :first AND :last"
)


def _settled_facts(facts: str, lines: dict[str, Any]) -> tuple[str, bool]:
    """The facts with the settled quantities and the members that they lack, and whether a quantity is another one."""
    members = orjson.loads("{" + facts + "}")
    is_changed = False
    for line in members["lines"]:
        settled = lines.get(line["id"], {})
        for name, column in _QUANTITIES:
            if column in settled:
                is_changed = is_changed or line[name] != settled[column]
                line[name] = settled[column]
        kept = None if line.get("quantity_cancelled") else line.get("line_total")
        line |= {**LINE_MEMBERS, "kept_total": kept, **line}
    members |= {**ORDER_MEMBERS, **members}
    return orjson.dumps(members).decode()[1:-1], is_changed


_QUANTITIES = (
    ("quantity_ordered", "quantity_ordered"),
    ("quantity_shipped", "quantity_shipped"),
    ("quantity_cancelled", "quantity_cancelled"),
    ("quantity_remaining_to_ship", "quantity_remaining"),
)


def _write(connection: sa.Connection, row: dict[str, Any], facts: str) -> None:
    connection.execute(sa.text("UPDATE marks SET value = value + 1 WHERE name = 'position'"))
    position = connection.execute(sa.text("SELECT value FROM marks WHERE name = 'position'")).scalar_one()
    values = {**row, "facts": facts, "position": position, "revision": row["revision"] + 1}
    connection.execute(
        sa.text("UPDATE orders SET facts = :facts, position = :position, revision = :revision WHERE id = :id"), values
    )
    connection.execute(
        sa.text(
            "INSERT INTO order_versions (position, order_id, revision, status, marketplace_updated_at, recorded_at, "
            "raw_seq, changed, facts) VALUES (:position, :id, :revision, :status, :marketplace_updated_at, "
            ":marketplace_updated_at, :raw_seq, '[\"lines\"]', :facts)"
        ),
        values,
    )
