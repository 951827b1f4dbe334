"""Retired orders: the lake alone has their documents, and every reader still gets what it got before."""

from __future__ import annotations

import shutil
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import orjson
import pytest
import sqlalchemy as sa

from tests.lake.conftest import NOON
from warehouse import documents
from warehouse.ids import order_id
from warehouse.lake.lake import open_lake
from warehouse.lake.outages import LakeError
from warehouse.lake.publishing import publish, published_through, rebuild
from warehouse.lake.retirement import retire
from warehouse.ledger.base.schema import order_versions, orders, raw_orders
from warehouse.ledger.book import change_feed, order_queries, retirement
from warehouse.ledger.book import raw_orders as payloads
from warehouse.ledger.book.order_filter import OrderFilter, Sort
from warehouse.ledger.book.orders_to_export import changed_orders
from warehouse.ledger.book.retention import prune
from warehouse.ledger.book.retired_orders import NO_FACTS, RetiredOrdersUnreadable
from warehouse.ledger.book.retirement import Ripeness
from warehouse.order_parts import Customer
from warehouse.order_states import Status

if TYPE_CHECKING:
    from warehouse.lake.lake import Lake

NOW = NOON + timedelta(days=100)
REDACTED = order_queries.redacted_texts(*documents.redacted_end("/v1/orders"))


def closed(shop: Any, number: int, **changes: Any) -> Any:
    return shop.order(number, status=Status.SHIPPED, **changes)


def own(number: int) -> str:
    return order_id("amazon_fr", f"402-{number:07d}")


def ripeness(lake: Lake, days: int = 60) -> Ripeness:
    return Ripeness.of(NOW - timedelta(days=days), published_through(lake))


def publish_and_prune(shop: Any, lake: Lake) -> None:
    publish(shop.ledger, lake, NOW)
    prune(shop.ledger, published_through(lake), NOW - timedelta(days=30))


def retire_all(shop: Any, lake: Lake) -> int:
    publish_and_prune(shop, lake)
    return retire(shop.ledger, lake, ripeness(lake), NOW)


def read(shop: Any, number: int) -> dict[str, Any]:
    with shop.ledger.read() as transaction:
        row = order_queries.by_id(REDACTED, transaction, own(number), None)
    assert row is not None
    found: dict[str, Any] = orjson.loads(row.text)
    return found


def facts(shop: Any) -> dict[str, str]:
    with shop.ledger.read() as transaction:
        return {row.id: row.facts for row in transaction.execute(sa.select(orders.c.id, orders.c.facts))}


@pytest.fixture
def retired(any_shop, any_lake):
    """Three orders of which the first and the third are retired; and what readers got before."""
    any_shop.add_channel()
    any_shop.settle(closed(any_shop, 1), any_shop.order(2), closed(any_shop, 3))
    before = {number: read(any_shop, number) for number in (1, 2, 3)}
    assert retire_all(any_shop, any_lake) == 2
    return before


def test_readers_get_what_they_got_and_are_told(any_shop, retired):
    kept = facts(any_shop)
    assert kept[own(1)] == kept[own(3)] == NO_FACTS != kept[own(2)]

    for number in (1, 3):
        assert read(any_shop, number) == retired[number] | {"is_retired": True}
    assert read(any_shop, 2) == retired[2]

    with any_shop.ledger.read() as transaction:
        listed = order_queries.page(REDACTED, transaction, OrderFilter(), Sort.OLDEST, None, 10).rows
        changed = change_feed.changes(order_queries.TEXTS_WITH_PARTIES, transaction, None, 0, 10)
        members = order_queries.page(order_queries.MEMBERS, transaction, OrderFilter(), Sort.OLDEST, None, 2).rows
        exported = changed_orders(transaction, "amazon_fr", [], 0, 99, NOW)
        payload = payloads.of_order(transaction, own(3))
    assert [orjson.loads(row.text)["original_id"] for row in listed] == [
        retired[each]["original_id"] for each in (1, 2, 3)
    ]
    assert [orjson.loads(documents.whole(row.text, None))["lines"] for row in changed.rows] == [
        retired[each]["lines"] for each in (1, 2, 3)
    ]
    assert [documents.document(row, None).count(b'"is_retired":true') for row in members] == [1, 0]
    assert [orjson.loads(f"{{{each.facts}}}")["lines"] for each in exported] == [
        retired[each]["lines"] for each in (1, 2, 3)
    ]
    assert payload is not None
    assert orjson.loads(payload.redacted) == {"orderId": retired[3]["original_id"]}


def test_the_ledger_lets_go_of_everything_else_of_it(any_shop, retired):
    with any_shop.ledger.read() as transaction:
        versions = transaction.execute(sa.select(order_versions.c.order_id)).scalars().all()
        raws = transaction.execute(sa.select(raw_orders.c.original_id, raw_orders.c.payload)).all()
    assert versions == []
    assert {row.original_id for row in raws if row.payload} == {"402-0000002"}


def test_a_rebuild_has_all_orders_and_keeps_the_retired(any_shop, any_lake, retired):
    def rows(name: str) -> list[tuple[Any, ...]]:
        return any_lake.duck.execute(f"SELECT * FROM {name} ORDER BY ALL").fetchall()

    before = {name: rows(name) for name in ("orders", "order_lines", "order_versions", "raw_orders", "retired_orders")}
    rebuild(any_shop.ledger, any_lake, NOW)
    assert {name: rows(name) for name in before} == before
    assert len(before["orders"]) == 3
    assert len(before["order_versions"]) == 3


def test_what_says_the_same_leaves_it_retired(any_shop, retired):
    any_shop.settle(closed(any_shop, 1), now=NOW)
    assert facts(any_shop)[own(1)] == NO_FACTS
    assert read(any_shop, 1)["revision"] == 1


def test_a_change_makes_it_whole_and_it_is_retired_again(any_shop, any_lake, retired):
    later = closed(any_shop, 1, total=Decimal("40.00"), marketplace_updated_at=NOON + timedelta(days=2))
    any_shop.settle(later, now=NOW)
    found = read(any_shop, 1)
    assert (found["total"], found["revision"]) == ("40.00", 2)
    assert "is_retired" not in found
    with any_shop.ledger.read() as transaction:
        query = sa.select(order_versions.c.changed).where(order_versions.c.order_id == own(1))
        assert orjson.loads(transaction.execute(query).scalar_one()) == ["total"]

    assert retire_all(any_shop, any_lake) == 0  # its last version is too young
    prune(any_shop.ledger, published_through(any_lake), NOW + timedelta(seconds=1))
    assert retire(any_shop.ledger, any_lake, ripeness(any_lake), NOW) == 1
    assert read(any_shop, 1) == found | {"is_retired": True}
    assert any_lake.duck.execute("SELECT count(*) FROM retired_orders").fetchone() == (2,)


def test_what_changes_while_it_is_being_retired_stays_whole(any_shop, any_lake):
    any_shop.settle(closed(any_shop, 1), closed(any_shop, 3))
    publish_and_prune(any_shop, any_lake)
    (batch,) = retirement.due(any_shop.ledger, ripeness(any_lake))
    any_shop.settle(
        closed(any_shop, 3, total=Decimal("1.00"), marketplace_updated_at=NOON + timedelta(days=2)), now=NOW
    )
    assert retirement.empty_orders(any_shop.ledger, batch) == 1
    assert facts(any_shop)[own(3)] != NO_FACTS


def test_killed_after_the_lake_has_it_it_is_written_over(any_shop, any_lake):
    any_shop.settle(closed(any_shop, 1), closed(any_shop, 3))
    publish_and_prune(any_shop, any_lake)

    def power_cut(_done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        retire(any_shop.ledger, any_lake, ripeness(any_lake), NOW, power_cut)
    with any_shop.ledger.write() as transaction:  # as if it had been cut off before the ledger let go
        whole = {number: read_text(any_lake, number) for number in (1, 3)}
        for number, text in whole.items():
            transaction.execute(sa.update(orders).where(orders.c.id == own(number)).values(facts=text))
    assert retire(any_shop.ledger, any_lake, ripeness(any_lake), NOW) == 2
    assert any_lake.duck.execute("SELECT count(*) FROM retired_orders").fetchone() == (2,)


def read_text(lake: Lake, number: int) -> str:
    row = lake.duck.execute(f"SELECT facts FROM retired_orders WHERE order_id = '{own(number)}'").fetchone()
    assert row is not None
    return str(row[0])


def test_what_may_still_change_by_itself_is_not_due(any_shop, any_lake):
    named = closed(any_shop, 3, customer=Customer(name="Zoë"))
    any_shop.settle(closed(any_shop, 1), any_shop.order(2), named, closed(any_shop, 4), closed(any_shop, 5))
    publish(any_shop.ledger, any_lake, NOW)
    with any_shop.ledger.read() as transaction:
        assert retirement.count_due(transaction, ripeness(any_lake)) == 0  # their versions are in the ledger
    publish_and_prune(any_shop, any_lake)
    with any_shop.ledger.write() as transaction:
        transaction.execute(
            sa.update(raw_orders).where(raw_orders.c.original_id == "402-0000004").values(body=b"exact")
        )
        transaction.execute(sa.update(orders).where(orders.c.id == own(5)).values(confirmation_status="in_doubt"))
    with any_shop.ledger.read() as transaction:
        assert retirement.count_due(transaction, ripeness(any_lake)) == 1
        assert retirement.count_due(transaction, ripeness(any_lake, days=101)) == 0
        assert retirement.count_due(transaction, Ripeness(NOW, 0, 0)) == 0  # nothing is published
    assert retire(any_shop.ledger, any_lake, ripeness(any_lake), NOW) == 1
    assert [own_id for own_id, text in facts(any_shop).items() if text == NO_FACTS] == [own(1)]


def test_without_its_lake_nothing_is_made_up(shop, settings, lake):
    shop.settle(closed(shop, 1), shop.order(2))
    assert retire_all(shop, lake) == 1
    read(shop, 1)
    lake.close()
    shop.ledger.close()
    shutil.rmtree(settings.home / "lake")

    with pytest.raises(RetiredOrdersUnreadable, match="cannot be read now"):
        read(shop, 1)
    assert read(shop, 2)["original_id"] == "402-0000002"
    with open_lake(settings) as other, pytest.raises(LakeError, match="1 retired orders are not in"):
        publish(shop.ledger, other, NOW)
    with pytest.raises(RetiredOrdersUnreadable, match="1 of 1 retired orders are not in"):
        read(shop, 1)
