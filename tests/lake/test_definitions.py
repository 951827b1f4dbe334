"""The dictionary: every table, view and column says what it is, and the files and the lists agree."""

from __future__ import annotations

from importlib.resources import files

import pytest

from warehouse.lake import definitions
from warehouse.lake.lake import open_lake


@pytest.fixture(scope="module")
def dictionary():
    return definitions.dictionary()


def test_everything_has_a_comment(dictionary):
    assert [entry for entry in dictionary if not entry.comment.strip()] == []


def test_views_comment_no_column_that_they_do_not_have(dictionary):
    for name in definitions.VIEWS:
        columns = {entry.column for entry in dictionary if entry.table == name and entry.column}
        assert {
            column for column, _ in definitions._VIEW_COLUMN.findall(definitions.statement("views", name))
        } == columns


@pytest.mark.parametrize(("folder", "names"), [("tables", definitions.TABLES), ("views", definitions.VIEWS)])
def test_every_file_is_listed(folder, names):
    stems = {file.name.removesuffix(".sql") for file in (files("warehouse.lake") / folder).iterdir()}
    assert stems == set(names)


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
        (len(definitions.VIEWS),)
    ]


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
