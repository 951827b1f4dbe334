"""What an analyst sees: one call, every view, the plain DuckDB way, and a clear word when there is nothing yet."""

from __future__ import annotations

import inspect
import re
import shutil
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from importlib.resources import files

import duckdb
import pytest
import sqlalchemy as sa

import warehouse
from warehouse import analytics
from warehouse.lake import attachment
from warehouse.lake.lake import Backoff, LakeBusyError, open_lake
from warehouse.lake.outages import LakeEmptyError, LakeError
from warehouse.lake.publishing import publish
from warehouse.ledger.base.schema import products, pulls
from warehouse.order_states import Bar, FulfilledBy, Status
from warehouse.settings import Settings

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
FAR = datetime(2999, 1, 1, tzinfo=UTC)


def values(duck, query):
    return duck.sql(query).fetchall()


# DuckDB 1.5.5 makes its frames with an argument that pandas 3.1 has deprecated
@pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame.drop:pandas.errors.Pandas4Warning")
def test_one_call_gives_a_frame_or_an_arrow_table(any_shop, any_settings, any_lake):
    any_shop.settle(any_shop.order(1))
    publish(any_shop.ledger, any_lake, NOW)
    with warehouse.connect(any_settings) as duck:
        frame = duck.sql("select * from orders_to_ship").df()
        assert list(frame["original_id"]) == ["402-0000001"]
        assert duck.sql("select id, total from orders").to_arrow_table().num_rows == 1


def test_a_reader_cannot_write(shop, settings, lake):
    publish(shop.ledger, lake, NOW)
    with warehouse.connect(settings) as duck, pytest.raises(duckdb.InvalidInputException, match="read-only"):
        duck.execute("DELETE FROM orders")


def test_before_the_first_publish_the_error_says_what_to_do(any_settings):
    with pytest.raises(LakeEmptyError, match="nothing was published"):
        warehouse.connect(any_settings)


def test_an_unreachable_postgresql_is_named_without_its_password(tmp_path):
    settings = Settings(_env_file=None, home=tmp_path, database_url="postgresql://me:canary@127.0.0.1:1/orders")
    with pytest.raises(LakeError, match="ORDERS_DATABASE_URL") as raised:
        warehouse.connect(settings)
    assert "canary" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_days_are_those_of_the_tenant(tmp_path, shop, lake):
    shop.settle(shop.order(1, purchased_at=datetime(2026, 11, 1, 23, 30, tzinfo=UTC)))
    publish(shop.ledger, lake, NOW)
    days = {}
    for zone in ("UTC", "Europe/Paris"):
        with warehouse.connect(Settings(_env_file=None, home=tmp_path / "home", time_zone=zone)) as duck:
            days[zone] = values(duck, "SELECT day FROM revenue_by_day")
    assert days == {"UTC": [(date(2026, 11, 1),)], "Europe/Paris": [(date(2026, 11, 2),)]}


def test_extensions_load_without_a_home_and_without_a_network(settings, lake, shop, monkeypatch, tmp_path):
    publish(shop.ledger, lake, NOW)
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    monkeypatch.setenv("HOME", str(locked))
    with warehouse.connect(settings) as duck:
        assert values(duck, "SELECT count(*) FROM orders") == [(0,)]
        loaded = dict(values(duck, "SELECT extension_name, install_path FROM duckdb_extensions() WHERE loaded"))
    assert {"ducklake", "sqlite_scanner"} <= set(loaded)
    assert list(locked.iterdir()) == []


def test_the_files_may_move_to_another_folder(shop, settings, lake, tmp_path):
    shop.settle(shop.order(1))
    publish(shop.ledger, lake, NOW)
    lake.close()
    settings.home.rename(tmp_path / "moved")
    moved = Settings(_env_file=None, home=tmp_path / "moved")
    with warehouse.connect(moved) as duck:
        assert values(duck, "SELECT count(*) FROM orders") == [(1,)]


def test_the_documented_sqlite_statements_work_in_any_duckdb(shop, settings, lake):
    shop.settle(shop.order(1))
    publish(shop.ledger, lake, NOW)
    with plain_duckdb("sqlite_scanner") as duck:
        duck.execute(documented("sqlite").replace("data/lake/catalog.sqlite", str(attachment.catalog_file(settings))))
        assert values(duck, "SELECT original_id FROM orders_to_ship") == [("402-0000001",)]
        assert values(duck, "SELECT count(*) FROM lake.order_flow") == [(1,)]


def test_the_documented_postgresql_statements_work_in_any_duckdb(postgresql_url, tmp_path, monkeypatch):
    url = sa.make_url(postgresql_url)
    with open_lake(Settings(_env_file=None, home=tmp_path, database_url=postgresql_url)):
        pass
    for name, value in {"HOST": url.host, "PORT": url.port, "DATABASE": url.database, "USER": url.username}.items():
        monkeypatch.setenv(f"PG{name}", str(value))
    with plain_duckdb("postgres_scanner") as duck:
        duck.execute(documented("postgres"))
        assert values(duck, "SELECT count(*) FROM orders_to_ship") == [(0,)]


def documented(catalog: str) -> str:
    """The statements of the module's text for one catalog, but for INSTALL, which needs the network."""
    blocks = re.findall(r"    INSTALL ducklake;(.*?)USE lake;", inspect.getdoc(analytics) or "", re.DOTALL)
    (block,) = [each for each in blocks if f"ducklake:{catalog}:" in each]
    return re.sub(r"INSTALL \w+;", "", block) + "USE lake;"


def plain_duckdb(scanner: str) -> duckdb.DuckDBPyConnection:
    duck = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    for name in ("ducklake", scanner):
        file = files(f"duckdb_extension_{name}") / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        duck.execute(f"LOAD '{file}'")
    return duck


@pytest.mark.slow
def test_writers_that_are_always_too_late_give_up_and_say_so(shop, settings, lake):
    pauses: list[float] = []

    def work(duck):
        duck.execute("UPDATE published SET through = through + 1 WHERE name = 'orders'")
        with open_lake(settings) as other:
            other.duck.execute("UPDATE published SET through = through + 1 WHERE name = 'pulls'")

    with (
        open_lake(settings, Backoff(pause=pauses.append, chance=lambda: 1.0)) as late,
        pytest.raises(LakeBusyError, match="other writers were first 10 times"),
    ):
        late.transaction(work)
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.0, 3.0, 3.0, 3.0]


def test_a_writer_that_was_too_late_once_starts_again_from_the_new_mark(any_shop, any_settings, any_lake):
    any_shop.settle(*(any_shop.order(number) for number in range(20)))
    tries = []

    def publish_after_the_other(duck):
        tries.append(values(duck, "SELECT through FROM published WHERE name = 'orders'"))
        duck.execute("UPDATE published SET through = through + 1 WHERE name = 'orders'")
        if len(tries) == 1:
            publish(any_shop.ledger, any_lake, NOW)

    with open_lake(any_settings, Backoff(pause=lambda _seconds: None)) as late:
        late.transaction(publish_after_the_other)
    assert tries == [[(0,)], [(20,)]]


def ship(shop, number, **changes):
    return shop.order(number, **{"ship_by": FAR, **changes})


def test_orders_to_ship_are_the_merchants_open_ones_late_first(shop, lake):
    shop.settle(
        ship(shop, 1),
        ship(shop, 2, ship_by=NOW - timedelta(days=300)),
        ship(shop, 3, status=Status.PARTIALLY_SHIPPED, lines=(shop.line(1, quantity_shipped=2), shop.line(2))),
        ship(shop, 4, status=Status.SHIPPED),
        ship(shop, 5, fulfilled_by=FulfilledBy.MARKETPLACE),
        ship(shop, 6, ship_by=None, lines=(shop.line(1, quantity_ordered=None),)),
    )
    publish(shop.ledger, lake, NOW)
    assert values(lake.duck, "SELECT original_id, is_late, lines_to_ship, units_to_ship FROM orders_to_ship") == [
        ("402-0000002", True, 2, 4),
        ("402-0000001", False, 2, 4),
        ("402-0000003", False, 1, 2),
        ("402-0000006", False, 1, None),
    ]
    assert values(lake.duck, "SELECT original_id, hours_late > 0 FROM late_orders") == [("402-0000002", True)]


def test_order_flow_counts_what_became_of_each_days_orders(shop, lake):
    shop.settle(ship(shop, 1), ship(shop, 2, status=Status.SHIPPED), ship(shop, 3, status=Status.CANCELED), now=NOW)
    shop.settle(ship(shop, 4, status=Status.PENDING), now=NOW + timedelta(days=1))
    publish(shop.ledger, lake, NOW)
    assert values(lake.duck, "SELECT * EXCLUDE (median_lag_seconds) FROM order_flow") == [
        ("amazon_fr", date(2026, 11, 3), 1, 0, 0, 0, 1),
        ("amazon_fr", date(2026, 11, 2), 3, 1, 1, 1, 0),
    ]
    lag = (NOW - ship(shop, 2).marketplace_updated_at).total_seconds()
    assert values(lake.duck, "SELECT median_lag_seconds FROM order_flow WHERE received = 3") == [(lag,)]


def test_revenue_leaves_out_cancelled_orders_and_counts_those_without_a_total(shop, lake):
    shop.settle(ship(shop, 1), ship(shop, 2, total=None), ship(shop, 3, status=Status.CANCELED))
    publish(shop.ledger, lake, NOW)
    assert values(lake.duck, "FROM revenue_by_day") == [
        (date(2026, 11, 1), "amazon_fr", "EUR", 2, 1, Decimal("44.90"), Decimal(10), Decimal("14.96"))
    ]


def test_lines_find_their_product_by_sku_then_by_gtin(shop, lake):
    rows = [
        {"channel": "amazon_fr", "sku": "SKU-1", "gtin": None, "title": "by sku", "url": "https://s"},
        {"channel": "amazon_fr", "sku": "B", "gtin": "4006381333931", "title": "by gtin", "url": None},
        {"channel": "amazon_fr", "sku": "C", "gtin": "4006381333931", "title": "same gtin", "url": None},
        {"channel": "amazon_de", "sku": "SKU-9", "gtin": "96385074", "title": "other channel", "url": None},
    ]
    with shop.ledger.write() as connection:
        connection.execute(sa.insert(products), [{**row, "updated_at": NOW} for row in rows])
        connection.exec_driver_sql("UPDATE marks SET value = value + 1 WHERE name = 'products'")
    shop.settle(shop.order(1, lines=(shop.line(1), shop.line(2), shop.line(9, gtin="96385074"))))
    publish(shop.ledger, lake, NOW)
    assert values(
        lake.duck, "SELECT number, matched_by, product_title FROM order_lines_with_products ORDER BY number"
    ) == [(1, "sku", "by sku"), (2, "gtin", "by gtin"), (9, None, None)]
    assert values(lake.duck, "SELECT sku, gtin, lines, units_ordered FROM unmatched_lines") == [
        ("SKU-9", "96385074", 1, 2)
    ]


def test_pull_coverage_shows_where_nothing_was_read(shop, lake):
    def window(start, end, outcome="complete", **changes):
        return {
            "connection": "amazon",
            "kind": "tick",
            "channels": [],
            "since": NOW + timedelta(minutes=start),
            "until": NOW + timedelta(minutes=end),
            "started_at": NOW,
            "finished_at": NOW + timedelta(minutes=end),
            "outcome": outcome,
            "pages": 1,
            "orders_seen": 0,
            "orders_new": 0,
            "orders_skipped": 0,
            "error_code": None,
            "missing_data": [],
            **changes,
        }

    windows = [
        window(0, 10),
        window(5, 15),
        window(20, 30),
        window(15, 20, "failed", error_code="throttled"),
        window(-60, 60, kind="sweep"),
    ]
    with shop.ledger.write() as connection:
        connection.execute(sa.insert(pulls), windows)
    publish(shop.ledger, lake, NOW)
    gap = {"since": NOW + timedelta(minutes=15), "until": NOW + timedelta(minutes=20)}
    assert values(
        lake.duck,
        "SELECT covered_since, covered_until, gap_count, gaps, last_outcome, last_error_code FROM pull_coverage",
    ) == [(NOW, NOW + timedelta(minutes=30), 1, [gap], "complete", "throttled")]


def test_what_may_not_ship_is_not_in_the_queue(shop, lake):
    refunded = shop.line(1, quantity_refunded=2)
    shop.settle(
        shop.order(1, lines=(refunded, shop.line(2, quantity_ordered=3, quantity_refunded=1))),
        shop.order(2, bar=Bar.NOT_SHIPPABLE),
        shop.order(3, lines=(refunded,)),
        shop.order(4, lines=(shop.line(1, bar=Bar.INCIDENT_OPEN), shop.line(2, quantity_cancelled=2))),
        shop.order(5, lines=()),
    )
    publish(shop.ledger, lake, NOW)
    assert values(lake.duck, "SELECT original_id, lines_to_ship, units_to_ship FROM orders_to_ship ORDER BY 1") == [
        ("402-0000001", 1, 2),
        ("402-0000005", 0, None),
    ]
    assert values(lake.duck, "SELECT original_id, may_not_ship_reason FROM orders WHERE NOT may_ship ORDER BY 1") == [
        ("402-0000002", "not_shippable"),
        ("402-0000003", "no_line_may_ship"),
        ("402-0000004", "no_line_may_ship"),
    ]


def test_cancelled_and_refunded_units_are_no_revenue(shop, lake):
    """Each line states 39.90 for its two units, the order 44.90 with shipping."""
    gross = shop.line(1, quantity_cancelled=1, quantity_priced=2)
    gone = shop.line(2, quantity_cancelled=2, quantity_priced=2)
    back = shop.line(1, quantity_shipped=2, quantity_refunded=2, refunded_total=Decimal("39.90"))
    days = [datetime(2026, 10, day, 12, tzinfo=UTC) for day in (1, 2, 3, 4)]
    shop.settle(
        shop.order(1, purchased_at=days[0], lines=(gross,)),
        shop.order(2, purchased_at=days[1], lines=(back,)),
        shop.order(3, purchased_at=days[2], lines=(shop.line(1), gone)),
        shop.order(4, purchased_at=days[3], lines=(shop.line(1), gone), total=Decimal("84.80")),
    )
    publish(shop.ledger, lake, NOW)
    assert [row[0] for row in values(lake.duck, "SELECT revenue FROM revenue_by_day ORDER BY day")] == [
        Decimal("24.95"),
        Decimal("5.00"),
        Decimal("44.90"),
        Decimal("44.90"),
    ]


def plain_attach(home) -> list:
    """As an analyst does it, with nothing but the catalog's path."""
    duck = attachment._connect(Settings(_env_file=None, home=home))
    try:
        duck.execute(f"ATTACH 'ducklake:sqlite:{home}/lake/catalog.sqlite' AS lake (READ_ONLY)")
        return duck.execute("SELECT count(*) FROM lake.orders").fetchall()
    finally:
        duck.close()


def test_a_lake_that_was_moved_is_opened_by_plain_attach_once_it_was_written(shop, settings, lake, tmp_path):
    shop.settle(shop.order(0), shop.order(1))
    publish(shop.ledger, lake, NOW)
    lake.close()
    moved = Settings(_env_file=None, home=tmp_path / "elsewhere", keys=settings.keys)
    shutil.move(settings.home / "lake", moved.home / "lake")
    with warehouse.connect(moved) as duck:
        assert duck.execute("SELECT count(*) FROM orders").fetchall() == [(2,)]
    with open_lake(moved) as there:
        shop.settle(shop.order(2))
        publish(shop.ledger, there, NOW)
    assert plain_attach(moved.home) == [(3,)]


def test_a_changed_place_of_the_files_is_told_in_one_sentence(shop, settings, lake, tmp_path):
    shop.settle(shop.order(0))
    publish(shop.ledger, lake, NOW)
    changed = settings.model_copy(update={"lake_data": str(tmp_path / "new")})
    for opened in (open_lake, warehouse.connect):
        with pytest.raises(LakeError, match="set it back, and `orders move") as told:
            opened(changed)
        assert "\n" not in str(told.value)
    assert lake.duck.execute("SELECT count(*) FROM orders").fetchall() == [(1,)]
