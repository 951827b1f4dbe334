"""Reading what is known of files: one, filtered pages, their rows, and what remains to be done of them. Nothing writes here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa

from warehouse.ledger.base.schema import file_rows, files
from warehouse.ledger.exchange.file_records import ROWS_PER_TRANSACTION, FileRecord, FileState, RowFate, RowOutcome
from warehouse.ledger.settings.file_jobs import JobKind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction
    from sqlalchemy.engine import RowMapping


WAITING_OUTSIDE = (
    FileState.PLANNED,
    FileState.RECEIVED,
    FileState.APPLIED,
    FileState.REFUSED,
    FileState.REPEATED,
)
"""States of a file for which, as long as it is not finished, something remains to be done at its storage."""


def _record(row: RowMapping) -> FileRecord:
    values = {name: row[name] for name in FileRecord.__slots__}
    return FileRecord(**values | {"direction": JobKind(row["direction"]), "state": FileState(row["state"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFilter:
    """Which files; an empty tuple or None does not filter."""

    visible_channels: tuple[str, ...] | None = None
    channels: tuple[str, ...] = ()
    direction: JobKind | None = None
    states: tuple[FileState, ...] = ()


def waiting(transaction: Transaction, channel: str) -> list[FileRecord]:
    """The files of a channel that could not be whole when they were last looked at."""
    query = sa.select(files).where(
        files.c.channel == channel, files.c.finished_at.is_(None), files.c.state == FileState.WAITING
    )
    return [_record(row) for row in transaction.execute(query.order_by(files.c.id)).mappings()]


def refused_since(transaction: Transaction, channel: str, since: datetime) -> list[FileRecord]:
    """Shipment files that were refused as a whole since then, the newest first, some hundreds at most."""
    query = (
        sa.select(files)
        .where(
            files.c.channel == channel,
            files.c.direction == JobKind.IMPORT,
            files.c.state == FileState.REFUSED,
            files.c.created_at >= since,
        )
        .order_by(files.c.id.desc())
        .limit(ROWS_PER_TRANSACTION)
    )
    return [_record(row) for row in transaction.execute(query).mappings()]


def to_tell_again(transaction: Transaction, channel: str) -> list[int]:
    """Files that were given up, and whose orders are in no other file yet."""
    query = sa.select(files.c.id).where(
        files.c.channel == channel, files.c.finished_at.is_(None), files.c.state == FileState.GIVEN_UP
    )
    return list(transaction.execute(query.order_by(files.c.id)).scalars())


def waiting_at(transaction: Transaction, storage: str) -> list[FileRecord]:
    """Files of which something remains to be done at a storage: as long as there are any, it stays."""
    query = sa.select(files).where(
        files.c.storage == storage, files.c.finished_at.is_(None), files.c.state.in_(WAITING_OUTSIDE)
    )
    return [_record(row) for row in transaction.execute(query.order_by(files.c.id)).mappings()]


def taken_names(transaction: Transaction, names: Sequence[str]) -> frozenset[str]:
    """Those of the names that an export has had before."""
    taken: set[str] = set()
    for start in range(0, len(names), ROWS_PER_TRANSACTION):
        part = names[start : start + ROWS_PER_TRANSACTION]
        query = sa.select(files.c.name).where(files.c.direction == JobKind.EXPORT, files.c.name.in_(part))
        taken |= set(transaction.execute(query).scalars())
    return frozenset(taken)


def settled_rows(transaction: Transaction, file_id: int) -> frozenset[int]:
    """Numbers of the rows that were applied or were known: they are not looked at again."""
    query = sa.select(file_rows.c.number).where(
        file_rows.c.file_id == file_id, file_rows.c.outcome != RowOutcome.REFUSED
    )
    return frozenset(transaction.execute(query).scalars())


_UNFINISHED = (
    sa.select(files)
    .where(
        files.c.channel == sa.bindparam("of_channel"),
        files.c.finished_at.is_(None),
        files.c.direction == sa.bindparam("towards"),
        files.c.state.in_(WAITING_OUTSIDE),
    )
    .order_by(files.c.id)
)


def unfinished(transaction: Transaction, channel: str, direction: JobKind) -> list[FileRecord]:
    """Files of a channel of which something remains to be done, the oldest first."""
    rows = transaction.execute(_UNFINISHED, {"of_channel": channel, "towards": direction})
    return [_record(row) for row in rows.mappings()]


def read_before(transaction: Transaction, channel: str, sha256: str, besides: int) -> FileRecord | None:
    """The latest other file of a channel with the same bytes of which every row counts; None when there is none."""
    query = (
        sa.select(files)
        .where(
            files.c.sha256 == sha256,
            files.c.channel == channel,
            files.c.direction == JobKind.IMPORT,
            files.c.state == FileState.APPLIED,
            files.c.refused == 0,
            files.c.id != besides,
        )
        .order_by(files.c.id.desc())
        .limit(1)
    )
    row = transaction.execute(query).mappings().one_or_none()
    return _record(row) if row else None


def find(transaction: Transaction, file_id: int, visible_channels: tuple[str, ...] | None = None) -> FileRecord | None:
    """One file, None when there is none or the reader may not see it."""
    query = sa.select(files).where(files.c.id == file_id, files.c.state.not_in(HIDDEN))
    row = transaction.execute(query).mappings().one_or_none()
    if row is None or (visible_channels is not None and row["channel"] not in visible_channels):
        return None
    return _record(row)


def listed(transaction: Transaction, wanted: FileFilter, before_id: int | None, limit: int) -> list[FileRecord]:
    """Files, the newest first; `before_id` continues after an earlier page."""
    query = sa.select(files).where(files.c.state.not_in(HIDDEN)).order_by(files.c.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(files.c.id < before_id)
    if wanted.direction is not None:
        query = query.where(files.c.direction == wanted.direction)
    if wanted.states:
        query = query.where(files.c.state.in_(wanted.states))
    for codes in (wanted.channels or None, wanted.visible_channels):
        if codes is not None:
            query = query.where(files.c.channel.in_(codes))
    return [_record(row) for row in transaction.execute(query).mappings()]


def rows_of(
    transaction: Transaction, file_id: int, after: int = 0, limit: int | None = None, outcome: RowOutcome | None = None
) -> list[RowFate]:
    """The fates of a file's rows by number, from the row after `after` on."""
    query = (
        sa.select(file_rows)
        .where(file_rows.c.file_id == file_id, file_rows.c.number > after)
        .order_by(file_rows.c.number)
        .limit(limit)
    )
    if outcome is not None:
        query = query.where(file_rows.c.outcome == outcome)
    names = RowFate.__slots__
    return [
        RowFate(**{name: row[name] for name in names} | {"outcome": RowOutcome(row["outcome"])})
        for row in transaction.execute(query).mappings()
    ]


HIDDEN = (FileState.PREPARING, FileState.WAITING)
"""States that come to nothing, or to a file: until then nobody sees it."""
