"""What the lake is made of: reads the .sql files beside it, brings a lake up to them, and lists them as a dictionary.

No rows here. One file per table in `tables` and per view in `views`; a conversion in `conversions` turns ledger rows
(`arrived`) into rows of the table of its name. The tables of orders and lines have no files: they follow from the description
of an order (`order_tables`).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import duckdb

from warehouse.lake import order_tables
from warehouse.lake.attachment import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from duckdb import DuckDBPyConnection

TABLES = (
    "orders",
    "order_lines",
    "order_versions",
    "raw_orders",
    "pulls",
    "products",
    "acknowledgements",
    "shipments",
    "shipment_lines",
    "confirmation_attempts",
    "incidents",
    "cancellation_requests",
    "files",
    "file_rows",
    "channels",
    "retired_orders",
    "published",
)
VIEWS = (
    "orders_to_ship",
    "late_orders",
    "order_flow",
    "order_lines_with_products",
    "unmatched_lines",
    "pull_coverage",
    "revenue_by_day",
    "confirmation_latency",
)
"""In the order in which they can be created: a view may read an earlier one."""

MARKS = tuple(name for name in TABLES if name not in {"order_lines", "shipment_lines", "retired_orders", "published"})
DEFINITIONS = "definitions"
"""The row of `published` that says which definitions the lake was last brought up to."""

DICTIONARY = "dictionary"
"""The view that tells what everything is: DuckLake keeps no comments on the columns of views, so they are rows of this one."""

_VIEW_COLUMN = re.compile(r"^-- (\w+)(?: ([A-Z][^<:]*))? < ([\w., ]+?)(?:: (.+))?$", re.MULTILINE)
"""`-- column TYPE < table.column, …: comment`. Type and comment are left out where they are those of the first source."""
_TABLE_COLUMN = re.compile(r"^    (\w+) (.+?)(?: NOT NULL)?,?$", re.MULTILINE)
_COMMENT = re.compile(r"^COMMENT ON (?:TABLE|VIEW|COLUMN) ([\w.]+) IS '(.*)';$", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One entry of the dictionary. `column` is "" for the entry about the table or view itself.

    `sources`: of a view's column, those that it is made of, as `table.column`.
    """

    table: str
    kind: str
    column: str
    type: str
    comment: str
    sources: tuple[str, ...] = ()


@cache
def statement(folder: str, name: str) -> str:
    """The text of one .sql file, or what stands for it."""
    if name in order_tables.TABLE_COMMENTS:
        make = {"tables": order_tables.table_statement, "conversions": order_tables.conversion_statement}[folder]
        return make(name)
    return (files(__package__) / folder / f"{name}.sql").read_text(encoding="utf-8")


def digest() -> str:
    """Changes whenever a table's or view's definition does."""
    texts = [statement("tables", name) for name in TABLES] + [statement("views", name) for name in VIEWS]
    return hashlib.blake2b("\0".join(texts).encode(), digest_size=16).hexdigest()


def define(duck: DuckDBPyConnection) -> None:
    """Bring the attached lake up to these definitions, inside the caller's transaction.

    A column that a newer release adds is null in old rows until the lake is rebuilt.
    """
    _create_tables(duck)
    for name in VIEWS:
        duck.execute(statement("views", name))
    duck.execute(_dictionary_statement())


def stamp(duck: DuckDBPyConnection) -> None:
    """Record that the lake is at these definitions, and make missing marks, inside the caller's transaction."""
    known = {name for (name,) in duck.execute("SELECT name FROM published").fetchall()}
    if missing := [name for name in (*MARKS, DEFINITIONS) if name not in known]:
        rows = ", ".join(f"({quoted(name)}, 0)" for name in missing)
        duck.execute(f"INSERT INTO published (name, through) VALUES {rows}")  # noqa: S608 - our names
    duck.execute(
        f"UPDATE published SET content_hash = {quoted(digest())}, through = through + 1 "  # noqa: S608 - our names
        f"WHERE name = {quoted(DEFINITIONS)}"
    )


def dictionary() -> list[Column]:
    """Every table, view and column with its type and comment, tables first, in the order of the definitions."""
    return [entry for name in (*TABLES, *VIEWS, DICTIONARY) for entry in relation(name)]


@cache
def relation(name: str) -> tuple[Column, ...]:
    """A table or view, and then its columns, as its definition says."""
    if name == DICTIONARY:
        return _entries(name, _DICTIONARY_COMMENT, _DICTIONARY_COLUMNS)
    if name in VIEWS:
        return _view(name)
    text = statement("tables", name)
    comments = {about: comment.replace("''", "'") for about, comment in _COMMENT.findall(text)}
    columns = [(column, kind, comments[f"{name}.{column}"]) for column, kind in _TABLE_COLUMN.findall(text)]
    return _entries(name, comments[name], columns)


def _view(name: str) -> tuple[Column, ...]:
    text = statement("views", name)
    whole, *_ = _entries(name, dict(_COMMENT.findall(text))[name].replace("''", "'"), ())
    columns = []
    for column, kind, origin, comment in _VIEW_COLUMN.findall(text):
        sources = tuple(each.strip() for each in origin.split(","))
        table, _, first = sources[0].partition(".")
        (source,) = [each for each in relation(table) if each.column == first]
        columns.append(
            Column(
                table=name,
                kind="view",
                column=column,
                type=kind or source.type,
                comment=comment or source.comment,
                sources=sources,
            )
        )
    return (whole, *columns)


def _entries(name: str, about: str, columns: Iterable[tuple[str, str, str]]) -> tuple[Column, ...]:
    kind = "table" if name in TABLES else "view"
    whole = Column(table=name, kind=kind, column="", type="", comment=about)
    return (
        whole,
        *(Column(table=name, kind=kind, column=column, type=of, comment=text) for column, of, text in columns),
    )


_DICTIONARY_COMMENT = "What every table, view and column is: one row each."
_DICTIONARY_COLUMNS = [
    ("relation", "VARCHAR", "The table or view."),
    ("kind", "VARCHAR", "table or view."),
    ("column_name", "VARCHAR", "The column; empty in the row about the table or view itself."),
    ("type", "VARCHAR", "Type of the column."),
    ("meaning", "VARCHAR", "What it is."),
]


def _dictionary_statement() -> str:
    rows = ",\n".join(
        f"({', '.join(quoted(value) for value in (each.table, each.kind, each.column, each.type, each.comment))})"
        for each in dictionary()
    )
    names = ", ".join(name for name, _, _ in _DICTIONARY_COLUMNS)
    return (
        f"CREATE OR REPLACE VIEW {DICTIONARY} AS SELECT * FROM (VALUES {rows}) AS entries ({names});\n"  # noqa: S608
        f"COMMENT ON VIEW {DICTIONARY} IS {quoted(_DICTIONARY_COMMENT)}"
    )


def _create_tables(duck: DuckDBPyConnection) -> None:
    present: dict[str, dict[str, str]] = {}
    for table, column, kind in duck.execute(
        "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE database_name = current_database()"
    ).fetchall():
        present.setdefault(table, {})[column] = kind
    for table, column, kind in _table_columns() if present else ():
        known = present.get(table)
        if known is None or known.get(column) == kind:
            continue
        change = f"ALTER COLUMN {column} SET TYPE" if column in known else f"ADD COLUMN {column}"
        duck.execute(f"ALTER TABLE {table} {change} {kind}")
    for name in TABLES:
        duck.execute(statement("tables", name))


def _table_columns() -> list[tuple[str, str, str]]:
    with duckdb.connect() as blank:
        for name in TABLES:
            blank.execute(statement("tables", name))
        return blank.execute(
            "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal"
        ).fetchall()
