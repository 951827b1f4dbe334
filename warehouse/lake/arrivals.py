"""Rows of the ledger on their way into DuckDB: as an Arrow table, or as JSON when there are few.

Loading Arrow costs 80 MB and a fifth of a second, which a tick without orders goes without. Which rows go, and where, is in
`publishing`.
"""

from __future__ import annotations

import base64
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa
from duckdb import DuckDBPyRelation

from warehouse.lake.attachment import quoted
from warehouse.lake.definitions import statement
from warehouse.ledger.base.schema import Instant

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa
    from duckdb import DuckDBPyConnection

FEW = 100
"""Rows up to which JSON is as fast as Arrow."""

AT_A_TIME = 500
"""Rows that are JSON beside what Arrow makes of them."""


def plain(columns: tuple[Any, ...]) -> list[Any]:
    """The columns as DuckDB reads them best: times and JSON as text instead of as Python objects."""
    return [
        sa.cast(column, sa.Text).label(column.name) if isinstance(column.type, (Instant, sa.JSON)) else column
        for column in columns
    ]


def arrow_table(columns: Sequence[sa.ColumnElement[Any]], rows: Sequence[Sequence[Any]]) -> pa.Table:
    """Rows of texts, numbers and flags, at least one, as a table of Arrow; bytes become their hexadecimal digits.

    Arrow reads them as JSON, because making an array of Python values loads pandas.
    """
    import pyarrow as pa  # noqa: PLC0415 - large
    from pyarrow import json  # noqa: PLC0415 - large

    types = {_Kind.NUMBER: pa.int64(), _Kind.FLAG: pa.bool_(), _Kind.TEXT: pa.string()}
    schema = pa.schema([(str(each.name), types[_kind(each)]) for each in columns])
    parsing = json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error")
    tables = []
    for start in range(0, len(rows), AT_A_TIME):
        text = b"\n".join(_as_json(columns, rows[start : start + AT_A_TIME]))
        reading = json.ReadOptions(use_threads=False, block_size=len(text) + 1)
        tables.append(json.read_json(pa.BufferReader(text), read_options=reading, parse_options=parsing))
    return pa.concat_tables(tables)


def arrived_rows(
    duck: DuckDBPyConnection, columns: Sequence[sa.ColumnElement[Any]], rows: Sequence[Sequence[Any]]
) -> pa.Table | DuckDBPyRelation:
    """The same for rows that may be few."""
    if len(rows) > FEW:
        return arrow_table(columns, rows)
    types = orjson.dumps([{str(each.name): _kind(each) for each in columns}]).decode()
    # no parameter: DuckDB would load pandas, to see whether it is a value of that
    text = base64.b64encode(b"[" + b",".join(_as_json(columns, rows)) + b"]").decode()
    return duck.sql(f"SELECT unnest(from_json(decode(from_base64('{text}')), {quoted(types)}), recursive := true)")


class _Kind(StrEnum):
    """What DuckDB calls a column's type."""

    TEXT = "VARCHAR"
    NUMBER = "BIGINT"
    FLAG = "BOOLEAN"


def _kind(column: sa.ColumnElement[Any]) -> _Kind:
    if isinstance(column.type, sa.Boolean):
        return _Kind.FLAG
    return _Kind.NUMBER if isinstance(column.type, sa.Integer) else _Kind.TEXT


def _as_json(columns: Sequence[sa.ColumnElement[Any]], rows: Sequence[Sequence[Any]]) -> Iterator[bytes]:
    names = [str(each.name) for each in columns]
    for row in rows:
        yield orjson.dumps(dict(zip(names, row, strict=True)), default=bytes.hex)


def insert(duck: DuckDBPyConnection, name: str, arrived: pa.Table | DuckDBPyRelation, into: str | None = None) -> int:
    """Insert the rows that arrived; how many rows that made."""
    row = scan(duck, f"INSERT INTO {into or name} BY NAME {statement('conversions', name)}", arrived).fetchone()
    return int(row[0]) if row else 0


def scan(duck: DuckDBPyConnection, sql: str, arrived: pa.Table | DuckDBPyRelation) -> DuckDBPyConnection:
    """Run a statement that reads FROM arrived, once.

    DuckDB finds the rows by the argument's name. Neither `register` nor a temporary table would do: what they hold
    is let go of at the end of the transaction, and a rebuild is one transaction (4 GB for a million orders). It takes a table
    as a stream, because for a table itself it loads pandas.
    """
    if not isinstance(arrived, DuckDBPyRelation):
        arrived = arrived.__arrow_c_stream__()
    return duck.execute(sql)
