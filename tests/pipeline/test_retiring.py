"""Retired orders in the pipeline: what comes for one later is settled, and waits alone while the lake is away."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import orjson
import pytest
import sqlalchemy as sa

from orders_pipeline.marketplaces.payloads import parse
from orders_pipeline.marketplaces.protocol import RawOrder
from orders_pipeline.marketplaces.registry import MARKETPLACES
from orders_pipeline.stages import normalise
from orders_pipeline.stages.payloads import prepare_payload
from orders_pipeline.upkeep import personal_data
from orders_pipeline.upkeep.doctor import examine
from warehouse.lake.lake import open_lake
from warehouse.lake.publishing import publish, published_through
from warehouse.lake.retirement import retire
from warehouse.ledger.base.schema import order_versions, orders
from warehouse.ledger.base.schema import raw_orders as raw_table
from warehouse.ledger.book import raw_orders
from warehouse.ledger.book.quarantine_queries import quarantined
from warehouse.ledger.book.retention import prune
from warehouse.ledger.book.retired_orders import NO_FACTS, retired_among
from warehouse.ledger.book.retirement import Ripeness
from warehouse.ledger.watch.incident_queries import IncidentFilter, find_incidents

if TYPE_CHECKING:
    from orders_pipeline.installation import Installation


def newest_of(installation: Installation, channel: str):
    """The payload of a shipped order of a channel, exact, and the order's row."""
    with installation.ledger.read() as transaction:
        query = sa.select(orders).where(orders.c.status == "SHIPPED", orders.c.channel == channel)
        row = transaction.execute(query.order_by(orders.c.id).limit(1)).mappings().one()
        kept = raw_orders.of_order(transaction, row["id"])
    assert kept is not None
    return row, orjson.loads(kept.open(installation.keys))


def retire_old_orders(installation: Installation) -> int:
    """What the daily jobs come to once all orders are old."""
    now = installation.clock()
    personal_data.purge(installation)
    with open_lake(installation.settings) as lake:
        publish(installation.ledger, lake, now)
        prune(installation.ledger, published_through(lake), now + timedelta(seconds=1))
        return retire(installation.ledger, lake, Ripeness.of(now - timedelta(days=60), published_through(lake)), now)


def bring_changed(installation: Installation, row, document) -> None:
    """The marketplace tells of the order once more: a day later, with another total."""
    with installation.ledger.read() as transaction:
        kept = transaction.execute(sa.select(raw_table).where(raw_table.c.seq == row["raw_seq"])).one()
    document["order"] |= {
        "last_updated_date": (row["marketplace_updated_at"] + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "shipping_type_label": "By balloon",
    }
    body = orjson.dumps(document)
    assert parse(body)
    payload = prepare_payload(
        installation, MARKETPLACES["mirakl"], kept.connection, kept.channel, RawOrder(kept.original_id, None, body)
    )
    now = installation.clock()
    with installation.ledger.write() as transaction:
        raw_orders.keep_given(transaction, kept.connection, payload, now)


@pytest.fixture
def old(filled, clock):
    """An installation whose shipped orders are retired; the row and the exact payload of one of them."""
    row, document = newest_of(filled, "mirakl")
    clock.advance(days=100)
    assert retire_old_orders(filled) > 20
    with filled.ledger.read() as transaction:
        assert retired_among(transaction, [row["id"]]) == {row["id"]}
    return filled, row, document


def test_a_replay_reads_them_from_the_lake_and_finds_nothing_new(old):
    installation, _, _ = old
    with installation.ledger.read() as transaction:
        before = transaction.execute(
            sa.select(orders.c.id, orders.c.content_hash).where(orders.c.facts == NO_FACTS)
        ).all()
    tally = normalise.replay(installation)
    assert tally["unchanged"] == 120
    assert tally["changed"] == tally["quarantined"] == 0
    with installation.ledger.read() as transaction:
        after = transaction.execute(
            sa.select(orders.c.id, orders.c.content_hash).where(orders.c.facts == NO_FACTS)
        ).all()
    assert after == before


def test_a_later_change_is_told_with_what_changed(old):
    installation, row, document = old
    bring_changed(installation, row, document)
    assert normalise.normalise_pending(installation)["changed"] == 1
    with installation.ledger.read() as transaction:
        found = transaction.execute(sa.select(orders).where(orders.c.id == row["id"])).mappings().one()
        versions = transaction.execute(sa.select(order_versions.c.changed)).scalars().all()
    assert "By balloon" in found["facts"]
    assert [set(orjson.loads(each)) for each in versions] == [{"marketplace_data"}]


def test_while_the_lake_is_away_it_waits_and_the_others_go_on(old):
    installation, row, document = old
    away = installation.settings.home / "away"
    (installation.settings.home / "lake").rename(away)
    bring_changed(installation, row, document)
    tally = normalise.normalise_pending(installation)
    assert (tally["quarantined"], tally["changed"]) == (1, 0)
    with installation.ledger.read() as transaction:
        (waiting,) = quarantined(transaction)
        (incident,) = find_incidents(transaction, IncidentFilter(stages=("normalise",)), None, 10)
    assert waiting.code == incident.code == "retired_order_unreadable"

    away.rename(installation.settings.home / "lake")
    assert normalise.normalise_pending(installation)["changed"] == 1
    with installation.ledger.read() as transaction:
        assert not quarantined(transaction)
        assert not find_incidents(transaction, IncidentFilter(stages=("normalise",)), None, 10)


def test_the_doctor_reads_some_of_them(old, clock):
    installation, _, _ = old

    def found() -> dict[str, tuple[str, str]]:
        return {each.part: (each.verdict.value, each.seen) for each in examine(installation.settings, clock)}

    verdict, seen = found()["retired orders"]
    assert (verdict, seen.split()[1:]) == ("ok", ["were", "read", "from", "the", "order", "tables"])
    with open_lake(installation.settings) as lake:
        lake.duck.execute("DELETE FROM retired_orders WHERE order_key % 2 = 0")
    verdict, seen = found()["retired orders"]
    assert verdict == "fail"
    assert "are not in the order tables" in seen
