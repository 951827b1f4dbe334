"""Files: what was written to and read from storages, which orders are in which file, and what became of each row.

The bytes are in `warehouse.archive`; the jobs in `file_jobs`. A file's life:

    export: preparing (its members are being collected; nobody sees it) → planned (bytes kept, members final) → uploaded,
            or given up: then the next export tells its orders again
    import: waiting (it cannot be whole yet; nobody sees it) → received (bytes kept)
            → applied (every row has its fate) or refused (as a whole) or repeated → the same, finished

`finished_at` says that nothing remains to be done: uploaded, or its orders told again, or answered and taken away from the
storage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base.bulk import add_rows
from warehouse.ledger.base.database import insert_into, upsert
from warehouse.ledger.base.prepared import Prepared
from warehouse.ledger.base.rows import Json
from warehouse.ledger.base.schema import file_members, file_rows, files
from warehouse.ledger.exchange.file_queries import find
from warehouse.ledger.exchange.file_records import (
    ROWS_PER_TRANSACTION,
    FileMember,
    FileRecord,
    FileState,
    NewFile,
    PlannedFile,
    RowFate,
    RowOutcome,
)
from warehouse.ledger.settings.file_jobs import move_cursor
from warehouse.ledger.watch import activity
from warehouse.ledger.watch.activity import ActivityEntry, Level

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.archive import Kept


def prepare(transaction: Transaction, new: NewFile, now: datetime) -> int:
    """Record an export whose members are still to come; its name counts as used from now on. Returns its id."""
    return _insert(transaction, new, FileState.PREPARING, None, now)


def receive(transaction: Transaction, new: NewFile, kept: Kept | None, now: datetime) -> int:
    """Record a file that was read from a storage. Returns its id."""
    return _insert(transaction, new, FileState.RECEIVED, kept, now)


def wait(transaction: Transaction, new: NewFile, now: datetime) -> None:
    """Record that a file lies at a storage that cannot be whole yet, in place of what was recorded of it before."""
    stop_waiting(transaction, new.channel, [new.name])
    _insert(transaction, new, FileState.WAITING, None, now)


def stop_waiting(transaction: Transaction, channel: str, names: Sequence[str]) -> None:
    """Forget that files were waited for: they were read, or have changed, or are gone."""
    if names:
        transaction.execute(
            sa.delete(files).where(
                files.c.channel == channel,
                files.c.finished_at.is_(None),
                files.c.state == FileState.WAITING,
                files.c.name.in_(names),
            )
        )


def describe(transaction: Transaction, record: FileRecord, details: Json, now: datetime) -> None:
    """Add to what is known of a file."""
    values = {"details": {**record.details, **details}, "updated_at": now}
    transaction.execute(sa.update(files).where(files.c.id == record.id).values(values))


def add_members(transaction: Transaction, file_id: int, members: Sequence[FileMember]) -> None:
    """Add orders to a file that is being prepared."""
    rows = [
        {"file_id": file_id, "order_id": each.order_id, "revision": each.revision, "position": each.position}
        for each in members
    ]
    add_rows(transaction, file_members, rows)


def plan(
    transaction: Transaction,
    channel: str,
    planned: Sequence[PlannedFile],
    taken_over: Sequence[int],
    cursor: int,
    now: datetime,
) -> None:
    """Make prepared files final, and move the channel's export cursor, in one transaction.

    Args:
        transaction: It is not ended here.
        channel: Code of the channel.
        planned: The files, with what is known of them by now.
        taken_over: Files that were given up, and whose orders are in the planned ones.
        cursor: The marketplace change up to which orders are in files now.
        now: The present instant.
    """
    for each in planned:
        values = {
            "state": FileState.PLANNED.value,
            "size": each.kept.size,
            "sha256": each.kept.sha256,
            "rows": each.rows,
            "orders": each.orders,
            "updated_at": now,
        }
        transaction.execute(sa.update(files).where(files.c.id == each.id).values(values))
    if taken_over:
        values = {"finished_at": now, "updated_at": now}
        transaction.execute(sa.update(files).where(files.c.id.in_(taken_over)).values(values))
    move_cursor(transaction, channel, cursor)


def redirect(transaction: Transaction, file_id: int, storage: str, folder: str, now: datetime) -> None:
    """Send a file that was not uploaded yet elsewhere: there it has not been tried."""
    values = {"storage": storage, "folder": folder, "attempts": 0, "error_code": None, "error": None, "updated_at": now}
    transaction.execute(sa.update(files).where(files.c.id == file_id).values(values))


def give_up(transaction: Transaction, file_id: int, now: datetime) -> None:
    """Never send a file that was not uploaded yet; the next export tells its orders again."""
    values = {"state": FileState.GIVEN_UP.value, "updated_at": now}
    transaction.execute(sa.update(files).where(files.c.id == file_id).values(values))
    _log(transaction, file_id, Level.WARNING, now)


def leave_alone(transaction: Transaction, file_id: int, now: datetime) -> None:
    """Do nothing more outside about a shipment file: it is neither answered nor taken away from its storage."""
    values = {"finished_at": now, "error_code": None, "error": None, "updated_at": now}
    transaction.execute(sa.update(files).where(files.c.id == file_id).values(values))


def discard_prepared(transaction: Transaction, channel: str) -> bool:
    """Let go of a part of what a killed export had begun to prepare; False when nothing is left of it."""
    prepared = sa.select(files.c.id).where(files.c.channel == channel, files.c.state == FileState.PREPARING)
    ids = list(transaction.execute(prepared.where(files.c.finished_at.is_(None))).scalars())
    if not ids:
        return False
    part = (
        sa.select(file_members.c.order_id).where(file_members.c.file_id == ids[0]).limit(ROWS_PER_TRANSACTION)
    ).scalar_subquery()
    gone = transaction.execute(
        sa.delete(file_members).where(file_members.c.file_id == ids[0], file_members.c.order_id.in_(part))
    )
    if gone.rowcount < ROWS_PER_TRANSACTION:
        transaction.execute(sa.delete(files).where(files.c.id == ids[0]))
    return True


def rename(transaction: Transaction, file_id: int, name: str, now: datetime) -> None:
    """Give a file that was not uploaded yet another name."""
    transaction.execute(sa.update(files).where(files.c.id == file_id).values(name=name, updated_at=now))


def begin_upload(transaction: Transaction, file_id: int, now: datetime) -> None:
    """Note, before the first byte leaves, that the file may be on the storage from now on."""
    values = {"attempts": files.c.attempts + 1, "updated_at": now}
    transaction.execute(sa.update(files).where(files.c.id == file_id).values(values))


def uploaded(transaction: Transaction, file_id: int, now: datetime) -> None:
    """Note that the file is on the storage under its name."""
    values = {
        "state": FileState.UPLOADED.value,
        "finished_at": sa.func.coalesce(files.c.finished_at, sa.literal(now, files.c.finished_at.type)),
        "error_code": None,
        "error": None,
        "updated_at": now,
    }
    transaction.execute(sa.update(files).where(files.c.id == file_id).values(values))
    _log(transaction, file_id, Level.INFO, now)


def failed(transaction: Transaction, file_id: int, code: str, message: str, now: datetime) -> None:
    """Note what stands in the way of a file; it stays unfinished and is tried again."""
    values = {"error_code": code, "error": message, "updated_at": now}
    transaction.execute(sa.update(files).where(files.c.id == file_id).values(values))


def record_rows(transaction: Transaction, file_id: int, channel: str, fates: Sequence[RowFate], now: datetime) -> None:
    """Keep the fates of rows; in the transaction of the shipments that they became. A row's newest fate counts."""
    rows = [
        {
            "file_id": file_id,
            "number": each.number,
            "channel": channel,
            "order_id": each.order_id,
            "shipment_id": each.shipment_id,
            "outcome": each.outcome.value,
            "code": each.code,
            "column_name": each.column_name,
            "message": each.message,
            "recorded_at": now,
        }
        for each in fates
    ]
    if not rows:
        return
    if _ANY_OF_ROWS.rows(transaction, {"file": file_id, "numbers": [each.number for each in fates]}):
        transaction.execute(upsert(transaction, file_rows, ("file_id", "number")), rows)
    else:
        add_rows(transaction, file_rows, rows)


_ANY_OF_ROWS = Prepared(
    sa.select(file_rows.c.number)
    .where(
        file_rows.c.file_id == sa.bindparam("file"),
        file_rows.c.number.in_(sa.bindparam("numbers", expanding=True)),
    )
    .limit(1)
)


def applied(transaction: Transaction, file_id: int, details: Json, now: datetime) -> None:
    """Every row has its fate: count them."""
    counts: dict[str, int] = dict.fromkeys(RowOutcome, 0)
    query = (
        sa.select(file_rows.c.outcome, sa.func.count())
        .where(file_rows.c.file_id == file_id)
        .group_by(file_rows.c.outcome)
    )
    counts |= {row[0]: row[1] for row in transaction.execute(query)}
    orders = transaction.execute(
        sa.select(sa.func.count(file_rows.c.order_id.distinct())).where(file_rows.c.file_id == file_id)
    ).scalar_one()
    values = {
        **counts,
        "rows": sum(counts.values()),
        "orders": orders,
        "state": FileState.APPLIED.value,
        "details": dict(details),
        "error_code": None,
        "error": None,
        "updated_at": now,
    }
    transaction.execute(sa.update(files).where(files.c.id == file_id).values(values))
    _log(transaction, file_id, Level.WARNING if values["refused"] else Level.INFO, now)


def repeated(transaction: Transaction, record: FileRecord, earlier: FileRecord, now: datetime) -> None:
    """The same bytes were read before, and every row of them counts: nothing is to be done."""
    values = {
        "state": FileState.REPEATED.value,
        "rows": earlier.rows,
        "orders": earlier.orders,
        "known": earlier.rows,
        "details": {**record.details, "same_as": earlier.id},
        "updated_at": now,
    }
    transaction.execute(sa.update(files).where(files.c.id == record.id).values(values))
    _log(transaction, record.id, Level.INFO, now)


def refused(transaction: Transaction, file_id: int, code: str, message: str, now: datetime) -> None:
    """The file as a whole is no shipment file."""
    values = {"state": FileState.REFUSED.value, "error_code": code, "error": message, "updated_at": now}
    transaction.execute(sa.update(files).where(files.c.id == file_id).values(values))
    _log(transaction, file_id, Level.WARNING, now)


def finished(transaction: Transaction, file_id: int, now: datetime) -> None:
    """Nothing remains to be done outside."""
    transaction.execute(sa.update(files).where(files.c.id == file_id).values(finished_at=now, updated_at=now))


def read_again(transaction: Transaction, file_id: int, now: datetime) -> None:
    """Put a file that was read back to where its rows are to be applied; what was applied stays so."""
    values = {"state": FileState.RECEIVED.value, "error_code": None, "error": None, "updated_at": now}
    transaction.execute(sa.update(files).where(files.c.id == file_id).values(values))


def _log(transaction: Transaction, file_id: int, level: Level, now: datetime) -> None:
    record = find(transaction, file_id)
    if record is None:
        raise LookupError(f"there is no file {file_id}")
    entry = ActivityEntry(
        stage=record.direction.value,
        kind=f"file_{record.state}",
        text=f"file {record.name} is {record.state}",
        level=level,
        channel=record.channel,
        data={
            "file": file_id,
            **{name: getattr(record, name) for name in ("rows", "orders", "applied", "known", "refused")},
        },
    )
    activity.record(transaction, [entry], now)


def _insert(transaction: Transaction, new: NewFile, state: FileState, kept: Kept | None, now: datetime) -> int:
    row = {
        **{name: getattr(new, name) for name in NewFile.__slots__},
        "details": dict(new.details),
        "state": state.value,
        "size": kept.size if kept else 0,
        "sha256": kept.sha256 if kept else None,
        **dict.fromkeys(("rows", "orders", "applied", "known", "refused", "attempts"), 0),
        "created_at": now,
        "updated_at": now,
    }
    insert = insert_into(transaction, files).values(row).returning(files.c.id)
    return int(transaction.execute(insert).scalar_one())
