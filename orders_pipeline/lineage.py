"""Columns and what they are made of, as Dagster shows them: from the payload's members over the order's to the tables'.

The tables' side is read off their definitions, the order's off the description of its members, and the payload's off the
description of each kind of marketplace: with which of a payload's members each member of an order changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import dagster as dg

from orders_pipeline.marketplaces.registry import KINDS
from warehouse.lake import order_tables
from warehouse.lake.definitions import relation
from warehouse.sources import plain_members

PREFIX = "order_tables"
Lineage = Mapping[str, dg.TableColumnLineage]


def key(name: str) -> dg.AssetKey:
    """The asset of a table or view of the lake."""
    return dg.AssetKey([PREFIX, name])


def column_schema(name: str) -> dg.TableSchema:
    """The columns of a table or view of the lake, with their comments."""
    return dg.TableSchema([dg.TableColumn(each.column, each.type, each.comment) for each in relation(name)[1:]])


@cache
def column_lineage(name: str) -> Lineage:
    """What each column of a table or view of the lake is made of; empty where that is not told."""
    if name in order_tables.TABLE_COMMENTS:
        made = {each.name: [(dg.AssetKey("orders"), each.member)] for each in order_tables.columns(name)}
    else:
        made = {
            each.column: [_of_relation(source) for source in each.sources] for each in relation(name) if each.sources
        }
    return _lineage({column: [dg.TableColumnDep(*source) for source in sources] for column, sources in made.items()})


def member_schema() -> dg.TableSchema:
    """The members of an order: those of its lines as `lines.sku`."""
    return dg.TableSchema([dg.TableColumn(path, each.kind.value, each.about.meaning) for path, each in plain_members()])


@cache
def member_lineage() -> Lineage:
    """What each member of an order is read from, of each marketplace that says so."""
    return _lineage(
        {
            path: [
                dg.TableColumnDep("raw_orders", f"{kind}: {read}")
                for kind, each in KINDS.items()
                for read in each.reads.get(path, ())
            ]
            for path, _ in plain_members()
        }
    )


def payload_schema() -> dg.TableSchema:
    """The payload's members that an order is read from, of each marketplace."""
    read = {f"{kind}: {path}" for kind, each in KINDS.items() for paths in each.reads.values() for path in paths}
    return dg.TableSchema([dg.TableColumn(each, "json") for each in sorted(read)])


def _of_relation(source: str) -> tuple[dg.AssetKey, str]:
    table, _, column = source.partition(".")
    return key(table), column


def _lineage(made: Mapping[str, list[dg.TableColumnDep]]) -> Lineage:
    known = {column: deps for column, deps in made.items() if deps}
    return {"dagster/column_lineage": dg.TableColumnLineage(known)} if known else {}
