"""Orders tell more: charges, service level, delivery window, gift wrap and others; known orders get the members, unknown.

What the marketplace says of them is filled in when it is read again, by the next change or by `orders replay`.
"""

from __future__ import annotations

from typing import Any

import orjson
import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

ROWS_PER_BATCH = 1_000

ORDER_MEMBERS: dict[str, Any] = {
    "service_level": None,
    "deliver_by": {"from": None, "until": None},
    "charges": [],
    "related_order": None,
    "marketplace_data": {},
}
LINE_MEMBERS: dict[str, Any] = {
    "marketplace_sku": None,
    "condition": None,
    "gift": None,
    "is_customised": False,
    "customisation_url": None,
    "ship_from": None,
    "is_replacement": None,
}


def upgrade() -> None:
    """No column: the rendered members of each order, in batches."""
    connection = op.get_bind()
    last = ""
    while True:
        rows = connection.execute(
            sa.text("SELECT id, facts FROM orders WHERE id > :last ORDER BY id LIMIT :rows"),
            {"last": last, "rows": ROWS_PER_BATCH},
        ).all()
        if not rows:
            return
        connection.execute(
            sa.text("UPDATE orders SET facts = :facts WHERE id = :own_id"),
            [{"own_id": row.id, "facts": with_members(row.facts)} for row in rows],
        )
        last = rows[-1].id


def with_members(facts: str) -> str:
    """The rendered members of an order, and those that they lack.

    >>> with_members('"id":"1","lines":[{"id":"2"}]')[:60]
    '"service_level":null,"deliver_by":{"from":null,"until":null}'
    """
    members = orjson.loads("{" + facts + "}")
    lines = [{**LINE_MEMBERS, **line} for line in members["lines"]]
    return orjson.dumps({**ORDER_MEMBERS, **members, "lines": lines}).decode()[1:-1]
