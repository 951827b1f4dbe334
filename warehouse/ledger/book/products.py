"""The merchant's catalogue: loading it from a file, and linking order lines to it by SKU, then by GTIN.

A missing product never blocks an order. Writing the linked orders is in `warehouse.ledger.book.orders`; reading orders again
after a load is in `orders_pipeline.stages.normalise`, for which `orders_with_products` names the orders.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from msgspec.structs import replace

from warehouse.check_digits import is_gtin
from warehouse.identifiers import MAX_LENGTH, cleaned, has_unseen
from warehouse.ledger.base.database import PRODUCTS, mark, next_values, upsert
from warehouse.ledger.base.schema import channels, order_lines, orders, products

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy.engine import Connection as Transaction

    from warehouse.ledger.base.database import Ledger
    from warehouse.order_lines import Line
    from warehouse.orders import Order

Value = TypeVar("Value")

COLUMNS = ("sku", "gtin", "title", "url")
IDENTIFIERS = frozenset({"sku", "gtin"})
"""Columns that are cleaned as what marketplaces send is, so that both meet."""

ROWS_PER_TRANSACTION = 2_000
VALUES_PER_QUERY = 10_000
DELIMITERS = (",", ";", "\t", "|")
PARQUET_MAGIC = b"PAR1"


class ProductFileError(Exception):
    """The file as a whole cannot be read; nothing was loaded."""


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about one row of the file.

    Attributes:
        row: Row number, from 1, the header not counted.
        code: `missing_sku`, `invalid_sku` or `wrong_number_of_cells` for a refused row; `invalid_gtin` for one that was taken
            as it is; `duplicate_sku` for one that a later one with the same SKU overrules.
        sku: The row's SKU, if it has one.
        message: Plain sentence.
    """

    row: int
    code: str
    sku: str | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedProducts:
    """What became of a file: numbers of products, and what the order lines of these SKUs and GTINs must learn."""

    new: int
    changed: int
    unchanged: int
    refused: tuple[Remark, ...]
    flagged: tuple[Remark, ...]
    unknown_columns: tuple[str, ...]
    skus_touched: frozenset[str]
    gtins_touched: frozenset[str]


@dataclass(slots=True)
class _File:
    """A file as it is read: its known columns, the last good row of each SKU, and remarks about the others."""

    columns: tuple[str, ...]
    unknown: tuple[str, ...]
    rows: dict[str, tuple[int, dict[str, str | None]]]
    refused: list[Remark]
    flagged: list[Remark]


def load(ledger: Ledger, channel: str, file: Path, now: datetime) -> LoadedProducts:
    """Load a CSV (UTF-8, with a header) or Parquet file into the catalogue of a channel; again, it changes nothing.

    Columns are `sku` (required), `gtin`, `title` and `url`, all text. A column that the file lacks keeps what is known;
    an empty cell empties it. Committed in pieces: a load that was cut off is simply run again.

    Args:
        ledger: Written in short transactions.
        channel: Code of an existing channel.
        file: The file; Parquet is told by its content, not by its name.
        now: When the products change.

    Raises:
        ProductFileError: There is no such channel, no header with `sku`, or no readable file.
    """
    with ledger.read() as transaction:
        if transaction.execute(sa.select(channels.c.code).where(channels.c.code == channel)).scalar() is None:
            raise ProductFileError(f"there is no channel {channel!r}")
    read = _read(file)
    counts = {"new": 0, "changed": 0, "unchanged": 0}
    skus: set[str] = set()
    gtins: set[str] = set()
    for chunk in _chunks(list(read.rows.items()), ROWS_PER_TRANSACTION):
        given = {sku: cells for sku, (_, cells) in chunk}
        with ledger.write() as transaction:
            known = _known(transaction, channel, list(given))
            writes = []
            for sku, cells in given.items():
                before = known.get(sku)
                row = {**(before or dict.fromkeys(COLUMNS)), **cells}
                if before == row:
                    counts["unchanged"] += 1
                    continue
                counts["changed" if before else "new"] += 1
                writes.append({**row, "channel": channel, "updated_at": now})
                skus.add(sku)
                gtins |= {gtin for gtin in (row["gtin"], before and before["gtin"]) if gtin}
            if writes:
                transaction.execute(upsert(transaction, products, ("channel", "sku")), writes)
                next_values(transaction, PRODUCTS, 1)
    return LoadedProducts(
        **counts,
        refused=tuple(read.refused),
        flagged=tuple(read.flagged),
        unknown_columns=read.unknown,
        skus_touched=frozenset(skus),
        gtins_touched=frozenset(gtins),
    )


def link(transaction: Transaction, unlinked: Sequence[Order]) -> list[Order]:
    """The same orders with what the catalogue knows of their lines.

    A line's product is the one of its channel with its SKU, else the one with its GTIN (of several, the first by SKU).
    Its GTIN fills a line that has none; its URL, if it has one, becomes the line's.
    """
    if not mark(transaction, PRODUCTS):  # no catalogue was ever loaded
        return list(unlinked)
    codes = sorted({order.channel for order in unlinked})
    lines = [(order.channel, line) for order in unlinked for line in order.lines]
    by_sku = _found(transaction, codes, products.c.sku, {line.sku for _, line in lines})
    rest = {line.gtin for channel, line in lines if (channel, line.sku) not in by_sku}
    by_gtin = _found(transaction, codes, products.c.gtin, rest)

    def linked(channel: str, line: Line) -> Line:
        product = by_sku.get((channel, line.sku)) or by_gtin.get((channel, line.gtin))
        if product is None:
            return line
        gtin, url = line.gtin or product["gtin"], product["url"] or line.product_url
        return line if (gtin, url) == (line.gtin, line.product_url) else replace(line, gtin=gtin, product_url=url)

    return [replace(order, lines=tuple(linked(order.channel, line) for line in order.lines)) for order in unlinked]


def orders_with_products(
    transaction: Transaction, channel: str, skus: Iterable[str], gtins: Iterable[str]
) -> list[tuple[str, str]]:
    """(connection code, marketplace order id) of the channel's orders with a line of one of these SKUs or GTINs."""
    found: set[tuple[str, str]] = set()
    for column, values in ((order_lines.c.sku, skus), (order_lines.c.gtin, gtins)):
        for chunk in _chunks(sorted(values), VALUES_PER_QUERY):
            query = (
                sa.select(channels.c.connection, orders.c.original_id)
                .join_from(order_lines, orders, orders.c.id == order_lines.c.order_id)
                .join(channels, channels.c.code == order_lines.c.channel)
                .where(order_lines.c.channel == channel, column.in_(chunk))
                .distinct()
            )
            found |= {(owner, original_id) for owner, original_id in transaction.execute(query)}
    return sorted(found)


def _chunks(values: Sequence[Value], size: int) -> Iterator[Sequence[Value]]:
    return (values[start : start + size] for start in range(0, len(values), size))


def _known(transaction: Transaction, channel: str, skus: Sequence[str]) -> dict[str, dict[str, str | None]]:
    columns = [products.c[name] for name in COLUMNS]
    query = sa.select(*columns).where(products.c.channel == channel, products.c.sku.in_(skus))
    return {row["sku"]: dict(row) for row in transaction.execute(query).mappings()}


def _found(
    transaction: Transaction, codes: Sequence[str], column: sa.Column[Any], wanted: set[str | None]
) -> dict[tuple[str, str | None], Mapping[str, Any]]:
    found: dict[tuple[str, str | None], Mapping[str, Any]] = {}
    for chunk in _chunks(sorted(value for value in wanted if value), VALUES_PER_QUERY):
        query = (
            sa.select(products).where(products.c.channel.in_(codes), column.in_(chunk)).order_by(products.c.sku.desc())
        )
        found |= {(row["channel"], row[column.name]): row for row in transaction.execute(query).mappings()}
    return found


def _read(file: Path) -> _File:
    from pyarrow import ArrowException  # noqa: PLC0415 - large, and only files of a catalogue need it

    try:
        with file.open("rb") as probe:
            is_parquet = probe.read(len(PARQUET_MAGIC)) == PARQUET_MAGIC
        rows: Iterator[Sequence[str | None]] = _parquet_rows(file) if is_parquet else _csv_rows(file)
        names = [str(name or "").strip().lower() for name in next(rows, [])]
        if "sku" not in names:
            raise ProductFileError(f"{file.name}: the first row must name the columns, sku among them")
        columns = tuple(name for name in names if name in COLUMNS)
        if len(set(columns)) < len(columns):
            raise ProductFileError(f"{file.name}: a column is named twice")
        unknown = tuple(name for name in names if name not in COLUMNS)
        read = _File(columns, unknown, {}, [], [])
        for number, row in enumerate(rows, 1):
            _take(read, names, number, row)
    except (OSError, UnicodeDecodeError, csv.Error, ArrowException) as error:
        raise ProductFileError(f"{file.name} cannot be read: {error}") from error
    return read


def _take(read: _File, names: Sequence[str], number: int, row: Sequence[str | None]) -> None:
    if not any(row):
        return
    if len(row) != len(names):
        message = f"{len(row)} cells instead of {len(names)}"
        read.refused.append(Remark(number, "wrong_number_of_cells", None, message))
        return
    cells = {
        name: (cleaned(value or "") if name in IDENTIFIERS else (value or "").strip()) or None
        for name, value in zip(names, row, strict=True)
        if name in read.columns
    }
    sku, gtin = cells["sku"], cells.get("gtin")
    if sku is None:
        read.refused.append(Remark(number, "missing_sku", None, "the row has no SKU"))
    elif has_unseen(sku) or len(sku) > MAX_LENGTH["original_id"]:
        message = f"the SKU holds control characters, or more than {MAX_LENGTH['original_id']} characters"
        read.refused.append(Remark(number, "invalid_sku", None, message))
    else:
        if gtin is not None and not is_gtin(gtin):
            message = (
                f"{gtin!r} is not a GTIN of 8, 12, 13 or 14 digits with a right check digit; it was taken as it is"
            )
            read.flagged.append(Remark(number, "invalid_gtin", sku, message))
        if sku in read.rows:
            overruled = read.rows.pop(sku)[0]
            read.flagged.append(Remark(overruled, "duplicate_sku", sku, f"row {number} has the same SKU and counts"))
        read.rows[sku] = (number, cells)


def _csv_rows(file: Path) -> Iterator[list[str]]:
    with file.open(encoding="utf-8-sig", newline="") as text:
        header = text.readline()
        text.seek(0)
        delimiter = max(DELIMITERS, key=header.count)
        yield from csv.reader(text, delimiter=delimiter, strict=True)


def _parquet_rows(file: Path) -> Iterator[list[str | None]]:
    import pyarrow as pa  # noqa: PLC0415 - as above
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    with pq.ParquetFile(file) as parquet:
        yield list(parquet.schema_arrow.names)
        for batch in parquet.iter_batches(batch_size=ROWS_PER_TRANSACTION):
            columns = [batch.column(index).cast(pa.string()).to_pylist() for index in range(batch.num_columns)]
            yield from (list(row) for row in zip(*columns, strict=True))
