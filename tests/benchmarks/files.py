"""File jobs: the first export of a whole book into a folder, and the import of a shipment file, each in a process of its own.

Measured is everything that a run of the job does: reading the ledger, opening the sealed parties, rows, the archive
(encrypted), members, the upload. There are two references. DuckDB reads the same rows of the ledger and copies them to CSV as
they are, sealed and unread; and DuckDB copies the finished rows, which lie in its memory by then: writing the file alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from orders_pipeline.file_jobs.applying import import_local
from orders_pipeline.file_jobs.export import export_channel
from tests.benchmarks.filling import CHANNELS, fill_book, installed, order_id
from tests.benchmarks.measuring import MEGABYTE, Child, Figure, Target, Workshop
from warehouse.kept_documents import unpack_text
from warehouse.ledger.settings import file_jobs
from warehouse.ledger.settings.file_jobs import FileJob, JobKind
from warehouse.ledger.settings.storages import StorageEntry, save_storage
from warehouse.templates import ShipmentColumn, csv_bytes

MOST_ROWS = 100_000
LINES_PER_ORDER = 2
TIMES_COPY = 1.5
ROWS_PER_BATCH = 20_000
IMPORT_TARGET = Target(">=", 5_000)
MEMORY_TARGET = Target("<=", 400)


def measure(workshop: Workshop) -> list[Figure]:
    """Export beside the bare COPY, import, and the peak memory of both."""
    orders = workshop.sizes.exchanged
    lines, rows = orders * LINES_PER_ORDER, min(MOST_ROWS, orders // len(CHANNELS) * LINES_PER_ORDER)
    home, folder = workshop.fresh("home"), workshop.fresh("partner")
    with installed(home) as installation:
        fill_book(installation, orders, workshop.say)
        with installation.ledger.write() as transaction:
            entry = StorageEntry(code="partner", kind="folder", label="P", settings={"path": str(folder)})
            save_storage(transaction, entry, installation.clock())
            for code in CHANNELS:
                job = FileJob(channel=code, kind=JobKind.EXPORT, storage="partner", folder="")
                file_jobs.save_job(transaction, job, installation.clock())
    workshop.say(f"exporting {lines:,} lines")
    with Child(workshop, export_everything, str(home)) as child:
        child.step()
        exported = child.step()
    assert exported.value == lines, exported.value
    workshop.say("copying the same rows with DuckDB alone")
    with Child(workshop, copy_rows, str(folder)) as child:
        child.step()
        bare = child.step()
    workshop.say("reading and copying the ledger's rows with DuckDB alone")
    with Child(workshop, copy_ledger, str(home / "ledger.sqlite"), str(folder)) as child:
        child.step()
        plain = child.step()
    path = workshop.folder / "shipments.csv"
    write_shipments(path, rows)
    workshop.say(f"importing {rows:,} rows")
    with Child(workshop, import_file, str(home), str(path)) as child:
        child.step()
        imported = child.step()
    assert sum(imported.value.values()) == rows, imported.value
    return [
        Figure(
            benchmark="file export: a whole book",
            size=f"{lines:,} lines",
            value=exported.wall_seconds,
            unit="s",
            reference=plain.wall_seconds,
            against="the ledger's rows by DuckDB COPY as they are",
            target=Target("<=", TIMES_COPY * plain.wall_seconds),
        ),
        Figure(
            benchmark="file export: a whole book",
            size=f"{lines:,} lines",
            value=exported.wall_seconds,
            unit="s",
            reference=bare.wall_seconds,
            against="the finished rows by DuckDB COPY",
        ),
        Figure(
            benchmark="file export: peak memory",
            size=f"{lines:,} lines",
            value=exported.peak_bytes / MEGABYTE,
            unit="MB",
            target=MEMORY_TARGET,
        ),
        Figure(
            benchmark="file import",
            size=f"{rows:,} rows",
            value=rows / imported.wall_seconds,
            unit="rows/s",
            target=IMPORT_TARGET,
        ),
        Figure(
            benchmark="file import: peak memory",
            size=f"{rows:,} rows",
            value=imported.peak_bytes / MEGABYTE,
            unit="MB",
            target=MEMORY_TARGET,
        ),
    ]


def write_shipments(path: Path, rows: int) -> None:
    """A file that ships orders of the first channel, both lines of each in one package."""
    empty = dict.fromkeys(ShipmentColumn, "")
    numbers = range(0, rows // LINES_PER_ORDER * len(CHANNELS), len(CHANNELS))
    with path.open("wb") as file:
        file.write(csv_bytes([list(ShipmentColumn)]))
        for number in numbers:
            told = {
                **empty,
                ShipmentColumn.ID: order_id(number),
                ShipmentColumn.PACKAGE_ID: "1",
                ShipmentColumn.TRACKING_NUMBER: f"T{number:09d}",
                ShipmentColumn.CARRIER_CODE: "UPS",
                ShipmentColumn.ITEM_QUANTITY_SHIPPED: "2",
            }
            lines = [{**told, ShipmentColumn.ITEM_ORIGINAL_ID: f"L{line}"} for line in (1, 2)]
            file.write(csv_bytes([list(line.values()) for line in lines]))


def export_everything(home: str) -> Generator[object, None, None]:
    """Task: open the installation; export every channel once."""
    with installed(Path(home)) as installation:
        with installation.ledger.read() as transaction:
            jobs = [each.job for each in file_jobs.all_jobs(transaction)]
        yield None
        results = [export_channel(installation, job) for job in jobs]
        assert {each.outcome for each in results} == {"done"}, results
        yield sum(file.rows for each in results for file in each.files)


def copy_rows(folder: str) -> Generator[object, None, None]:
    """Task: read the exported files into a table; write that table to one CSV file."""
    duck = duckdb.connect()
    duck.execute(f"CREATE TABLE rows AS FROM read_csv('{folder}/*.csv', all_varchar = true)")
    yield None
    duck.execute(f"COPY rows TO '{folder}/copied.csv' (HEADER)")
    yield None


def copy_ledger(ledger: str, folder: str) -> Generator[object, None, None]:
    """Task: read each order with its facts and its sealed parties from the ledger; write them to one CSV file."""
    # DuckDB takes the batches from threads of its own, one at a time.
    source = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, check_same_thread=False)
    source.create_function("unpacked", 1, unpack_text)
    duck = duckdb.connect()
    yield None
    names = ["id", "revision", "position", "status", "facts", "sealed"]
    rows = source.execute(
        "SELECT id, revision, position, status, unpacked(facts), sealed FROM orders LEFT JOIN parties ON order_id = id "
        "ORDER BY channel, marketplace_change"
    )
    first = _batch(names, rows.fetchmany(ROWS_PER_BATCH))
    duck.register("copied", pa.RecordBatchReader.from_batches(first.schema, _batches(names, first, rows)))
    duck.execute(f"COPY copied TO '{folder}/ledger.csv'")
    yield None


def _batches(names: Sequence[str], first: pa.RecordBatch, rows: sqlite3.Cursor) -> Iterator[pa.RecordBatch]:
    yield first
    while found := rows.fetchmany(ROWS_PER_BATCH):
        yield _batch(names, found).cast(first.schema)


def _batch(names: Sequence[str], rows: Sequence[tuple[object, ...]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(column) for column in zip(*rows, strict=True)], names=list(names))


def import_file(home: str, path: str) -> Generator[object, None, None]:
    """Task: open the installation; import a file into the first channel."""
    with installed(Path(home)) as installation:
        yield None
        record = import_local(installation, CHANNELS[0], Path(path))
        yield {"applied": record.applied, "known": record.known, "refused": record.refused}
