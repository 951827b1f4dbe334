"""Rows as records: a NamedTuple names the columns that are read, and a row becomes one at the cost of a tuple."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from warehouse.ledger.base.prepared import Prepared

if TYPE_CHECKING:
    import sqlalchemy as sa
    from sqlalchemy.engine import Connection as Transaction

Json = Mapping[str, Any]
"""A JSON object, as a column holds one: a payload, settings, details."""

Record = TypeVar("Record", bound=NamedTuple)


def columns_of(record: type[Record], *tables: sa.FromClause) -> list[sa.ColumnElement[Any]]:
    """The column for each member of a record, from the first of the tables that has it."""
    return [next(each.c[name] for each in tables if name in each.c) for name in record._fields]


def read_rows(
    transaction: Transaction,
    record: type[Record],
    query: sa.Select[Any] | Prepared,
    values: Mapping[str, object] | None = None,
) -> list[Record]:
    """What a query finds that selects the members of a record in their order."""
    if isinstance(query, Prepared):
        return [record._make(row) for row in query.rows(transaction, values or {})]
    return [record._make(row) for row in transaction.execute(query, values).all()]
