"""Which queries of a stranger's the order tables answer: one SELECT over the tables and views, and nothing else.

DuckDB's own switches are no boundary for this: with external access off and the configuration locked, 1.5.5 still opens any
SQLite file with `sqlite_scan` and `ATTACH`, and `COPY … TO` writes. So the query is parsed, and every table and table
function in it must be one of those listed here. A Python program that calls `warehouse.connect()` is not held back.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import duckdb

from warehouse.lake.attachment import CATALOG
from warehouse.lake.definitions import DICTIONARY, TABLES, VIEWS
from warehouse.lake.outages import LakeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from duckdb import DuckDBPyConnection, DuckDBPyRelation

TABLE_FUNCTIONS = frozenset({"generate_series", "range", "repeat", "repeat_row", "snapshots", "summary", "unnest"})
"""Those that make rows of their arguments or of the lake's own history."""

FORBIDDEN_FUNCTIONS = frozenset({"current_setting", "currval", "getenv", "getvariable", "nextval"})
"""Scalar functions that tell of the process, or change something."""

SCHEMAS = frozenset({"", "main", "information_schema"})
PLAIN_NAME = re.compile(r"\w+")
"""A name that DuckDB cannot take for a file's."""


class QueryRefused(LakeError):
    """The query is not one SELECT over the order tables; the message says what stands in it."""


def ask(duck: DuckDBPyConnection, query: str) -> DuckDBPyRelation:
    """Run one SELECT over the order tables.

    Raises:
        QueryRefused: It is something else, or names what is no order table.
        duckdb.Error: The query is wrong.
    """
    check(query)
    return duck.sql(query)


def check(query: str) -> None:
    """See that a query is one SELECT over the order tables.

    Raises:
        QueryRefused: It is something else, or names what is no order table.
        duckdb.ParserException: It is no SQL.

    >>> check("WITH late AS (FROM late_orders) SELECT count(*) FROM late, range(3)")
    """
    with duckdb.connect() as blank:
        if len(blank.extract_statements(query)) != 1:
            raise QueryRefused("one statement at a time")
        row = blank.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchone()
    tree = json.loads(row[0]) if row else {}
    if tree.get("error", True):
        raise QueryRefused(
            "only SELECT: the order tables are read-only, and nothing is attached, installed, set or written elsewhere"
        )
    nodes = list(_nodes(tree))
    known = {*TABLES, *VIEWS, DICTIONARY, *_common_tables(nodes)}
    for node in nodes:
        _check_node(node, known)


def _nodes(part: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - a parsed query
    if isinstance(part, dict):
        yield part
        for each in part.values():
            yield from _nodes(each)
    elif isinstance(part, list):
        for each in part:
            yield from _nodes(each)


def _common_tables(nodes: list[dict[str, Any]]) -> Iterator[str]:
    """The names that the query gives to parts of its own (WITH)."""
    for node in nodes:
        given = [each.get("key") for each in node["cte_map"].get("map", ())] if "cte_map" in node else []
        for name in (*given, node.get("cte_name")):
            if name is None:
                continue
            if PLAIN_NAME.fullmatch(name) is None:
                raise QueryRefused(f"{name!r}: a name after WITH may hold letters, digits and _ only")
            yield name.lower()


def _check_node(node: dict[str, Any], known: set[str]) -> None:
    match node.get("type"):
        case "BASE_TABLE":
            _check_table(node, known)
        case "TABLE_FUNCTION":
            name = str((node.get("function") or {}).get("function_name", "")).lower()
            if name not in TABLE_FUNCTIONS:
                raise QueryRefused(f"{name}() is not available: only the order tables are read")
        case _:
            if str(node.get("function_name", "")).lower() in FORBIDDEN_FUNCTIONS:
                raise QueryRefused(f"{node['function_name']}() is not available")


def _check_table(node: dict[str, Any], known: set[str]) -> None:
    catalog, schema, table = (
        str(node.get(name) or "").lower() for name in ("catalog_name", "schema_name", "table_name")
    )
    if not catalog and schema == CATALOG:  # lake.orders is read as schema and table
        schema = ""
    is_ours = catalog in {"", CATALOG} and schema in SCHEMAS and (table in known or schema == "information_schema")
    if not is_ours:
        name = ".".join(part for part in (catalog, schema, table) if part)
        raise QueryRefused(f"{name!r} is no order table: `orders tables list` names them")
