"""From the ledger to the lake: the first publish of a whole book, and publishing a thousand changed orders into it.

Measured is `warehouse.lake.publishing.publish` in a process of its own: orders with their lines, versions and raw payloads. The
reference reads the same rows of the same tables (orders, versions, payloads without their sealed bytes) and lets DuckDB
write each table to one Parquet file with COPY, as it is: without lines, conversions, marks or transactions.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from tests.benchmarks.filling import change_orders, fill_book, fill_raw, installed
from tests.benchmarks.measuring import MEGABYTE, REPEATS, Child, Figure, Target, Workshop, median
from warehouse.lake.lake import open_lake
from warehouse.lake.publishing import publish
from warehouse.ledger.base.schema import order_versions, orders, raw_orders

CHANGED_TARGET = Target("<=", 2)
MEMORY = Target("<=", 600)
ROWS_PER_BATCH = 20_000
COPIED = (orders, order_versions, raw_orders)
SEALED = frozenset({"body", "content_hash"})


def measure(workshop: Workshop) -> list[Figure]:
    """The first publish beside the bare copy, and the incremental one."""
    sizes = workshop.sizes
    home = workshop.fresh("home")
    with installed(home) as installation:
        fill_book(installation, sizes.published, workshop.say)
        fill_raw(installation, sizes.published, workshop.say)
    workshop.say(f"publishing {sizes.published:,} orders")
    with Child(workshop, publish_again, str(home)) as child:
        child.step()
        first = child.step()
        assert first.value["orders"] == sizes.published, first.value
        again = []
        stride = max(1, sizes.published // sizes.changed)
        for round_number in range(1, REPEATS + 1):
            workshop.say(f"changing {sizes.changed:,} orders and publishing them")
            numbers = range(round_number % stride, sizes.published, stride)[: sizes.changed]
            with installed(home) as installation:
                change_orders(installation, numbers, round_number)
            again.append(child.step())
            assert again[-1].value["orders"] == len(numbers), again[-1].value
    workshop.say("copying the same rows with DuckDB alone")
    with Child(workshop, copy_rows, str(home / "ledger.sqlite"), str(workshop.fresh("parquet"))) as child:
        child.step()
        bare = child.step()
    size = f"{sizes.published:,}"
    against = "DuckDB COPY of the same rows"
    return [
        Figure(
            benchmark="publish: first",
            size=size,
            value=sizes.published / first.wall_seconds,
            unit="orders/s",
            reference=sizes.published / bare.wall_seconds,
            against=against,
        ),
        Figure(
            benchmark="publish: first, peak memory",
            size=size,
            value=first.peak_bytes / MEGABYTE,
            unit="MB",
            reference=bare.peak_bytes / MEGABYTE,
            against=against,
            target=MEMORY,
        ),
        Figure(
            benchmark="publish: changed orders",
            size=f"{sizes.changed:,} into {size}",
            value=median([each.wall_seconds for each in again]),
            unit="s",
            target=CHANGED_TARGET,
        ),
    ]


def publish_again(home: str) -> Generator[object, None, None]:
    """Task: open the installation; publish, as often as asked. The lake is opened each time, as every tick does."""
    with installed(Path(home)) as installation:
        yield None
        while True:
            with open_lake(installation.settings) as lake:
                published = publish(installation.ledger, lake, installation.clock())
            yield {"orders": published.counts.get("orders", 0)}


def copy_rows(ledger: str, folder: str) -> Generator[object, None, None]:
    """Task: open both databases; copy each table to one Parquet file."""
    # DuckDB takes the batches from threads of its own, one at a time.
    source = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, check_same_thread=False)
    duck = duckdb.connect()
    yield None
    for table in COPIED:
        names = [column.name for column in table.columns if column.name not in SEALED]
        rows = source.execute(f"SELECT {', '.join(names)} FROM {table.name}")
        first = _batch(names, rows.fetchmany(ROWS_PER_BATCH))
        reader = pa.RecordBatchReader.from_batches(first.schema, _batches(names, first, rows))
        duck.register("copied", reader)
        duck.execute(f"COPY copied TO '{folder}/{table.name}.parquet'")
        duck.unregister("copied")
    yield None


def _batches(names: Sequence[str], first: pa.RecordBatch, rows: sqlite3.Cursor) -> Iterator[pa.RecordBatch]:
    yield first
    while found := rows.fetchmany(ROWS_PER_BATCH):
        yield _batch(names, found).cast(first.schema)


def _batch(names: Sequence[str], rows: Sequence[tuple[object, ...]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(column) for column in zip(*rows, strict=True)], names=list(names))
