"""Rows of the ledger on their way into DuckDB: as an Arrow table, or as JSON when there are few.

Loading Arrow costs 80 MB and a fifth of a second, which a tick without orders goes without. Which rows go, and where, is in
`publishing`.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa

from warehouse.lake.attachment import quoted
from warehouse.lake.definitions import statement
from warehouse.ledger.base.schema import Instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

FEW = 100
"""Rows up to which JSON is as fast as Arrow."""


def plain(columns: tuple[Any, ...]) -> list[Any]:
    """The columns as DuckDB reads them best: times and JSON as text instead of as Python objects."""
    return [
        sa.cast(column, sa.Text).label(column.name) if isinstance(column.type, (Instant, sa.JSON)) else column
        for column in columns
    ]


def arrow_table(names: tuple[str, ...], rows: Any) -> pa.Table:  # noqa: ANN401 - SQLAlchemy's rows, which zip like tuples
    """Rows as one table of Arrow."""
    import pyarrow as pa  # noqa: PLC0415 - large

    values = zip(*rows, strict=True) if rows else ((),) * len(names)
    return pa.table({name: pa.array(column) for name, column in zip(names, values, strict=True)})


def with_text(table: pa.Table, name: str, texts: Sequence[str]) -> pa.Table:
    """The table with these texts in the place of a column's bytes."""
    import pyarrow as pa  # noqa: PLC0415 - large

    return table.set_column(table.schema.get_field_index(name), name, pa.array(texts, pa.string()))


def arrived_rows(
    duck: DuckDBPyConnection, columns: Sequence[sa.ColumnElement[Any]], rows: Sequence[sa.Row[Any]]
) -> pa.Table | DuckDBPyRelation:
    """Rows of texts, numbers and flags as DuckDB reads them."""
    names = tuple(str(each.name) for each in columns)
    if len(rows) > FEW:
        return arrow_table(names, rows)
    types = json.dumps([{name: _json_type(column) for name, column in zip(names, columns, strict=True)}])
    # no parameter: DuckDB would load pandas, to see whether it is a value of that
    text = base64.b64encode(orjson.dumps([dict(zip(names, row, strict=True)) for row in rows])).decode()
    return duck.sql(f"SELECT unnest(from_json(decode(from_base64('{text}')), {quoted(types)}), recursive := true)")


def _json_type(column: sa.ColumnElement[Any]) -> str:
    if isinstance(column.type, sa.Boolean):
        return "BOOLEAN"
    return "BIGINT" if isinstance(column.type, sa.Integer) else "VARCHAR"


def insert(duck: DuckDBPyConnection, name: str, arrived: pa.Table | DuckDBPyRelation, into: str | None = None) -> int:
    """Insert the rows that arrived; how many rows that made."""
    row = scan(duck, f"INSERT INTO {into or name} BY NAME {statement('conversions', name)}", arrived).fetchone()
    return int(row[0]) if row else 0


def scan(duck: DuckDBPyConnection, sql: str, arrived: pa.Table | DuckDBPyRelation) -> DuckDBPyConnection:  # noqa: ARG001 - see below
    """Run a statement that reads FROM arrived.

    DuckDB finds the Arrow table by the argument's name. Neither `register` nor a temporary table would do: what they hold
    is let go of at the end of the transaction, and a rebuild is one transaction (4 GB for a million orders).
    """
    return duck.execute(sql)
