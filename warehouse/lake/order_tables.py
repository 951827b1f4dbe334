"""The tables `orders` and `order_lines`: their columns, comments and conversions, read off the description of an order.

A member that is described (`warehouse.orders`) and not personal is a column here, without more being written. The other tables
are .sql files beside this module.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from warehouse.lake.attachment import quoted
from warehouse.members import Described, Kind, Leaf, described, leaves
from warehouse.order_lines import Line
from warehouse.orders import Order, OwnFacts

TABLE_COMMENTS = {
    "orders": "The current orders, one row each, as of the last publish. No personal data.",
    "order_lines": "The lines of the current orders. No personal data.",
}
FROM_COLUMNS = (
    *("id", "original_id", "channel", "marketplace", "status", "purchased_at", "marketplace_updated_at"),
    *("received_at", "confirmation_status", "has_errors", "has_cancellation_request", "is_historical", "pii_state"),
    *("revision", "position"),
)
"""What the ledger has columns for; everything else is read from the document's facts."""

TABLES_OF_THEIR_OWN = frozenset({"lines", "acknowledgements"})
OF_THE_ORDER = ("channel", "currency", "purchased_at", "received_at")
"""Columns that a line borrows from its order."""

_SQL = {
    Kind.TEXT: "VARCHAR",
    Kind.NUMBER: "BIGINT",
    Kind.FLAG: "BOOLEAN",
    Kind.MOMENT: "TIMESTAMPTZ",
    Kind.AMOUNT: "DECIMAL(24, 8)",
    Kind.JSON: "VARCHAR",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderTableColumn:
    """A column of one of these tables.

    Attributes:
        name: Of the column.
        type: In SQL.
        is_nullable: False only where the ledger itself has it for every row.
        comment: What it means.
        expression: How it is made of what arrived.
        member: What it is made of, by its path in the order's document: `payment.method`, `lines.sku`.
    """

    name: str
    type: str
    is_nullable: bool
    comment: str
    expression: str
    member: str


@cache
def columns(table: str) -> tuple[OrderTableColumn, ...]:
    """The columns of one of the tables of `TABLE_COMMENTS`."""
    return _order_columns() if table == "orders" else _line_columns()


def table_statement(table: str) -> str:
    """What creates a table, with its comments."""
    wanted = columns(table)
    body = ",\n".join(f"    {each.name} {each.type}{'' if each.is_nullable else ' NOT NULL'}" for each in wanted)
    comments = [f"COMMENT ON TABLE {table} IS {quoted(TABLE_COMMENTS[table])};"]
    comments += [f"COMMENT ON COLUMN {table}.{each.name} IS {quoted(each.comment)};" for each in wanted]
    return f"CREATE TABLE IF NOT EXISTS {table} (\n{body}\n);\n\n" + "\n".join(comments) + "\n"


def documents_statement() -> str:
    """What reads the facts once, with their structure declared: what does not fit it becomes null and stops nothing."""
    facts = {each.name: _structure(each) for each in _members() if each.name not in FROM_COLUMNS} | {
        "lines": [_record_structure(described(Line))]
    }
    structure = quoted(json.dumps(facts))
    return f"SELECT arrived.* EXCLUDE (facts), from_json('{{' || facts || '}}', {structure}) AS document FROM arrived"  # noqa: S608


def conversion_statement(table: str) -> str:
    """What makes rows of a table of what `documents_statement` gives."""
    chosen = ", ".join(f"{each.expression} AS {each.name}" for each in columns(table))
    if table == "orders":
        return f"SELECT {chosen} FROM arrived"  # noqa: S608 - our names
    borrowed = ", ".join(f"{_source(name)} AS {name}" for name in ("id", *OF_THE_ORDER))
    return f"SELECT {chosen} FROM (SELECT {borrowed}, unnest(document.lines) AS line FROM arrived) AS unnested"  # noqa: S608


def _members() -> Iterator[Described]:
    """What is a column of `orders`, or becomes several."""
    for each in (*described(Order), *described(OwnFacts)):
        if not each.about.is_personal and each.name not in TABLES_OF_THEIR_OWN:
            yield each


def _order_columns() -> tuple[OrderTableColumn, ...]:
    return tuple(
        OrderTableColumn(
            name=leaf.name,
            type=_type(leaf.member),
            is_nullable=leaf.name not in FROM_COLUMNS,
            comment=leaf.member.about.meaning,
            expression=_source(leaf.name) if leaf.name in FROM_COLUMNS else _expression(leaf, "document"),
            member=_dotted(leaf),
        )
        for leaf in leaves(tuple(_members()))
    )


def _line_columns() -> tuple[OrderTableColumn, ...]:
    of_the_order = {each.name: each for each in _order_columns()}
    own_id, *others = (
        leaf for leaf in leaves(described(Line)) if not any(each.about.is_personal for each in leaf.path)
    )
    borrowed = [
        OrderTableColumn(
            name=name,
            type=of_the_order[name].type,
            is_nullable=of_the_order[name].is_nullable,
            comment=of_the_order[name].comment,
            expression=f"unnested.{name}",
            member=of_the_order[name].member,
        )
        for name in OF_THE_ORDER
    ]
    is_gift = OrderTableColumn(
        name="is_gift",
        type="BOOLEAN",
        is_nullable=True,
        comment="Whether the line is to be packed as a gift.",
        expression="line.gift IS NOT NULL",
        member="lines.gift.wrap",
    )
    order_id = OrderTableColumn(
        name="order_id",
        type="VARCHAR",
        is_nullable=False,
        comment="The order: orders.id.",
        expression="unnested.id",
        member="id",
    )
    return (_line_column(own_id), order_id, *borrowed, *map(_line_column, others), is_gift)


def _line_column(leaf: Leaf) -> OrderTableColumn:
    return OrderTableColumn(
        name=leaf.name,
        type=_type(leaf.member),
        is_nullable=leaf.name not in {"id", "original_id", "number"},
        comment=leaf.member.about.meaning,
        expression=_expression(leaf, "line"),
        member=f"lines.{_dotted(leaf)}",
    )


def _source(name: str) -> str:
    return name if name in FROM_COLUMNS else f"document.{name}"


def _expression(leaf: Leaf, whole: str) -> str:
    value = ".".join([whole, *(f'"{each.name}"' for each in leaf.path)])
    each = leaf.member
    if each.kind is Kind.JSON:
        return f"{value}::VARCHAR"
    if each.kind is Kind.AMOUNT:
        return f"amount({value})"
    if each.kind is Kind.RECORD and any(own.kind is Kind.AMOUNT for own in each.members):
        parts = ", ".join(f"{quoted(own.name)}: {_own('item', own)}" for own in each.members)
        return f"list_transform({value}, lambda item: {{{parts}}})"
    return value


def _own(record: str, own: Described) -> str:
    value = f'{record}."{own.name}"'
    return f"amount({value})" if own.kind is Kind.AMOUNT else value


def _type(each: Described) -> str:
    if each.kind is Kind.RECORD:
        parts = ", ".join(f'"{own.name}" {_type(own)}' for own in each.members)
        return f"STRUCT({parts})[]"
    return f"{_SQL[each.kind]}{'[]' if each.is_list else ''}"


def _structure(each: Described) -> Any:  # noqa: ANN401 - JSON
    """A member as `from_json` is told it: amounts are text there."""
    of: Any = "JSON" if each.kind is Kind.JSON else "VARCHAR" if each.kind is Kind.AMOUNT else _SQL.get(each.kind)
    if each.kind is Kind.RECORD:
        of = _record_structure(each.members)
    return [of] if each.is_list else of


def _record_structure(members: Iterable[Described]) -> dict[str, Any]:
    return {each.name: _structure(each) for each in members if not each.about.is_personal}


def _dotted(leaf: Leaf) -> str:
    return ".".join(each.name for each in leaf.path)
