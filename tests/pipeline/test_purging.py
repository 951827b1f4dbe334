"""The purge in the whole pipeline: real pulls before it, replays, sweeps and publishing after it; and the job of Dagster."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from orders_pipeline.maintenance import purge_personal_data
from orders_pipeline.stages import normalise, pull, sweep
from orders_pipeline.upkeep import personal_data as purging
from warehouse import connect
from warehouse.lake.lake import open_lake
from warehouse.lake.publishing import publish
from warehouse.ledger.base.schema import orders, parties, raw_orders
from warehouse.ledger.book import personal_data
from warehouse.ledger.watch.incident_queries import find_incidents
from warehouse.order_states import CLOSED_STATUSES


def brought_in(connected, marketplaces) -> None:
    marketplaces.generate(30)
    pull.pull_all(connected)
    normalise.normalise_pending(connected)


def book(installation) -> dict[str, tuple]:
    with installation.ledger.read() as connection:
        columns = (orders.c.id, orders.c.pii_state, orders.c.revision, orders.c.content_hash, orders.c.facts)
        return {row.id: tuple(row)[1:] for row in connection.execute(sa.select(*columns))}


def test_what_was_purged_stays_so_through_replay_and_sweep(connected, marketplaces, clock):
    brought_in(connected, marketplaces)
    with connected.ledger.read() as connection:
        closed = set(connection.execute(sa.select(orders.c.id).where(orders.c.status.in_(CLOSED_STATUSES))).scalars())
    clock.advance(days=45)
    due = purging.due(connected)
    assert due.orders > 0
    gone = purging.purge(connected)
    assert gone == due
    after = book(connected)
    assert {own_id for own_id, row in after.items() if row[0] == "expired"} <= closed
    assert {row[0] for own_id, row in after.items() if own_id in closed} <= {"expired", "withheld"}

    tally = normalise.replay(connected)
    assert tally["quarantined"] == tally["changed"] == tally["new"] == 0
    assert book(connected) == after
    sweep.sweep_all(connected)
    normalise.normalise_pending(connected)
    again = book(connected)
    assert {own_id: row[0] for own_id, row in again.items() if after[own_id][0] == "expired"} == {
        own_id: "expired" for own_id, row in after.items() if row[0] == "expired"
    }
    with connected.ledger.read() as connection:
        held = set(connection.execute(sa.select(parties.c.order_id)).scalars())
    assert not held & {own_id for own_id, row in again.items() if row[0] == "expired"}


def test_the_order_tables_learn_of_it(connected, marketplaces, clock):
    brought_in(connected, marketplaces)
    with open_lake(connected.settings) as lake:
        publish(connected.ledger, lake, clock())
    clock.advance(days=45)
    gone = purging.purge(connected)
    with open_lake(connected.settings) as lake:
        publish(connected.ledger, lake, clock())
    with connect(connected.settings) as lake:
        assert lake.sql("select count(*) from orders where pii_state = 'expired'").fetchall() == [(gone.orders,)]


def test_the_job_purges(connected, marketplaces, clock, source, instance):
    brought_in(connected, marketplaces)
    clock.advance(days=45)
    done = purge_personal_data.execute_in_process(instance=instance, resources={"source": source})
    assert done.success
    assert not purging.due(connected)
    with connected.ledger.read() as connection:
        sealed = connection.execute(sa.select(sa.func.count()).where(raw_orders.c.body.is_not(None))).scalar_one()
        total = connection.execute(sa.select(sa.func.count()).select_from(raw_orders)).scalar_one()
    assert sealed < total


def test_traces_that_cannot_be_overwritten_are_an_incident_until_they_are(connected, marketplaces, clock, monkeypatch):
    brought_in(connected, marketplaces)
    clock.advance(days=45)
    monkeypatch.setattr(personal_data, "BUSY_TIMEOUT_MS", 50)
    with connected.ledger.read() as reader:  # holds an old state: the write-ahead log cannot be emptied
        reader.execute(sa.select(sa.func.count()).select_from(orders)).scalar_one()
        with pytest.raises(personal_data.TracesRemain, match="read all the time"):
            purging.purge(connected)
    with connected.ledger.read() as connection:
        assert [each.code for each in find_incidents(connection) if each.stage == "purge"] == ["traces_remain"]
    assert purging.purge(connected).orders == 0
    with connected.ledger.read() as connection:
        assert [each for each in find_incidents(connection) if each.stage == "purge"] == []
