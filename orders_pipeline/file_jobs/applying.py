"""What the rows of a shipment file become: applied in small transactions, tried, or looked at again.

A kill between any two of them loses nothing: rows that have a fate are left alone. How a file comes and is answered is in
`ingest`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from zoneinfo import ZoneInfo

from orders_pipeline.file_jobs import refusals
from orders_pipeline.file_jobs.sheets import FileFault, FileRefused, Sheet, read_sheet
from orders_pipeline.file_jobs.shipment_file import needs_ids, read_packages
from warehouse.archive import Archive, ArchiveError, open_archive
from warehouse.ledger.book.order_ids import ids_of
from warehouse.ledger.exchange import file_queries, files
from warehouse.ledger.exchange.file_records import NewFile
from warehouse.ledger.settings.file_jobs import ImportSettings, JobKind
from warehouse.ledger.shipping import shipments
from warehouse.processes import heap_at_rest
from warehouse.shipment_reports import Sender, Source
from warehouse.templates import ShipmentColumn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from sqlalchemy.engine import Connection as Transaction

    from orders_pipeline.installation import Installation
    from warehouse.ledger.exchange.file_records import FileRecord, RowFate
    from warehouse.ledger.settings.file_jobs import FileJob


Value = TypeVar("Value")

CONSUMER = "shipment_imports"


PACKAGES_PER_TRANSACTION = 300


ROWS_PER_TRANSACTION = 1_000


NO_STORAGE = ""
"""Storage of a file that a person handed over on the command line."""


@heap_at_rest()
def apply_file(
    installation: Installation, record: FileRecord, settings: ImportSettings, hold: Callable[[Transaction], None]
) -> FileRecord:
    """Give every row of a received file its fate; rows that were applied before are left alone.

    Args:
        installation: The installation.
        record: A file whose bytes are in the archive.
        settings: How it is to be read.
        hold: Called in each writing transaction; raises when this process may not go on.

    Raises:
        ArchiveError: The bytes are not there any more.
    """
    with installation.ledger.read() as transaction:
        earlier = file_queries.read_before(transaction, record.channel, sha256_of(record), record.id)
        settled = file_queries.settled_rows(transaction, record.id)
    if earlier is not None and not settled:
        with installation.ledger.write() as transaction:
            hold(transaction)
            files.repeated(transaction, record, earlier, installation.clock())
            return record_of(transaction, record.id)
    archive = open_archive(installation.settings, installation.keys)
    try:
        sheet = read_sheet(bytes_of(archive, record), settings)
    except FileRefused as refused:
        with installation.ledger.write() as transaction:
            hold(transaction)
            refuse(transaction, record.id, refused.code, refused.message, installation.clock())
            return record_of(transaction, record.id)
    _apply_rows(installation, record, sheet, settled, hold)
    details = {
        **record.details,
        "encoding": sheet.encoding,
        "delimiter": sheet.delimiter,
        "unknown_columns": list(sheet.unknown_columns),
    }
    with installation.ledger.write() as transaction:
        hold(transaction)
        files.applied(transaction, record.id, details, installation.clock())
        applied = record_of(transaction, record.id)
        refusals.tell_refused_rows(transaction, applied, installation.clock())
    return applied


def _apply_rows(
    installation: Installation,
    record: FileRecord,
    sheet: Sheet,
    settled: frozenset[int],
    hold: Callable[[Transaction], None],
) -> None:
    with installation.ledger.read() as transaction:
        known_ids = ids_of(transaction, record.channel, needs_ids(sheet))
    reading = read_packages(sheet, record.channel, ZoneInfo(installation.settings.time_zone), known_ids)
    with installation.ledger.read() as transaction:
        refused = _with_orders(transaction, record.channel, sheet, reading.refused)
    for fates in batches(refused, ROWS_PER_TRANSACTION):
        with installation.ledger.write() as transaction:
            hold(transaction)
            files.record_rows(transaction, record.id, record.channel, fates, installation.clock())
    sender = _sender(record.channel, record.id)
    open_packages = [each for each in reading.packages if not settled.issuperset(each.rows)]
    for packages in batches(open_packages, PACKAGES_PER_TRANSACTION):
        with installation.ledger.write() as transaction:
            hold(transaction)
            now = installation.clock()
            answers = shipments.report(transaction, sender, [each.report for each in packages], now)
            fates = [fate for package, answer in zip(packages, answers, strict=True) for fate in package.fates(answer)]
            files.record_rows(transaction, record.id, record.channel, fates, now)


@dataclass(frozen=True, slots=True)
class Trial:
    """What would become of a file: how it was read, and the fate of each row."""

    sheet: Sheet
    fates: Sequence[RowFate]


def try_file(installation: Installation, channel: str, data: bytes, settings: ImportSettings) -> Trial:
    """What applying a file would come to; writes nothing.

    Raises:
        FileRefused: It is no shipment file.
    """
    sheet = read_sheet(data, settings)
    with installation.ledger.read() as transaction:
        known_ids = ids_of(transaction, channel, needs_ids(sheet))
        reading = read_packages(sheet, channel, ZoneInfo(installation.settings.time_zone), known_ids)
        fates = list(reading.refused)
        for packages in batches(reading.packages, PACKAGES_PER_TRANSACTION):
            given = [each.report for each in packages]
            answers = shipments.examine(transaction, _sender(channel, 0), given, installation.clock())
            fates += [fate for each, answer in zip(packages, answers, strict=True) for fate in each.fates(answer)]
    return Trial(sheet, sorted(fates, key=lambda fate: fate.number))


def import_local(
    installation: Installation, channel: str, path: Path, settings: ImportSettings | None = None
) -> FileRecord:
    """Apply a file of this machine, as if it had come over a storage; nothing happens to the file itself.

    Raises:
        OSError: The file cannot be read.
    """
    archive = open_archive(installation.settings, installation.keys)
    new = NewFile(direction=JobKind.IMPORT, channel=channel, storage=NO_STORAGE, folder="", name=path.name)
    with archive.writing() as writing:
        writing.write(path.read_bytes())
        kept = writing.keep()
    with installation.ledger.write() as transaction:
        record = record_of(transaction, files.receive(transaction, new, kept, installation.clock()))
    return _apply_at_once(installation, record, settings or ImportSettings())


def retry(installation: Installation, record: FileRecord, job: FileJob | None) -> FileRecord:
    """Look again at the refused rows of a file, or at one that was refused as a whole; what was applied stays.

    The answer at the storage stays as it is; the new fates are in the ledger.

    Raises:
        ArchiveError: Its bytes are not kept any more, or never were.
    """
    sha256_of(record)
    with installation.ledger.write() as transaction:
        files.read_again(transaction, record.id, installation.clock())
        record = record_of(transaction, record.id)
    return _apply_at_once(installation, record, job.import_settings if job else ImportSettings())


def _apply_at_once(installation: Installation, record: FileRecord, settings: ImportSettings) -> FileRecord:
    """Apply a file that is nowhere to be answered or cleared away."""
    applied = apply_file(installation, record, settings, lambda _transaction: None)
    with installation.ledger.write() as transaction:
        files.finished(transaction, applied.id, installation.clock())
        refusals.close_settled(transaction, applied.channel, installation.clock())
        return record_of(transaction, applied.id)


def _sender(channel: str, file_id: int) -> Sender:
    return Sender(consumer=CONSUMER, source=Source.FILE, report_id=f"file-{file_id}", visible_channels=(channel,))


def _with_orders(transaction: Transaction, channel: str, sheet: Sheet, refused: Sequence[RowFate]) -> Sequence[RowFate]:
    """Refused rows with the order that each names, as far as it is known: what is reported of that order later settles them."""
    rows = {row.number: row for row in sheet.rows if len(row.cells) == len(sheet.header)}
    named = {
        each.number: rows[each.number].said.get(ShipmentColumn.ORIGINAL_ID)
        for each in refused
        if each.order_id is None and each.number in rows
    }
    known = ids_of(transaction, channel, sorted({each for each in named.values() if each is not None}))
    return [replace(each, order_id=each.order_id or known.get(named.get(each.number) or "")) for each in refused]


def refuse(transaction: Transaction, file_id: int, code: FileFault, message: str, now: datetime) -> None:
    """Refuse a file as a whole, with an incident."""
    files.refused(transaction, file_id, code.value, message, now)
    refusals.tell_refused_file(transaction, record_of(transaction, file_id), now)


def bytes_of(archive: Archive, record: FileRecord) -> bytes:
    """A file's bytes, from the archive."""
    return b"".join(archive.read(sha256_of(record)))


def sha256_of(record: FileRecord) -> str:
    """The hash of a file's bytes.

    Raises:
        ArchiveError: They were never kept.
    """
    if record.sha256 is None:
        raise ArchiveError(f"the bytes of file {record.id} were never kept")
    return record.sha256


def batches(values: Sequence[Value], size: int) -> Iterator[Sequence[Value]]:
    """The values in parts of at most `size`."""
    return (values[start : start + size] for start in range(0, len(values), size))


def record_of(transaction: Transaction, file_id: int) -> FileRecord:
    """A file that there is."""
    record = file_queries.find(transaction, file_id)
    assert record is not None
    return record
