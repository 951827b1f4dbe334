"""Orders as Parquet, a row for each line: documents on standard input, one a line, the file on standard output.

A program of its own (`orders_api.kit.conversion`), which knows neither the ledger nor a secret. What goes wrong here is told by
the exit code alone: Arrow's messages quote what they stumble over, and that may be personal.
"""

from __future__ import annotations

import io
import sys
from datetime import datetime
from decimal import Decimal
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from orders_api.v1.export_tables import LINES, whole_columns
from warehouse.members import Described, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

Json = dict[str, Any]
AMOUNT_DIGITS, AMOUNT_PLACES = 38, 10
LARGEST_INTEGER = 2**63 - 1
ROW_GROUP = 4_000
"""Orders in one row group: small ones would make the file slow to read, large ones take memory."""


def write_parquet(documents: BinaryIO, file: BinaryIO) -> None:
    """Turn documents into a file, a row group at a time."""
    with pq.ParquetWriter(_Counting(file), _parquet_schema(), compression="zstd") as writer:
        while group := [orjson.loads(line) for line in islice(documents, ROW_GROUP)]:
            writer.write_table(_parquet_table(group))


def _parquet_table(orders: Sequence[Json]) -> Any:  # noqa: ANN401 - pyarrow has no types
    """The lines of the orders, column by column; texts become moments and amounts in Arrow, which is ten times faster."""
    pairs = [(order, line) for order in orders for line in order[LINES]]
    wholes = {"order": [order for order, _ in pairs], "line": [line for _, line in pairs]}
    columns = []
    for each in whole_columns():
        values = wholes[each.part] if each.part in wholes else [order[each.part] for order, _ in pairs]
        for part in each.leaf.path:
            values = [value and value.get(part.name) for value in values]
        columns.append(_column(values, each.leaf.member))
    return pa.Table.from_arrays(columns, schema=_parquet_schema())


def _column(values: list[Any], of: Described) -> Any:  # noqa: ANN401 - pyarrow has no types
    kind = _arrow_type(of)
    cells = [None if value is None else _plain(of, value) for value in values]
    if of.kind in _CAST and not of.is_list:
        return pa.array(cells, pa.string()).cast(kind)
    return pa.array(cells, kind)


def _plain(of: Described, value: Any) -> Any:  # noqa: ANN401 - a member's value
    """A value as Arrow takes it; within a list, amounts and moments are objects, since Arrow casts no text there."""
    match of.kind:
        case Kind.TEXT | Kind.FLAG:
            return value
        case Kind.NUMBER:
            return _number(value)
        case Kind.AMOUNT:
            return _amount(value)
        case Kind.MOMENT:
            return value
        case Kind.JSON:
            return orjson.dumps(value).decode()
        case Kind.RECORD:
            return [{own.name: _within(own, each.get(own.name)) for own in of.members} for each in value]


def _within(of: Described, value: Any) -> Any:  # noqa: ANN401 - a member's value
    cell = None if value is None else _plain(of, value)
    if cell is None or of.kind not in _CAST:
        return cell
    return Decimal(cell) if of.kind is Kind.AMOUNT else datetime.fromisoformat(cell)


_CAST = frozenset({Kind.AMOUNT, Kind.MOMENT})
"""Texts in the document that are something else in Arrow, which turns a whole column of them ten times faster."""


@cache
def _parquet_schema() -> Any:  # noqa: ANN401 - pyarrow has no types
    return pa.schema(
        [
            pa.field(each.name, _arrow_type(each.leaf.member), metadata={"comment": each.leaf.member.about.meaning})
            for each in whole_columns()
        ]
    )


def _arrow_type(of: Described) -> Any:  # noqa: ANN401 - pyarrow has no types
    match of.kind:
        case Kind.TEXT | Kind.JSON:
            kind = pa.string()
        case Kind.NUMBER:
            kind = pa.int64()
        case Kind.FLAG:
            kind = pa.bool_()
        case Kind.MOMENT:
            kind = pa.timestamp("us", tz="UTC")
        case Kind.AMOUNT:
            kind = pa.decimal128(AMOUNT_DIGITS, AMOUNT_PLACES)
        case Kind.RECORD:
            kind = pa.struct([(own.name, _arrow_type(own)) for own in of.members])
    return pa.list_(kind) if of.is_list else kind


class _Counting(io.RawIOBase):
    """A pipe that knows how much went through it, as Arrow asks."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:  # noqa: ANN401 - any buffer
        self._size += len(data)
        self._file.write(data)
        return len(data)

    def tell(self) -> int:
        return self._size


def _amount(text: str | None) -> str | None:
    """An amount that fits the column; an absurd one is left to the documents, which carry it as it came.

    >>> _amount("39.90"), _amount("1" * 40), _amount("0.00000000001")
    ('39.90', None, None)
    """
    if text is None:
        return None
    whole, _, places = text.lstrip("-").partition(".")
    return text if len(whole) <= AMOUNT_DIGITS - AMOUNT_PLACES and len(places) <= AMOUNT_PLACES else None


def _number(number: int | None) -> int | None:
    return number if number is not None and abs(number) <= LARGEST_INTEGER else None


if __name__ == "__main__":
    try:
        write_parquet(sys.stdin.buffer, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except Exception:  # noqa: BLE001 - see above: a traceback would quote it
        sys.exit(1)
