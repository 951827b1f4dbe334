"""What tells whether a shipment file with refused rows is settled: later files, and what was shipped since.

What is concluded from it is in `orders_pipeline.file_jobs.refusals`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base.schema import file_rows, order_lines, orders, shipments
from warehouse.ledger.base.schema import files as file_table
from warehouse.ledger.exchange import file_queries
from warehouse.ledger.exchange.file_records import FileState, RowOutcome
from warehouse.ledger.settings.file_jobs import JobKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.exchange.file_records import FileRecord

LATER_FILES = 100
IDS_PER_QUERY = 500


def successors(transaction: Transaction, record: FileRecord) -> list[FileRecord]:
    """Files that were read after a file and have its name, or the one that it got in `rejected`; the first of them."""
    names = {record.name, str(record.details.get("rejected_as", record.name))}
    query = (
        sa.select(file_table.c.id)
        .where(
            file_table.c.channel == record.channel,
            file_table.c.direction == JobKind.IMPORT.value,
            file_table.c.name.in_(sorted(names)),
            file_table.c.id > record.id,
            file_table.c.state.in_((FileState.APPLIED.value, FileState.REPEATED.value)),
        )
        .order_by(file_table.c.refused, file_table.c.id)
        .limit(LATER_FILES)
    )
    found = (file_queries.find(transaction, own_id) for own_id in transaction.execute(query).scalars().all())
    return [each for each in found if each is not None]


def had_its_name_before(transaction: Transaction, record: FileRecord) -> bool:
    """Whether one of the same name had been taken before it, so that the next of that name need not be its correction."""
    query = sa.select(sa.literal(1)).where(
        file_table.c.channel == record.channel,
        file_table.c.direction == JobKind.IMPORT.value,
        file_table.c.name == record.name,
        file_table.c.id < record.id,
        file_table.c.state == FileState.APPLIED.value,
    )
    return transaction.execute(query.limit(1)).first() is not None


def reported_in(transaction: Transaction, file_ids: list[int], ids: Iterable[str]) -> set[str]:
    """Those of the orders that have a row in one of the files which counts."""
    if not file_ids:
        return set()
    found: set[str] = set()
    for part in _parts(ids):
        query = sa.select(file_rows.c.order_id).where(
            file_rows.c.file_id.in_(file_ids),
            file_rows.c.order_id.in_(part),
            file_rows.c.outcome != RowOutcome.REFUSED.value,
        )
        found |= set(transaction.execute(query).scalars())
    return found


def shipped_since(transaction: Transaction, record: FileRecord, ids: Iterable[str]) -> set[str]:
    """Those of the orders of which a later file or report told something, and nothing is left to ship."""
    latest = (
        sa.select(sa.func.max(file_rows.c.recorded_at))
        .where(file_rows.c.file_id == record.id, file_rows.c.outcome == RowOutcome.REFUSED.value)
        .scalar_subquery()
    )
    found: set[str] = set()
    for part in _parts(ids):
        left = sa.select(order_lines.c.order_id).where(
            order_lines.c.order_key.in_(sa.select(orders.c.key).where(orders.c.id.in_(part))),
            sa.func.coalesce(order_lines.c.quantity_remaining, 1) > 0,
        )
        in_files = sa.select(file_rows.c.order_id).where(
            file_rows.c.order_id.in_(part),
            file_rows.c.file_id > record.id,
            file_rows.c.outcome != RowOutcome.REFUSED.value,
        )
        shipped = sa.select(shipments.c.order_id).where(
            shipments.c.order_id.in_(part),
            shipments.c.order_id.not_in(left),
            sa.or_(shipments.c.reported_at > latest, shipments.c.order_id.in_(in_files)),
        )
        found |= set(transaction.execute(shipped).scalars())
    return found


def _parts(ids: Iterable[str]) -> Iterable[list[str]]:
    ordered = sorted(ids)
    return (ordered[start : start + IDS_PER_QUERY] for start in range(0, len(ordered), IDS_PER_QUERY))
