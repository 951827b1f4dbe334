"""What `orders sql` answers, and that it reads no file, writes nothing and reaches no ledger."""

from __future__ import annotations

from datetime import UTC, datetime

import duckdb
import pytest

import warehouse
from tests.conftest import TEST_KEYS
from tests.lake.conftest import Shop
from warehouse.lake.lake import open_lake
from warehouse.lake.publishing import publish
from warehouse.lake.queries import QueryRefused, ask
from warehouse.ledger.base.database import open_ledger
from warehouse.privacy import open_key_ring
from warehouse.settings import Settings

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Settings:
    """An installation with an order in its tables, shared by the tests that only ask."""
    settings = Settings(_env_file=None, home=tmp_path_factory.mktemp("published"), keys=TEST_KEYS)
    ledger = open_ledger(settings)
    shop = Shop(ledger, open_key_ring(settings))
    shop.settle(shop.order(0))
    with open_lake(settings) as lake:
        publish(ledger, lake, NOW)
    ledger.close()
    return settings


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM orders",
        "FROM orders_to_ship",
        "SELECT o.id FROM lake.orders o JOIN lake.main.order_lines l ON l.order_id = o.id",
        "WITH late AS (FROM late_orders) SELECT count(*) FROM late",
        "SELECT max(snapshot_id) FROM lake.snapshots()",
        "SELECT unnest([1, 2]), (SELECT count(*) FROM range(3))",
        "DESCRIBE orders",
        "SHOW TABLES",
        "SUMMARIZE order_lines",
        "SELECT table_name FROM information_schema.tables",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 3) SELECT sum(n) FROM t",
    ],
)
def test_a_select_over_the_tables_is_answered(published, query):
    with warehouse.connect(published) as duck:
        assert ask(duck, query) is not None


REFUSED = [
    "SELECT * FROM sqlite_scan('{ledger}', 'orders')",
    "SELECT * FROM (SELECT 1) x, LATERAL (SELECT * FROM sqlite_scan('{ledger}', 'orders')) y",
    "SELECT (SELECT count(*) FROM sqlite_query('{ledger}', 'select 1'))",
    "FROM orders WHERE id IN (SELECT id FROM sqlite_scan('{ledger}', 'orders'))",
    "ATTACH '{ledger}' AS ledger (TYPE sqlite)",
    "SELECT * FROM postgres_query('lake', 'select 1')",
    "SELECT * FROM postgres_scan('host=127.0.0.1', 'public', 'orders')",
    "SELECT * FROM read_text('{secret}')",
    "SELECT * FROM read_blob('{secret}')",
    "SELECT * FROM read_csv('{secret}')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM '{secret}'",
    "FROM '{secret}'",
    "SELECT * FROM (WITH \"{secret}\" AS (SELECT 1) SELECT 1) a, '{secret}'",
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('orders')",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM ducklake_list_files('lake', 'orders')",
    "SELECT * FROM __ducklake_metadata_lake.ducklake_data_file",
    "SELECT current_setting('temp_directory')",
    "SELECT getenv('ORDERS_KEYS')",
    "COPY orders TO '{target}'",
    "COPY (SELECT 1) TO '{target}'",
    "EXPORT DATABASE '{target}'",
    "CREATE TABLE memory.main.x AS SELECT 1",
    "INSERT INTO orders SELECT * FROM orders",
    "DELETE FROM orders",
    "SET enable_external_access = true",
    "INSTALL httpfs",
    "LOAD sqlite",
    "PRAGMA database_list",
    "CALL ducklake_expire_snapshots('lake')",
    "SELECT 1; SELECT 2",
    "EXPLAIN ANALYZE COPY orders TO '{target}'",
    "PREPARE x AS COPY orders TO '{target}'",
    "",
]


@pytest.mark.parametrize("query", REFUSED)
def test_everything_else_is_refused_and_nothing_is_read_or_written(published, tmp_path, query):
    secret = tmp_path / "secret.csv"
    secret.write_text("word\nopen sesame\n")
    target = tmp_path / "target"
    ledger = published.home / "ledger.sqlite"
    assert ledger.exists()
    with warehouse.connect(published) as duck, pytest.raises((QueryRefused, duckdb.ParserException)) as told:
        ask(duck, query.format(ledger=ledger, secret=secret, target=target))
    assert "sesame" not in str(told.value)
    assert not target.exists()


def test_a_role_that_sees_the_catalog_alone_reads_the_tables_and_no_ledger(any_shop, any_settings, any_lake):
    if not any_settings.is_postgresql:
        pytest.skip("SQLite has no roles: the rights of the file count")
    any_shop.settle(any_shop.order(0))
    publish(any_shop.ledger, any_lake, NOW)
    with any_shop.ledger.engine.begin() as connection:
        connection.exec_driver_sql("DROP ROLE IF EXISTS lake_reader")
        for text in (
            "CREATE ROLE lake_reader LOGIN",
            "GRANT USAGE ON SCHEMA lake TO lake_reader",
            "GRANT SELECT ON ALL TABLES IN SCHEMA lake TO lake_reader",
        ):
            connection.exec_driver_sql(text)
    url = any_shop.ledger.engine.url.set(drivername="postgresql", username="lake_reader")
    reader = any_settings.model_copy(update={"lake_reader_url": url.render_as_string(hide_password=False)})
    try:
        with warehouse.connect(reader) as duck:
            assert ask(duck, "SELECT count(*) FROM orders").fetchall() == [(1,)]
            with pytest.raises(duckdb.Error, match="permission denied"):
                duck.execute("SELECT * FROM postgres_query('__ducklake_metadata_lake', 'SELECT * FROM public.orders')")
    finally:
        with any_shop.ledger.engine.begin() as connection:
            connection.exec_driver_sql("DROP OWNED BY lake_reader")
            connection.exec_driver_sql("DROP ROLE lake_reader")
