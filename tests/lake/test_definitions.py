"""The dictionary: every table, view and column says what it is, and the files and the lists agree."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files

import pytest

from warehouse.lake import definitions, order_tables
from warehouse.lake.lake import open_lake
from warehouse.lake.publishing import publish

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def dictionary():
    return definitions.dictionary()


def test_everything_has_a_comment(dictionary):
    assert [entry for entry in dictionary if not entry.comment.strip()] == []


def test_types_and_columns_are_what_duckdb_makes_of_the_definitions(lake, dictionary):
    made = {
        name: [tuple(row[:2]) for row in lake.duck.execute(f"DESCRIBE {name}").fetchall()]
        for name in (*definitions.TABLES, *definitions.VIEWS, definitions.DICTIONARY)
    }
    told: dict[str, list[tuple[str, str]]] = {name: [] for name in made}
    for entry in dictionary:
        if entry.column:
            (kind,) = lake.duck.execute(f"SELECT typeof(NULL::{entry.type})").fetchone()
            told[entry.table].append((entry.column, kind))
    assert told == made


def test_views_say_of_each_column_what_it_is_made_of(dictionary):
    known = {f"{entry.table}.{entry.column}" for entry in dictionary}
    of_views = [entry for entry in dictionary if entry.table in definitions.VIEWS and entry.column]
    assert [entry.column for entry in of_views if not entry.sources] == []
    assert {source for entry in of_views for source in entry.sources} <= known


@pytest.mark.parametrize(("folder", "names"), [("tables", definitions.TABLES), ("views", definitions.VIEWS)])
def test_every_file_is_listed(folder, names):
    stems = {file.name.removesuffix(".sql") for file in (files("warehouse.lake") / folder).iterdir()}
    assert stems == set(names) - set(order_tables.TABLE_COMMENTS)


def test_no_column_is_named_like_personal_data(dictionary):
    personal = {"name", "email", "phone", "company", "line_1", "postal_code", "city", "state", "customer"}
    assert {entry.column for entry in dictionary if entry.table != "published"} & personal == set()


def test_comments_are_in_the_lake_for_other_tools(any_lake):
    missing = (
        "SELECT table_name, column_name FROM duckdb_columns() JOIN duckdb_tables() USING (database_name, table_name) "
        "WHERE database_name = 'lake' AND duckdb_columns.comment IS NULL"
    )
    assert any_lake.duck.sql(missing).fetchall() == []
    assert any_lake.duck.sql("SELECT count(*) FROM duckdb_views() WHERE comment IS NOT NULL").fetchall() == [
        (len(definitions.VIEWS) + 1,)
    ]


def test_the_dictionary_tells_every_column_of_every_table_and_view_in_the_lake_itself(any_lake, dictionary):
    untold = (
        "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = 'lake' AND NOT EXISTS "
        "(SELECT 1 FROM dictionary WHERE relation = table_name AND dictionary.column_name = duckdb_columns.column_name "
        "AND meaning <> '' AND type <> '') AND table_name <> 'dictionary'"
    )
    assert any_lake.duck.sql(untold).fetchall() == []
    [(comment,)] = any_lake.duck.sql(
        "SELECT meaning FROM dictionary WHERE relation = 'orders_to_ship' AND column_name = 'currency'"
    ).fetchall()
    assert comment == next(e.comment for e in dictionary if (e.table, e.column) == ("orders", "currency"))


def test_opening_again_defines_nothing_again(settings):
    with open_lake(settings) as first:
        before = first.duck.sql("SELECT max(snapshot_id) FROM lake.snapshots()").fetchall()
    with open_lake(settings) as again:
        assert again.duck.sql("SELECT max(snapshot_id) FROM lake.snapshots()").fetchall() == before


def test_a_new_release_adds_its_columns_and_views(settings):
    with open_lake(settings) as old:
        old.duck.execute("DROP VIEW revenue_by_day")
        old.duck.execute("ALTER TABLE orders DROP COLUMN programs")
        old.duck.execute("UPDATE published SET content_hash = 'of an older release' WHERE name = 'definitions'")
    with open_lake(settings) as new:
        assert new.duck.sql("SELECT programs FROM orders").fetchall() == []
        assert new.duck.sql("FROM revenue_by_day").fetchall() == []


def test_a_new_release_widens_columns_and_keeps_what_is_in_them(shop, settings):
    shop.settle(shop.order(1))
    with open_lake(settings) as old:
        publish(shop.ledger, old, NOON)
        old.duck.execute("ALTER TABLE orders DROP COLUMN revision")
        old.duck.execute("ALTER TABLE orders ADD COLUMN revision INTEGER")
        old.duck.execute("UPDATE orders SET revision = 7")
        old.duck.execute("ALTER TABLE order_lines DROP COLUMN taxes")
        old.duck.execute("ALTER TABLE order_lines ADD COLUMN taxes STRUCT(code VARCHAR)[]")
        old.duck.execute("UPDATE order_lines SET taxes = [{'code': 'VAT'}]")
        old.duck.execute("UPDATE published SET content_hash = 'of an older release' WHERE name = 'definitions'")
    with open_lake(settings) as new:
        assert new.duck.sql("SELECT revision, typeof(revision) FROM orders").fetchall() == [(7, "BIGINT")]
        taxes = new.duck.sql("SELECT DISTINCT taxes FROM order_lines").fetchall()
        assert taxes == [([{"code": "VAT", "amount": None, "rate": None}],)]
