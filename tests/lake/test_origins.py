"""Whether the ledger has anything to publish is told without the lake; whatever an analyst could miss counts as news."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from warehouse.lake.origins import PULLS_WAIT, RECENT, is_published
from warehouse.lake.publishing import LakeAheadError, publish, rebuild
from warehouse.ledger.base.database import POSITION, PRODUCTS, RAW_SEQ, next_values, set_mark
from warehouse.ledger.base.schema import acknowledgements, consumers
from warehouse.ledger.watch import incidents

NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
NEXT_TICK = NOW + timedelta(minutes=5)


def is_known(shop, at=NEXT_TICK) -> bool:
    with shop.ledger.read() as transaction:
        return is_published(transaction, at)


def test_a_ledger_that_was_never_published_is_news(any_shop) -> None:
    assert not is_known(any_shop)


def test_what_was_published_is_known_for_half_an_hour(any_shop, any_lake) -> None:
    any_shop.add_channel()
    any_shop.settle(any_shop.order(1))
    assert not is_known(any_shop)
    publish(any_shop.ledger, any_lake, NOW)
    assert is_known(any_shop)
    assert not is_known(any_shop, NOW + PULLS_WAIT)
    assert not is_known(any_shop, NOW - timedelta(minutes=1)), "a clock that was set back knows nothing"


@pytest.mark.parametrize("name", [POSITION, RAW_SEQ, PRODUCTS])
def test_a_new_order_payload_or_product_is_news(any_shop, any_lake, name) -> None:
    publish(any_shop.ledger, any_lake, NOW)
    with any_shop.ledger.write() as transaction:
        next_values(transaction, name, 1)
    assert not is_known(any_shop)


def test_a_row_that_changed_is_news_also_when_it_was_committed_late(any_shop, any_lake) -> None:
    order = any_shop.order(1)
    any_shop.settle(order)
    publish(any_shop.ledger, any_lake, NOW)
    assert is_known(any_shop)
    row = {"order_id": order.id, "consumer": "erp", "revision": 1, "outcome": "ok", "at": NOW - timedelta(minutes=50)}
    with any_shop.ledger.write() as transaction:
        transaction.execute(sa.insert(consumers), [{"name": "erp", "position": 0, "created_at": NOW}])
        transaction.execute(sa.insert(acknowledgements), [row])
    assert not is_known(any_shop)


def test_an_incident_is_news_when_it_opens_and_when_it_ends(any_shop, any_lake) -> None:
    told = incidents.IncidentReport(scope="channel", subject="a", stage="pull", code="throttled", message="slow down")
    moment = NOW
    for change in (
        incidents.report,
        lambda transaction, _, now: incidents.resolve(transaction, "channel", ["a"], ["pull"], now),
    ):
        publish(any_shop.ledger, any_lake, moment)
        moment += timedelta(minutes=20)
        assert is_known(any_shop, moment)
        with any_shop.ledger.write() as transaction:
            change(transaction, told, moment)
        assert not is_known(any_shop, moment)
        publish(any_shop.ledger, any_lake, moment)
        moment += timedelta(hours=2)


def test_every_table_that_says_when_it_changed_is_asked(shop, lake) -> None:
    """A condition that its table cannot answer would fail here, and no tick would notice before it has such rows."""
    publish(shop.ledger, lake, NOW)
    with shop.ledger.read() as transaction:
        for recent in RECENT:
            for column in recent.changed_at:
                assert transaction.execute(sa.select(sa.func.count()).where(column > NOW)).scalar_one() == 0
    assert is_known(shop)


def test_a_publish_that_fails_is_not_remembered(any_shop, any_lake) -> None:
    any_shop.settle(any_shop.order(1), any_shop.order(2))
    publish(any_shop.ledger, any_lake, NOW)
    with any_shop.ledger.write() as transaction:
        set_mark(transaction, POSITION, 1)
    with pytest.raises(LakeAheadError):
        publish(any_shop.ledger, any_lake, NEXT_TICK)
    assert not is_known(any_shop)
    rebuild(any_shop.ledger, any_lake, NEXT_TICK)
    assert is_known(any_shop)
