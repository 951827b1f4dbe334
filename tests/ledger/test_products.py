"""Products: a file is loaded once and for all, every bad row is named, and lines find their product."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from warehouse.ledger.base.database import PRODUCTS, mark
from warehouse.ledger.base.schema import channels, connections, products
from warehouse.ledger.book import orders as book
from warehouse.ledger.book.arrivals import arrive
from warehouse.ledger.book.products import ProductFileError, link, load, orders_with_products
from warehouse.order_lines import Line
from warehouse.order_states import FulfilledBy, Status
from warehouse.orders import Order
from warehouse.privacy import open_key_ring

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
EAN, OTHER_EAN, UPC = "4006381333931", "9780201379624", "036000291452"


@pytest.fixture
def stocked(any_ledger):
    """A ledger with the channels `shop_fr` and `shop_de` of one connection."""
    owner = {"code": "amazon", "kind": "amazon", "label": "A", "settings": {}, "credentials": {}, "state": {}}
    channel = {
        "label": "L",
        "marketplace": "M",
        "connection": "amazon",
        "retrieval": True,
        "confirmation": True,
        "acceptance": "off",
        "settings": {},
        "created_at": NOW,
        "updated_at": NOW,
    }
    with any_ledger.write() as connection:
        connection.execute(sa.insert(connections), [{**owner, "created_at": NOW, "updated_at": NOW}])
        connection.execute(sa.insert(channels), [{**channel, "code": code} for code in ("shop_fr", "shop_de")])
    return any_ledger


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    file = folder / "products.csv"
    file.write_text(text, encoding=encoding)
    return file


def known(ledger, channel: str = "shop_fr") -> list[tuple[str | None, ...]]:
    columns = (products.c.sku, products.c.gtin, products.c.title, products.c.url)
    with ledger.read() as connection:
        query = sa.select(*columns).where(products.c.channel == channel).order_by(products.c.sku)
        return [tuple(row) for row in connection.execute(query)]


def order(number: int, *lines: Line, channel: str = "shop_fr") -> Order:
    return Order(
        original_id=f"O{number}",
        channel=channel,
        marketplace="M",
        status=Status.WAITING_FOR_SHIPMENT,
        marketplace_status="NEW",
        fulfilled_by=FulfilledBy.MERCHANT,
        purchased_at=NOW,
        marketplace_updated_at=NOW,
        lines=lines,
    )


def line(number: int = 1, **changes) -> Line:
    return Line(original_id=f"L{number}", number=number, **changes)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_csv_is_read_whatever_separates_its_cells(stocked, tmp_path, delimiter, encoding):
    text = f'SKU,gtin,title,url\n007,{UPC},"Cup, 20 cl",https://x\n008,,,\n'
    loaded = load(
        stocked,
        "shop_fr",
        written(tmp_path, text.replace(",", delimiter).replace("Cup" + delimiter, "Cup,"), encoding),
        NOW,
    )
    assert (loaded.new, loaded.changed, loaded.unchanged, loaded.refused) == (2, 0, 0, ())
    assert known(stocked) == [("007", UPC, "Cup, 20 cl", "https://x"), ("008", None, None, None)]


def test_parquet_is_told_by_its_content(stocked, tmp_path):
    file = tmp_path / "catalogue"
    pq.write_table(pa.table({"sku": ["007", None], "gtin": [UPC, EAN], "weight": [1.5, None]}), file)
    loaded = load(stocked, "shop_fr", file, NOW)
    assert (loaded.new, loaded.unknown_columns) == (1, ("weight",))
    assert [(remark.row, remark.code) for remark in loaded.refused] == [(2, "missing_sku")]
    assert known(stocked) == [("007", UPC, None, None)]


def test_loading_again_changes_nothing_and_does_not_wake_the_lake(stocked, tmp_path):
    file = written(tmp_path, f"sku,gtin\nA,{EAN}\n")
    load(stocked, "shop_fr", file, NOW)
    with stocked.read() as connection:
        before = mark(connection, PRODUCTS)
    again = load(stocked, "shop_fr", file, NOW)
    assert (again.new, again.changed, again.unchanged) == (0, 0, 1)
    assert (again.skus_touched, again.gtins_touched) == (frozenset(), frozenset())
    with stocked.read() as connection:
        assert mark(connection, PRODUCTS) == before > 0


def test_a_missing_column_keeps_and_an_empty_cell_empties(stocked, tmp_path):
    load(stocked, "shop_fr", written(tmp_path, f"sku,gtin,title,url\nA,{EAN},Cup,https://x\n"), NOW)
    changed = load(stocked, "shop_fr", written(tmp_path, f"sku,gtin,title\nA,{OTHER_EAN},\n"), NOW)
    assert known(stocked) == [("A", OTHER_EAN, None, "https://x")]
    assert (changed.changed, changed.skus_touched) == (1, {"A"})
    assert changed.gtins_touched == {EAN, OTHER_EAN}


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (f",{EAN},t,u", "missing_sku"),
        ("A\x96B,,t,u", "invalid_sku"),
        (f"{'A' * 201},,t,u", "invalid_sku"),
        ("A,,t", "wrong_number_of_cells"),
        ("A,,t,u,v", "wrong_number_of_cells"),
    ],
)
def test_a_bad_row_is_named_and_the_others_are_loaded(stocked, tmp_path, row, code):
    loaded = load(stocked, "shop_fr", written(tmp_path, f"sku,gtin,title,url\nB,,,\n{row}\nC,,,\n"), NOW)
    assert [(remark.row, remark.code) for remark in loaded.refused] == [(2, code)]
    assert [sku for sku, *_ in known(stocked)] == ["B", "C"]


@pytest.mark.parametrize("gtin", ["4006381333932", "12345", "40063813339३१"])
def test_a_gtin_with_a_wrong_check_digit_is_taken_and_flagged(stocked, tmp_path, gtin):
    loaded = load(stocked, "shop_fr", written(tmp_path, f"sku,gtin\nA,{gtin}\n"), NOW)
    assert [(remark.row, remark.code, remark.sku) for remark in loaded.flagged] == [(1, "invalid_gtin", "A")]
    assert (loaded.refused, known(stocked)) == ((), [("A", gtin, None, None)])


def test_invisible_characters_in_a_sku_are_no_other_sku(stocked, tmp_path):
    load(stocked, "shop_fr", written(tmp_path, f"sku,gtin\n\u200bLAMP\u00ad-1\u2060,{EAN}\n"), NOW)
    assert known(stocked) == [("LAMP-1", EAN, None, None)]


def test_of_two_rows_with_one_sku_the_last_good_one_counts(stocked, tmp_path):
    text = "sku,gtin,title\nA,,first\nA,,second\nA,,third,bad\n"
    loaded = load(stocked, "shop_fr", written(tmp_path, text), NOW)
    assert known(stocked) == [("A", None, "second", None)]
    assert [(remark.row, remark.code, remark.sku) for remark in loaded.flagged] == [(1, "duplicate_sku", "A")]
    assert [(remark.row, remark.code) for remark in loaded.refused] == [(3, "wrong_number_of_cells")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "sku among them"),
        (b"A,4006381333931\n", "sku among them"),
        (b"sku,title,title\nA,x,y\n", "named twice"),
        (b"sku\n\xff\xfe\n", "cannot be read"),
        (b'sku\n"A\n', "cannot be read"),
        (b"PAR1 but not really", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_loads_nothing(stocked, tmp_path, content, reason):
    file = tmp_path / "products"
    file.write_bytes(content)
    with pytest.raises(ProductFileError, match=reason):
        load(stocked, "shop_fr", file, NOW)
    assert known(stocked) == []


def test_an_unknown_channel_is_refused(stocked, tmp_path):
    with pytest.raises(ProductFileError, match="no channel 'shop_it'"):
        load(stocked, "shop_it", written(tmp_path, "sku\nA\n"), NOW)


def test_lines_are_linked_by_sku_then_by_gtin_within_their_channel(stocked, tmp_path):
    text = f"sku,gtin,url\nA,{EAN},https://a\nB,{OTHER_EAN},\nC,{OTHER_EAN},https://c\nD,,https://d\n"
    load(stocked, "shop_fr", written(tmp_path, text), NOW)
    given = [
        order(
            1,
            line(1, sku="A"),
            line(2, sku="A", gtin=UPC, product_url="https://marketplace"),
            line(3, sku="unknown", gtin=OTHER_EAN, product_url="https://marketplace"),
            line(4, sku="D"),
            line(5, sku="unknown", gtin=UPC),
            line(6),
        ),
        order(2, line(1, sku="A"), channel="shop_de"),
    ]
    with stocked.read() as connection:
        first, second = link(connection, given)
    assert [(each.gtin, each.product_url) for each in first.lines] == [
        (EAN, "https://a"),
        (UPC, "https://a"),
        (OTHER_EAN, "https://marketplace"),
        (None, "https://d"),
        (UPC, None),
        (None, None),
    ]
    assert second == given[1]


def test_the_orders_a_load_concerns_are_found(stocked, any_settings):
    found = [
        order(1, line(1, sku="A"), line(2, sku="A")),
        order(2, line(1, sku="Z", gtin=EAN)),
        order(3, line(1, sku="B")),
        order(4, line(1, sku="A"), channel="shop_de"),
    ]
    with stocked.write() as connection:
        book.lock_book(connection)
        arrivals = [arrive(each, 1, NOW, is_historical=False) for each in found]
        book.settle(connection, open_key_ring(any_settings), arrivals, NOW)
    with stocked.read() as connection:
        assert orders_with_products(connection, "shop_fr", {"A"}, {EAN}) == [("amazon", "O1"), ("amazon", "O2")]
        assert orders_with_products(connection, "shop_fr", (), ()) == []
