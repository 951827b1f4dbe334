"""Orders go from the ledger to the lake for good, and come along again when the order tables are rebuilt.

An order goes in four steps: read from the ledger, written here, read back from here and compared, emptied there. Killed between
any two, an order stands in both, and the next time writes it over. Which orders are due is in `ledger.book.retirement`, reading
them one by one in `retired_documents`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from warehouse.lake.outages import LakeError
from warehouse.lake.retired_documents import TABLE, among, query_of
from warehouse.ledger.book import retirement
from warehouse.ledger.book.retired_orders import NO_FACTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from warehouse.lake.lake import Lake
    from warehouse.ledger.base.database import Ledger
    from warehouse.ledger.book.retirement import DueOrder, Ripeness


def retire(
    ledger: Ledger, lake: Lake, ripe: Ripeness, now: datetime, progress: Callable[[int], None] | None = None
) -> int:
    """Move what is due to the lake, batch by batch; may be killed anywhere and run again.

    Args:
        ledger: Where the orders are.
        lake: Opened for writing.
        ripe: What makes orders due.
        now: Recorded with them.
        progress: Told how many orders were retired so far, after each batch.

    Returns:
        How many orders were retired.

    Raises:
        LakeError: What was written cannot be read back as it was; those orders stay whole.
        LakeBusyError: Another writer was always first.
    """
    gone = 0
    for batch in retirement.due(ledger, ripe):
        rows = _arrow(sorted(batch), now)
        keys = [each.key for each in batch]
        lake.transaction(lambda duck, rows=rows, keys=keys: _write(duck, rows, keys))  # type: ignore[misc]
        _require_same(lake, batch)
        gone += retirement.empty_orders(ledger, batch)
        if progress is not None:
            progress(gone)
    return gone


def _write(duck: DuckDBPyConnection, arrived: pa.Table, keys: Sequence[int]) -> None:  # noqa: ARG001 - DuckDB finds it by its name
    """In the order of their keys, so that a page of them lies together."""
    duck.execute(f"DELETE FROM {TABLE} WHERE {among('order_key', keys)}")  # noqa: S608 - our names, numbers
    duck.execute(f"INSERT INTO {TABLE} BY NAME SELECT * FROM arrived")  # noqa: S608 - as above


def _require_same(lake: Lake, batch: Sequence[DueOrder]) -> None:
    wanted = {each.key: (each.id, each.raw_seq, each.facts, each.payload) for each in batch}
    columns = "order_key, order_id, raw_seq, facts, payload"
    found = {row[0]: row[1:] for row in lake.statement(query_of(columns, "order_key", list(wanted)))}
    if found != wanted:
        raise LakeError("retired orders were written to the order tables and cannot be read back as they were")


def _arrow(batch: Sequence[DueOrder], now: datetime) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415 - large, and a tick without orders goes without it

    columns: dict[str, Any] = {
        "order_key": [each.key for each in batch],
        "order_id": [each.id for each in batch],
        "raw_seq": [each.raw_seq for each in batch],
        "closed_at": [each.closed_at for each in batch],
        "retired_at": pa.array([now] * len(batch), pa.timestamp("us", "UTC")),
        "facts": [each.facts for each in batch],
        "payload": [each.payload for each in batch],
    }
    return pa.table(columns)


def with_retired(duck: DuckDBPyConnection, arrived: pa.Table) -> pa.Table:
    """Orders with the facts of the retired ones among them, which stand here alone.

    Raises:
        LakeError: They do not: this is not the lake that they were retired to.
    """
    if NO_FACTS not in arrived["facts"].to_pylist():
        return arrived
    found = duck.execute(_WITH_RETIRED).to_arrow_table()
    missing = found["facts"].null_count
    if missing:
        raise LakeError(
            f"{missing} retired orders are not in the table retired_orders, and nowhere else: this is not the lake that they "
            "were retired to; put that one back from a backup"
        )
    return found


_WITH_RETIRED = f"""
    SELECT arrived.* REPLACE (coalesce(nullif(arrived.facts, '{NO_FACTS}'), retired_orders.facts) AS facts)
    FROM arrived LEFT JOIN retired_orders ON retired_orders.order_id = arrived.id AND arrived.facts = '{NO_FACTS}'
    ORDER BY arrived.position
"""  # noqa: S608 - our names
