"""Rows written in bulk are the rows that SQLAlchemy would have written, down to how each value is kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from warehouse.ledger.base import schema
from warehouse.ledger.base.bulk import COPIED_FROM, add_rows, change_rows
from warehouse.ledger.base.schema import Instant, Packed, PackedText

TABLES = (schema.raw_orders, schema.orders, schema.order_versions, schema.log_entries)

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")) | st.sampled_from(
    ["\\N", "\\", "\t", "\r\n", "\\.", "'", '"', "NULL", "é\u202e", "{}", "0x00"]
)
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1)).flatmap(  # noqa: DTZ001 - the zone comes next
    lambda moment: st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]).map(
        lambda zone: moment.replace(tzinfo=zone)
    )
)
JSON = st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT, st.lists, max_leaves=5)


def values_of(column: sa.Column[Any]) -> st.SearchStrategy[Any]:
    match column.type:
        case Instant():
            found: st.SearchStrategy[Any] = MOMENTS
        case sa.Boolean():
            found = st.booleans()
        case sa.Integer():
            found = st.integers(0, 2**31 - 1)
        case sa.LargeBinary() | Packed():
            found = st.binary(max_size=40)
        case PackedText():
            found = TEXT
        case sa.JSON():
            return JSON.filter(lambda value: value is not None)
        case sa.String() as text:
            found = TEXT.map(lambda value: value[: text.length])
        case _:
            raise AssertionError(column)
    return found | st.none() if column.nullable else found


def rows_of(table: sa.Table) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Rows that differ in what must differ."""
    columns = [each for each in table.columns if each.name not in {"id", "seq", "position"}]
    row = st.fixed_dictionaries({each.name: values_of(each) for each in columns})
    return st.lists(row, max_size=COPIED_FROM + 3).map(
        lambda rows: [numbered(table, row, number) for number, row in enumerate(rows, 1)]
    )


def numbered(table: sa.Table, row: dict[str, Any], number: int) -> dict[str, Any]:
    own = {"seq": number, "position": number, "id": number if table is schema.log_entries else str(number)}
    return {name: row[name] if name in row else own[name] for name in table.columns.keys()}  # noqa: SIM118 - not a dict


def written(ledger, table: sa.Table, write) -> list[tuple[Any, ...]]:
    """What the database holds after `write`, as its driver gives it; nothing stays."""
    with ledger.engine.connect().execution_options(ledger_write=True) as transaction, transaction.begin() as whole:
        write(transaction)
        found = [tuple(row) for row in transaction.exec_driver_sql(f"SELECT * FROM {table.name} ORDER BY 1")]
        whole.rollback()
    return found


@pytest.mark.parametrize("table", TABLES, ids=lambda each: each.name)
def test_bulk_rows_are_those_that_single_statements_write(any_ledger, table) -> None:
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(rows_of(table))
    def compare(rows: list[dict[str, Any]]) -> None:
        def slowly(transaction: sa.Connection) -> None:
            if rows:
                transaction.execute(sa.insert(table), rows)

        assert written(any_ledger, table, lambda transaction: add_rows(transaction, table, rows)) == written(
            any_ledger, table, slowly
        )

    compare()


CHANGED = ("status", "source_status", "facts", "may_not_ship_reason", "revision", "position", "closed_at", "id")


def test_bulk_changes_are_those_that_single_statements_make(any_ledger) -> None:
    table = schema.orders

    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(rows_of(table), st.data())
    def compare(rows: list[dict[str, Any]], data: st.DataObject) -> None:
        news = st.fixed_dictionaries({name: values_of(table.c[name]) for name in CHANGED})
        changes = []
        for place, row in enumerate(rows, 1):
            own = data.draw(news) | {"position": len(rows) + place, "id": row["id"]}
            changes.append({name: own[name] for name in CHANGED})

        def in_bulk(transaction: sa.Connection) -> None:
            add_rows(transaction, table, rows)
            change_rows(transaction, table, changes)

        def slowly(transaction: sa.Connection) -> None:
            add_rows(transaction, table, rows)
            for each in changes:
                transaction.execute(sa.update(table).where(table.c.id == each["id"]).values(each))

        assert written(any_ledger, table, in_bulk) == written(any_ledger, table, slowly)

    compare()


@pytest.mark.parametrize("count", [1, COPIED_FROM])
def test_a_row_that_the_database_refuses_is_an_error_as_everywhere(any_ledger, count) -> None:
    version = {
        "position": 1,
        "order_id": "a",
        "revision": 1,
        "status": "SHIPPED",
        "marketplace_updated_at": datetime(2026, 1, 1, tzinfo=UTC),
        "recorded_at": datetime(2026, 1, 1, tzinfo=UTC),
        "raw_seq": 1,
        "changed": "secret",
        "facts": "secret",
    }
    rows = [version, *({**version, "position": max(1, place)} for place in range(count))]
    with pytest.raises(sa.exc.IntegrityError) as caught, any_ledger.write() as transaction:
        add_rows(transaction, schema.order_versions, rows)
    assert "secret" not in str(caught.value)
    with any_ledger.write() as transaction:
        add_rows(transaction, schema.order_versions, [version])
        assert transaction.execute(sa.select(sa.func.count()).select_from(schema.order_versions)).scalar_one() == 1
