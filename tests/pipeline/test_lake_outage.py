"""The lake's storage goes away: an incident says so, the ledger goes on, and the next publish catches up."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from orders_pipeline.lake_access import publishing
from orders_pipeline.stages import normalise, pull
from warehouse import connect
from warehouse.lake.outages import LakeError
from warehouse.lake.publishing import publish
from warehouse.ledger.base import schema


def tick(installation) -> None:
    pull.pull_all(installation)
    normalise.normalise_pending(installation)
    with publishing(installation) as lake:
        publish(installation.ledger, lake, installation.clock())


def open_codes(installation) -> list[str]:
    table = schema.incidents.c
    with installation.ledger.read() as transaction:
        return sorted(transaction.execute(sa.select(table.code).where(table.resolved_at.is_(None))).scalars())


def test_an_outage_is_an_incident_and_the_next_tick_catches_up(connected, marketplaces, clock):
    marketplaces.generate(6)
    tick(connected)
    folder = connected.settings.home / "lake"
    folder.rename(folder.with_name("away"))
    folder.write_text("a file where the folder was: nothing can be written below it")
    marketplaces.generate(4, seed=9)
    clock.advance(minutes=20)
    with pytest.raises((LakeError, OSError)):
        tick(connected)
    assert open_codes(connected) == ["lake_unreachable"]
    with connected.ledger.read() as transaction:
        held = transaction.execute(sa.select(sa.func.count()).select_from(schema.orders)).scalar_one()
    folder.unlink()
    folder.with_name("away").rename(folder)
    tick(connected)
    assert open_codes(connected) == []
    with connect(connected.settings) as lake:
        assert lake.execute("SELECT count(*) FROM orders").fetchall() == [(held,)]
