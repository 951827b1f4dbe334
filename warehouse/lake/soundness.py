"""What must hold of the order tables, each as one verdict. What must hold of the ledger is in its own `soundness`.

These read whole tables, so they are for once a day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from warehouse.lake.publishing import published_through
from warehouse.ledger.status.soundness import CheckVerdict, changed_after, unchanged_since

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as Transaction

    from warehouse.lake.lake import Lake


KEYS = {
    "orders": "id",
    "order_lines": "id",
    "order_versions": "position",
    "raw_orders": "seq",
    "pulls": "id",
    "incidents": "id",
    "channels": "code",
    "retired_orders": "order_key",
}


def tables_equal_book(transaction: Transaction, lake: Lake) -> CheckVerdict:
    """Compare number and positions of the orders that did not change since the lake was published."""
    through = published_through(lake)["orders"]
    changed = changed_after(transaction, through)
    held, positions = unchanged_since(transaction, through)
    query = "SELECT count(*), coalesce(sum(position), 0) FROM orders WHERE NOT list_contains(?, id)"
    [(published, sum_of_positions)] = lake.duck.execute(query, [changed]).fetchall()
    offenders = []
    if (held, positions) != (int(published), int(sum_of_positions)):
        offenders.append(
            f"{published} orders in the lake (positions add up to {sum_of_positions}), {held} in the book ({positions})"
        )
    return CheckVerdict(f"{held} orders in the lake, their positions the book's", offenders, held)


def keys_unique(lake: Lake) -> CheckVerdict:
    """Keys that are in a table twice, and lines without their order."""
    offenders = []
    for table, key in KEYS.items():
        query = f"SELECT count(*), count(DISTINCT {key}) FROM {table}"  # noqa: S608 - names of ours
        [(rows, keys)] = lake.duck.execute(query).fetchall()
        if rows != keys:
            offenders.append(f"{table}: {rows - keys} rows more than {key}s")
    [(orphans,)] = lake.duck.execute(
        "SELECT count(*) FROM order_lines WHERE order_id NOT IN (SELECT id FROM orders)"
    ).fetchall()
    if orphans:
        offenders.append(f"order_lines: {orphans} without their order")
    return CheckVerdict("as many keys as rows in every table, no line without its order", offenders, len(KEYS))


def all_quantities_conserved(lake: Lake) -> CheckVerdict:
    """Lines per channel of which more is shipped and cancelled than was ordered."""
    rows = lake.duck.execute(
        "SELECT channel, count(*), count(*) FILTER (quantity_ordered != "
        "quantity_shipped + quantity_cancelled + quantity_remaining_to_ship) FROM order_lines GROUP BY channel ORDER BY 1"
    ).fetchall()
    offenders = [f"{channel}: {wrong} lines" for channel, _, wrong in rows if wrong]
    return CheckVerdict(
        "ordered = shipped + cancelled + remaining on every line", offenders, sum(total for _, total, _ in rows)
    )
